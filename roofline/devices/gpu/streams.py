"""How long does work that only moves bytes take on a GPU: streams, and walks along rows?

    share   = stream * (0.79 on Maxwell, 0.83 on a GP100) * (inline, if error correction lies among the data)
    memory  = (bytes + bytes read again) / (share * row * bandwidth)          row: 1 for streams           [s]
    work    = clocks / (multiprocessors * clock)                                                           [s]
    time    = max(launch, early * launch + max(memory, work))

A launch is what the host and the queue need for a call. The part ``early`` of it passes before the kernel starts, the
rest beside it, so a kernel is either hidden or pays the early part. What walks along rows adds:

    norms over rows     row_clocks for every row: one block reduces it, however short it is
    norms, second walk  reads * missed, missed = 1 / (1 + (kept * caches / rows in flight)^2)
    softmax over more than 1024 elements    element_clocks for each: above, rows no longer fit into the registers of
                        a warp, and a block reads them three times; ``again`` of the reads miss every cache
    pools               :data:`TAP_CLOCKS` for every tap of a window

Batch norm reduces over whole channels: it reads the whole tensor before it walks over it again.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from roofline.core.chip import Chip
from roofline.core.schedule import Schedule
from roofline.devices.gpu.parameters import Parameters, lanes, vector_engine

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

STREAMS = ("elementwise", "copy")
ROWS = ("softmax", "norm", "reduction", "pool", "embedding")
"""What walks over its operands."""

MAXWELL, GP100 = 0.79, 0.83
"""What their memory controllers reach over those of later chips. A GTX 980 copied 156 of 224 GB/s (Mei, Chu, IEEE TPDS
28(1), 2017), 0.70 where later chips stream at 0.89; a P100 501 of 732 GB/s where a V100 copied 739 of 897
(geoffxy/habitat, devices.yml). Unverified: the figure of the GTX 980 is from memory. A Titan X of Maxwell in Caffe
(0.67) agrees; it was not fitted."""

WARP_ROW = 1024
"""Elements up to which PyTorch's softmax keeps a row in the registers of one warp (PersistentSoftmax.cuh)."""

ROWS_IN_FLIGHT = 16
"""Rows a multiprocessor works on side by side: 2048 threads in blocks of 128."""

TAP_CLOCKS = 40.0
"""Clocks of a lane for each tap of a pool: the address and its limits, a read, a comparison. Of the size that cuDNN R4
shows in the unstrided 3x3 pool of GoogLeNet's inception_3a on a Titan X: 2.19 ms for 173 million taps at 3072 lanes
and 1.08 GHz are 42 (soumith/convnet-benchmarks @ b458aab). No other library was checked."""


def streams(schedule: Schedule, chip: Chip, parameters: Parameters, launch: Floats) -> tuple[Floats, Floats]:
    """Seconds of every stream with its launch, and of moving its bytes."""
    moving = schedule.bytes / streamed(chip, parameters)
    return np.maximum(launch, parameters.early * launch + moving), moving


def rows(schedule: Schedule, chip: Chip, parameters: Parameters, launch: Floats) -> tuple[Floats, Floats]:
    """Seconds of every walk along rows with its launch, and of moving its bytes."""
    softmax, norm = schedule.in_family("softmax"), schedule.in_family("norm")
    long = softmax & (schedule.k > WARP_ROW)
    again = np.where(norm & (schedule.passes > 1), missed(schedule, chip, parameters), 0.0)
    again = schedule.reads * np.where(long, parameters.again, again)
    moving = (schedule.bytes + again) / (parameters.row * streamed(chip, parameters))
    work = _clocks(schedule, chip, parameters, long) / (_units(chip) * vector_engine(chip).clock.hz())
    early = np.where(softmax, parameters.softmax_early, np.where(norm, parameters.norm_early, parameters.early))
    return np.maximum(launch, early * launch + np.maximum(moving, work)), moving


def streamed(chip: Chip, parameters: Parameters) -> float:
    """Bytes a second of DRAM that a long stream reaches; infinite where the spec knows no bandwidth.

    GDDR of data-centre cards keeps the bits of its error correction among the data and fetches them with the rest;
    HBM has room of its own for them (NVIDIA, Tesla V100 white paper).
    """
    share = parameters.stream * _controller(chip)
    if chip.dram.inline_ecc:
        share *= parameters.inline
    return share * (chip.dram.total_bandwidth or np.inf)


def missed(schedule: Schedule, chip: Chip, parameters: Parameters) -> Floats:
    """Share of what was read that has left the caches when a norm walks over it once more."""
    caches = sum(level.total_capacity or 0.0 for name in ("L1", "L2") if (level := chip.level(name)) is not None)
    side_by_side = np.where(_of_channels(schedule), np.inf, ROWS_IN_FLIGHT * _units(chip))
    held = schedule.reads * np.minimum(1.0, side_by_side / np.maximum(schedule.m, 1))
    return np.asarray(held**2 / (held**2 + (parameters.kept * caches) ** 2 + 1e-300))


def _clocks(schedule: Schedule, chip: Chip, parameters: Parameters, long: Mask) -> Floats:
    """Clocks of one multiprocessor that the arithmetic of rows takes."""
    m, elements = schedule.m.astype(np.float64), schedule.m * schedule.k.astype(np.float64)
    reduced = schedule.in_family("norm") & (schedule.passes > 1) & (schedule.taps == 1) & ~_of_channels(schedule)
    taps = np.where(schedule.in_family("pool"), elements * schedule.n, 0.0)
    return np.asarray(
        np.where(reduced, parameters.row_clocks * m, 0.0)
        + np.where(long, parameters.element_clocks * elements, 0.0)
        + TAP_CLOCKS * taps * _units(chip) / lanes(chip)
    )


def _of_channels(schedule: Schedule) -> Mask:
    """Norms whose sums run over all images of the batch."""
    return np.isin(schedule.op, [code for code, name in enumerate(schedule.op_names) if "batch_norm" in name])


def _units(chip: Chip) -> float:
    return vector_engine(chip).count.value


def _controller(chip: Chip) -> float:
    """The GP100 is the Pascal of 64 lanes a multiprocessor."""
    if chip.architecture == "pascal" and lanes(chip) / _units(chip) <= 64:
        return GP100
    return MAXWELL if chip.architecture == "maxwell" else 1.0
