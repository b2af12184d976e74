"""How much faster is that chip than this one on this network, and why?

The reason is an identity, not a guess: the first chip's time is cut into parts by what bounds each layer
there and on the other chip, and every part has its own speed-up. With shares s of the first chip's time,
1 / speed-up = sum of s / (speed-up of the part). In the plain roofline the speed-up of a part that stays
bound by the same kind of resource is the ratio of two figures of the spec sheets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import sqrt
from pathlib import Path
from typing import Any

from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.comparison import Comparison, Entry, Reason
from roofline.core.dtype import Precision
from roofline.core.dtype import precision as parse_precision
from roofline.core.prediction import LayerPrediction, Prediction
from roofline.core.run import Run
from roofline.core.stack import Stack
from roofline.devices.ceiling import engine_and_rate
from roofline.devices.kinds import model_of
from roofline.errors import Unsupported, UsageError
from roofline.prediction.largest_batch import Batch
from roofline.prediction.predict import predict
from roofline.prediction.question import network_of
from roofline.prediction.select import resolve_chip


def compare(
    chips: Sequence[str | Path | Chip],
    workload: Any,
    *,
    inputs: Any = None,
    batch: Batch = None,
    bind: Mapping[str, int] | None = None,
    dtypes: Sequence[str] = ("fp32", "fp16"),
    stack: Stack | str | None = None,
    calibration: str | Path | Calibration | None = None,
    run: Run | str | None = None,
    mode: str | None = None,
    optimizer: str | None = None,
) -> Comparison:
    """Predict a network on several chips and say why they differ.

    Parameters
    ----------
    chips : names, paths or values; the first is what the others are compared with.
    batch : one for all; ``"max"`` is for each chip and precision the largest that fits.
    dtypes : precisions to try; a chip that lacks one has an entry that says so.

    Raises
    ------
    Unsupported : no chip can do any of the precisions.
    UnknownName, UsageError, SpecError : as :func:`roofline.prediction.predict.predict` does.
    """
    if not chips:
        raise UsageError("nothing to compare: name at least one chip")
    parts = [resolve_chip(chip) for chip in chips]
    wanted = list(dict.fromkeys(str(parse_precision(name)) for name in dtypes))
    on, task = Stack.of(stack), Run.of(run, mode, optimizer)
    network = network_of(workload, inputs, mode=task.mode)
    entries: list[Entry] = []

    def ask(part: Chip, name: str) -> Prediction:
        return predict(
            part,
            network,
            batch=batch,
            bind=bind,
            dtype=name,
            stack=on,
            calibration=calibration,
            run=task,
        )

    for name in wanted:
        first: tuple[Chip, Prediction] | None = None
        for index, part in enumerate(parts):
            try:
                prediction = ask(part, name)
            except Unsupported as error:
                entries.append(_entry(part, name, refusal=str(error)))
                continue
            if index == 0:
                first = (part, prediction)
            entry = _entry(part, name, prediction=prediction, path=_path(part, parse_precision(name)))
            entries.append(_beside(entry, part, prediction, first) if first else entry)
    if not any(entry.prediction for entry in entries):
        raise Unsupported("; ".join(dict.fromkeys(entry.refusal for entry in entries)))
    for part in parts:  # a chip that lacks all of them is shown at its own best
        if not any(entry.prediction for entry in entries if entry.chip == part.name):
            own = _best(part)
            path = f"{_path(part, own)}; {own} because it does not support {', '.join(wanted)}"
            entries.append(_entry(part, str(own), prediction=ask(part, str(own)), path=path))
    base = next(entry.prediction for entry in entries if entry.prediction)
    return Comparison(
        workload=next(entry.prediction.workload for entry in entries if entry.prediction),
        chips=tuple(part.name for part in parts),
        dtypes=tuple(wanted),
        entries=tuple(_with_base(entry, base) for entry in entries),
        stack=on,
        runs_on=tuple(model_of(part).runs_on for part in parts),
    )


def _best(chip: Chip) -> Precision:
    """The fastest precision of a chip: of floats where it has any, with no fewer than 8 bits."""
    have = chip.precisions()
    floats = [one for one in have if one.storage.kind == "float"] or [one for one in have if one.storage.bits >= 8]
    return max(floats or have, key=lambda one: _peak(chip, one))


def _entry(chip: Chip, dtype: str, **known: Any) -> Entry:
    return Entry(chip.name, chip.title, dtype, hardware=chip, **known)


def _beside(entry: Entry, chip: Chip, prediction: Prediction, first: tuple[Chip, Prediction]) -> Entry:
    """The entry with its speed-up over the first chip, the rule of thumb, and the parts of the reason."""
    base_chip, base = first
    wanted = parse_precision(prediction.dtype)
    compute, memory = _peak(chip, wanted) / _peak(base_chip, wanted), _bandwidth(chip) / _bandwidth(base_chip)
    same = chip is base_chip
    if _sheet_alone(prediction) != _sheet_alone(base):  # a fitted time over an upper bound on speed is no ratio
        return replace(entry, rule=sqrt(compute * memory))
    return replace(
        entry,
        speedup=prediction.samples_per_s / base.samples_per_s,
        rule=None if same else sqrt(compute * memory),
        reasons=() if same else _reasons(chip, prediction, base_chip, base),
    )


def _sheet_alone(prediction: Prediction) -> bool:
    """Whether most of the time is an upper bound on speed."""
    return prediction.tiers.get("datasheet", 0.0) > 0.5


def _with_base(entry: Entry, base: Prediction) -> Entry:
    new = entry.prediction
    alike = new is not None and _sheet_alone(new) == _sheet_alone(base)
    return replace(entry, speedup_over_first=new.samples_per_s / base.samples_per_s if new and alike else None)


def _reasons(chip: Chip, prediction: Prediction, base_chip: Chip, base: Prediction) -> tuple[Reason, ...]:
    """Parts of the base's time by (bound there, bound here), the largest first."""
    here = {(layer.name, layer.phase): layer for layer in prediction.layers}
    parts: dict[tuple[str, str], list[tuple[LayerPrediction, LayerPrediction]]] = {}
    for layer in base.layers:
        same = here.get((layer.name, layer.phase))
        if same:
            parts.setdefault((layer.bound, same.bound), []).append((layer, same))
    total = base.seconds.middle
    wanted = parse_precision(prediction.dtype)
    reasons = []
    for (before, after), pairs in parts.items():
        seconds = sum(old.seconds.middle for old, _ in pairs)
        # per sample, because the batches may differ
        after_s = sum(new.seconds.middle for _, new in pairs)
        if not seconds or not after_s:  # where no launch time is known, some layers take none
            continue
        speedup = seconds / base.batch / (after_s / prediction.batch)
        what, old_figure = _figure(base_chip, before, wanted)
        new_what, new_figure = _figure(chip, after, wanted)
        alike = bool(what) and what == new_what
        ratio = new_figure / old_figure if alike else None
        reasons.append(Reason(seconds / total, before, after, speedup, what if alike else "", ratio))
    return tuple(sorted(reasons, key=lambda reason: -reason.share))


def _figure(chip: Chip, resource: str, wanted: Precision) -> tuple[str, float]:
    """What kind of resource a bound is, and how much of it the chip has (more is faster)."""
    if resource == chip.dram.name:
        return "bandwidth", _bandwidth(chip)
    if resource == "launch" and chip.launch:
        return "launch", 1.0 / chip.launch.value
    for matrix in (True, False):
        engine, rate = engine_and_rate(chip, wanted, matrix=matrix)
        if engine and engine.name == resource:
            return "peak", rate
    return "", 1.0


def _peak(chip: Chip, wanted: Precision) -> float:
    return engine_and_rate(chip, wanted, matrix=True)[1]


def _bandwidth(chip: Chip) -> float:
    return chip.dram.total_bandwidth or float("nan")


def _path(chip: Chip, wanted: Precision) -> str:
    """``tensor cores, fp32 sums``: where products are made and what they are summed in."""
    actual, emulation = chip.resolve(wanted)
    engine = chip.engine_for(wanted, matrix=True).name
    if emulation:
        return f"{engine} in {actual}: {emulation}"
    return engine if actual.accumulate == actual.compute else f"{engine}, {actual.accumulate} accumulation"
