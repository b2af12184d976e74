"""What is drawn on a roofline? Layers and kernels as dots: how much work per byte, how fast."""

from __future__ import annotations

from dataclasses import dataclass

from roofline.core.prediction import Prediction
from roofline.render.tables import fold

KINDS = ("convolution", "matrix product", "other layer")
MARKERS = {"convolution": "o", "matrix product": "s", "other layer": "^"}


@dataclass(frozen=True)
class Dot:
    """``intensity`` in op/B, ``rate`` in op/s, ``share`` of the time it stands for (0: not known)."""

    label: str
    kind: str
    dtype: str
    intensity: float
    rate: float
    share: float = 0.0
    measured: bool = False


def kind_of(op: str) -> str:
    """The kind an operator is drawn as."""
    if op.startswith("conv"):
        return "convolution"
    return "matrix product" if op in ("linear", "matmul", "bmm", "attention") else "other layer"


def dots_of(prediction: Prediction) -> tuple[list[Dot], float]:
    """The layers of a prediction, equal ones as one dot, and the share of time that has no operations.

    Layers that only move data have no place on a logarithmic axis of operations.
    """
    whole = prediction.seconds.middle or 1.0
    dots, moved = [], 0.0
    for group in fold(prediction.layers):
        flops = sum(layer.flops for layer in group.layers)
        traffic = sum(layer.bytes for layer in group.layers)
        share = group.seconds / whole
        if flops <= 0 or traffic <= 0 or group.seconds <= 0:
            moved += share
            continue
        dots.append(
            Dot(
                group.name,
                kind_of(group.layers[0].op),
                prediction.dtype,
                flops / traffic,
                flops / group.seconds,
                share,
            )
        )
    return dots, moved
