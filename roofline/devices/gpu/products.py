"""How long does a matrix multiplication (GEMM) take on the vector lanes of a GPU?

Tiles, wave quantization, split-k, and operand panels that miss the L2. :mod:`roofline.devices.gpu.model` joins the
parts. N is the number of GEMMs; rows and columns of a tile are TM and TN.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
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
"""Tiles (m, n) of fp32 kernels, used where the chip file has no tile list for its architecture."""

SECTOR_ARCHITECTURES = ("maxwell", "pascal")
"""Architectures whose L2 fetches single sectors of 32 bytes; later ones fetch two. A long row that a block reads 8
numbers at a time costs them one DRAM access for each read.
"""

CUTS = (1, 2, 3, 4, 6, 8, 12, 16)
"""Split-k: numbers of parts of k, tried where the tiles alone do not fill the GPU."""

CUT_WAVES = 2
"""Blocks per multiprocessor above which k is not split further."""

LEAST_CUT = 256
"""Least length of one part of k in split-k."""

TOGETHER = 2
"""Occupancy: blocks that run on a multiprocessor at the same time."""


@dataclass(frozen=True)
class Grid:
    """The hardware of a GEMM on vector lanes.

    Parameters
    ----------
    units : multiprocessors [1].
    rate : multiply-adds of one multiprocessor at the boost clock [FMA/s].
    bandwidth : DRAM bandwidth that GEMMs reach [B/s].
    cache : bytes of operand panels that stay in the L2 for other blocks [B].
    tiles : rows and columns of the tiles.
    top : share of the boost clock after a rest [1].
    scatter : share of the bandwidth for panels that miss the L2 [1].
    pages : bytes that a multiprocessor reads without missing its page table [B].
    paged : rate of one multiprocessor beyond that [B/s].
    """

    units: float
    rate: float
    bandwidth: float
    cache: float
    tiles: tuple[tuple[int, int], ...]
    top: float = 1.0
    scatter: float = 1.0
    pages: float = np.inf
    paged: float = np.inf

    def cut(self, tiles: tuple[tuple[int, int], ...]) -> Grid:
        """The same hardware with other tiles."""
        return replace(self, tiles=tiles)


@dataclass(frozen=True)
class Sizes:
    """GEMMs as columns: batch x (m x k).(k x n), the ``bytes`` of all operands [B], ``itemsize`` of one number [B], and
    the share of the boost clock [1] at which each runs.
    """

    batch: Floats
    m: Floats
    n: Floats
    k: Floats
    bytes: Floats
    itemsize: float
    clock: float | Floats = 1.0

    @classmethod
    def of(cls, schedule: Schedule, itemsize: float, clock: float | Floats = 1.0) -> Sizes:
        """The GEMMs of a ``schedule``; ``itemsize`` of one operand number [B], ``clock`` over the boost clock [1]."""
        batch, m, n, k = (column.astype(np.float64) for column in (schedule.batch, schedule.m, schedule.n, schedule.k))
        return cls(batch, m, n, k, schedule.bytes, itemsize, clock)

    def select(self, rows: NDArray[Any] | slice) -> Sizes:
        """The GEMMs at ``rows`` (a mask, indices or a slice)."""
        batch, m, n, k, moved = (column[rows] for column in (self.batch, self.m, self.n, self.k, self.bytes))
        return Sizes(batch, m, n, k, moved, self.itemsize, at(self.clock, rows))


def at(values: Any, rows: Any) -> Any:
    """The ``values`` of some ``rows`` (a mask or indices) [1]; a number, which is that of every row, stays as it is."""
    return values[rows] if isinstance(values, np.ndarray) and values.ndim else values


def products(
    schedule: Schedule, chip: Chip, precision: str, parameters: Parameters, stack: Stack, activity: float | Floats = 1.0
) -> tuple[Floats, Floats, Floats]:
    """Compute and memory seconds of every GEMM on vector lanes, with the fastest tiles; calls :func:`product_seconds`.

    Attention is two GEMMs: scores, then values. Its scores stay on the chip, so memory = operand bytes / bandwidth.

    schedule : N kernels that are GEMMs. chip : the GPU. precision : number format. parameters : fitted parameters.
    stack : software stack (not used here). activity : see :func:`.power.sustained_share` [1].

    Returns compute, memory, flops : [s], [s] and operations executed [FLOP], shape (N,) each.
    """
    grid = grid_of(chip, precision, parameters)
    lists = SIMT_TILES | {kind: found.shapes for kind, found in chip.tiles.items()}
    clock = sustained_share(chip, parameters, activity)
    sizes = Sizes.of(schedule, parse_precision(precision).storage.bytes, clock)
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
    """The vector lanes that multiply in a precision, without tiles::

        rate      = peak / 2 / multiprocessors * (wide or narrow)    [FMA/s], at the boost clock
        bandwidth = product * DRAM bandwidth [B/s],   cache = reach * L2 capacity [B]

    Parameters
    ----------
    chip : the GPU.
    precision : number format.
    parameters : fitted parameters; ``wide`` is for multiprocessors of more than 64 fp32 lanes.
    """
    engine, peak = ceiling.engine_and_rate(chip, parse_precision(precision), matrix=True)
    assert engine is not None
    units = engine.count.value
    wide = lanes(chip) / vector_engine(chip).count.value > 64
    rate = peak / 2 / units * (parameters.wide if wide else parameters.narrow)
    level = chip.level("L2")
    cache = parameters.reach * level.capacity.value if level is not None and level.capacity else 0.0
    bandwidth = parameters.product * (chip.dram.total_bandwidth or np.inf)
    return Grid(units, rate, bandwidth, cache, (), top=top_share(chip, parameters))


def in_sectors(grid: Grid, parameters: Parameters) -> Grid:
    """The grid for GEMMs whose operands both have long rows, on :data:`SECTOR_ARCHITECTURES`.

    It sets ``scatter``, ``pages`` (from MB to [B]) and ``paged`` (from GB/s to [B/s]); no other equation.

    Parameters
    ----------
    grid : the hardware.
    parameters : fitted parameters.
    """
    pages, paged = parameters.pages * 1e6, parameters.paged * 1e9
    return replace(grid, scatter=parameters.scatter, pages=pages, paged=paged)


def product_seconds(sizes: Sizes, grid: Grid, parameters: Parameters) -> tuple[Floats, Floats]:
    """Compute and memory seconds with the fastest tile and split of k, by :func:`tile_seconds`::

        time = min over tiles and parts of (compute^p + memory^p)^(1/p)    [s], p = sharpness

    Split-k is tried only where it fills idle multiprocessors: parts <= 2 * multiprocessors / blocks, of at least
    ``LEAST_CUT`` elements each.

    Parameters
    ----------
    sizes : N GEMMs.
    grid : the hardware, with tiles.
    parameters : fitted parameters.

    Returns
    -------
    compute, memory : [s], shape (N,) each.
    """
    compute, memory = np.empty(len(sizes.m)), np.empty(len(sizes.m))
    for start in range(0, len(compute), SLICE):
        mine = slice(start, start + SLICE)
        compute[mine], memory[mine] = _fastest(sizes.select(mine), grid, parameters)
    return compute, memory


SLICE = 4096
"""GEMMs whose tiles are tried at once, so that they stay in the caches of a CPU."""


def _fastest(sizes: Sizes, grid: Grid, parameters: Parameters) -> tuple[Floats, Floats]:
    """As :func:`product_seconds`: all tiles together, one number of parts of k after the other."""
    tall, broad = (np.array(side, dtype=np.float64)[:, None] for side in zip(*grid.tiles, strict=True))
    compute, memory = tile_seconds(sizes, grid, tall, broad, 1, parameters)
    p = parameters.sharpness
    times = (compute**p + memory**p) ** (1 / p)
    blocks = np.ceil(sizes.m / tall) * np.ceil(sizes.n / broad) * sizes.batch
    most = np.minimum(CUT_WAVES * grid.units / blocks, sizes.k / LEAST_CUT)
    for cuts in CUTS[1:]:
        tile, row = np.nonzero(most >= cuts)
        if not len(row):
            break
        quick, moving = tile_seconds(sizes.select(row), grid, tall[tile, 0], broad[tile, 0], cuts, parameters)
        joined = (quick**p + moving**p) ** (1 / p)
        better = joined < times[tile, row]
        place = tile[better], row[better]
        compute[place], memory[place], times[place] = quick[better], moving[better], joined[better]
    best = times.argmin(axis=0), np.arange(times.shape[1])
    return compute[best], memory[best]


def tile_seconds(
    sizes: Sizes, grid: Grid, tall: float | Floats, broad: float | Floats, cuts: int, parameters: Parameters
) -> tuple[Floats, Floats]:
    """Compute and memory seconds of GEMMs in tiles of ``tall`` (TM) x ``broad`` (TN), with k in ``cuts`` (S) parts.

    Blocks start along n first, as cuBLAS numbers them. Blocks that run together read each operand panel once. Later
    blocks read it again from DRAM, unless it is still in the L2::

        blocks   = ceil(m/TM) * ceil(n/TN) * batch * S
        overhead = (1 + edge * (1/TM + 1/TN)) / (1 + edge/64)        tile edge overhead, 1 for 128 x 128
        compute  = TM*TN * overhead * (8*ceil(k/(8*S)) + prologue) / (rate * clock) * ceil(blocks / units)    [s]
        wide     = min(ceil(n/TN), 2 * multiprocessors)              blocks side by side along n
        deep     = 2 * multiprocessors / wide                        along m, at least 1 and at most ceil(m/TM)
        missed(x) = 1 / (1 + (cache / x)^2)                          x bytes were read in between
        again    = batch*k*itemsize * (missed(n*k/S * itemsize) * n * (ceil(m/TM) / deep - 1)
                   + missed(wide*TN*k/S * itemsize) * m * (ceil(n/TN) / wide - 1))                            [B]
        result   = 4 * batch*m*n, where S > 1, else 0                                                         [B]
        panel    = (TM + TN) * k/S * itemsize                                                                 [B]
        paging   = blocks * panel / (1 + (pages / (S * panel))^2) / (multiprocessors * paged)                 [s]
        memory   = (bytes + again/scatter + split*S*result) / bandwidth + paging                              [s]

    Calls after a rest have a higher clock: compute is divided by :func:`~roofline.devices.gpu.power.after_rest`. Form:
    this project's own; evidence: docs/evidence-gpu.md.

    Parameters
    ----------
    sizes : N GEMMs; ``bytes`` of their operands and results [B].
    grid : the hardware, see :func:`grid_of`.
    tall, broad : rows and columns of a tile [1]; arrays of T tiles have the shape (T, 1).
    cuts : parts of k [1]; above 1 their partial results are written and added.
    parameters : fitted parameters.

    Returns
    -------
    compute, memory : [s], shape (N,) each, or (T, N).
    """
    inner = np.ceil(sizes.k / cuts)
    down, across = np.ceil(sizes.m / tall), np.ceil(sizes.n / broad)
    blocks = down * across * sizes.batch * cuts
    border = (1.0 + parameters.edge * (1.0 / tall + 1.0 / broad)) / (1.0 + parameters.edge / 64.0)
    steps = 8.0 * np.ceil(inner / 8.0) + parameters.prologue
    compute = tall * broad * border / (grid.rate * sizes.clock) * steps * np.ceil(blocks / grid.units)

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
        compute = compute / after_rest(np.maximum(compute, memory), grid.top / sizes.clock, parameters)
    return compute, memory


def _missed(between: Floats, grid: Grid) -> Floats:
    """Share of a second reading that comes from DRAM, after ``between`` bytes [B] were read in between."""
    return np.asarray(1.0 / (1.0 + (grid.cache / between) ** 2))
