"""How long will this net take on that chip, why, and how sure are we? Read this first.

Three steps: *lower* the net to a schedule of kernels, *time* the schedule on the chip, *combine* the
kernels into layers, a total, bounds and intervals. Where the times come from is the tier: ``calibrated``
where parameters were fitted on this chip, ``borrowed`` where on others, else ``datasheet``, which is an upper bound on
speed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from roofline import specs
from roofline.core.calibration import ANY_GPU, Calibration, any_of
from roofline.core.chip import Chip
from roofline.core.dtype import Precision
from roofline.core.dtype import precision as parse_precision
from roofline.core.network import Network
from roofline.core.prediction import TIERS, Interval, LayerPrediction, Merged, Prediction
from roofline.core.run import Run
from roofline.core.schedule import PHASES
from roofline.core.stack import Stack
from roofline.core.workload import Workload
from roofline.devices.cpu import plans as cpu_plans
from roofline.devices.cpu.transfer import borrowed_calibration
from roofline.devices.timing import Timing, time_schedule
from roofline.errors import UsageError
from roofline.lowering.program import Program, make_program, shapes_of, with_tf32
from roofline.prediction.input_pipeline import at_least, pipeline_layer, request_layer
from roofline.prediction.warnings import remarks, slower_together


def predict(
    chip: str | Path | Chip,
    workload: str | Path | Network | Workload,
    *,
    batch: int | None = None,
    bind: Mapping[str, int] | None = None,
    dtype: str = "fp32",
    stack: Stack | None = None,
    calibration: str | Path | Calibration | None = None,
    run: Run | None = None,
) -> Prediction:
    """Predict one run of a network on a chip: one inference, or one training step.

    Parameters
    ----------
    chip, workload : names, paths of YAML files, or values made in Python.
    batch, bind : values of the workload's symbols; ``batch=32`` is ``bind={"batch": 32}``.
    dtype : what products are computed in, such as ``fp32``, ``tf32``, ``fp16``, ``fp16/fp16``, ``int8``.
        Training in 16 bits keeps fp32 weights (autocast) unless the recipe is pure.
    stack : the software; one thread of eager PyTorch unless said otherwise.
    calibration : a file, a value, ``"none"`` for the plain roofline, or None for the best that fits.
    run : inference or training and by which recipe, narrower weights and caches, the input pipeline.

    Returns
    -------
    Prediction : seconds, layers, bounds, tier and memory, all in SI units.

    Raises
    ------
    UnknownName, UsageError, SpecError, Unsupported : see :mod:`roofline.errors`.
    """
    stack, run = stack or Stack(), run or Run()
    part = together(resolve_chip(chip), stack)
    wanted = with_tf32(parse_precision(dtype), part, stack)
    warnings = []
    emulation = part.resolve(wanted)[1]
    if emulation:
        warnings.append(f"{part.name} has no {wanted} arithmetic: {emulation}")
    program = make_program(workload, batch=batch, bind=bind, precision=wanted, stack=stack, run=run, kind=part.kind)
    fitted = resolve_calibration(part, wanted, calibration, stack)
    timing = time_program(program, part, stack, fitted)
    prediction = _combine(part, program, timing, stack, fitted, warnings, wanted)
    if stack.serving == "sharded" and stack.chips > 1:
        one = replace(stack, chips=1)
        how: dict[str, Any] = {"batch": batch, "bind": bind, "dtype": dtype, "calibration": calibration, "run": run}
        alone = predict(chip, workload, stack=one, **how)
        said = slower_together(prediction, alone)
        prediction = replace(prediction, warnings=(*prediction.warnings, *said))
    if stack.mode != "compiled":
        return prediction
    plain = replace(stack, mode="eager")
    eager = make_program(workload, batch=batch, bind=bind, precision=wanted, stack=plain, run=run, kind=part.kind)
    return replace(prediction, merged=_merged(program, eager))


def _merged(program: Program, eager: Program) -> Merged:
    """A compiled program beside the same one launched kernel by kernel."""
    ours, theirs = program.schedule, eager.schedule
    saved = float(theirs.all_bytes.sum() - ours.all_bytes.sum())
    return Merged(int(ours.repeats.sum()), int(theirs.repeats.sum()), saved)


def time_program(program: Program, chip: Chip, stack: Stack, calibration: Calibration | None) -> Timing:
    """Every kernel of a program, timed as parts of one net."""
    return time_schedule(
        program.schedule,
        chip,
        stack=stack,
        calibration=calibration,
        network=True,
        pieces=1 if program.run.training else program.workload.samples,
        footprint=program.memory.total,
        host_dispatch=program.run.host_dispatch,
    )


def resolve_chip(chip: str | Path | Chip) -> Chip:
    """A chip by name, path or value."""
    return chip if isinstance(chip, Chip) else specs.load_chip(chip)


def together(chip: Chip, stack: Stack) -> Chip:
    """The chips of the stack as one.

    Raises
    ------
    UsageError : several chips of another kind than arrays.
    """
    if stack.chips == 1:
        return chip
    if chip.kind != "array":
        raise UsageError(f"several chips together are modelled for arrays; {chip.name} is a {chip.kind}")
    return chip.together(stack.chips)


def resolve_calibration(
    chip: Chip,
    precision: Precision,
    calibration: str | Path | Calibration | None,
    stack: Stack | None = None,
) -> Calibration | None:
    """The calibration to use: the one given, none for ``"none"``, else the first found that describes this.

    Raises
    ------
    UsageError : the one given is of another chip, dtype or stack, or of an earlier version; the
        message says which.
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
        return _of_this_version(given)
    found = (specs.load_calibration(path) for path in specs.calibrations_for(chip.name, chip.architecture, chip.kind))
    best = next((fit for fit in found if not _mismatch(fit, chip, precision, stack)), None)
    return _of_this_version(best) if best else borrowed_calibration(chip, precision, stack)


