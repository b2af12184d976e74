"""How long does a memory-bound kernel take on a GPU: elementwise streams, and kernels that work along rows?

The time of a launch splits into a part ``early`` before the kernel starts and a part beside it::

    share   = stream * (0.79 on Maxwell, 0.83 on a GP100) * (inline, with inline error correction)    [1]
    memory  = (bytes + bytes read again) / (share * row * bandwidth)        row: 1 for streams        [s]
    work    = clocks / (multiprocessors * clock)                                                      [s]
    time    = max(launch, early * launch + max(memory, work))                                         [s]

Kernels that work along rows add:

- norms over rows: ``row_clocks`` for each row, which one block reduces;
- the second pass of a norm: ``reads * missed``, ``missed = 1 / (1 + (kept * caches / rows in flight)^2)``;
- softmax over more than 1024 elements: ``element_clocks`` for each element. Such rows do not fit into the registers of
  a warp, so a block reads them three times; the share ``again`` of the reads misses every cache;
- pools: :data:`TAP_CLOCKS` for each tap of a window.

Batch norm reduces over whole channels, so it reads the whole tensor before its second pass.

Form: this project's own; evidence: docs/evidence-gpu.md.
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
"""Families that work along rows of their operands."""

MAXWELL, GP100 = 0.79, 0.83
"""Bandwidth share of their memory controllers, relative to later chips. A GTX 980 copied 156 of 224 GB/s (Mei, Chu,
IEEE TPDS 28(1), 2017), 0.70 where later chips reach 0.89. A P100 copied 501 of 732 GB/s, and a V100 739 of 897 GB/s
(geoffxy/habitat, devices.yml). Unverified: the figure of the GTX 980 is from memory. A Titan X (Maxwell) in Caffe
agrees (0.67); it was not fitted.
"""

WARP_ROW = 1024
"""Elements up to which PyTorch's softmax keeps a row in the registers of one warp (PersistentSoftmax.cuh)."""

ROWS_IN_FLIGHT = 16
"""Rows that a multiprocessor processes at the same time: 2048 threads in blocks of 128."""

TAP_CLOCKS = 40.0
"""Clocks of a lane for each tap of a pool: address, bounds, read, comparison. cuDNN R4 takes 42 in the unstrided 3x3
pool of GoogLeNet's inception_3a on a Titan X: 2.19 ms for 173 million taps on 3072 lanes at 1.08 GHz
(soumith/convnet-benchmarks @ b458aab). No other library was checked.
"""


def streams(schedule: Schedule, chip: Chip, parameters: Parameters, launch: Floats) -> tuple[Floats, Floats]:
    """Seconds of every elementwise stream with its launch, and of its traffic::

        memory = bytes / streamed,   time = max(launch, early * launch + memory)    [s]

    Form: this project's own; evidence: docs/evidence-gpu.md.

    Parameters
    ----------
    schedule : N kernels: compulsory bytes [B] of one launch.
    chip : the GPU.
    parameters : fitted parameters.
    launch : launch time of each kernel [s], shape (N,).

    Returns
    -------
    time, memory : [s], shape (N,) each.
    """
    moving = schedule.bytes / streamed(chip, parameters)
    return np.maximum(launch, parameters.early * launch + moving), moving


