"""What does one core do where a batch is cut over all of them, and what do they wait for each other?

Tensor parallelism (Shoeybi et al., Megatron-LM, arXiv:1909.08053): every core has some columns of each product's
weights and some heads of each attention. What follows on a core's own columns is cut with them; sums of two tensors
and norms are done by every core. Where a product's result is added to something, the cores first join their parts:

    collective = latency + 2 (P - 1) / P * bytes / link bandwidth     of P cores, as a ring (Patarasuk, Yuan, 2009)
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
"""Families that every core works through by itself; additions too."""


def sharded(schedule: Schedule, parts: int) -> Schedule:
    """The kernels of one of ``parts`` cores."""
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
    """Seconds the cores take to join sums, at the kernels that need them whole."""
    parts = chip.core_count
    if parts == 1:
        return np.zeros(len(schedule))
    link = next((link for link in chip.links if not link.name.lower().startswith("pcie")), None)
    moved = 2.0 * (parts - 1) / parts * schedule.writes / link.bandwidth.value if link else 0.0
    return np.where(joined(schedule), parameters.collective + moved, 0.0)


def joined(schedule: Schedule) -> NDArray[np.bool_]:
    """Additions of which one operand is the result of a product."""
    made = set(schedule.target[schedule.kind == KINDS.index("matmul")].tolist())
    added = [
        name == "add" and bool({int(a), int(b)} & made)
        for name, a, b in zip(schedule.op_labels(), schedule.source, schedule.source2, strict=True)
    ]
    return np.array(added, dtype=bool)
