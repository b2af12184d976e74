"""How long will this net take on that chip, why, and how sure are we? Read this first.

Three steps: *lower* the net to a schedule of kernels, *time* the schedule on the chip, *combine* the
kernels into layers, a total, bounds and intervals. Where the times come from is the tier: ``calibrated``
where parameters were fitted on this chip, else ``datasheet``, which is an upper bound on speed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from roofline import operators, specs
from roofline.core.calibration import Calibration, FamilyFit
from roofline.core.chip import Chip
from roofline.core.dtype import Precision
from roofline.core.dtype import precision as parse_precision
from roofline.core.network import Network
from roofline.core.prediction import TIERS, Interval, LayerPrediction, Memory, Prediction, Tier
from roofline.core.schedule import Schedule
from roofline.core.stack import Stack
from roofline.core.workload import Workload
from roofline.devices import ceiling, cpu
from roofline.errors import SpecError, Unsupported, UsageError

Floats = NDArray[np.float64]
MODES = ("inference",)


@dataclass(frozen=True)
class Timing:
    """Every kernel of a schedule, timed: seconds (low, middle, high), resources, tier and its source.

    ``light`` is what no kernel can beat; ``total`` is never below it. ``octaves`` says how far outside
    the fitted shapes a kernel lies.
    """

    schedule: Schedule
    total: Floats
    low: Floats
    high: Floats
    resources: Mapping[str, Floats]
    bound: list[str]
    tiers: list[Tier]
    light: Floats
    ceiling: Floats
    octaves: Floats


def predict(
    chip: str | Path | Chip,
    workload: str | Path | Network | Workload,
    *,
    batch: int | None = None,
    bind: Mapping[str, int] | None = None,
    dtype: str = "fp32",
    stack: Stack | None = None,
    calibration: str | Path | Calibration | None = None,
    mode: str = "inference",
) -> Prediction:
    """Predict one run of a network on a chip.

    Parameters
    ----------
    chip, workload : names, paths of YAML files, or values made in Python.
    batch, bind : values of the workload's symbols; ``batch=32`` is ``bind={"batch": 32}``.
    dtype : what products are computed in, such as ``fp32``, ``tf32``, ``fp16``, ``fp16/fp16``, ``int8``.
    stack : the software; one thread of eager PyTorch unless said otherwise.
    calibration : a file, a value, ``"none"`` for the plain roofline, or None for the best that fits.

    Returns
    -------
    Prediction : seconds, layers, bounds, tier and memory, all in SI units.

    Raises
    ------
    UnknownName, UsageError, SpecError, Unsupported : see :mod:`roofline.errors`.
    """
    if mode not in MODES:
        raise UsageError(f"mode {mode!r} is not modelled; there is {', '.join(MODES)}")
    stack = stack or Stack()
    part = resolve_chip(chip)
    wanted = parse_precision(dtype)
    warnings = []
    emulation = part.resolve(wanted)[1]
    if emulation:
        warnings.append(f"{part.name} has no {wanted} arithmetic: {emulation}")
    work = resolve_workload(workload, batch=batch, bind=bind, precision=wanted)
    fitted = resolve_calibration(part, wanted, calibration)
    timing = time_schedule(operators.lower(work, stack), part, stack=stack, calibration=fitted, network=True)
    return _combine(part, work, timing, stack, fitted, warnings, wanted)


def resolve_chip(chip: str | Path | Chip) -> Chip:
    """A chip by name, path or value."""
    return chip if isinstance(chip, Chip) else specs.load_chip(chip)


def resolve_workload(
    workload: str | Path | Network | Workload,
    *,
    batch: int | None = None,
    bind: Mapping[str, int] | None = None,
    precision: Precision,
) -> Workload:
    """A bound workload by name, path or value; sizes below 1 are refused by the binding."""
    if isinstance(workload, Workload):
        if batch is not None or bind:
            raise UsageError("this workload is bound already; bind its network instead")
        return workload
    network = workload if isinstance(workload, Network) else specs.load_network(workload)
    symbols = dict(bind or {})
    if batch is not None:
        symbols["batch"] = batch
    try:
        return operators.build(network, symbols, precision)
    except SpecError as error:
        if symbols and not operators.check(network):  # the file is good, the sizes asked for are not
            raise UsageError(str(error)) from None
        raise


def resolve_calibration(
    chip: Chip, precision: Precision, calibration: str | Path | Calibration | None
) -> Calibration | None:
    """The calibration to use: the one given, none for ``"none"``, else the best one found for the chip."""
    if isinstance(calibration, Calibration):
        return calibration
    if calibration == "none":
        return None
    if calibration is not None:
        return specs.load_calibration(calibration)
    for path in specs.calibrations_for(chip.name, chip.architecture):
        found = specs.load_calibration(path)
        if found.chip == chip.name and found.dtype == str(precision):
            return found
    return None


def time_schedule(
    schedule: Schedule,
    chip: Chip,
    *,
    stack: Stack | None = None,
    calibration: Calibration | None = None,
    network: bool = False,
) -> Timing:
    """Time every kernel: calibrated where a fit covers it, the plain roofline elsewhere, never below light."""
    stack = stack or Stack()
    part = chip.with_units(stack.threads) if chip.kind == "cpu" else chip
    plain = ceiling.ceiling_times(schedule, part)
    light = ceiling.light(schedule, part)
    tiers: list[Tier] = ["datasheet"] * len(schedule)
    total, resources, bound = plain.total, dict(plain.resources), plain.bound()
    low, high = _datasheet_range(schedule, part, total)
    octaves = np.zeros(len(schedule))
    if calibration is not None:
        if calibration.model != "cpu" or chip.kind != "cpu":
            raise Unsupported(
                f"a calibration of the {calibration.model!r} model of {calibration.chip} "
                f"does not describe {chip.name}, a {chip.kind}"
            )
        parameters = {name: fit.parameters for name, fit in calibration.families.items()}
        fitted = cpu.cpu_times(schedule, parameters, cpu.Ceilings(**calibration.ceilings), stack, network=network)
        known = ~np.isnan(fitted.total)
        total = np.where(known, fitted.total, total)
        resources = {name: np.where(known, 0.0, values) for name, values in resources.items()}
        resources |= {name: np.where(known, values, 0.0) for name, values in fitted.resources.items()}
        fitted_bound = fitted.bound()
        bound = [new if ok else old for new, old, ok in zip(fitted_bound, bound, known, strict=True)]
        tiers = ["calibrated" if ok else "datasheet" for ok in known]
        names = np.array(cpu.plan_labels(schedule, stack))
        for name, fit in calibration.families.items():
            mine = known & (names == name)
            low[mine], high[mine] = total[mine] / SPARSE_FACTOR, total[mine] * SPARSE_FACTOR
            if fit.spread is not None and mine.any():
                part_of = schedule.select(mine)
                factors = fit.spread.interval(cpu.difficulty(part_of, total[mine]))
                octaves[mine] = octaves_outside(part_of, fit)
                wider = 1.0 + WIDEN_PER_OCTAVE * octaves[mine]
                low[mine], high[mine] = (
                    total[mine] * np.minimum(factors[0], 1.0) ** wider,
                    total[mine] * factors[1] ** wider,
                )
    total = np.maximum(total, light)
    low, high = np.clip(low, light, total), np.maximum(high, total)
    return Timing(schedule, total, low, high, resources, bound, tiers, light, plain.total, octaves)


SPARSE_FACTOR = 2.0
"""Either way around a fit that had too few rows to tell how far it is off: a guess."""

UNKNOWN_RANGE = (1.0, 7.0)
"""Range of an uncalibrated time around the plain roofline where no measured rows tell: a guess."""


def _datasheet_range(schedule: Schedule, chip: Chip, total: Floats) -> tuple[Floats, Floats]:
    """Where measured kernels lie above the plain roofline: by family on GPUs, a wide guess elsewhere."""
    low, high = total * UNKNOWN_RANGE[0], total * UNKNOWN_RANGE[1]
    if chip.kind == "gpu":
        for family, fit in specs.load_datasheet_spread().families.items():
            mine = schedule.in_family(family)
            low[mine] = total[mine] * np.exp(fit.quantiles["0.05"])
            high[mine] = total[mine] * np.exp(fit.quantiles["0.95"])
    return low, high


WIDEN_PER_OCTAVE = 0.5
"""An interval grows by this share of its (logarithmic) width per octave outside the fitted shapes."""


def octaves_outside(schedule: Schedule, fit: FamilyFit) -> Floats:
    """How many doublings a kernel's operations or bytes lie outside the range of a fit; 0 inside."""
    far = np.zeros(len(schedule))
    for feature, values in (("flops", schedule.flops), ("bytes", schedule.bytes)):
        if feature in fit.range:
            smallest, largest = (max(edge, 1.0) for edge in fit.range[feature])
            size = np.maximum(values, 1.0)
            far = np.maximum(far, np.maximum(np.log2(size / largest), np.log2(smallest / size)))
    return far


