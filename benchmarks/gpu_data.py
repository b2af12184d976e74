"""Which measured rows is the GPU model fitted on? Public kernel timings as schedules; nothing is fitted here.

NeuSight (fp32, five cards, one latency per call with a floor of its machine), DeepBench (cuBLAS and cuDNN on a
Titan X of Maxwell and a T4) and aiconfigurator (bf16 products of an H200). Rows are ordered by the sha256 of
(operator, dimensions), so that a cut of them is a fair draw and the same everywhere; those that start with 0
or 1 are kept apart for the last score.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from roofline.core.measurement import Measurement
from roofline.core.schedule import Kernel, Schedule
from roofline.measure.lowering import kernels_of
from roofline.measure.public import read_public

ELEMENTWISE = ("add", "mul", "div", "relu", "gelu", "tanh")
SOURCES: dict[tuple[str, str], str] = {
    ("neusight/linear", "fp32"): "linear",
    ("neusight/bmm", "fp32"): "bmm",
    ("neusight/conv", "fp32"): "conv",
    **{(f"neusight/{op}", "fp32"): "stream" for op in ELEMENTWISE},
    ("neusight/softmax", "fp32"): "softmax",
    ("neusight/ln", "fp32"): "layer_norm",
    ("deepbench/gemm", "fp32"): "deepbench",
    ("deepbench/gemm", "fp16"): "deepbench-fp16",
    ("deepbench/conv", "fp32"): "deepbench-conv",
    ("aiconfigurator/bf16", "bf16"): "aiconfigurator",
}
"""The sets and precisions that are fitted, and what they are called here."""
APART = "01"
"""First digits of the hash of rows kept apart."""


def digest(row: Measurement) -> str:
    """The sha256 of operator and dimensions, the same for every direction, precision and chip.

    It is taken of what rows looked like when the first were drawn, so that those kept apart stay the same.
    """
    attributes = {name: list(value) if isinstance(value, tuple) else value for name, value in row.attributes.items()}
    if row.set == "neusight/conv":
        del attributes["bias"]
    return hashlib.sha256(f"{row.op} {attributes} {row.inputs}".encode()).hexdigest()


@dataclass(frozen=True)
class Rows:
    """Measured rows of one device as columns. ``weight`` falls where host time hides the kernel."""

    schedule: Schedule
    seconds: NDArray[np.float64]
    source: NDArray[np.str_]
    floor: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.seconds)

    def select(self, rows: NDArray[np.generic]) -> Rows:
        return Rows(self.schedule.select(rows), self.seconds[rows], self.source[rows], self.floor[rows])


def questions(data: Path) -> Iterator[Measurement]:
    """Every row of the sets that is fitted."""
    for name in ("neusight", "deepbench", "aiconfigurator"):
        for row in read_public(name, data / name):
            if (row.set, row.dtype) in SOURCES and row.part == "forward":
                yield row


def _conv_floor(rows: list[Measurement]) -> list[float]:
    """Host time of the convolution rows: the smallest latency among the 200 rows around each, in their order."""
    taken = np.argsort([row.order or 0 for row in rows])
    seconds = np.array([rows[index].seconds for index in taken])
    floors = np.zeros(len(rows))
    for place, index in enumerate(taken):
        floors[index] = seconds[max(0, place - 100) : place + 101].min()
    return [float(value) for value in floors]


def load(data: Path, chips: tuple[str, ...], most: int = 400, apart: bool = False) -> dict[str, Rows]:
    """Device -> up to ``most`` rows of every set (and operator among the streams), fewest digests first.

    apart : the rows kept apart instead of the others.
    """
    groups: dict[tuple[str, str, str, str], list[Measurement]] = {}
    for row in questions(data):
        if row.chip in chips:
            groups.setdefault((row.chip, SOURCES[row.set, row.dtype], row.op, row.dtype), []).append(row)
    kernels: dict[str, list[Kernel]] = {}
    columns: dict[str, list[tuple[float, str, float]]] = {}
    for (device, source, op, _), rows in groups.items():
        floors = _conv_floor(rows) if source == "conv" else [0.0] * len(rows)
        drawn = sorted((digest(row), index) for index, row in enumerate(rows))
        drawn = [(found, index) for found, index in drawn if (found[0] in APART) == apart]
        limit = most // len(ELEMENTWISE) if op in ELEMENTWISE else most
        for _, index in drawn[:limit]:
            row = rows[index]
            lowered = kernels_of(row)
            kernels.setdefault(device, []).extend(lowered)
            columns.setdefault(device, []).extend([(row.seconds, source, floors[index])] * len(lowered))
    loaded = {}
    for device, found in kernels.items():
        seconds, sources, floor = zip(*columns[device], strict=True)
        loaded[device] = Rows(Schedule.of(found), np.array(seconds), np.array(sources), np.array(floor))
    return loaded
