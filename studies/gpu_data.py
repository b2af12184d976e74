"""Which measured rows is the GPU model fitted on, which score it, and which are kept apart?

NeuSight (fp32, five cards), DeepBench (cuBLAS and cuDNN on a Titan X of Maxwell and a T4) and aiconfigurator (products
of an H200 on tensor cores). Rows are ordered by the sha256 of (operator, dimensions), so that a cut of them is a fair
draw and the same everywhere; those that start with 0 or 1 are kept apart for the last score.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from roofline.calibration.gpu.rows import DRIFTING
from roofline.core.measurement import Measurement
from roofline.measurements.public import read_public

SETS = {
    "neusight": "NeuSight (sitar-lab/NeuSight @ 6945927)",
    "deepbench": "DeepBench (baidu-research/DeepBench @ da81ba7)",
    "aiconfigurator": "aiconfigurator (ai-dynamo/aiconfigurator @ 095f58a)",
}
MOST = 300
"""Rows of a card and set (and operator, precision, direction) that are drawn."""
STREAMS = ("add", "mul", "div", "pow", "relu", "gelu", "tanh")
"""Operators of which fewer are drawn, so that all of them together are about as many as products."""
JUDGES = ("neusight/traced", "deepbench/rnn", "caffe/layers")
"""Calls of nets and their layers: never fitted on, they judge the model."""
APART = "01"
"""First digits of the hash of rows kept apart."""


def digest(row: Measurement) -> str:
    """The sha256 of operator and dimensions, the same for every direction, precision and chip.

    It is taken of what rows looked like when the first were drawn, so that those kept apart stay the same.
    """
    op, inputs = row.op, row.inputs
    attributes = {name: list(value) if isinstance(value, tuple) else value for name, value in row.attributes.items()}
    if (row.set, op) == ("deepbench/gemm", "matmul"):
        op, attributes, inputs = "linear", {"out": inputs[1][1], "bias": False}, inputs[:1]
    if row.set == "neusight/conv":
        del attributes["bias"]
    return hashlib.sha256(f"{op} {attributes} {inputs}".encode()).hexdigest()


def folder() -> Path:
    """$ROOFLINE_DATA; ends the program where it is not set."""
    path = os.environ.get("ROOFLINE_DATA")
    if not path or not Path(path, "neusight").is_dir():
        sys.exit("set ROOFLINE_DATA to the folder that holds neusight/, deepbench/ and aiconfigurator/")
    return Path(path)


def operators(
    data: Path, *, apart: bool = False, most: int = MOST, sets: Sequence[str] = tuple(SETS)
) -> list[Measurement]:
    """The rows drawn of every card and set, in the order of collection; or those kept ``apart``."""
    groups: dict[tuple[str, ...], list[tuple[str, int, Measurement]]] = defaultdict(list)
    for place, row in enumerate(_all(data, sets)):
        hashed = digest(row)
        if (hashed[0] in APART) == apart:
            groups[row.chip, row.set, row.op, row.dtype, row.part].append((hashed, place, row))
    drawn: list[tuple[int, Measurement]] = []
    for key, rows in groups.items():
        limit = most // len(STREAMS) if key[2] in STREAMS else most
        drawn += [(place, row) for _, place, row in sorted(rows, key=lambda one: one[:2])[:limit]]
    return [row for _, row in sorted(drawn, key=lambda one: one[0])]


def _all(data: Path, sets: Sequence[str]) -> Iterator[Measurement]:
    for name in sets:
        for row in read_public(name, data / name):
            if row.kind == "operator" and row.set not in JUDGES:
                yield row


def drifting(data: Path) -> list[Measurement]:
    """All rows of the set whose host time drifts, which those drawn are measured against."""
    return [row for row in read_public("neusight", data / "neusight") if row.set in DRIFTING]


def judges(data: Path) -> list[Measurement]:
    """Recurrences of DeepBench and layers of Caffe's nets, all on the Titan X."""
    rows = (row for name in ("deepbench", "caffe") for row in read_public(name, data / name))
    return [row for row in rows if row.kind == "operator" and row.set in JUDGES]


def networks(data: Path, sets: Sequence[str] = ("neusight", "caffe")) -> list[Measurement]:
    """Whole networks, which are never fitted on."""
    return [row for name in sets for row in read_public(name, data / name) if row.kind == "network"]
