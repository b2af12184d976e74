"""How long does a convolution take on a GPU by each of the ways a library has to do it?

Every plan is a product in tiles of TM x TN, one block each, that multiprocessors work through in waves:

    compute = TM*TN * (1 + edge*(1/TM + 1/TN)) * (8*ceil(k/8) + start) / rate * ceil(blocks / multiprocessors)   [s]

and what surrounds it. Sizes of blocks and tiles are those of cuDNN's kernels: the grids of
Winograd and implicit products in NeuSight's convolution rows (up to 4,000 a card) come out in every one.

implicit   m = images x pixels, n = channels out, k = taps x channels in, in tiles of 128 x {32, 64, 128}
strided    the gradient for the data of a strided convolution: the same, slower and not at once with its traffic
fused      Winograd F(2x2, 3x3) (Lavin, Gray, arXiv:1509.09308): a block takes 32 patches of 2 x 2 pixels and 32
           channels out, which is as much as a tile of 128 x 128 with k = channels in
staged     transforms, a product for every point of the transform and transforms back, as kernels of their own:
           Winograd F(4x4, 3x3) and F(4x4, 5x5), images padded to a multiple of 16; Fourier transforms of patches of
           32 x 32 (Vasilache et al., arXiv:1412.7580)
split      the gradient of weights: m = taps x channels in, n = channels out, k = images x pixels cut into parts
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from roofline.core.schedule import Schedule

Floats = NDArray[np.float64]
Tiles = tuple[tuple[int, int], ...]
Patches = tuple[tuple[int, int, int], ...]

IMPLICIT_TILES: Tiles = ((128, 128), (128, 64), (128, 32))
"""Tiles (pixels, channels out) of implicit products in fp32; of gradients of weights (taps x channels in, out)."""

STAGED_TILES: Tiles = ((128, 64), (64, 64), (32, 128), (128, 32))
"""Tiles of the batched products between two transforms: those of cuBLAS."""

ONE_PATCHES: Patches = ((1, 4, 8),)
SIX_PATCHES: Patches = (*ONE_PATCHES, (2, 4, 4), (2, 2, 8), (4, 2, 4), (4, 1, 8), (4, 4, 2))
"""Images x rows x columns of the 32 patches of a block of fused Winograd; see :func:`patches_of`."""

EDGE = 8.0
"""Work of a tile for each line of its border."""

SHARPNESS = 4.0
"""Exponent that joins arithmetic and traffic of one kernel; between 2 and 8 the rows do not tell."""

SPLITS = (1, 2, 4, 8, 16, 32, 64, 128)
SPLIT_START = 100.0
"""Steps of k before and after which a block of a gradient of weights works at full rate."""
SPLIT_TRAFFIC = 2.0
"""Traffic of a cut of k over its part of the result: written, and added to what is there."""


@dataclass(frozen=True)
class Machine:
    """What plans run on: multiprocessors, multiply-adds a second of each, bytes a second of DRAM, seconds of a launch;
    ``wide`` multiprocessors have 128 lanes."""

    units: float
    rate: float
    bandwidth: float
    launch: float
    wide: bool = False

    def at(self, share: float) -> Machine:
        """At a share of the rate."""
        return replace(self, rate=self.rate * share)


@dataclass(frozen=True)
class Images:
    """Convolutions as columns, the gradient for the data as the convolution with channels swapped that it is.

    ``count`` images of side x side pixels (of the result), ``groups`` groups of ``channels`` in and ``out`` out;
    ``moved`` compulsory bytes, ``flops`` operations of the plain product.
    """

    groups: Floats
    count: Floats
    side: Floats
    taps: Floats
    channels: Floats
    out: Floats
    moved: Floats
    flops: Floats

    @classmethod
    def of(cls, schedule: Schedule, *, weights: bool = False) -> Images:
        """From kernels as :mod:`roofline.operators.convolution` makes them; ``weights``: gradients of weights."""
        names = ("batch", "m", "n", "k", "taps", "images")
        groups, m, n, k, taps, count = (getattr(schedule, name).astype(np.float64) for name in names)
        pixels, inner = (k, m) if weights else (m, k)
        return cls(groups, count, np.sqrt(pixels / count), taps, inner / taps, n, schedule.bytes, schedule.flops)

    @property
    def pixels(self) -> Floats:
        return np.asarray(self.count * np.square(self.side))


@dataclass(frozen=True)
class Cost:
    """Seconds of a plan behind its first launch, of its arithmetic and of its traffic; the operations it does."""

    total: Floats
    compute: Floats
    memory: Floats
    flops: Floats


def joined(compute: Floats, memory: Floats) -> Floats:
    """(compute^p + memory^p)^(1/p)."""
    return np.asarray((compute**SHARPNESS + memory**SHARPNESS) ** (1.0 / SHARPNESS))


def waves(
    machine: Machine,
    batch: Floats,
    m: Floats,
    n: Floats,
    k: Floats,
    *,
    tiles: Tiles,
    start: float,
    cuts: tuple[int, ...] = (1,),
) -> Floats:
    """Seconds of the arithmetic of batch x (m x k).(k x n) in the fastest tiles and number of ``cuts`` of k.

    A block of fewer than 256 threads, which is a tile smaller than 128 x 128, has one warp for each scheduler and
    cannot keep 128 lanes busy by itself: wide multiprocessors work through such blocks in pairs.
    """
    best = np.full(len(m), np.inf)
    for tall, broad in tiles:
        area = tall * broad * (1.0 + EDGE * (1.0 / tall + 1.0 / broad))
        together = 2.0 if machine.wide and tall * broad < 128 * 128 else 1.0
        blocks = batch * np.ceil(m / tall) * np.ceil(n / broad)
        for parts in cuts:
            steps = 8.0 * np.ceil(k / parts / 8.0) + start
            turns = together * np.ceil(blocks * parts / machine.units / together)
            moved = SPLIT_TRAFFIC * 4.0 * parts * batch * m * n / machine.bandwidth if parts > 1 else 0.0
            best = np.minimum(best, area * steps / machine.rate * turns + moved)
    return best


def implicit(x: Images, machine: Machine, tiles: Tiles, start: float) -> Cost:
    """The product in one kernel, behind one that lays out its addresses."""
    compute = waves(machine, x.groups, x.pixels, x.out, x.taps * x.channels, tiles=tiles, start=start)
    memory = x.moved / machine.bandwidth
    return Cost(joined(compute, memory) + machine.launch, compute, memory, x.flops)


def strided(x: Images, machine: Machine, tiles: Tiles, start: float) -> Cost:
    """The gradient for the data behind a stride: as :func:`implicit`, but traffic and arithmetic add."""
    cost = implicit(x, machine, tiles, start)
    return replace(cost, total=cost.compute + cost.memory + machine.launch)


def split(x: Images, machine: Machine, tiles: Tiles) -> Cost:
    """The gradient of weights as a product that sums over pixels, cut into parts where blocks are few."""
    compute = waves(
        machine, x.groups, x.taps * x.channels, x.out, x.pixels, tiles=tiles, start=SPLIT_START, cuts=SPLITS
    )
    memory = x.moved / machine.bandwidth
    return Cost(joined(compute, memory) + machine.launch, compute, memory, x.flops)


def patches_of(architecture: str, cudnn: int) -> Patches:
    """How a block of fused Winograd takes its patches: six ways on Maxwell and Pascal since cuDNN 7, else one."""
    return SIX_PATCHES if architecture in ("maxwell", "pascal") and cudnn >= 7 else ONE_PATCHES


def fused(x: Images, machine: Machine, patches: Patches, filters: float, start: float) -> Cost:
    """Winograd F(2x2, 3x3) in one kernel, behind the transform of the weights.

    A block does 16 multiplications for each of 32 patches, 32 channels out and each channel in; it sits on whole
    images, rows and columns of patches.
    """
    across = np.ceil(x.side / 2.0)
    blocks = np.full(len(across), np.inf)
    for images, rows, columns in patches:
        blocks = np.minimum(blocks, np.ceil(x.count / images) * np.ceil(across / rows) * np.ceil(across / columns))
    blocks = blocks * np.ceil(x.out / 32.0)
    area = 16.0 * 32.0 * 32.0 * (1.0 + EDGE * 2.0 / 128.0)
    compute = area * (8.0 * np.ceil(x.channels / 8.0) + start) / machine.rate * np.ceil(blocks / machine.units)
    transformed = filters * 4.0 * 16.0 * x.channels * x.out / machine.bandwidth
    memory = x.moved / machine.bandwidth
    total = joined(compute, memory) + transformed + machine.launch
    done = 2.0 * 16.0 * x.count * np.square(across) * x.channels * x.out
    return Cost(total, compute, memory + transformed, np.minimum(x.flops, done))


@dataclass(frozen=True)
class Transform:
    """How a staged plan turns patches of ``patch`` x ``patch`` pixels into ``points`` products.

    ``multiplications`` for each multiplication of numbers of ``size`` fp32 words (4 and 2 where they are complex);
    images come in multiples of ``sheaf``.
    """

    patch: float
    points: float
    multiplications: float = 1.0
    size: float = 1.0
    sheaf: float = 16.0


WINOGRAD = {9: Transform(4.0, 36.0), 25: Transform(4.0, 64.0)}
"""By taps: F(4x4, 3x3) and F(4x4, 5x5)."""


def fourier(taps: int) -> Transform:
    """Patches of 32 x 32 with the overlap of a square window: 32 x 17 complex points of a real image."""
    return Transform(33.0 - np.sqrt(taps), 32.0 * 17.0, multiplications=4.0, size=2.0, sheaf=1.0)


def staged(
    x: Images,
    machine: Machine,
    by: Transform,
    *,
    transform: float,
    filters: float,
    start: float,
    gradient: bool = False,
) -> Cost:
    """Both operands transformed, a product for each point, the result transformed back: four kernels.

    transform, filters : traffic of the transforms over the size of what comes out of them, for images and weights.
    gradient : that of weights, whose products sum over patches.
    """
    count = x.count if gradient else by.sheaf * np.ceil(x.count / by.sheaf)
    patches = count * np.square(np.ceil(x.side / by.patch))
    sides = (x.channels, x.out, patches) if gradient else (patches, x.out, x.channels)
    batch = np.full(len(patches), by.points * by.multiplications)
    word = 4.0 * by.size * by.points / machine.bandwidth
    images, weights = word * patches * (x.channels + x.out), word * x.channels * x.out
    compute = waves(machine, batch, *sides, tiles=STAGED_TILES, start=start)
    around = x.moved / machine.bandwidth + transform * images + filters * weights
    total = joined(compute, images + weights) + around + 3.0 * machine.launch
    done = 2.0 * batch * patches * x.channels * x.out
    return Cost(total, compute, around, np.minimum(x.flops, done))
