"""How long does a product take on a GPU: which tiles, how many waves, what misses the L2?

See :mod:`roofline.devices.gpu.model` for the equations.
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
from roofline.devices.gpu.parameters import Parameters, lanes, vector_engine
from roofline.devices.gpu.power import after_rest, sustained_share, top_share

Floats = NDArray[np.float64]

SIMT_TILES: dict[str, tuple[tuple[int, int], ...]] = {
    "linear": ((128, 128), (64, 128), (128, 64), (64, 64), (32, 128), (128, 32), (32, 64), (32, 32)),
    "batched": ((128, 128), (64, 128), (128, 64), (64, 64)),
}
"""Tiles (m, n) of fp32 kernels where no list of the architecture's libraries is known: all there are."""

SECTOR_ARCHITECTURES = ("maxwell", "pascal")
"""Their L2 fetches single sectors of 32 bytes, later ones two at a time: long rows read 8 numbers at a time cost them
an access of DRAM each."""

CUTS = (1, 2, 3, 4, 6, 8, 12, 16)
"""Parts a long k is cut into where the tiles alone do not fill the chip."""

CUT_WAVES = 2
"""Blocks on a multiprocessor beyond which nothing is cut further."""

LEAST_CUT = 256
"""Steps of k that a cut has at least."""

TOGETHER = 2
"""Blocks that run on a multiprocessor side by side."""


@dataclass(frozen=True)
class Grid:
    """What a product runs on: multiprocessors, multiply-adds a second of each, bytes a second of DRAM, and bytes of the
    panels that blocks find again in the L2.

    headroom : how many times faster its lanes are after a rest. scatter : share of the bandwidth where panels miss.
    pages : bytes that a multiprocessor can read without missing its page table; paged : bytes a second of each beyond.
    """

    units: float
    rate: float
    bandwidth: float
    cache: float
    tiles: tuple[tuple[int, int], ...]
    headroom: float = 1.0
    scatter: float = 1.0
    pages: float = np.inf
    paged: float = np.inf

    def cut(self, tiles: tuple[tuple[int, int], ...]) -> Grid:
        """The same with other tiles."""
        return replace(self, tiles=tiles)


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
    """Compute and memory seconds on vector lanes by the fastest tiles of every product, and the operations it does."""
    grid = grid_of(chip, precision, parameters)
    lists = SIMT_TILES | {kind: found.shapes for kind, found in chip.tiles.items()}
    sizes = Sizes.of(schedule, parse_precision(precision).storage.bytes)
    fused = schedule.in_family("attention")
    batched = (schedule.in_family("bmm") & (schedule.batch > 1)) | fused
    layers = [code for code, name in enumerate(schedule.op_names) if name == "linear"]
    forward = schedule.in_family("linear") & np.isin(schedule.op, layers)
    compute, memory = np.zeros(len(schedule)), np.zeros(len(schedule))
    scattered = in_sectors(grid, parameters) if chip.architecture in SECTOR_ARCHITECTURES else grid
    for kind, mine, where in (
        ("batched", batched, grid),
        ("linear", ~batched & ~forward, grid),
        ("linear", forward, scattered),
    ):
        rows = np.flatnonzero(mine)
        compute[rows], memory[rows] = product_seconds(sizes.select(rows), where.cut(lists[kind]), parameters)
    if fused.any():
        rows = np.flatnonzero(fused)
        turned = replace(sizes.select(rows), n=sizes.k[rows], k=sizes.n[rows])
        compute[rows] += product_seconds(turned, grid.cut(lists["batched"]), parameters)[0]
        memory[rows] = sizes.bytes[rows] / grid.bandwidth
    return compute, memory, schedule.flops


def grid_of(chip: Chip, precision: str, parameters: Parameters) -> Grid:
    """The vector lanes that products in a precision run on, without tiles."""
    engine, peak = ceiling.engine_and_rate(chip, parse_precision(precision), matrix=True)
    assert engine is not None
    units = engine.count.value
    wide = lanes(chip) / vector_engine(chip).count.value > 64
    share = sustained_share(chip, parameters)
    rate = peak / 2 / units * (parameters.wide if wide else parameters.narrow) * share
    level = chip.level("L2")
    cache = parameters.reach * level.capacity.value if level is not None and level.capacity else 0.0
    bandwidth = parameters.product * (chip.dram.total_bandwidth or np.inf)
    return Grid(units, rate, bandwidth, cache, (), headroom=top_share(chip, parameters) / share)


