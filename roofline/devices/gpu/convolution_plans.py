"""How long does a convolution take on a GPU by each plan that a library has?

Every plan is a GEMM in tiles of TM x TN, one block each, with wave quantization::

    compute = TM*TN * (1 + edge*(1/TM + 1/TN)) * (8*ceil(k/8) + start) / rate * ceil(blocks / multiprocessors)    [s]

and what surrounds it. The tiles are those of cuDNN: in NeuSight's convolution measurements (up to 4,000 a GPU), the
grid of every Winograd and implicit GEMM kernel comes out.

- implicit: m = images x pixels, n = channels out, k = taps x channels in, tiles of 128 x {32, 64, 128}.
- strided: data gradient with a stride; the same, but slower, and its compute and traffic do not overlap.
- fused: Winograd F(2x2, 3x3) (Lavin, Gray, arXiv:1509.09308). A block computes 32 patches of 2 x 2 pixels and 32
  channels out, which is the work of a 128 x 128 tile with k = channels in.
- staged: transforms, a GEMM for each point, inverse transforms. Winograd F(4x4, 3x3) and F(4x4, 5x5), images padded to
  a multiple of 16; Fourier transforms of 32 x 32 patches (Vasilache et al., arXiv:1412.7580).
- split: weight gradient with split-k: m = taps x channels in, n = channels out, k = images x pixels.

Form: this project's own; evidence: docs/evidence-gpu.md.
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
"""Tiles (pixels, channels out) of implicit GEMM in fp32; of weight gradients (taps x channels in, out)."""

STAGED_TILES: Tiles = ((128, 64), (64, 64), (32, 128), (128, 32))
"""Tiles of the batched GEMMs between two transforms: those of cuBLAS."""

ONE_PATCHES: Patches = ((1, 4, 8),)
SIX_PATCHES: Patches = (*ONE_PATCHES, (2, 4, 4), (2, 2, 8), (4, 2, 4), (4, 1, 8), (4, 4, 2))
"""Images x rows x columns of the 32 patches of a fused Winograd block; see :func:`patches_of`."""

EDGE = 8.0
"""Tile edge overhead [elements]."""

SHARPNESS = 4.0
"""Exponent that joins compute and memory; the measurements do not distinguish values between 2 and 8."""

SPLITS = (1, 2, 4, 8, 16, 32, 64, 128)
SPLIT_START = 100.0
"""Elements of k before and after which a block of a weight gradient works at full rate."""
SPLIT_TRAFFIC = 2.0
"""Traffic of one part of split-k over its result: written, then read to be added."""


@dataclass(frozen=True)
class Machine:
    """The hardware: multiprocessors, FMA rate of each [FMA/s], DRAM bandwidth [B/s], launch [s]; ``wide``: 128 lanes
    each.
    """

    units: float
    rate: float
    bandwidth: float
    launch: float
    wide: bool = False

    def at(self, share: float) -> Machine:
        """The same at a ``share`` of the rate: ``rate = share * rate`` [FMA/s]."""
        return replace(self, rate=self.rate * share)


@dataclass(frozen=True)
class Images:
    """Convolutions as columns; a data gradient is the convolution with its channels swapped.

    ``count`` images of side x side pixels (of the result), ``groups`` of ``channels`` in and ``out`` channels out;
    ``moved`` compulsory bytes [B], ``flops`` of the plain GEMM [FLOP]; ``clock`` over the boost clock [1].
    """

    groups: Floats
    count: Floats
    side: Floats
    taps: Floats
    channels: Floats
    out: Floats
    moved: Floats
    flops: Floats
    clock: float | Floats = 1.0

    @classmethod
    def of(cls, schedule: Schedule, *, weights: bool = False, clock: float | Floats = 1.0) -> Images:
        """From a ``schedule`` as :mod:`roofline.operators.convolution` makes it; ``weights``: they are weight
        gradients; ``clock`` over the boost clock [1].
        """
        names = ("batch", "m", "n", "k", "taps", "images")
        groups, m, n, k, taps, count = (getattr(schedule, name).astype(np.float64) for name in names)
        pixels, inner = (k, m) if weights else (m, k)
        return cls(groups, count, np.sqrt(pixels / count), taps, inner / taps, n, schedule.bytes, schedule.flops, clock)

    @property
    def pixels(self) -> Floats:
        """Pixels of all images: ``count * side^2`` [1]."""
        return np.asarray(self.count * np.square(self.side))


@dataclass(frozen=True)
class Cost:
    """Seconds of a plan without its first launch, of its compute and of its memory [s]; operations it
    executes [FLOP].
    """

    total: Floats
    compute: Floats
    memory: Floats
    flops: Floats


def joined(compute: Floats, memory: Floats) -> Floats:
    """``(compute^4 + memory^4)^(1/4)`` [s], exponent :data:`SHARPNESS`; ``compute`` and ``memory`` in [s],
    shape (N,).
    """
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
    clock: float | Floats = 1.0,
) -> Floats:
    """Compute seconds of batch x (m x k).(k x n) with the fastest tile and split of k into S ``cuts``::

        area   = TM*TN * (1 + EDGE * (1/TM + 1/TN))
        blocks = batch * ceil(m/TM) * ceil(n/TN) * S
        waves  = pair * ceil(blocks / multiprocessors / pair)         pair: 2 or 1
        time   = area * (8*ceil(k/S/8) + start) / (rate * clock) * waves + (8*S * batch*m*n / bandwidth, if S > 1) [s]

    A block smaller than 128 x 128 has fewer than 256 threads, one warp for each scheduler. It cannot keep 128 lanes
    busy, so wide multiprocessors run such blocks in pairs. Form: this project's own; evidence: docs/evidence-gpu.md.

    machine : the hardware. batch, m, n, k : sizes [1], shape (N,). tiles : to choose from. start : elements of k before
    full rate [1]. cuts : parts of k to choose from. clock : over the boost clock [1]. Returns time : [s], shape (N,).
    """
    tall, broad = (np.array(side, dtype=np.float64)[:, None] for side in zip(*tiles, strict=True))
    area = tall * broad * (1.0 + EDGE * (1.0 / tall + 1.0 / broad))
    together = np.where(machine.wide & (tall * broad < 128 * 128), 2.0, 1.0)
    blocks = batch * np.ceil(m / tall) * np.ceil(n / broad)
    best = np.full(blocks.shape[1], np.inf)
    for parts in cuts:
        steps = 8.0 * np.ceil(k / parts / 8.0) + start
        turns = together * np.ceil(blocks * parts / machine.units / together)
        moved = SPLIT_TRAFFIC * 4.0 * parts * batch * m * n / machine.bandwidth if parts > 1 else 0.0
        best = np.minimum(best, (area * steps / (machine.rate * clock) * turns + moved).min(axis=0, initial=np.inf))
    return best


def implicit(x: Images, machine: Machine, tiles: Tiles, start: float) -> Cost:
    """One implicit GEMM kernel, after one that computes its addresses::

        compute = waves(groups, pixels, out, taps * channels),  memory = moved / bandwidth    [s]
        total   = (compute^4 + memory^4)^(1/4) + launch                                       [s]

    x : N convolutions. machine : the hardware. tiles : to choose from. start : elements of k before full rate [1].
    """
    compute = waves(machine, x.groups, x.pixels, x.out, x.taps * x.channels, tiles=tiles, start=start, clock=x.clock)
    memory = x.moved / machine.bandwidth
    return Cost(joined(compute, memory) + machine.launch, compute, memory, x.flops)


def strided(x: Images, machine: Machine, tiles: Tiles, start: float) -> Cost:
    """Data gradient with a stride: as :func:`implicit`, but ``total = compute + memory + launch`` [s].

    x, machine, tiles, start : as in :func:`implicit`.
    """
    cost = implicit(x, machine, tiles, start)
    return replace(cost, total=cost.compute + cost.memory + machine.launch)


def split(x: Images, machine: Machine, tiles: Tiles) -> Cost:
    """Weight gradient as a GEMM that sums over pixels, with split-k where blocks are few::

        compute = waves(groups, taps * channels, out, pixels),  memory = moved / bandwidth    [s]
        total   = (compute^4 + memory^4)^(1/4) + launch                                       [s]

    x : N convolutions. machine : the hardware. tiles : to choose from.
    """
    sizes = (x.groups, x.taps * x.channels, x.out, x.pixels)
    compute = waves(machine, *sizes, tiles=tiles, start=SPLIT_START, cuts=SPLITS, clock=x.clock)
    memory = x.moved / machine.bandwidth
    return Cost(joined(compute, memory) + machine.launch, compute, memory, x.flops)


def patches_of(architecture: str, cudnn: int) -> Patches:
    """Patch layouts of a fused Winograd block: six on Maxwell and Pascal since ``cudnn = 7``, else one [images, rows,
    columns].
    """
    return SIX_PATCHES if architecture in ("maxwell", "pascal") and cudnn >= 7 else ONE_PATCHES


def fused(x: Images, machine: Machine, patches: Patches, filters: float, start: float) -> Cost:
    """Winograd F(2x2, 3x3) in one kernel, after the transform of the weights::

        blocks  = min over patches of ceil(count/images) * ceil(side/2/rows) * ceil(side/2/columns) * ceil(out/32)
        compute = 16*32*32 * (1 + EDGE/64) * (8*ceil(channels/8) + start) / (rate*clock) * ceil(blocks / units)    [s]
        weights = filters * 4 * 16 * channels * out / bandwidth,  memory = moved / bandwidth                         [s]
        total   = (compute^4 + memory^4)^(1/4) + weights + launch                                                    [s]

    Source: Lavin, Gray, arXiv:1509.09308 (16 multiplications for 2 x 2 pixels); block sizes: grids of cuDNN's kernels.

    x : N convolutions. machine : the hardware. patches : layouts to choose from. filters : traffic of the transform of
    the weights over its result [1]. start : elements of k before full rate [1].
    """
    across = np.ceil(x.side / 2.0)
    blocks = np.full(len(across), np.inf)
    for images, rows, columns in patches:
        blocks = np.minimum(blocks, np.ceil(x.count / images) * np.ceil(across / rows) * np.ceil(across / columns))
    blocks = blocks * np.ceil(x.out / 32.0)
    area = 16.0 * 32.0 * 32.0 * (1.0 + EDGE * 2.0 / 128.0)
    steps = 8.0 * np.ceil(x.channels / 8.0) + start
    compute = area * steps / (machine.rate * x.clock) * np.ceil(blocks / machine.units)
    transformed = filters * 4.0 * 16.0 * x.channels * x.out / machine.bandwidth
    memory = x.moved / machine.bandwidth
    total = joined(compute, memory) + transformed + machine.launch
    done = 2.0 * 16.0 * x.count * np.square(across) * x.channels * x.out
    return Cost(total, compute, memory + transformed, np.minimum(x.flops, done))


@dataclass(frozen=True)
class Transform:
    """How a staged plan turns patches of ``patch`` x ``patch`` pixels into ``points`` GEMMs.

    ``multiplications`` are real ones per multiplication of the GEMM, on numbers of ``size`` fp32 words (4 and 2 if
    complex); images are padded to multiples of ``sheaf``.
    """

    patch: float
    points: float
    multiplications: float = 1.0
    size: float = 1.0
    sheaf: float = 16.0


WINOGRAD = {9: Transform(4.0, 36.0), 25: Transform(4.0, 64.0)}
"""By taps: F(4x4, 3x3) and F(4x4, 5x5)."""


def fourier(taps: int) -> Transform:
    """Fourier patches of 32 x 32 with the overlap of a square window of ``taps`` taps [1]: ``patch = 33 - sqrt(taps)``.

    A real patch has 32 x 17 complex points. Source: Vasilache et al., arXiv:1412.7580.
    """
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
    """Both operands transformed, a GEMM for each point, the result transformed back: four kernels::

        patches = sheaf*ceil(count/sheaf) * ceil(side/patch)^2         not padded for a weight gradient
        images  = 4*size*points * patches * (channels + out) / bandwidth,  weights likewise of channels * out    [s]
        compute = waves(points * multiplications, patches, out, channels)                                        [s]
        around  = moved / bandwidth + transform * images + filters * weights                                     [s]
        total   = (compute^4 + (images + weights)^4)^(1/4) + around + 3 * launch                                 [s]

    Source: Lavin, Gray, arXiv:1509.09308; Vasilache et al., arXiv:1412.7580. Traffic: this project's own.

    x : N convolutions. machine : the hardware. by : the transform. transform, filters : traffic of transforms over
    their result, of images and weights [1]. start : elements of k before full rate [1]. gradient : True for weight
    gradients, whose GEMMs sum over patches.
    """
    count = x.count if gradient else by.sheaf * np.ceil(x.count / by.sheaf)
    patches = count * np.square(np.ceil(x.side / by.patch))
    sides = (x.channels, x.out, patches) if gradient else (patches, x.out, x.channels)
    batch = np.full(len(patches), by.points * by.multiplications)
    word = 4.0 * by.size * by.points / machine.bandwidth
    images, weights = word * patches * (x.channels + x.out), word * x.channels * x.out
    compute = waves(machine, batch, *sides, tiles=STAGED_TILES, start=start, clock=x.clock)
    around = x.moved / machine.bandwidth + transform * images + filters * weights
    total = joined(compute, images + weights) + around + 3.0 * machine.launch
    done = 2.0 * batch * patches * x.channels * x.out
    return Cost(total, compute, around, np.minimum(x.flops, done))
