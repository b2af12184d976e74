"""How long does a convolution take on a GPU? As an implicit product or as Winograd, whichever is faster.

See :mod:`roofline.devices.gpu` for the equations.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from roofline.core.chip import Chip
from roofline.core.dtype import precision as parse_precision
from roofline.core.schedule import Schedule
from roofline.core.stack import Stack
from roofline.devices.gpu_parameters import Parameters
from roofline.devices.gpu_products import SIMT_TILES, TENSOR_TILES, Grid, Sizes, grid_of, product_seconds

Floats = NDArray[np.float64]

CONV_TILES = ((128, 128), (128, 64), (128, 32))
"""Tiles of implicit GEMM in cuDNN."""


def convolutions(
    schedule: Schedule, chip: Chip, precision: str, parameters: Parameters, stack: Stack
) -> tuple[Floats, Floats, Floats]:
    """Compute and memory seconds of the fastest plan of every convolution, and the operations it does."""
    grid, simt = grid_of(chip, precision, parameters)
    sizes = Sizes.of(schedule, parse_precision(precision).storage.bytes)
    compute, memory = product_seconds(sizes, grid.cut(CONV_TILES if simt else TENSOR_TILES), parameters)
    done = schedule.flops.copy()
    able = np.flatnonzero(_may_winograd(schedule))
    for form in (2, 4):
        if stack.winograd and simt and len(able):
            quick, moving, work = _winograd(schedule.select(able), form, grid, parameters)
            better = quick + moving < compute[able] + memory[able]
            won = able[better]
            compute[won], memory[won], done[won] = quick[better], moving[better], work[better]
    return compute, memory, done


def _may_winograd(schedule: Schedule) -> NDArray[np.bool_]:
    """Unstrided ungrouped 3x3 in fp32, forward or for the data."""
    weights = [code for code, name in enumerate(schedule.op_names) if name.endswith("backward_weight")]
    return np.asarray(
        schedule.in_family("conv")
        & (schedule.taps == 9)
        & (schedule.stride == 1)
        & (schedule.batch == 1)
        & ~np.isin(schedule.op, weights)
    )


def _winograd(schedule: Schedule, form: int, grid: Grid, parameters: Parameters) -> tuple[Floats, Floats, Floats]:
    """F(2x2) in one kernel or F(4x4) in stages: seconds of the products, of moving, and operations.

    (form + 2)^2 products of (tiles of form x form pixels) x channels out x channels in; in stages the images
    are padded to a multiple of 16 and both transformed tensors cross the memory twice.
    """
    points = (form + 2.0) ** 2
    images = schedule.images.astype(np.float64)
    side = np.sqrt(schedule.m / images)
    channels = np.floor(schedule.k / schedule.taps)
    if form == 4:
        images = 16.0 * np.ceil(images / 16.0)
    patches = np.ceil(images * np.ceil(side / form) ** 2)
    n = schedule.n.astype(np.float64)
    sizes = Sizes(np.full(len(n), points), patches, n, channels, np.zeros(len(n)), 4.0)
    tiles = SIMT_TILES[""]["bmm"] if form == 4 else ((32, 32),)
    seconds, _ = product_seconds(sizes, grid.cut(tiles, parameters.winograd), parameters)
    moving = schedule.bytes / grid.bandwidth
    if form == 4:
        transformed = 4.0 * points * (patches * (channels + n) + channels * n)
        moving = moving + 2.0 * parameters.transform * transformed / grid.bandwidth
    return seconds, moving, np.minimum(schedule.flops, 2.0 * points * patches * channels * n)
