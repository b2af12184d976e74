"""Which arithmetic stands behind the time of a kernel? Divisions with their numbers put in, terms of a fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from roofline.core.calibration import Calibration, FamilyFit
from roofline.core.chip import Chip, Engine
from roofline.core.schedule import KINDS, Kernel, Schedule
from roofline.devices.cpu import model as cpu
from roofline.devices.cpu import plans as cpu_plans
from roofline.units import format_si


@dataclass(frozen=True)
class Term:
    """A fitted parameter: ``uncertainty`` is one standard error of its logarithm.

    ``seconds`` is what the term adds (negative: saves) here; None for a rate, which cannot be left out.
    """

    name: str
    value: float
    uncertainty: float | None
    seconds: float | None


def work_of(kernel: Kernel) -> str:
    """The shape arithmetic behind the operations of a kernel."""
    if kernel.kind == KINDS[0] and kernel.flops:
        batch = f"{kernel.batch:,} x " if kernel.batch > 1 else ""
        text = f"2 x {batch}m {kernel.m:,} x n {kernel.n:,} x k {kernel.k:,}"
        exact = 2.0 * kernel.batch * kernel.m * kernel.n * kernel.k
        return text if exact == kernel.flops else f"{text}, times {kernel.flops / exact:.3g}"
    if kernel.elements and kernel.flops:
        return f"{kernel.flops / kernel.elements:.3g} for each of {kernel.elements:,} elements"
    return "none" if not kernel.flops else f"{kernel.flops:,.0f}"


def division(
    name: str, seconds: float, chip: Chip, kernel: Kernel, engine: Engine | None, rate: float, bandwidth: float | None
) -> str:
    times = f" x {kernel.repeats:,} launches" if kernel.repeats > 1 else ""
    seconds /= kernel.repeats
    if name == chip.dram.name and bandwidth:
        moved, traffic = seconds * bandwidth, kernel.reads + kernel.weights + kernel.writes
        rest = "" if moved > 0.999 * traffic else ", the rest stays on the chip"
        return f"{format_si(moved, 'B')} / {format_si(bandwidth, 'B/s')}{rest}{times}"
    if engine is not None and name == engine.name:
        return f"{format_si(kernel.flops, 'FLOP')} / {format_si(rate, 'FLOP/s')}{times}"
    if name == "host":
        return "the device waits for the host to hand it over"
    return f"one launch{times}" if name == "launch" else ""


def achieved(name: str, seconds: float, chip: Chip, kernel: Kernel) -> str:
    """What a resource of a fitted GPU does, and how fast that is: compulsory work and bytes over its seconds."""
    if name in ("launch", "host"):
        return division(name, seconds, chip, kernel, None, 0.0, None)
    seconds /= kernel.repeats
    if name == chip.dram.name:
        traffic = kernel.reads + kernel.weights + kernel.writes
        return f"{format_si(traffic, 'B')} at {format_si(traffic / seconds, 'B/s')}"
    return f"{format_si(kernel.flops, 'FLOP')} at {format_si(kernel.flops / seconds, 'FLOP/s')}"


def streamed(name: str, seconds: float, chip: Chip, kernel: Kernel, bandwidth: float | None) -> str:
    """What a resource of an array does in its seconds: products, passes over results, bytes that do not stay."""
    seconds /= kernel.repeats
    if name == chip.dram.name and bandwidth:
        return f"{format_si(seconds * bandwidth, 'B')} / {format_si(bandwidth, 'B/s')}, the rest stays on the chip"
    engine = next((engine for engine in chip.engines if engine.name == name), None)
    if engine is None:
        return "a constant of the software"
    if engine.array:
        return f"{format_si(kernel.flops, 'FLOP')} at {format_si(kernel.flops / seconds, 'FLOP/s')}"
    return f"{format_si(kernel.elements, 'elements')} at {format_si(kernel.elements / seconds, 'elements/s')}"


def fitted_part(
    name: str, seconds: float, plan: str, schedule: Schedule, row: int, fit: FamilyFit, lanes: float
) -> str:
    """The numbers behind one resource of a fitted plan: work over its rate, bytes over what they get."""
    kernel = schedule.select(np.array([row]))
    seconds /= int(kernel.repeats[0])
    if name == "memory":
        return f"{format_si(float(kernel.bytes[0]), 'B')} at {format_si(float(kernel.bytes[0]) / seconds, 'B/s')}"
    rates = [value for key, value in fit.parameters.items() if key == f"rate:{kernel.op_names[int(kernel.op[0])]}"]
    if name != "compute" or not rates:
        return ""
    work, products = float(cpu_plans.PLANS[plan].work(kernel, lanes)[0]), int(kernel.kind[0]) == KINDS.index("matmul")
    unit = "FLOP" if products else "op"
    factor = seconds * rates[0] / work if work else 1.0
    shape = f" x {factor:.2f} for the shape" if abs(factor - 1) > 0.005 else ""
    return f"{format_si(work, unit)} done / {format_si(rates[0], unit + '/s')}{shape}"


def peak_of(engine: Engine, rate: float) -> str:
    """``36 units x 2 x 64 FMA x 1.62 GHz = 7.46 TFLOP/s (fp32)``."""
    used = min(engine.rates, key=lambda p: abs(engine.peak(p) - rate))
    clock, fma = format_si(engine.clock.hz(), "Hz"), engine.rates[used].value
    units = f"{engine.count.value:g} unit{'' if engine.count.value == 1 else 's'}"
    return f"{units} x 2 x {fma:g} FMA x {clock} = {format_si(rate, 'FLOP/s')} ({used})"


_ADDED = ("start", "row", "short", "unfold", "sat_k", "remainder", "idle", "guess")
"""Terms that are nothing at 0; all others are factors, nothing at 1."""
_RATES = ("rate", "weight_bandwidth")


def terms_of(plan: str, schedule: Schedule, row: int, fit: FamilyFit, calibration: Calibration) -> tuple[Term, ...]:
    """Every parameter of the plan that concerns this kernel of a network, with what it costs here."""
    ceilings = cpu.Ceilings(**calibration.ceilings)
    here = np.array([row])
    kernels, recent = schedule.select(here), cpu.recent_bytes(schedule)[here]

    def seconds(parameters: Mapping[str, float]) -> float:
        each = float(cpu.plan_times(plan, kernels, parameters, ceilings, recent).total[0])
        return each * int(kernels.repeats[0])

    whole, operator = seconds(fit.parameters), kernels.op_names[int(kernels.op[0])]
    terms = []
    for name, value in fit.parameters.items():
        stem, colon, owner = name.partition(":")
        if colon and owner != operator:
            continue
        without = None
        if stem not in _RATES:
            neutral = {**fit.parameters, name: 0.0 if stem in _ADDED else 1.0}
            with np.errstate(all="ignore"):
                without = whole - seconds(neutral)
        terms.append(Term(name, value, fit.uncertainty.get(name), without))
    return tuple(terms)
