"""How long will this net take on that chip, why, and how sure are we? Read this first.

Three steps: *lower* the net to a schedule of kernels, *time* the schedule on the chip, *combine* the
kernels into layers, a total, bounds and intervals. Where the times come from is the tier: ``calibrated``
where parameters were fitted on this chip, else ``datasheet``, which is an upper bound on speed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from roofline import operators, specs
from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.dtype import Precision
from roofline.core.dtype import precision as parse_precision
from roofline.core.network import Network
from roofline.core.prediction import TIERS, Interval, LayerPrediction, Memory, Prediction
from roofline.core.stack import Stack
from roofline.core.workload import Workload
from roofline.devices import ceiling
from roofline.errors import SpecError, UsageError
from roofline.timing import Timing, time_schedule

MODES = ("inference",)


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
    fitted = resolve_calibration(part, wanted, calibration, stack)
    timing = time_schedule(
        operators.lower(work, stack), part, stack=stack, calibration=fitted, network=True, pieces=work.samples
    )
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
    if batch is not None and symbols.get("batch", batch) != batch:
        raise UsageError(f"batch is asked to be {batch} and {symbols['batch']}; give --batch or --bind batch=N")
    if batch is not None:
        symbols["batch"] = batch
    try:
        return operators.build(network, symbols, precision)
    except SpecError as error:
        if symbols and not operators.check(network):  # the file is good, the sizes asked for are not
            raise UsageError(str(error)) from None
        raise


def resolve_calibration(
    chip: Chip,
    precision: Precision,
    calibration: str | Path | Calibration | None,
    stack: Stack | None = None,
) -> Calibration | None:
    """The calibration to use: the one given, none for ``"none"``, else the first found that describes this.

    Raises
    ------
    UsageError : the one given is of another chip, dtype or stack; the message says which.
    """
    stack = stack or Stack()
    if calibration == "none":
        return None
    if calibration is not None:
        if not isinstance(calibration, Calibration) and not Path(calibration).is_file():
            raise UsageError(f"--calibration: there is no file {calibration}; 'none' does without")
        given = calibration if isinstance(calibration, Calibration) else specs.load_calibration(calibration)
        why = _mismatch(given, chip, precision, stack)
        if why:
            raise UsageError(f"the calibration {given.file or 'given'} {why}; '--calibration none' does without")
        return given
    found = (specs.load_calibration(path) for path in specs.calibrations_for(chip.name, chip.architecture))
    return next((fit for fit in found if not _mismatch(fit, chip, precision, stack)), None)


def _mismatch(fit: Calibration, chip: Chip, precision: Precision, stack: Stack) -> str:
    """Why a fit does not describe this chip, dtype and stack; empty where it does."""
    if (fit.chip, fit.architecture) != (chip.name, chip.architecture):
        return f"is of {fit.chip} ({fit.architecture}), not of {chip.name} ({chip.architecture})"
    if fit.dtype != str(precision):
        return f"was fitted in {fit.dtype}, not in {precision}"
    theirs = Stack.from_dict(fit.stack)
    for name in ("mode", "threads", "layout"):
        if getattr(theirs, name) != getattr(stack, name):
            return f"was fitted with {name} {getattr(theirs, name)}, not {getattr(stack, name)}"
    return ""


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
    unfitted = prediction.tiers.get("datasheet", 0.0)
    if unfitted > 0.99:
        remarks.append(
            "tier datasheet: ceilings of the spec sheet and a launch floor, an upper bound on speed; "
            "nothing measured stands behind it"
        )
    elif unfitted > 0:
        remarks.append(f"{unfitted:.1%} of the time is in layers no fit covers: plain roofline there")
    if chip.kind == "array" and np.isinf(ceiling.on_chip_capacity(chip)):
        remarks.append(f"{chip.name}: nobody says what fits on the chip, so bytes set no bound: moving data counts 0")
    if chip.launch is None and chip.kind != "cpu":
        remarks.append(f"{chip.name}: no launch time is known, so small nets come out far too fast")
    if chip.software and chip.software.last_cuda:
        remarks.append(
            f"{chip.name}: CUDA {chip.software.last_cuda} is the last to support it; newer stacks do not run"
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
