"""How long does a product take on tensor cores? Tiles fed through a port, operands from DRAM.

    steps   = 64 ceil(k / (64 S)) + fill                                  S cuts of k
    step    = max(TM TN / rate, (TM + TN) * bytes of a number / port)     [s], of one multiprocessor
    compute = step * steps * max(TM x TN tiles * S / multiprocessors, 1)  [s]
    memory  = bytes / (panel * bandwidth)                                 [s]
    port    = bytes a clock * clock                                       [B/s]

What a tile multiplies grows with its area, what it reads with its border: a small tile waits for the way from the L2
into its multiprocessor, a large one for the tensor cores. Where the tiles leave multiprocessors idle, a long k is cut,
and a second launch adds up the parts. Waves are not whole: kernels that stay on their multiprocessor take the next tile
as soon as they are done (whole waves fit an H200 worse, 5.9 against 5.5 %, and a T4 as well).
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
"""Tiles (m, n) where the architecture lists none; forty of them, up to 256 in steps of 32, fit no better."""

STEP = 64
"""Elements of k that a block takes at once."""

CUTS = (1, 2, 4, 8, 16)
LEAST_CUT = 512
"""Elements of k that a cut has at least."""
CUT_WAVES = 2
"""Tiles of a multiprocessor beyond which nothing is cut further."""

JOIN = 3.0
"""Exponent that joins compute and memory; between 2 and 4 an H200 cannot tell (5.8, 5.6, 5.7 %)."""


@dataclass(frozen=True)
class Array:
    """Tensor cores: multiprocessors, multiply-adds and bytes from the L2 a second of each, steps of k that fill its
    pipeline, bytes a second of DRAM, and seconds of the launch that adds up parts of k."""

    units: float
    rate: float
    port: float
    fill: float
    bandwidth: float
    adding: float
    tiles: tuple[tuple[int, int], ...] = TILES


def array_of(chip: Chip, precision: str, parameters: Parameters) -> Array:
    """The tensor cores that multiply in a precision."""
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
    schedule: Schedule, chip: Chip, precision: str, parameters: Parameters, stack: Stack
) -> tuple[Floats, Floats, Floats]:
    """Compute and memory seconds of the fastest tiles of every product, and the operations it does."""
    array = array_of(chip, precision, parameters)
    sizes = Sizes.of(schedule, parse_precision(precision).storage.bytes)
    compute, memory = product_seconds(sizes, array)
    rows = np.flatnonzero(schedule.in_family("attention"))
    if len(rows):  # the scores stay on the chip and are multiplied by the values
        scores = sizes.select(rows)
        compute[rows] += product_seconds(replace(scores, n=scores.k, k=scores.n), array)[0]
        memory[rows] = scores.bytes / array.bandwidth
    return compute, memory, schedule.flops


def product_seconds(sizes: Sizes, array: Array) -> tuple[Floats, Floats]:
    """Compute and memory seconds with the fastest tile and cut of k; adding up parts holds up both."""
    memory = sizes.bytes / array.bandwidth
    whole, parts = compute_seconds(sizes, array, 1), np.full(len(memory), np.inf)
    for cuts in CUTS[1:]:
        able = np.flatnonzero(sizes.k >= cuts * LEAST_CUT)
        parts[able] = np.minimum(parts[able], compute_seconds(sizes.select(able), array, cuts))
    cut = (parts**JOIN + memory**JOIN) ** (1 / JOIN) + array.adding < (whole**JOIN + memory**JOIN) ** (1 / JOIN)
    adding = np.where(cut, array.adding, 0.0)
    return np.where(cut, parts, whole) + adding, memory + adding


def compute_seconds(sizes: Sizes, array: Array, cuts: int) -> Floats:
    """Seconds of the fastest tile with k in ``cuts`` parts; infinite where too many blocks are to be cut.

    ``array.fill`` steps pass in every block before it works at full rate, and after.
    """
    steps = STEP * np.ceil(sizes.k / cuts / STEP) + array.fill
    least = np.full(len(steps), np.inf)
    for tall, broad in array.tiles:
        step = max(tall * broad / array.rate, (tall + broad) * sizes.itemsize / array.port)
        waves = np.ceil(sizes.m / tall) * np.ceil(sizes.n / broad) * sizes.batch * cuts / array.units
        seconds = step * steps * np.maximum(waves, 1.0)
        least = np.minimum(least, seconds if cuts == 1 else np.where(waves <= CUT_WAVES, seconds, np.inf))
    return least
