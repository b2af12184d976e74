"""Which arithmetic is behind the time of a kernel? Divisions with their values, and terms of a fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from roofline.core.calibration import Calibration
from roofline.core.chip import Chip, Engine
from roofline.core.schedule import KINDS, Kernel
from roofline.core.stack import Stack
from roofline.devices.timed import Timing
from roofline.units import format_si


@dataclass(frozen=True)
class Term:
    """A fitted parameter of a kernel, with ``uncertainty``: one standard error of its logarithm.

    ``seconds`` is what the term adds to this kernel [s] (negative: saves); None for a rate, which cannot be left out.
    """

    name: str
    value: float
    uncertainty: float | None
    seconds: float | None


@dataclass(frozen=True)
class Account:
    """The explanation of one kernel by a fitted model.

    Parameters
    ----------
    formula : how the resources are combined.
    part : (resource, its seconds) -> the arithmetic behind them.
    plan : the code path, where the model knows several.
    terms : the fitted parameters that affect the kernel.
    """

    formula: str
    part: Callable[[str, float], str]
    plan: str = ""
    terms: tuple[Term, ...] = ()


Explaining = Callable[[int, "float | None"], Account | None]
"""(index of the kernel, DRAM bandwidth [B/s] for this network) -> its account; None where the kernel has no fit."""

Explain = Callable[[Timing, Chip, Calibration, Stack], Explaining]
"""(timed schedule, chip as the stack uses it, calibration, stack) -> the function that explains each kernel."""


def work_of(kernel: Kernel) -> str:
    """The arithmetic behind the operations of a kernel, as text; for a GEMM ``2 * batch * m * n * k`` [FLOP]."""
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
    """The division of the plain roofline behind the seconds of a resource, as text: ``work / rate``; empty for another
    one.

    Parameters
    ----------
    name : name of the resource.
    seconds : seconds of all launches [s].
    chip : the chip.
    kernel : the kernel.
    engine : the engine that runs it, or None.
    rate : peak of that engine [FLOP/s].
    bandwidth : DRAM bandwidth [B/s], or None.
    """
    times = f" x {kernel.repeats:,} launches" if kernel.repeats > 1 else ""
    seconds /= kernel.repeats
    if name == chip.dram.name and bandwidth:
        moved, traffic = seconds * bandwidth, kernel.reads + kernel.weights + kernel.writes
        rest = "" if moved > 0.999 * traffic else ", the rest stays on the chip"
        return f"{format_si(moved, 'B')} / {format_si(bandwidth, 'B/s')}{rest}{times}"
    if engine is not None and name == engine.name:
        return f"{format_si(kernel.flops, 'FLOP')} / {format_si(rate, 'FLOP/s')}{times}"
    if name == "host":
        return "the GPU waits for Python to launch the kernel"
    return f"one launch{times}" if name == "launch" else ""


def peak_of(engine: Engine, rate: float) -> str:
    """The peak of an engine as text: ``36 units x 2 x 64 FMA x 1.62 GHz = 7.46 TFLOP/s (fp32)``.

    Parameters
    ----------
    engine : the engine.
    rate : its peak [FLOP/s].
    """
    used = min(engine.rates, key=lambda p: abs(engine.peak(p) - rate))
    clock, fma = format_si(engine.clock.hz(), "Hz"), engine.rates[used].value
    units = f"{engine.count.value:g} unit{'' if engine.count.value == 1 else 's'}"
    return f"{units} x 2 x {fma:g} FMA x {clock} = {format_si(rate, 'FLOP/s')} ({used})"
