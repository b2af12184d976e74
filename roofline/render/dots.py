"""What is drawn on a roofline? Layers and kernels as dots: how much work per byte, how fast."""

from __future__ import annotations

from dataclasses import dataclass

from roofline.core.chip import Chip
from roofline.core.prediction import Prediction
from roofline.render.tables import Fold, fold

NET = "whole network"
KINDS = ("convolution", "matrix multiplication", "other layer", NET)
MARKERS = {"convolution": "o", "matrix multiplication": "s", "other layer": "^", NET: "*"}


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
    return "matrix multiplication" if op in ("linear", "matmul", "bmm", "attention") else "other layer"


def dots_of(prediction: Prediction) -> tuple[list[Dot], float]:
    """The layers of a prediction, and the share of time that has no operations.

    Layers of one operator at one place are one dot, whose share is theirs together. Layers that only move
    data have no place on a logarithmic axis of operations.
    """
    whole = prediction.seconds.middle or 1.0
    places: dict[tuple[str, str, str], list[Fold]] = {}
    moved = 0.0
    for group in fold(prediction.layers):
        flops, traffic = group.flops, group.bytes
        if flops <= 0 or traffic <= 0 or group.seconds <= 0:
            moved += group.seconds / whole
            continue
        place = (group.layers[0].op, f"{flops / traffic:.2g}", f"{flops / group.seconds:.2g}")
        places.setdefault(place, []).append(group)
    dots = []
    for (op, _, _), groups in places.items():
        flops, traffic = sum(group.flops for group in groups), sum(group.bytes for group in groups)
        seconds, number = sum(group.seconds for group in groups), sum(len(group.layers) for group in groups)
        label = groups[0].name if len(groups) == 1 else f"{number} x {op}"
        dots.append(Dot(label, kind_of(op), prediction.dtype, flops / traffic, flops / seconds, seconds / whole))
    return dots, moved


def whole_dot(prediction: Prediction, chip: Chip) -> Dot:
    """A network as one dot: its operations for each byte that passes DRAM, as far as its layers tell which do."""
    bandwidth = chip.dram.total_bandwidth or 0.0
    passed = sum(layer.resources.get(chip.dram.name, 0.0) for layer in prediction.layers) * bandwidth
    intensity = prediction.flops / (passed or prediction.bytes)
    label = f"{prediction.workload}, batch {prediction.batch:,}"
    return Dot(label, NET, prediction.dtype, intensity, prediction.flops / prediction.seconds.middle, 0.0)
