"""Which measured rows is the GPU model fitted on? Public kernel timings as schedules; nothing is fitted here.

NeuSight (fp32, five cards, one latency per call with a floor of its machine), DeepBench (cuBLAS and cuDNN on a
Titan X of Maxwell and a T4) and aiconfigurator (bf16 products of an H200). Rows are ordered by the sha256 of
(operator, dimensions), so that a cut of them is a fair draw and the same everywhere; those that start with 0
or 1 are kept apart for the last score.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from roofline import operators
from roofline.core.dtype import precision
from roofline.core.schedule import Kernel, Schedule
from roofline.core.workload import Workload

ELEMENTWISE = ("add", "mul", "div", "relu", "gelu", "tanh")
DTYPES = {"fp32": "fp32", "fp16_mixed": "fp16", "bfloat16": "bf16"}
APART = "01"
"""First digits of the hash of rows kept apart."""


@dataclass(frozen=True)
class Row:
    """One measured call: which operator on which shapes, how long, and how its set is called.

    plain : a product of BLAS whose second operand is not stored transposed, as a layer's weights are.
    """

    device: str
    source: str
    dtype: str
    op: str
    attributes: dict[str, object]
    inputs: tuple[tuple[int, ...], ...]
    seconds: float
    order: int = 0
    plain: bool = False

    @property
    def digest(self) -> str:
        return hashlib.sha256(f"{self.op} {self.attributes} {self.inputs}".encode()).hexdigest()


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


def _read(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt") as file:
        yield from csv.DictReader(file)


def questions(data: Path) -> Iterator[Row]:
    """Every usable row of the sets."""
    for row in _read(data / "neusight/linear.csv.gz"):
        b, m, n, k = (int(row[c]) for c in "BMNK")  # N is the reduction
        yield Row(row["device"], "linear", "fp32", "linear", {"out": k}, ((b * m, n),), _ms(row))
    for row in _read(data / "neusight/bmm.csv.gz"):
        b, m, n, k = (int(row[c]) for c in "BMNK")
        yield Row(row["device"], "bmm", "fp32", "matmul", {}, ((b, m, n), (b, n, k)), _ms(row))
    for row in _read(data / "neusight/conv.csv.gz"):
        side, out = int(row["input_size"]), int(row["c_out"])
        shape = (int(row["B"]), int(row["c_in"]), side, side)
        what: dict[str, object] = {"out": out, "kernel": 3, "padding": 1}
        yield Row(row["device"], "conv", "fp32", "conv2d", what, (shape,), _ms(row), int(row["row"]))
    for name in ELEMENTWISE:
        for row in _read(data / f"neusight/{name}.csv.gz"):
            two = 2 if name in ("add", "mul", "div") else 1
            yield Row(row["device"], "stream", "fp32", name, {}, ((int(row["B"]), int(row["H"])),) * two, _ms(row))
    for name, op in (("softmax", "softmax"), ("ln", "layer_norm")):
        for row in _read(data / f"neusight/{name}.csv.gz"):
            yield Row(row["device"], op, "fp32", op, {}, ((int(row["B"]), int(row["H"])),), _ms(row))
    for row in _read(data / "deepbench/gemm.csv.gz"):
        if row["dtype"] in DTYPES:
            m, n, k = (int(row[c]) for c in "MNK")
            bare: dict[str, object] = {"out": m, "bias": False}
            dtype, turned = DTYPES[row["dtype"]], (row["ta"], row["tb"]) == ("T", "N")
            source = "deepbench" if dtype == "fp32" else "deepbench-fp16"
            yield Row(row["device"], source, dtype, "linear", bare, ((n, k),), float(row["ms"]) / 1e3, plain=not turned)
    for row in _read(data / "deepbench/conv.csv.gz"):
        if row["dtype"] == "fp32" and row["fwd_ms"]:
            sizes = {name: int(row[name]) for name in ("W", "H", "C", "N", "K", "S", "R")}
            how: dict[str, object] = {
                "out": sizes["K"],
                "kernel": [sizes["R"], sizes["S"]],
                "padding": [int(row["pad_h"]), int(row["pad_w"])],
                "stride": [int(row["str_h"]), int(row["str_w"])],
                "bias": False,
            }
            shape = (sizes["N"], sizes["C"], sizes["H"], sizes["W"])
            seconds = float(row["fwd_ms"]) / 1e3
            yield Row(row["device"], "deepbench-conv", "fp32", "conv2d", how, (shape,), seconds)
    for row in _read(data / "aiconfigurator/h200_sxm_gemm.csv.gz"):
        if row["dtype"] in DTYPES:
            m, n, k = (int(row[c]) for c in "mnk")
            bare = {"out": n, "bias": False}
            yield Row("h200-sxm", "aiconfigurator", DTYPES[row["dtype"]], "linear", bare, ((m, k),), _ms(row))


def _ms(row: dict[str, str]) -> float:
    return float(row["latency_ms"]) / 1e3


def _conv_floor(rows: list[Row]) -> list[float]:
    """Host time of the convolution rows: the smallest latency among the 200 rows around each, in their order."""
    taken = np.argsort([row.order for row in rows])
    seconds = np.array([rows[index].seconds for index in taken])
    floors = np.zeros(len(rows))
    for place, index in enumerate(taken):
        floors[index] = seconds[max(0, place - 100) : place + 101].min()
    return [float(value) for value in floors]


def _work(row: Row) -> Workload:
    """The one operator of a row."""
    if not row.plain:
        return operators.single(row.op, row.attributes, list(row.inputs), precision(row.dtype))
    ((m, k),) = row.inputs
    return operators.single("matmul", {}, [(m, k), (k, cast(int, row.attributes["out"]))], precision(row.dtype))


def load(data: Path, chips: tuple[str, ...], most: int = 400, apart: bool = False) -> dict[str, Rows]:
    """Device -> up to ``most`` rows of every set (and operator among the streams), fewest digests first.

    apart : the rows kept apart instead of the others.
    """
    groups: dict[tuple[str, str, str, str], list[Row]] = {}
    for row in questions(data):
        if row.device in chips and row.seconds > 0:
            groups.setdefault((row.device, row.source, row.op, row.dtype), []).append(row)
    kernels: dict[str, list[Kernel]] = {}
    columns: dict[str, list[tuple[float, str, float]]] = {}
    for (device, source, op, _), rows in groups.items():
        floors = _conv_floor(rows) if source == "conv" else [0.0] * len(rows)
        drawn = sorted((row.digest, index) for index, row in enumerate(rows))
        drawn = [(digest, index) for digest, index in drawn if (digest[0] in APART) == apart]
        limit = most // len(ELEMENTWISE) if op in ELEMENTWISE else most
        for _, index in drawn[:limit]:
            row = rows[index]
            lowered = operators.lower(_work(row))
            kernels.setdefault(device, []).extend(lowered)
            columns.setdefault(device, []).extend([(row.seconds, source, floors[index])] * len(lowered))
    loaded = {}
    for device, found in kernels.items():
        seconds, sources, floor = zip(*columns[device], strict=True)
        loaded[device] = Rows(Schedule.of(found), np.array(seconds), np.array(sources), np.array(floor))
    return loaded