def _combine(
    chip: Chip,
    workload: Workload,
    timing: Timing,
    stack: Stack,
    calibration: Calibration | None,
    warnings: list[str],
    precision: Precision,
) -> Prediction:
    schedule = timing.schedule
    layers = []
    covered = ~schedule.in_family("uncovered")
    for index, node in enumerate(workload.nodes):
        rows = np.flatnonzero(schedule.layer == index)
        if len(rows) == 0:  # a view
            continue
        longest = rows[timing.total[rows].argmax()]
        layers.append(
            LayerPrediction(
                name=node.name,
                op=node.op,
                shapes=shapes_of(workload, index),
                flops=float(schedule.flops[rows].sum()),
                bytes=float(schedule.bytes[rows].sum()),
                seconds=Interval(*(float(part[rows].sum()) for part in (timing.low, timing.total, timing.high))),
                bound=timing.bound[longest],
                tier=max((timing.tiers[row] for row in rows), key=TIERS.index),
                resources={
                    name: float(values[rows].sum()) for name, values in timing.resources.items() if values[rows].any()
                },
                covered=bool(covered[rows].all()),
                template=node.template,
            )
        )
    capacity = chip.dram.capacity.value if chip.dram.capacity else None
    prediction = Prediction(
        chip=chip.name,
        workload=workload.name,
        batch=workload.samples,
        symbols=workload.symbols,
        dtype=str(precision),
        stack=stack.to_dict(),
        seconds=Interval(
            sum(layer.seconds.low for layer in layers),
            sum(layer.seconds.middle for layer in layers),
            sum(layer.seconds.high for layer in layers),
        ),
        layers=tuple(layers),
        tier=max((layer.tier for layer in layers), key=TIERS.index, default="datasheet"),
        memory=memory_of(workload),
        capacity=capacity,
        parameters=workload.parameters,
        calibration=calibration.file if calibration else "",
        warnings=tuple(warnings),
    )
    outside = float(timing.total[timing.octaves > 0].sum() / max(timing.total.sum(), 1e-300))
    if outside > 0.01:
        warnings.append(f"{outside:.0%} of the time is in shapes outside those fitted; their intervals are widened")
    return replace(prediction, warnings=(*warnings, *_remarks(chip, prediction)))


