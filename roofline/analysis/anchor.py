"""What does a net take on that chip, given what it took on this one?

Whoever owns a card has measured the net at home. What a model gets wrong about a net it gets wrong on both
cards in like manner, so the measured time is carried over by the ratio of the two predictions:

    time there = measured here x predicted there / predicted here

The interval is how far off that was for whole transformers carried between three cards of three
architectures (42 ordered pairs of T4, V100 and A100-40, `studies/transformers.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import exp, sqrt

from roofline.core.chip import Chip
from roofline.core.dtype import precision
from roofline.core.measurement import Measurement
from roofline.core.network import Network
from roofline.core.prediction import Anchor, Interval, LayerPrediction, Prediction
from roofline.core.run import Recipe, Run
from roofline.devices.ceiling import engine_and_rate
from roofline.errors import DataError
from roofline.prediction.predict import predict
from roofline.prediction.select import resolve_chip

SPREAD = 0.21
"""log(measured / anchored) lies within this of zero in nine of ten pairs (numbers shared by all GPUs)."""

PAIRS = 42


def anchored(
    chip: Chip,
    workload: Network,
    prediction: Prediction,
    rows: Iterable[Measurement],
    *,
    chips: Mapping[str, Chip] | None = None,
    file: str = "",
) -> Prediction:
    """A prediction of a net on a chip, carried over from a row that measured the net at the same sizes.

    Of several rows the first of the same precision counts, of other precisions the first.

    Parameters
    ----------
    chips : those of the rows that have no file of their own, by name.

    Raises
    ------
    DataError : no row of this net at these sizes; the message names what there is.
    """
    row = _row_for(prediction, list(rows), file)
    here = (chips or {}).get(row.chip) or resolve_chip(row.chip)
    run = Run(row.mode, Recipe("none")) if row.mode == "training" else None
    own = predict(here, workload, bind=row.symbols, dtype=row.dtype, stack=row.stack, run=run)
    scale = row.seconds / own.seconds.middle
    peaks, bandwidths = _peak(chip, prediction.dtype) / _peak(here, row.dtype), _bandwidth(chip) / _bandwidth(here)
    warnings = [said for said in prediction.warnings if not said.startswith(("borrowed:", "tier "))]
    if here.kind != chip.kind:
        warnings.append(f"carried over from a {here.kind} to a {chip.kind}: nobody tested how far off that is")
    return replace(
        prediction,
        seconds=_around(prediction.seconds.middle * scale),
        layers=tuple(_carried(layer, scale) for layer in prediction.layers),
        tier="anchored",
        anchor=Anchor(
            row.chip, row.dtype, row.seconds, own.seconds.middle, row.seconds / sqrt(peaks * bandwidths), PAIRS, file
        ),
        warnings=tuple(warnings),
    )


def _row_for(prediction: Prediction, rows: list[Measurement], file: str) -> Measurement:
    where = f"{file}: " if file else ""
    same_net = [row for row in rows if row.kind == "network" and row.network == prediction.workload]
    if not same_net:
        nets = sorted({row.network for row in rows if row.kind == "network"})
        have = f"there are {', '.join(nets)}" if nets else "there are none of whole networks"
        raise DataError(f"{where}no row of {prediction.workload}; {have}")
    mode = [row for row in same_net if row.mode == prediction.mode]
    fitting = [row for row in mode if all(prediction.symbols.get(name) == size for name, size in row.symbols.items())]
    if not fitting:
        sizes = sorted({f"{', '.join(f'{k}={v}' for k, v in row.symbols.items())} ({row.mode})" for row in same_net})
        raise DataError(
            f"{where}{prediction.workload} was measured at {'; '.join(sizes)}; ask for one of these sizes "
            "(--batch, --bind, --mode)"
        )
    return next((row for row in fitting if row.dtype == prediction.dtype), fitting[0])


def _carried(layer: LayerPrediction, scale: float) -> LayerPrediction:
    return replace(
        layer,
        seconds=_around(layer.seconds.middle * scale),
        tier="anchored",
        resources={name: seconds * scale for name, seconds in layer.resources.items()},
    )


def _around(middle: float) -> Interval:
    return Interval(middle * exp(-SPREAD), middle, middle * exp(SPREAD))


def _peak(chip: Chip, dtype: str) -> float:
    return engine_and_rate(chip, precision(dtype), matrix=True)[1]


def _bandwidth(chip: Chip) -> float:
    return chip.dram.total_bandwidth or float("nan")
