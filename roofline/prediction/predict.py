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

from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.dtype import Precision
from roofline.core.dtype import precision as parse_precision
from roofline.core.network import Network
from roofline.core.prediction import TIERS, Interval, LayerPrediction, Merged, Prediction
from roofline.core.run import Run
from roofline.core.schedule import PHASES
from roofline.core.stack import Stack
from roofline.core.workload import Workload
from roofline.devices.kinds import model_of
from roofline.devices.timed import Timing
from roofline.devices.timing import time_schedule
from roofline.lowering.program import Program, make_program, shapes_of, with_tf32
from roofline.prediction.input_pipeline import at_least, pipeline_layer, request_layer
from roofline.prediction.select import datasheet_spread, resolve_calibration, resolve_chip, together
from roofline.prediction.warnings import slower_together, warnings_of


def predict(
    chip: str | Path | Chip,
    workload: str | Path | Network | Workload,
    *,
    batch: int | None = None,
    bind: Mapping[str, int] | None = None,
    dtype: str = "fp32",
    stack: Stack | str | None = None,
    calibration: str | Path | Calibration | None = None,
    run: Run | str | None = None,
) -> Prediction:
    """Predict one run of a network on a chip: one inference, or one training step.

    Parameters
    ----------
    chip, workload : names, paths of YAML files, or values made in Python.
    batch, bind : values of the workload's symbols; ``batch=32`` is ``bind={"batch": 32}``.
    dtype : what products are computed in, such as ``fp32``, ``tf32``, ``fp16``, ``fp16/fp16``, ``int8``.
        Training in 16 bits keeps fp32 weights (autocast) unless the recipe is pure.
    stack : the software, a value or a word such as ``compiled``; one thread of eager PyTorch unless said otherwise.
    calibration : a file, a value, ``"none"`` for the plain roofline, or None for the best that fits.
    run : inference or training (a word will do) and by which recipe, narrower weights and caches, the input pipeline.

    Returns
    -------
    Prediction : seconds, layers, bounds, tier and memory, all in SI units.

    Raises
    ------
    UnknownName, UsageError, SpecError, Unsupported : see :mod:`roofline.errors`.
    """
    one, on, task = resolve_chip(chip), Stack.of(stack), Run.of(run)
    part = together(one, on)
    wanted = with_tf32(parse_precision(dtype), part, on)
    sizes: dict[str, Any] = {"batch": batch, "bind": bind, "precision": wanted}
    cuda = model_of(part).cuda
    program = make_program(workload, **sizes, stack=on, run=task, cuda=cuda)
    fitted = resolve_calibration(part, wanted, calibration, on)
    prediction = _answer(part, program, on, fitted, wanted)
    if on.serving == "sharded" and on.chips > 1:
        alone = _answer(one, program, replace(on, chips=1), fitted, wanted)
        prediction = replace(prediction, warnings=(*prediction.warnings, *slower_together(prediction, alone)))
    if on.mode != "compiled":
        return prediction
    eager = make_program(workload, **sizes, stack=replace(on, mode="eager"), run=task, cuda=cuda)
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
        spread=datasheet_spread(chip),
        network=True,
        pieces=1 if program.run.training else program.workload.samples,
        footprint=program.memory.total,
        host_dispatch=program.run.host_dispatch,
    )


def _answer(chip: Chip, program: Program, stack: Stack, fitted: Calibration | None, precision: Precision) -> Prediction:
    """A program timed on a chip and combined."""
    emulation = chip.resolve(precision)[1]
    warnings = [f"{chip.name} has no {precision} arithmetic: {emulation}"] if emulation else []
    return _combine(chip, program, time_program(program, chip, stack, fitted), stack, fitted, warnings, precision)


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
        stack=stack,
        seconds=at_least(device, feeding),
        layers=tuple(layers),
        tier=max((layer.tier for layer in layers), key=TIERS.index, default="datasheet"),
        memory=program.memory,
        capacity=chip.dram.total_capacity,
        parameters=program.workload.parameters,
        run=program.run,
        calibration=calibration.file if calibration else "",
    )
    outside = float(timing.total[timing.octaves > 0].sum() / max(timing.total.sum(), 1e-300))
    if outside > 0.01:
        warnings.append(f"{outside:.0%} of the time is in shapes outside those fitted; their intervals are widened")
    return replace(prediction, warnings=(*warnings, *warnings_of(chip, prediction, calibration)))


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
