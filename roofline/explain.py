"""Where does the time of one layer come from? Every number that went into it, with its arithmetic.

Nothing is computed a second way: the layer is lowered and timed exactly as :func:`roofline.predict.predict`
does, and the parts are read off. What a fitted term costs is the time with it less the time with the
term switched off, everything else as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from roofline.core.calibration import Calibration, FamilyFit
from roofline.core.chip import Chip, Engine
from roofline.core.dtype import precision as parse_precision
from roofline.core.network import Network
from roofline.core.prediction import SCHEMA_VERSION, Interval
from roofline.core.run import Run
from roofline.core.schedule import KINDS, Kernel, Schedule
from roofline.core.stack import Stack
from roofline.core.workload import Workload
from roofline.devices import ceiling, cpu, gpu
from roofline.errors import UnknownName, UsageError
from roofline.predict import resolve_calibration, resolve_chip, time_program
from roofline.program import make_program, shapes_of, with_tf32
from roofline.timing import Timing
from roofline.units import format_si


@dataclass(frozen=True)
class Operand:
    """A tensor the layer touches."""

    name: str
    role: str
    shape: tuple[int, ...]
    dtype: str
    bytes: float


@dataclass(frozen=True)
class Part:
    """What one resource alone would take, and the division that says so (empty for fitted models)."""

    resource: str
    seconds: float
    arithmetic: str = ""


@dataclass(frozen=True)
class Term:
    """A fitted parameter: ``uncertainty`` is one standard error of its logarithm.

    ``seconds`` is what the term adds (negative: saves) here; None for a rate, which cannot be left out.
    """

    name: str
    value: float
    uncertainty: float | None
    seconds: float | None


@dataclass(frozen=True)
class KernelAccount:
    """One kernel of the layer with everything its time is made of. Seconds, bytes and op/B."""

    family: str
    op: str
    flops: float
    work: str
    reads: float
    weights: float
    writes: float
    parts: tuple[Part, ...]
    formula: str
    seconds: Interval
    light: float
    plain: float
    bound: str
    tier: str
    intensity: float
    engine: str
    peak: str
    ridge: float | None
    plan: str = ""
    terms: tuple[Term, ...] = ()


@dataclass(frozen=True)
class Explanation:
    """The account of one layer of a net on a chip."""

    chip: str
    workload: str
    batch: int
    dtype: str
    stack: Mapping[str, Any]
    layer: str
    op: str
    attributes: Mapping[str, Any]
    shapes: str
    operands: tuple[Operand, ...]
    kernels: tuple[KernelAccount, ...]
    share: float
    calibration: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def seconds(self) -> Interval:
        spans = [kernel.seconds for kernel in self.kernels]
        return Interval(*(sum(getattr(span, end) for span in spans) for end in ("low", "middle", "high")))

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema_version": SCHEMA_VERSION,
            **asdict(self),
            "seconds": self.seconds.to_dict(),
        }


def explain(
    chip: str | Path | Chip,
    workload: str | Path | Network | Workload,
    layer: str,
    *,
    batch: int | None = None,
    bind: Mapping[str, int] | None = None,
    dtype: str = "fp32",
    stack: Stack | None = None,
    calibration: str | Path | Calibration | None = None,
    run: Run | None = None,
) -> Explanation:
    """Account for one layer, in training with its backward kernels; other arguments as for ``predict``.

    Raises
    ------
    UnknownName : no layer of that name, with the nearest ones.
    """
    stack, run, part = stack or Stack(), run or Run(), resolve_chip(chip)
    wanted = with_tf32(parse_precision(dtype), part, stack)
    program = make_program(workload, batch=batch, bind=bind, precision=wanted, stack=stack, run=run, kind=part.kind)
    work, schedule = program.workload, program.schedule
    index = _index(work, layer)
    fitted = resolve_calibration(part, wanted, calibration, stack)
    timing = time_program(program, part, stack, fitted)
    seen = part.with_units(stack.threads)
    plans = cpu.plan_labels(schedule, stack) if fitted and fitted.model == "cpu" else []
    rows = [int(row) for row in np.flatnonzero(schedule.layer == index)]
    node = work.nodes[index]
    return Explanation(
        chip=part.name,
        workload=work.name,
        batch=work.samples,
        dtype=str(wanted),
        stack=stack.to_dict(),
        layer=node.name,
        op=node.op,
        attributes=dict(node.attributes),
        shapes=shapes_of(work, index),
        operands=_operands(work, index),
        kernels=tuple(
            _account(timing, row, seen, fitted, plans[row] if plans else "", program.memory.total) for row in rows
        ),
        share=float(timing.total[rows].sum() / timing.total.sum()) if rows else 0.0,
        calibration=fitted.file if fitted else "",
        warnings=tuple(filter(None, [part.resolve(wanted)[1], "" if rows else _silent(stack)])),
    )


def _silent(stack: Stack) -> str:
    """Why a layer has no kernel."""
    merged = ", or merged into the kernel of a later layer" if stack.mode == "compiled" else ""
    return f"it launches nothing of its own: a view{merged}"


def _index(work: Workload, layer: str) -> int:
    """Number of the node of that name; of a folded name (``layer3.*.conv2``) the first of the commonest shape."""
    for index, node in enumerate(work.nodes):
        if layer == node.name:
            return index
    folded: dict[str, list[int]] = {}
    for index, node in enumerate(work.nodes):
        if layer == node.template:
            folded.setdefault(shapes_of(work, index), []).append(index)
    if folded:
        return max(folded.values(), key=len)[0]
    names = [node.name for node in work.nodes]
    if layer in ("optimizer", "gradients", "input pipeline"):
        raise UsageError(f"{layer} is no layer of the net; 'roofline predict --layers all' shows what it takes")
    raise UnknownName(f"layer of {work.name}", layer, names, hint="'roofline workloads show' lists them")


def _operands(work: Workload, index: int) -> tuple[Operand, ...]:
    node = work.nodes[index]
    named = [
        *((name, "input") for name in node.inputs),
        *((name, "weight") for name in node.weights),
        *((name, "output") for name in node.outputs),
    ]
    tensors = [(work.tensors[name], role) for name, role in named]
    return tuple(Operand(t.name, role, t.shape, t.dtype.name, t.bytes) for t, role in tensors)


def _account(
    timing: Timing, row: int, chip: Chip, fitted: Calibration | None, plan: str, footprint: float
) -> KernelAccount:
    kernel = timing.schedule.kernel(row)
    traffic = kernel.reads + kernel.weights + kernel.writes
    engine, rate = ceiling.engine_and_rate(chip, parse_precision(kernel.precision), matrix=kernel.kind == KINDS[0])
    bandwidth = ceiling.dram_bandwidth(chip, footprint)
    fit = fitted.families.get(plan) if fitted and timing.tiers[row] != "datasheet" else None
    return KernelAccount(
        family=kernel.family,
        op=kernel.op,
        flops=kernel.flops,
        work=_work(kernel),
        reads=kernel.reads,
        weights=kernel.weights,
        writes=kernel.writes,
        parts=tuple(
            Part(
                name,
                seconds,
                _fitted(name, seconds, plan, timing.schedule, row, fit)
                if fit
                else _at(name, seconds, chip, kernel)
                if timing.tiers[row] != "datasheet"
                else _division(name, seconds, chip, kernel, engine, rate, bandwidth),
            )
            for name, values in timing.resources.items()
            if (seconds := float(values[row])) > 0
        ),
        formula=cpu.FORMULA if fit else gpu.FORMULA if timing.tiers[row] != "datasheet" else ceiling.FORMULA,
        seconds=Interval(float(timing.low[row]), float(timing.total[row]), float(timing.high[row])),
        light=float(timing.light[row]),
        plain=float(timing.ceiling[row]),
        bound=timing.bound[row],
        tier=timing.tiers[row],
        intensity=kernel.flops / traffic if traffic else 0.0,
        engine=engine.name if engine else "",
        peak=_peak(engine, rate) if engine else "",
        ridge=rate / bandwidth if engine and bandwidth else None,
        plan=plan if fit else "",
        terms=_terms(plan, timing.schedule, row, fit, fitted) if fit and fitted else (),
    )


def _work(kernel: Kernel) -> str:
    """The shape arithmetic behind the operations of a kernel."""
    if kernel.kind == KINDS[0] and kernel.flops:
        batch = f"{kernel.batch:,} x " if kernel.batch > 1 else ""
        text = f"2 x {batch}m {kernel.m:,} x n {kernel.n:,} x k {kernel.k:,}"
        exact = 2.0 * kernel.batch * kernel.m * kernel.n * kernel.k
        return text if exact == kernel.flops else f"{text}, times {kernel.flops / exact:.3g}"
    if kernel.elements and kernel.flops:
        return f"{kernel.flops / kernel.elements:.3g} for each of {kernel.elements:,} elements"
    return "none" if not kernel.flops else f"{kernel.flops:,.0f}"


def _division(
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


def _at(name: str, seconds: float, chip: Chip, kernel: Kernel) -> str:
    """What a resource of a fitted GPU does, and how fast that is: compulsory work and bytes over its seconds."""
    if name in ("launch", "host"):
        return _division(name, seconds, chip, kernel, None, 0.0, None)
    seconds /= kernel.repeats
    if name == chip.dram.name:
        traffic = kernel.reads + kernel.weights + kernel.writes
        return f"{format_si(traffic, 'B')} at {format_si(traffic / seconds, 'B/s')}"
    return f"{format_si(kernel.flops, 'FLOP')} at {format_si(kernel.flops / seconds, 'FLOP/s')}"


def _fitted(name: str, seconds: float, plan: str, schedule: Schedule, row: int, fit: FamilyFit) -> str:
    """The numbers behind one resource of a fitted plan: work over its rate, bytes over what they get."""
    kernel = schedule.select(np.array([row]))
    seconds /= int(kernel.repeats[0])
    if name == "memory":
        return f"{format_si(float(kernel.bytes[0]), 'B')} at {format_si(float(kernel.bytes[0]) / seconds, 'B/s')}"
    rates = [value for key, value in fit.parameters.items() if key == f"rate:{kernel.op_names[int(kernel.op[0])]}"]
    if name != "compute" or not rates:
        return ""
    work, products = float(cpu.PLANS[plan].work(kernel)[0]), int(kernel.kind[0]) == KINDS.index("matmul")
    unit = "FLOP" if products else "op"
    factor = seconds * rates[0] / work if work else 1.0
    shape = f" x {factor:.2f} for the shape" if abs(factor - 1) > 0.005 else ""
    return f"{format_si(work, unit)} done / {format_si(rates[0], unit + '/s')}{shape}"


def _peak(engine: Engine, rate: float) -> str:
    """``36 units x 2 x 64 FMA x 1.62 GHz = 7.46 TFLOP/s (fp32)``."""
    used = min(engine.rates, key=lambda p: abs(engine.peak(p) - rate))
    clock, fma = format_si(engine.clock.hz(), "Hz"), engine.rates[used].value
    units = f"{engine.count.value:g} unit{'' if engine.count.value == 1 else 's'}"
    return f"{units} x 2 x {fma:g} FMA x {clock} = {format_si(rate, 'FLOP/s')} ({used})"


_NEUTRAL = {"sat_m": 0.0, "sat_n": 0.0, "sat_k": 0.0, "start": 0.0, "row": 0.0, "element": 0.0, "short": 0.0}
_RATES = ("rate", "weight_bandwidth")


def _terms(plan: str, schedule: Schedule, row: int, fit: FamilyFit, calibration: Calibration) -> tuple[Term, ...]:
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
            neutral = {**fit.parameters, name: _NEUTRAL.get(stem, 1.0)}
            with np.errstate(all="ignore"):
                without = whole - seconds(neutral)
        terms.append(Term(name, value, fit.uncertainty.get(name), without))
    return tuple(terms)
