"""How long does this network take on that chip, why, and how uncertain is that? Read this file first.

Three steps: *lower* the network to a schedule of kernels, *time* the schedule on the chip, *combine* the kernels into
layers, a total, bounds and intervals. The tier says where the times come from: ``calibrated`` if parameters were fitted
on this chip, ``borrowed`` if on others, else ``datasheet``, the plain roofline, which is an upper bound on speed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.dtype import Precision
from roofline.core.dtype import precision as parse_precision
from roofline.core.memo import Memo, Same
from roofline.core.prediction import Merged, Prediction
from roofline.core.run import Run
from roofline.core.stack import Stack
from roofline.devices.kinds import model_of
from roofline.devices.timed import Timing
from roofline.devices.timing import time_schedule
from roofline.lowering.program import Program, make_program, with_tf32
from roofline.prediction.input_pipeline import at_least, pipeline_layer, request_layer
from roofline.prediction.largest_batch import Batch, batch_of
from roofline.prediction.layers import layers_of
from roofline.prediction.question import network_of, notes_of
from roofline.prediction.select import datasheet_spread, resolve_calibration, resolve_chip, together
from roofline.prediction.warnings import slower_together, warnings_of


def predict(
    chip: str | Path | Chip,
    workload: Any,
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
) -> Prediction:
    """Predict one run of a network on a chip: one inference, or one training step.

    Parameters
    ----------
    chip : a name of :func:`roofline.chips`, the path of a YAML file, or a :class:`Chip`.
    workload : a name of :func:`roofline.networks`, the path of a YAML file, of an ONNX model or of a ``config.json``,
        a :class:`Network`, or a ``torch.nn.Module``.
    inputs : of a module alone: shapes such as ``["batch=32x3x224x224"]``, or example tensors.
    batch, bind : values of the symbols of the network; ``batch=32`` is ``bind={"batch": 32}``. ``batch="max"`` is the
        largest that fits in memory.
    dtype : the precision of matrix multiplications and convolutions: ``fp32``, ``tf32``, ``fp16`` (fp32 accumulation),
        ``fp16/fp16`` (fp16 accumulation), ``bf16``, ``int8``... Training in 16 bits keeps fp32 weights (autocast)
        unless the recipe is pure.
    stack : the software: a :class:`Stack`, or a word: ``eager`` (the default, one thread), ``compiled``, ``graphs``.
    calibration : a file, a value, ``"none"`` for the plain roofline, or None for the best that fits.
    run : a :class:`Run`: mode, recipe of training, narrower weights and caches, input pipeline.
    mode, optimizer : words in place of ``run``: ``mode="training", optimizer="adamw"``.

    Returns
    -------
    Prediction
        Time with its interval [s], layers, bounds, tier, memory [B] and warnings.

    Raises
    ------
    UnknownName, UsageError, SpecError, Unsupported : see :mod:`roofline.errors`.
    """
    one, on, task = resolve_chip(chip), Stack.of(stack), Run.of(run, mode, optimizer)
    part, network = together(one, on), network_of(workload, inputs, mode=task.mode)
    wanted = with_tf32(parse_precision(dtype), part, on)
    samples = batch_of(batch, one, network, bind=bind, dtype=dtype, stack=on, run=task)
    sizes: dict[str, Any] = {"batch": samples, "bind": bind, "precision": wanted}
    cuda = model_of(part).cuda
    program = make_program(network, **sizes, stack=on, run=task, cuda=cuda)
    fitted = resolve_calibration(part, wanted, calibration, on)
    answer = _answer(part, program, on, fitted, wanted)
    warnings = (*notes_of(network), *answer.warnings)
    prediction = replace(answer, hardware=one, symbols=dict(answer.symbols), warnings=warnings)
    if on.serving == "sharded" and on.chips > 1:
        alone = _answer(one, program, replace(on, chips=1), fitted, wanted)
        prediction = replace(prediction, warnings=(*prediction.warnings, *slower_together(prediction, alone)))
    if on.mode != "compiled":
        return prediction
    eager = make_program(network, **sizes, stack=replace(on, mode="eager"), run=task, cuda=cuda)
    return replace(prediction, merged=_merged(program, eager))


def _merged(program: Program, eager: Program) -> Merged:
    """The size of a compiled program beside that of the same one launched kernel by kernel."""
    ours, theirs = program.schedule, eager.schedule
    saved = float(theirs.all_bytes.sum() - ours.all_bytes.sum())
    return Merged(int(ours.repeats.sum()), int(theirs.repeats.sum()), saved)


def time_program(program: Program, chip: Chip, stack: Stack, calibration: Calibration | None) -> Timing:
    """Every kernel of a program, timed as a part of one network [s]; calls
    :func:`roofline.devices.timing.time_schedule`.
    """
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
    """A program timed on a chip and combined into a prediction, which is kept for the next question like it."""
    key = (Same(chip), Same(program), stack, Same(fitted), precision)
    found = _answers.get(key)
    if found is None:
        found = _worked_out(chip, program, stack, fitted, precision)
        _answers.put(key, found, 1 + len(found.layers))
    return found


_answers: Memo[Prediction] = Memo(30_000)
"""Answers by chip, program, software, calibration and precision; weights are layers."""


def _worked_out(
    chip: Chip, program: Program, stack: Stack, fitted: Calibration | None, precision: Precision
) -> Prediction:
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
    layers = layers_of(program, timing)
    if asking := request_layer(chip, calibration, stack):
        layers = layers.and_then(asking)
    device = layers.seconds
    if feeding := pipeline_layer(program, chip, device):
        layers = layers.and_then(feeding)
    has_batch = "batch" in program.workload.symbols
    prediction = Prediction(
        chip=chip.name,
        workload=program.workload.name,
        batch=program.samples,
        symbols={**program.workload.symbols, **({"batch": program.samples} if has_batch else {})},
        dtype=str(precision),
        stack=stack,
        seconds=at_least(device, feeding),
        layers=layers,
        tier=layers.worst,
        memory=program.memory,
        capacity=chip.dram.total_capacity,
        parameters=program.workload.parameters,
        run=program.run,
        calibration=calibration.file if calibration else "",
        unfitted=calibration is not None and model_of(chip).unfitted,
    )
    outside = float(timing.total[timing.octaves > 0].sum() / max(timing.total.sum(), 1e-300))
    if outside > 0.01:
        warnings.append(
            f"{outside:.0%} of the time is in shapes outside those fitted; their intervals are widened; "
            "to narrow them, measure this chip: roofline measure"
        )
    return replace(prediction, warnings=(*warnings, *warnings_of(chip, prediction, calibration)))
