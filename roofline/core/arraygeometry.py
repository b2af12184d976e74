"""What is a matrix array, as far as its cycles are concerned?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from roofline.core import checks
from roofline.core.fact import STATUSES, Fact, Status, check_figure

Dataflow = Literal["weight-stationary", "output-stationary", "dot-product"]
Lowering = Literal["row-packed", "im2col", "per-tap"]
DATAFLOWS: tuple[Dataflow, ...] = get_args(Dataflow)
LOWERINGS: tuple[Lowering, ...] = get_args(Lowering)


@dataclass(frozen=True)
class ArrayGeometry:
    """A matrix array: ``rows`` x ``cols`` multipliers (x ``depth`` for a dot-product grid).

    Cycles and rows that are None are not published, and the device model says what it takes instead.

    issue : cycles between two products at least. moving : most rows of activations of one product.
    load : cycles to load a tile of weights, beside the products of the tile before unless ``load_exposed``.
    accumulators : rows of sums it can keep, after which weights are loaded again.
    drain : cycles to move a tile of results out of an output-stationary array.
    lowering : how a convolution becomes products; a software stack may say otherwise.
    padded_weights : weights lie in memory in whole tiles. streamed_weights : they come from DRAM every time.
    """

    rows: int
    cols: int
    depth: int = 1
    dataflow: Dataflow = "weight-stationary"
    source: str = ""
    status: Status = "datasheet"
    issue: Fact | None = None
    moving: Fact | None = None
    load: Fact | None = None
    accumulators: Fact | None = None
    drain: Fact | None = None
    load_exposed: bool = False
    lowering: Lowering = "row-packed"
    padded_weights: bool = False
    streamed_weights: bool = False

    def __post_init__(self) -> None:
        checks.count("rows of an array", self.rows)
        checks.count("cols of an array", self.cols)
        checks.count("depth of an array", self.depth)
        checks.word("dataflow", self.dataflow, DATAFLOWS)
        checks.text("source of an array", self.source)
        checks.word("status of an array", self.status, STATUSES)
        for name in ("issue", "moving", "load", "accumulators", "drain"):
            check_figure(f"{name} of an array", getattr(self, name), optional=True)
        checks.word("lowering", self.lowering, LOWERINGS)
        for name in ("load_exposed", "padded_weights", "streamed_weights"):
            checks.flag(name, getattr(self, name))
