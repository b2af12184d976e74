"""What does one core do when a batch is split over all cores, and how long do the cores wait for each other?

Tensor parallelism: each core has some columns of each GEMM's weights and some heads of each attention. Kernels on a
core's own columns are split with them; every core computes all sums of two tensors and all norms. Where the result of a
GEMM is added to something, the cores first add their partial sums in a ring of P cores::

    collective = latency + 2 * (P - 1) / P * bytes / link bandwidth    [s]

Source: Shoeybi et al., Megatron-LM, arXiv:1909.08053; Patarasuk, Yuan, 2009 (ring).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from roofline.core.chip import Chip
from roofline.core.schedule import KINDS, Schedule
from roofline.devices.array.parameters import Parameters

Floats = NDArray[np.float64]
COLLECTIVE = "collectives"
WHOLE = ("norm", "embedding")
"""Families that every core computes whole; additions too."""


def sharded(schedule: Schedule, parts: int) -> Schedule:
    """The kernels of one of P = ``parts`` cores: ``flops, weights, writes = whole / P``, ``n = ceil(n / P)`` for a
    GEMM.

    A batched GEMM splits its batch instead. Norms, embeddings and additions stay whole. Units stay [FLOP] and [B].

    Parameters
    ----------
    schedule : N kernels.
    parts : number of cores [1].
    """
    s = schedule
    products = s.kind == KINDS.index("matmul")
    columns = products & (s.batch == 1)
    added = np.array([name == "add" for name in s.op_names] or [False])[s.op]
    cut = products | ~(s.in_family(*WHOLE) | added)
    share = np.where(cut, 1.0 / parts, 1.0)
    return replace(
        s,
        n=np.where(columns, -(-s.n // parts), s.n),
        batch=np.where(products & ~columns, -(-s.batch // parts), s.batch),
        elements=np.where(cut, -(-s.elements // parts), s.elements),
        flops=s.flops * share,
        weights=s.weights * share,
        writes=s.writes * share,
        reads=np.where(columns, s.reads, s.reads * share),
    )


def collective_seconds(schedule: Schedule, chip: Chip, parameters: Parameters) -> Floats:
    """Seconds to add the partial sums at the kernels that need them; 0 at others::

        seconds = collective + 2 * (P - 1) / P * writes / link bandwidth    [s]

    Parameters
    ----------
    schedule : N kernels.
    chip : the chip, with P cores and its link [B/s].
    parameters : constants of the software stack.

    Returns
    -------
    seconds : [s], shape (N,).
    """
    parts = chip.core_count
    if parts == 1:
        return np.zeros(len(schedule))
    link = next((link for link in chip.links if not link.name.lower().startswith("pcie")), None)
    moved = 2.0 * (parts - 1) / parts * schedule.writes / link.bandwidth.value if link else 0.0
    return np.where(joined(schedule), parameters.collective + moved, 0.0)


def joined(schedule: Schedule) -> NDArray[np.bool_]:
    """Mask of the additions with an operand that is the result of a GEMM, shape (N,).

    Parameters
    ----------
    schedule : N kernels.
    """
    made = schedule.target[schedule.kind == KINDS.index("matmul")]
    added = np.array([name == "add" for name in schedule.op_names], dtype=bool)[schedule.op]
    return np.asarray(added & (np.isin(schedule.source, made) | np.isin(schedule.source2, made)))