def in_sectors(grid: Grid, parameters: Parameters) -> Grid:
    """The grid for operands that both have long rows, on chips that fetch single sectors."""
    pages, paged = parameters.pages * 1e6, parameters.paged * 1e9
    return replace(grid, scatter=parameters.scatter, pages=pages, paged=paged)


def product_seconds(sizes: Sizes, grid: Grid, parameters: Parameters) -> tuple[Floats, Floats]:
    """Compute and memory seconds with the fastest tile and cut of k.

    Only what leaves multiprocessors idle is cut, into parts of at least ``LEAST_CUT`` steps.
    """
    compute, memory = np.full(len(sizes.m), np.inf), np.full(len(sizes.m), np.inf)
    least, p = memory.copy(), parameters.sharpness
    for tall, broad in grid.tiles:
        blocks = np.ceil(sizes.m / tall) * np.ceil(sizes.n / broad) * sizes.batch
        most = np.minimum(CUT_WAVES * grid.units / blocks, sizes.k / LEAST_CUT)
        for cuts in CUTS:
            rows = np.flatnonzero(most >= cuts) if cuts > 1 else np.arange(len(most))
            if not len(rows):
                break
            quick, moving = tile_seconds(sizes.select(rows), grid, tall, broad, cuts, parameters)
            joined = (quick**p + moving**p) ** (1 / p)
            better = joined < least[rows]
            mine = rows[better]
            compute[mine], memory[mine], least[mine] = quick[better], moving[better], joined[better]
    return compute, memory


def tile_seconds(
    sizes: Sizes, grid: Grid, tall: int, broad: int, cuts: int, parameters: Parameters
) -> tuple[Floats, Floats]:
    """Compute and memory seconds of products in tiles of ``tall`` x ``broad`` with k in ``cuts`` parts.

    Blocks start along n first, as cuBLAS numbers them. Those that run together read their panels once; the next read
    them again unless what was read in between left them in the L2:

        wide   = min(n/TN, 2 * multiprocessors)      blocks side by side along n
        deep   = 2 * multiprocessors / wide          and along m, at least 1 and at most m/TM
        missed(x) = 1 / (1 + (reach * L2 / x)^2)
        again  = missed(n*k) * k*n * (m/TM / deep - 1) + missed(wide*TN*k) * m*k * (n/TN / wide - 1)   [elements]
        memory = (operands + again/scatter + cuts) / (share * bandwidth) + paging
        paging = blocks * panel / (1 + (pages / ((TM + TN) * k))^2) / (multiprocessors * paged)
    """
    inner = np.ceil(sizes.k / cuts)
    down, across = np.ceil(sizes.m / tall), np.ceil(sizes.n / broad)
    blocks = down * across * sizes.batch * cuts
    border = (1.0 + parameters.edge * (1.0 / tall + 1.0 / broad)) / (1.0 + parameters.edge / 64.0)
    steps = 8.0 * np.ceil(inner / 8.0) + parameters.prologue
    compute = tall * broad * border / grid.rate * steps * np.ceil(blocks / grid.units)

    wave = TOGETHER * grid.units
    wide = np.minimum(across, wave)
    deep = np.clip(wave / wide, 1.0, down)
    row = inner * sizes.itemsize
    fresh_n = _missed(sizes.n * row, grid) * sizes.n * (down / deep - 1.0)
    fresh_m = _missed(wide * broad * row, grid) * sizes.m * (across / wide - 1.0)
    moved = sizes.bytes + sizes.batch * sizes.k * sizes.itemsize * (fresh_n + fresh_m) / grid.scatter
    if cuts > 1:
        moved = moved + parameters.split * cuts * sizes.batch * sizes.m * sizes.n * 4.0
    memory = moved / grid.bandwidth
    if np.isfinite(grid.paged):
        lines = (tall + broad) * sizes.itemsize
        missing = 1.0 / (1.0 + (grid.pages / (lines * sizes.k)) ** 2)
        memory = memory + blocks * inner * lines * missing / (grid.units * grid.paged)
    if parameters.rest:
        compute = compute / after_rest(np.maximum(compute, memory), grid.headroom, parameters)
    return compute, memory


def _missed(between: Floats, grid: Grid) -> Floats:
    """Share of what is read again that comes from DRAM, where ``between`` bytes were read in the meantime."""
    return np.asarray(1.0 / (1.0 + (grid.cache / between) ** 2))
