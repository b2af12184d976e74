"""How long does this network take on that chip, why, and how uncertain is that? Read this file first.

Three steps: *lower* the network to a schedule of kernels (:mod:`roofline.lowering.program`), *time* the schedule on the
chip (:mod:`roofline.prediction.answers`), *combine* the kernels into layers, a total, bounds and intervals
(:mod:`roofline.prediction.combine`). The tier says where the times come from: ``calibrated`` if parameters were fitted
on this chip, ``borrowed`` if on others, else ``datasheet``, the plain roofline, which is an upper bound on speed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.network import Network
from roofline.core.prediction import Merged, Prediction
from roofline.core.run import Run
from roofline.core.stack import Stack
from roofline.core.workload import Workload
from roofline.errors import RooflineError
from roofline.lowering.program import Program
from roofline.prediction.answers import Answer, Question, answers, itself
from roofline.prediction.largest_batch import Batch
from roofline.prediction.question import network_of, notes_of
from roofline.prediction.setting import Setting


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
    setting, task = Setting.of(chip, dtype, stack, calibration), Run.of(run, mode, optimizer)
    network = network_of(workload, inputs, mode=task.mode)
    (prediction,) = predict_sizes(setting, network, [{"batch": batch, "bind": bind}], task)
    return prediction


def predict_sizes(
    setting: Setting, network: Network | Workload, sizes: Sequence[Mapping[str, Any]], run: Run
) -> list[Prediction]:
    """Predict a network at several sizes, in one call of the device model.

    Parameters
    ----------
    setting : chip, stack, precision and calibration.
    sizes : ``batch`` and ``bind`` of each prediction.
    run : mode and recipe.
    """
    programs = [setting.program(network, **one, run=run) for one in sizes]
    found = answers([Question(setting, program) for program in programs], itself)
    return [
        _completed(answer, setting, network, program, one, run)
        for answer, program, one in zip(found, programs, sizes, strict=True)
    ]


def _completed(
    answer: Answer,
    setting: Setting,
    network: Network | Workload,
    program: Program,
    sizes: Mapping[str, Any],
    run: Run,
) -> Prediction:
    """The answer with the notes of the network, and what compiling has merged; raises where it is an error."""
    if isinstance(answer, RooflineError):
        raise answer
    warnings = (*notes_of(network), *answer.warnings)
    prediction = replace(answer, symbols=dict(answer.symbols), warnings=warnings)
    if setting.stack.mode != "compiled":
        return prediction
    eager = replace(setting, stack=replace(setting.stack, mode="eager"))
    same = {**sizes, "batch": program.samples if sizes.get("batch") else None}
    return replace(prediction, merged=_merged(program, eager.program(network, **same, run=run)))


def _merged(program: Program, eager: Program) -> Merged:
    """The size of a compiled program beside that of the same one launched kernel by kernel."""
    ours, theirs = program.schedule, eager.schedule
    saved = float(theirs.all_bytes.sum() - ours.all_bytes.sum())
    return Merged(int(ours.repeats.sum()), int(theirs.repeats.sum()), saved)