def _remarks(chip: Chip, prediction: Prediction) -> list[str]:
    """What a reader must know before trusting the number."""
    remarks = []
    if prediction.tier == "datasheet":
        remarks.append(
            "tier datasheet: ceilings of the spec sheet and a launch floor, an upper bound on speed; "
            "nothing measured stands behind it"
        )
    uncovered = [layer.name for layer in prediction.layers if not layer.covered]
    if uncovered:
        remarks.append(f"no formula covers {len(uncovered)} layers: {', '.join(uncovered[:5])}")
    if prediction.fits is False and prediction.capacity is not None:
        short = prediction.memory.total - prediction.capacity
        remarks.append(
            f"does not fit: needs {prediction.memory.total / 1e9:.2f} GB of {prediction.capacity / 1e9:.2f} GB, "
            f"{short / 1e9:.2f} GB too much"
        )
    if not any(engine.kind == "vector" for engine in chip.engines):
        remarks.append(f"{chip.name}: no vector engine is described, so elementwise layers count by bytes alone")
    return remarks


def memory_of(workload: Workload) -> Memory:
    """What one run of a bound workload keeps in device memory."""
    return Memory(weights=workload.weight_bytes, activations=workload.peak_activation_bytes())


def shapes_of(workload: Workload, index: int) -> str:
    """``128x768 -> 128x3072``: the shapes a node reads and writes."""
    node = workload.nodes[index]

    def dims(names: tuple[str, ...]) -> str:
        return " ".join("x".join(map(str, workload.tensors[name].shape)) for name in names)

    return f"{dims(node.inputs)} -> {dims(node.outputs)}"