def _mismatch(fit: Calibration, chip: Chip, precision: Precision, stack: Stack) -> str:
    """Why a fit does not describe this chip, dtype and stack; empty where it does."""
    if fit.model == "gpu":  # one stack, every precision; of this chip, of its architecture, or of all
        fits = chip.kind == "gpu" and fit.chip in (chip.name, any_of(chip.architecture), ANY_GPU)
        return "" if fits else f"is of {fit.chip}, not of {chip.name} ({chip.architecture}, a {chip.kind})"
    if fit.model == "array":  # one stack, every precision; of a chip, its architecture, or all arrays
        fits = chip.kind == "array" and (fit.chip == chip.name or fit.architecture in (chip.architecture, "any"))
        return "" if fits else f"is of {fit.chip} ({fit.architecture}), not of {chip.name} ({chip.architecture})"
    if (fit.chip, fit.architecture) != (chip.name, chip.architecture):
        return f"is of {fit.chip} ({fit.architecture}), not of {chip.name} ({chip.architecture})"
    if fit.dtype != str(precision):
        return f"was fitted in {fit.dtype}, not in {precision}"
    theirs = Stack.from_dict(fit.stack)
    for name in ("mode", "threads", "layout"):
        if getattr(theirs, name) != getattr(stack, name):
            return f"was fitted with {name} {getattr(theirs, name)}, not {getattr(stack, name)}"
    return ""


def _of_this_version(fit: Calibration) -> Calibration:
    """The fit, unless the model has parameters by now that it lacks."""
    for plan, family in fit.families.items() if fit.model == "cpu" else ():
        if missing := cpu_plans.lacking(plan, family.parameters):
            raise UsageError(
                f"the calibration {fit.file or 'given'} is of an earlier version ({plan} has no {', '.join(missing)}): "
                f"fit its rows anew with 'roofline calibrate', or '--calibration none' does without"
            )
    return fit


def _combine(
    chip: Chip,
    program: Program,
    timing: Timing,
    stack: Stack,
    calibration: Calibration | None,
    warnings: list[str],
    precision: Precision,
) -> Prediction:
    layers = _layers(program, timing)
    asking = request_layer(chip, calibration, stack)
    layers += [asking] if asking else []
    device = _sum(layers)
    feeding = pipeline_layer(program, chip, device)
    if feeding:
        layers.append(feeding)
    has_batch = "batch" in program.workload.symbols
    prediction = Prediction(
        chip=chip.name,
        workload=program.workload.name,
        batch=program.samples,
        symbols={**program.workload.symbols, **({"batch": program.samples} if has_batch else {})},
        dtype=str(precision),
        stack=stack.to_dict(),
        seconds=at_least(device, feeding),
        layers=tuple(layers),
        tier=max((layer.tier for layer in layers), key=TIERS.index, default="datasheet"),
        memory=program.memory,
        capacity=chip.dram.total_capacity,
        parameters=program.workload.parameters,
        mode=program.run.mode,
        run=program.run.to_dict(),
        calibration=calibration.file if calibration else "",
    )
    outside = float(timing.total[timing.octaves > 0].sum() / max(timing.total.sum(), 1e-300))
    if outside > 0.01:
        warnings.append(f"{outside:.0%} of the time is in shapes outside those fitted; their intervals are widened")
    return replace(prediction, warnings=(*warnings, *remarks(chip, prediction, calibration)))


def _layers(program: Program, timing: Timing) -> list[LayerPrediction]:
    """The rows of the schedule as layers, a layer of the backward pass by itself; views have none."""
    schedule = timing.schedule
    covered = ~schedule.in_family("uncovered")
    keys = schedule.phase * (len(program.workload.nodes) + 1) + schedule.layer
    order, first = np.unique(keys, return_index=True)
    layers = []
    for key in order[np.argsort(first)]:
        rows = np.flatnonzero(keys == key)
        longest = rows[timing.total[rows].argmax()]
        layer, phase = int(schedule.layer[rows[0]]), PHASES[int(schedule.phase[rows[0]])]
        name, op, template = program.layer_name(layer, phase)
        layers.append(
            LayerPrediction(
                name=name,
                op=op,
                shapes=shapes_of(program.workload, layer),
                flops=float(schedule.all_flops[rows].sum()),
                bytes=float(schedule.all_bytes[rows].sum()),
                seconds=Interval(*(float(part[rows].sum()) for part in (timing.low, timing.total, timing.high))),
                bound=timing.bound[longest],
                tier=max((timing.tiers[row] for row in rows), key=TIERS.index),
                resources={
                    name: float(values[rows].sum()) for name, values in timing.resources.items() if values[rows].any()
                },
                covered=bool(covered[rows].all()),
                template=template,
                phase=phase,
            )
        )
    return layers


def _sum(layers: list[LayerPrediction]) -> Interval:
    """Errors of layers are correlated, so the ends add like the middles."""
    spans = [layer.seconds for layer in layers]
    return Interval(*(sum(getattr(span, end) for span in spans) for end in ("low", "middle", "high")))
