"""Where does the time of one layer come from? Every number that went into it, with its arithmetic.

Nothing is computed a second way: the layer is lowered and timed exactly as :func:`roofline.prediction.predict.predict`
does, and the parts are read off. What a fitted term costs is the time with it less the time with the
term switched off, everything else as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.dtype import precision as parse_precision
from roofline.core.prediction import SCHEMA_VERSION, Interval
from roofline.core.run import Run
from roofline.core.schedule import KINDS
from roofline.core.shown import Shown
from roofline.core.stack import Stack
from roofline.core.workload import Workload
from roofline.devices import ceiling
from roofline.devices.account import Account, Term, division, peak_of, work_of
from roofline.devices.timed import Timing
from roofline.errors import UnknownName, UsageError
from roofline.lowering.program import shapes_of
from roofline.prediction.answers import time_programs
from roofline.prediction.largest_batch import Batch
from roofline.prediction.question import network_of, notes_of
from roofline.prediction.setting import Setting


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
class KernelAccount:
    """One kernel of the layer with everything its time is made of. Seconds, bytes and op/B.

    modelled : a model of its kind of device says so, not the plain roofline.
    """

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
    modelled: bool = False


@dataclass(frozen=True, repr=False)
class Explanation(Shown):
    """The account of one layer of a network on a chip."""

    chip: str
    workload: str
    batch: int
    dtype: str
    stack: Stack
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
    workload: Any,
    layer: str,
    *,
    inputs: Any = None,
    batch: Batch = None,
    bind: Mapping[str, int] | None = None,
    dtype: str = "fp32",
    stack: Stack | str | None = None,
    calibration: str | Path | Calibration | None = None,
    run: Run | str | None = None,
    mode: str | None = None,
    optimizer: str | None = None,
) -> Explanation:
    """Account for one layer, in training with its backward kernels; other arguments as for ``predict``.

    Raises
    ------
    UnknownName : no layer of that name, with the nearest ones.
    """
    setting, task = Setting.of(chip, dtype, stack, calibration), Run.of(run, mode, optimizer)
    network = network_of(workload, inputs, mode=task.mode)
    part, on, model, wanted = setting.part, setting.stack, setting.model, setting.precision
    program = setting.program(network, batch=batch, bind=bind, run=task)
    work, schedule = program.workload, program.schedule
    index = _index(work, layer)
    fitted = setting.calibration
    timing, _ = time_programs([program], part, on, fitted)
    seen = model.part(part, on)
    bandwidth = ceiling.dram_bandwidth(seen, program.memory.total)
    explained = model.explain(timing, seen, fitted, on) if fitted else lambda row, bandwidth: None
    rows = [int(row) for row in np.flatnonzero(schedule.layer == index)]
    node = work.nodes[index]
    return Explanation(
        chip=part.name,
        workload=work.name,
        batch=work.samples,
        dtype=str(wanted),
        stack=on,
        layer=node.name,
        op=node.op,
        attributes=dict(node.attributes),
        shapes=shapes_of(work, index),
        operands=_operands(work, index),
        kernels=tuple(_account(timing, row, seen, bandwidth, explained(row, bandwidth)) for row in rows),
        share=float(timing.total[rows].sum() / timing.total.sum()) if rows else 0.0,
        calibration=fitted.file if fitted else "",
        warnings=tuple(filter(None, [*notes_of(network), part.resolve(wanted)[1], "" if rows else _silent(on)])),
    )


def _silent(stack: Stack) -> str:
    """Why a layer has no kernel."""
    merged = ", or is fused into the kernel of a later layer" if stack.mode == "compiled" else ""
    return f"it launches no kernel of its own: it is a view{merged}"


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
        raise UsageError(f"{layer} is not a layer of the network; 'roofline predict --layers all' shows its time")
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


def _account(timing: Timing, row: int, chip: Chip, bandwidth: float | None, said: Account | None) -> KernelAccount:
    """One kernel: by what its fitted model ``said``, else by the divisions of the plain roofline."""
    kernel = timing.schedule.kernel(row)
    traffic = kernel.reads + kernel.weights + kernel.writes
    engine, rate = ceiling.engine_and_rate(chip, parse_precision(kernel.precision), matrix=kernel.kind == KINDS[0])
    return KernelAccount(
        family=kernel.family,
        op=kernel.op,
        flops=kernel.flops,
        work=work_of(kernel),
        reads=kernel.reads,
        weights=kernel.weights,
        writes=kernel.writes,
        parts=tuple(
            Part(
                name,
                seconds,
                said.part(name, seconds) if said else division(name, seconds, chip, kernel, engine, rate, bandwidth),
            )
            for name, values in timing.resources.items()
            if (seconds := float(values[row])) > 0
        ),
        formula=said.formula if said else ceiling.FORMULA,
        seconds=Interval(float(timing.low[row]), float(timing.total[row]), float(timing.high[row])),
        light=float(timing.light[row]),
        plain=float(timing.ceiling[row]),
        bound=timing.bound[row],
        tier=timing.tiers[row],
        intensity=kernel.flops / traffic if traffic else 0.0,
        engine=engine.name if engine else "",
        peak=peak_of(engine, rate) if engine else "",
        ridge=rate / bandwidth if engine and bandwidth else None,
        plan=said.plan if said else "",
        terms=said.terms if said else (),
        modelled=said is not None,
    )
