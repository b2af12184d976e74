"""How long does a network take on that chip, given its measured time on this one?

A user has measured the network on a GPU of their own. The model's error on a network is similar on both GPUs, so the
measured time is scaled by the ratio of the two predictions::

    time there = measured here * predicted there / predicted here    [s]
    interval   = time there * exp(-+ SPREAD)

The interval is the error for whole transformers between three GPUs of three architectures (42 ordered pairs of T4, V100
and A100-40, ``studies/transformers.py``). Form: this project's own; evidence: docs/evidence.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import exp, sqrt

from roofline.core.chip import Chip
from roofline.core.dtype import precision
from roofline.core.measurement import Measurement
from roofline.core.network import Network
from roofline.core.prediction import Anchor, Interval, LayerPrediction, Layers, Prediction
from roofline.core.run import Recipe, Run
from roofline.core.warned import Said
from roofline.devices.ceiling import engine_and_rate
from roofline.devices.kinds import model_of
from roofline.errors import DataError
from roofline.prediction.predict import predict
from roofline.prediction.select import resolve_chip

SPREAD = 0.21
"""For 90 % of the pairs |log(measured / anchored)| is below this, with the parameters shared by all GPUs."""

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
    """A prediction of a network on a chip, scaled from a measurement of it at the same sizes on another chip::

        time = measured * prediction / prediction for the measured chip    [s]

    Of several measurements the first of the same precision counts, else the first.

    Parameters
    ----------
    chip : the chip to predict.
    workload : the network.
    prediction : of the network on that chip, by the model [s].
    rows : measurements of other chips [s].
    chips : chips of the measurements that have no file, by name.
    file : name of the file of measurements, for messages.

    Returns
    -------
    prediction : the scaled times with intervals [s], tier ``anchored``.

    Raises
    ------
    DataError : no measurement of this network at these sizes; the message lists those there are.
    """
    row = _row_for(prediction, list(rows), file)
    here = (chips or {}).get(row.chip) or resolve_chip(row.chip)
    run = Run(row.mode, Recipe("none")) if row.mode == "training" else None
    own = predict(here, workload, bind=row.symbols, dtype=row.dtype, stack=row.stack, run=run)
    scale = row.seconds / own.seconds.middle
    peaks, bandwidths = _peak(chip, prediction.dtype) / _peak(here, row.dtype), _bandwidth(chip) / _bandwidth(here)
    warnings = Said(said for said in prediction.warnings if not said.startswith(("borrowed:", "tier ")))
    if here.kind != chip.kind:
        warnings.add(
            "other-kind",
            f"transferred from {model_of(here).noun} to {model_of(chip).noun}: the error of such transfers was not "
            "measured, so do not rely on the interval",
        )
    return replace(
        prediction,
        seconds=_around(prediction.seconds.middle * scale),
        layers=Layers.of(_carried(layer, scale) for layer in prediction.layers),
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
        have = f"the file has {', '.join(nets)}" if nets else "the file has no measurements of whole networks"
        raise DataError(
            f"{where}no measurement of {prediction.workload}; {have}; to measure it: roofline measure -w "
            f"{prediction.workload}"
        )
    mode = [row for row in same_net if row.mode == prediction.mode]
    fitting = [row for row in mode if all(prediction.symbols.get(name) == size for name, size in row.symbols.items())]
    if not fitting:
        sizes = sorted({f"{', '.join(f'{k}={v}' for k, v in row.symbols.items())} ({row.mode})" for row in same_net})
        raise DataError(
            f"{where}{prediction.workload} was measured at {'; '.join(sizes)}; predict one of these sizes "
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