def rows(schedule: Schedule, chip: Chip, parameters: Parameters, launch: Floats) -> tuple[Floats, Floats]:
    """Seconds of every kernel that works along rows with its launch, and of its traffic::

        memory = (bytes + reads * (missed or again)) / (row * streamed)      [s]
        work   = clocks / (multiprocessors * clock)                          [s]
        time   = max(launch, early * launch + max(memory, work))             [s]

    Form: this project's own; evidence: docs/evidence-gpu.md.

    Parameters
    ----------
    schedule : N kernels: ``m`` rows of ``k`` elements, bytes [B].
    chip : the GPU.
    parameters : fitted parameters; ``early`` differs for softmax and norms.
    launch : launch time of each kernel [s], shape (N,).

    Returns
    -------
    time, memory : [s], shape (N,) each.
    """
    softmax, norm = schedule.in_family("softmax"), schedule.in_family("norm")
    long = softmax & (schedule.k > WARP_ROW)
    again = np.where(norm & (schedule.passes > 1), missed(schedule, chip, parameters), 0.0)
    again = schedule.reads * np.where(long, parameters.again, again)
    moving = (schedule.bytes + again) / (parameters.row * streamed(chip, parameters))
    work = _clocks(schedule, chip, parameters, long) / (_units(chip) * vector_engine(chip).clock.hz())
    early = np.where(softmax, parameters.softmax_early, np.where(norm, parameters.norm_early, parameters.early))
    return np.maximum(launch, early * launch + np.maximum(moving, work)), moving


def streamed(chip: Chip, parameters: Parameters) -> float:
    """DRAM bandwidth that a long stream reaches; infinite where the chip file has no bandwidth::

        streamed = stream * controller * (inline, with inline error correction) * bandwidth    [B/s]

    GDDR of data-centre GPUs stores the bits of error correction among the data and fetches both. HBM stores them apart
    (NVIDIA, Tesla V100 white paper).

    Parameters
    ----------
    chip : the GPU.
    parameters : fitted shares [1].
    """
    share = parameters.stream * _controller(chip)
    if chip.dram.inline_ecc:
        share *= parameters.inline
    return share * (chip.dram.total_bandwidth or np.inf)


def missed(schedule: Schedule, chip: Chip, parameters: Parameters) -> Floats:
    """Share of the first pass of a norm that has left the caches before its second pass::

        held   = reads * min(1, rows in flight / rows)             [B]
        missed = held^2 / (held^2 + (kept * caches)^2)             [1]

    Rows in flight are 16 per multiprocessor; a batch norm holds all of its reads.

    Parameters
    ----------
    schedule : N kernels: ``m`` rows, ``reads`` [B].
    chip : the GPU, with capacities of L1 and L2 [B].
    parameters : fitted parameters.

    Returns
    -------
    missed : share [1], shape (N,).
    """
    caches = sum(level.total_capacity or 0.0 for name in ("L1", "L2") if (level := chip.level(name)) is not None)
    side_by_side = np.where(_of_channels(schedule), np.inf, ROWS_IN_FLIGHT * _units(chip))
    held = schedule.reads * np.minimum(1.0, side_by_side / np.maximum(schedule.m, 1))
    return np.asarray(held**2 / (held**2 + (parameters.kept * caches) ** 2 + 1e-300))


def _clocks(schedule: Schedule, chip: Chip, parameters: Parameters, long: Mask) -> Floats:
    """Clocks of one multiprocessor for the arithmetic along rows."""
    m, elements = schedule.m.astype(np.float64), schedule.m * schedule.k.astype(np.float64)
    reduced = schedule.in_family("norm") & (schedule.passes > 1) & (schedule.taps == 1) & ~_of_channels(schedule)
    taps = np.where(schedule.in_family("pool"), elements * schedule.n, 0.0)
    return np.asarray(
        np.where(reduced, parameters.row_clocks * m, 0.0)
        + np.where(long, parameters.element_clocks * elements, 0.0)
        + TAP_CLOCKS * taps * _units(chip) / lanes(chip)
    )


def _of_channels(schedule: Schedule) -> Mask:
    """Mask of the norms that reduce over all images of the batch."""
    return np.isin(schedule.op, [code for code, name in enumerate(schedule.op_names) if "batch_norm" in name])


def _units(chip: Chip) -> float:
    return vector_engine(chip).count.value


def _controller(chip: Chip) -> float:
    """Share of the memory controller. The GP100 is the Pascal chip with 64 lanes per multiprocessor."""
    if chip.architecture == "pascal" and lanes(chip) / _units(chip) <= 64:
        return GP100
    return MAXWELL if chip.architecture == "maxwell" else 1.0
