"""How long does a matrix multiplication (GEMM) take on tensor cores?

Each multiprocessor multiplies one tile while its operands come from the L2 through a port; S parts of k::

    step    = max(TM*TN / rate, (TM + TN) * bytes of a number / port)             [s]
    steps   = 64 * ceil(k / (64*S)) + fill
    compute = step * steps * max(tiles * S / multiprocessors, 1)                  [s]
    memory  = bytes / (panel * bandwidth)                                         [s]
    port    = bytes per clock * clock                                             [B/s]

The multiplications of a tile grow with its area and its operand bytes with its edges. So a small tile waits for the
port, and a large one for the tensor cores. Where the tiles leave multiprocessors idle, a long k is split, and a second
launch adds the parts. There is no wave quantization: a multiprocessor takes its next tile as soon as it is done. With
it, the mean error on an H200 is 5.9 % instead of 5.5 %, and the error on a T4 also grows.

Form: this project's own; evidence: docs/evidence-gpu.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from roofline.core.chip import Chip
from roofline.core.dtype import precision as parse_precision
from roofline.core.schedule import Schedule
from roofline.core.stack import Stack
from roofline.devices import ceiling
from roofline.devices.gpu.parameters import Parameters
from roofline.devices.gpu.products import Sizes

Floats = NDArray[np.float64]

TILES = ((256, 128), (128, 256), (128, 128), (256, 64), (64, 256), (128, 64), (64, 128), (64, 64), (64, 32))
"""Tiles (m, n) where the architecture lists none. Forty tiles, up to 256 in steps of 32, fit no better."""

STEP = 64
"""Elements of k that a block takes in one step."""

CUTS = (1, 2, 4, 8, 16)
"""Split-k: numbers of parts of k."""
LEAST_CUT = 512
"""Least length of one part of k in split-k."""
CUT_WAVES = 2
"""Tiles per multiprocessor above which k is not split further."""

JOIN = 3.0
"""Exponent that joins compute and memory. Between 2 and 4 the fit on an H200 hardly changes (5.8, 5.6, 5.7 %)."""


@dataclass(frozen=True)
class Array:
    """The tensor cores of a GPU.

    Parameters
    ----------
    units : multiprocessors [1].
    rate : multiply-adds of one multiprocessor [FMA/s].
    port : bytes from the L2 into one multiprocessor [B/s].
    fill : elements of k that a block loses at its start and end [1].
    bandwidth : DRAM bandwidth that these GEMMs reach [B/s].
    adding : launch that adds the parts of a split k [s].
    tiles : rows and columns of the tiles.
    """

    units: float
    rate: float
    port: float
    fill: float
    bandwidth: float
    adding: float
    tiles: tuple[tuple[int, int], ...] = TILES


def array_of(chip: Chip, precision: str, parameters: Parameters) -> Array:
    """The tensor cores that multiply in a precision::

        rate = peak / 2 / multiprocessors * tensor    [FMA/s]
        port = port * clock,  bandwidth = panel * DRAM bandwidth    [B/s]

    Parameters
    ----------
    chip : the GPU.
    precision : number format.
    parameters : fitted parameters.
    """
    engine, peak = ceiling.engine_and_rate(chip, parse_precision(precision), matrix=True)
    assert engine is not None
    return Array(
        engine.count.value,
        peak / 2 / engine.count.value * parameters.tensor,
        parameters.port * engine.clock.hz(),
        parameters.fill,
        parameters.panel * (chip.dram.total_bandwidth or np.inf),
        chip.launch.value if chip.launch else 0.0,
        chip.tiles["tensor"].shapes if "tensor" in chip.tiles else TILES,
    )


def products(
    schedule: Schedule, chip: Chip, precision: str, parameters: Parameters, stack: Stack, activity: float | Floats = 1.0
) -> tuple[Floats, Floats, Floats]:
    """Compute and memory seconds of every GEMM on tensor cores, with the fastest tiles; calls :func:`product_seconds`.

    Attention is two GEMMs. Its scores stay on the chip, so memory = operand bytes / bandwidth.

    Parameters
    ----------
    schedule : N kernels that are GEMMs.
    chip : the GPU.
    precision : number format.
    parameters : fitted parameters.
    stack, activity : software stack; mean power of the program [1] (not used here).

    Returns
    -------
    compute, memory, flops : [s], [s] and operations executed [FLOP], shape (N,) each.
    """
    array = array_of(chip, precision, parameters)
    sizes = Sizes.of(schedule, parse_precision(precision).storage.bytes)
    compute, memory = product_seconds(sizes, array)
    rows = np.flatnonzero(schedule.in_family("attention"))
    if len(rows):  # second GEMM: scores, which stay on the chip, times values
        scores = sizes.select(rows)
        compute[rows] += product_seconds(replace(scores, n=scores.k, k=scores.n), array)[0]
        memory[rows] = scores.bytes / array.bandwidth
    return compute, memory, schedule.flops


def product_seconds(sizes: Sizes, array: Array) -> tuple[Floats, Floats]:
    """Compute and memory seconds with the fastest tile and split of k, by :func:`compute_seconds`::

        memory = bytes / bandwidth,   time = (compute^3 + memory^3)^(1/3)    [s], exponent JOIN
        k is split where   time(split) + adding < time(whole);   then adding is part of compute and of memory

    Parameters
    ----------
    sizes : N GEMMs.
    array : the tensor cores.

    Returns
    -------
    compute, memory : [s], shape (N,) each.
    """
    memory = sizes.bytes / array.bandwidth
    whole, parts = compute_seconds(sizes, array, 1), np.full(len(memory), np.inf)
    for cuts in CUTS[1:]:
        able = np.flatnonzero(sizes.k >= cuts * LEAST_CUT)
        parts[able] = np.minimum(parts[able], compute_seconds(sizes.select(able), array, cuts))
    cut = (parts**JOIN + memory**JOIN) ** (1 / JOIN) + array.adding < (whole**JOIN + memory**JOIN) ** (1 / JOIN)
    adding = np.where(cut, array.adding, 0.0)
    return np.where(cut, parts, whole) + adding, memory + adding


def compute_seconds(sizes: Sizes, array: Array, cuts: int) -> Floats:
    """Compute seconds of the fastest tile with k in ``cuts`` (S) parts; infinite where too many blocks would be split::

        step    = max(TM*TN / rate, (TM + TN) * itemsize / port)                    [s]
        compute = step * (64*ceil(k/(64*S)) + fill) * max(blocks / multiprocessors, 1)    [s]

    ``fill`` covers the elements of k before a block works at full rate, and after. Form: this project's own; evidence:
    docs/evidence-gpu.md.

    Parameters
    ----------
    sizes : N GEMMs.
    array : the tensor cores.
    cuts : parts of k [1].

    Returns
    -------
    compute : [s], shape (N,).
    """
    steps = STEP * np.ceil(sizes.k / cuts / STEP) + array.fill
    least = np.full(len(steps), np.inf)
    for tall, broad in array.tiles:
        step = max(tall * broad / array.rate, (tall + broad) * sizes.itemsize / array.port)
        waves = np.ceil(sizes.m / tall) * np.ceil(sizes.n / broad) * sizes.batch * cuts / array.units
        seconds = step * steps * np.maximum(waves, 1.0)
        least = np.minimum(least, seconds if cuts == 1 else np.where(waves <= CUT_WAVES, seconds, np.inf))
    return least
