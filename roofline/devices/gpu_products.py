"""How long does a product take on a GPU: which tiles, how many waves, what misses the L2?

See :mod:`roofline.devices.gpu` for the equations.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roofline.core.chip import Chip
from roofline.core.dtype import precision as parse_precision
from roofline.core.schedule import Schedule
from roofline.core.stack import Stack
from roofline.devices import ceiling
from roofline.devices.gpu_parameters import Parameters, lanes, sustained_share, vector_engine

Floats = NDArray[np.float64]

SIMT_TILES: dict[str, dict[str, tuple[tuple[int, int], ...]]] = {
    "": {
        "linear": ((128, 128), (64, 128), (128, 64), (64, 64), (32, 128), (128, 32), (32, 64), (32, 32)),
        "bmm": ((128, 128), (64, 128), (128, 64), (64, 64)),
    },
    "pascal": {"linear": ((128, 32), (64, 64), (32, 128)), "bmm": ((64, 128),)},
    "volta": {
        "linear": ((64, 128), (32, 128), (128, 32), (128, 128), (32, 64), (32, 32)),
        "bmm": ((64, 64), (128, 32), (32, 128)),
    },
    "turing": {
        "linear": ((64, 128), (128, 128), (64, 64), (32, 128), (128, 32), (32, 32)),
        "bmm": ((64, 64), (64, 128), (32, 128)),
    },
    "ampere": {
        "linear": ((64, 128), (32, 128), (32, 32), (128, 32), (32, 64), (128, 128)),
        "bmm": ((128, 128),),
    },
}
"""Tiles (m, n) of fp32 kernels of cuBLAS 12 by architecture, from the kernel names of NeuSight's rows; an
architecture without a list takes that of :data:`LIKE`, or all there are."""

LIKE = {"ada": "ampere", "hopper": "ampere", "blackwell": "ampere"}

TENSOR_TILES = ((256, 128), (128, 256), (128, 128), (256, 64), (64, 256), (128, 64), (64, 128), (64, 64), (64, 32))

CUTS = (1, 2, 4, 8, 16)
"""Parts a long k is cut into where the tiles alone do not fill the chip."""

CUT_WAVES = 2
"""Blocks on a multiprocessor beyond which nothing is cut further."""

LEAST_CUT = 256
"""Steps of k that a cut has at least."""


@dataclass(frozen=True)
class Grid:
    """What a product runs on: multiprocessors, multiply-adds a second of each, bytes a second of DRAM, and bytes of the
    panels that blocks can share."""

    units: float
    rate: float
    bandwidth: float
    cache: float
    tiles: tuple[tuple[int, int], ...]

    def cut(self, tiles: tuple[tuple[int, int], ...], rate: float = 1.0) -> Grid:
        """The same with other tiles and ``rate`` times the speed."""
        return replace(self, tiles=tiles, rate=self.rate * rate)


@dataclass(frozen=True)
class Sizes:
    """Products as columns: batch x (m x k).(k x n), the bytes all operands have, and those of one number."""

    batch: Floats
    m: Floats
    n: Floats
    k: Floats
    bytes: Floats
    itemsize: float

    @classmethod
    def of(cls, schedule: Schedule, itemsize: float) -> Sizes:
        batch, m, n, k = (column.astype(np.float64) for column in (schedule.batch, schedule.m, schedule.n, schedule.k))
        return cls(batch, m, n, k, schedule.bytes, itemsize)

    def select(self, rows: NDArray[Any]) -> Sizes:
        return replace(self, **{f.name: getattr(self, f.name)[rows] for f in fields(self) if f.name != "itemsize"})


def products(
    schedule: Schedule, chip: Chip, precision: str, parameters: Parameters, stack: Stack
) -> tuple[Floats, Floats, Floats]:
    """Compute and memory seconds of the fastest tiles of every product, and the operations it does."""
    grid, simt = grid_of(chip, precision, parameters)
    lists = SIMT_TILES.get(LIKE.get(chip.architecture, chip.architecture), SIMT_TILES[""])
    sizes = Sizes.of(schedule, parse_precision(precision).storage.bytes)
    fused = schedule.in_family("attention")
    batched = (schedule.in_family("bmm") & (schedule.batch > 1)) | fused
    compute, memory = np.zeros(len(schedule)), np.zeros(len(schedule))
    for kind, mine in (("bmm", batched), ("linear", ~batched)):
        rows = np.flatnonzero(mine)
        tiles = lists[kind] if simt else TENSOR_TILES
        compute[rows], memory[rows] = product_seconds(sizes.select(rows), grid.cut(tiles), parameters)
    if fused.any():
        rows = np.flatnonzero(fused)
        turned = replace(sizes.select(rows), n=sizes.k[rows], k=sizes.n[rows])
        tiles = lists["bmm"] if simt else TENSOR_TILES
        compute[rows] += product_seconds(turned, grid.cut(tiles), parameters)[0]
        memory[rows] = sizes.bytes[rows] / grid.bandwidth
    return compute, memory, schedule.flops


def grid_of(chip: Chip, precision: str, parameters: Parameters) -> tuple[Grid, bool]:
    """What products in a precision run on, without tiles; and whether that is the vector lanes."""
    engine, peak = ceiling.engine_and_rate(chip, parse_precision(precision), matrix=True)
    assert engine is not None
    units, simt = engine.count.value, engine.kind == "vector"
    wide = lanes(chip) / vector_engine(chip).count.value > 64
    efficiency = (parameters.wide if wide else parameters.narrow) if simt else parameters.tensor
    rate = peak / 2 / units * efficiency * (sustained_share(chip, parameters) if simt else 1.0)
    level = chip.level("L2")
    reach = parameters.reach if simt else parameters.tensor_reach
    cache = reach * level.capacity.value if level is not None and level.capacity else 0.0
    return Grid(units, rate, parameters.product * (chip.dram.total_bandwidth or np.inf), cache, ()), simt


def product_seconds(sizes: Sizes, grid: Grid, parameters: Parameters) -> tuple[Floats, Floats]:
    """Compute and memory seconds with the fastest tile and cut of k."""
    compute, memory = np.full(len(sizes.m), np.inf), np.full(len(sizes.m), np.inf)
    least, p = memory.copy(), parameters.sharpness
    for cuts in CUTS:
        rows = np.flatnonzero((sizes.k >= cuts * LEAST_CUT) | (cuts == 1))
        if not len(rows):
            continue
        part = sizes.select(rows)
        for tall, broad in grid.tiles:
            quick, moving = tile_seconds(part, grid, tall, broad, cuts, parameters)
            joined = (quick**p + moving**p) ** (1 / p)
            if cuts > 1:  # only what leaves multiprocessors idle is cut
                blocks = np.ceil(part.m / tall) * np.ceil(part.n / broad) * part.batch
                joined = np.where(blocks * cuts <= CUT_WAVES * grid.units, joined, np.inf)
            better = joined < least[rows]
            mine = rows[better]
            compute[mine], memory[mine], least[mine] = quick[better], moving[better], joined[better]
    return compute, memory


def tile_seconds(
    sizes: Sizes, grid: Grid, tall: int, broad: int, cuts: int, parameters: Parameters
) -> tuple[Floats, Floats]:
    """Compute and memory seconds of products in tiles of ``tall`` x ``broad`` with k in ``cuts`` parts.

    Blocks of a wave share the panels they read while these fit into the L2; with longer k they drift apart,
    and in the end each reads its own from DRAM:

        panels = k * (TM + TN) * sqrt(min(blocks, multiprocessors)) * bytes of a number
        missed = 1 / (1 + (reach * L2 / panels)^2)
        bytes  = operands + missed * (blocks * k * (TM + TN) * bytes of a number - operands)
    """
    inner = np.ceil(sizes.k / cuts)
    blocks = np.ceil(sizes.m / tall) * np.ceil(sizes.n / broad) * sizes.batch * cuts
    border = 1.0 + parameters.edge * (1.0 / tall + 1.0 / broad)
    steps = 8.0 * np.ceil(inner / 8.0) + parameters.prologue
    compute = tall * broad * border / grid.rate * steps * np.ceil(blocks / grid.units)
    panel = inner * (tall + broad) * sizes.itemsize
    panels = panel * np.sqrt(np.minimum(blocks, grid.units))
    missed = 1.0 / (1.0 + (grid.cache / panels) ** 2)
    moved = sizes.bytes + missed * np.maximum(blocks * panel - sizes.bytes, 0.0)
    if cuts > 1:
        moved = moved + parameters.split * cuts * sizes.batch * sizes.m * sizes.n * 4.0
    return compute, moved / grid.bandwidth
