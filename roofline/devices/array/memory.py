"""What does an array move to and from DRAM in a network? Weights that do not stay, activations that spill.

A core keeps results in its own memory until their last reader has run. If they do not all fit, the tensor that is
needed last goes to DRAM first (Belady, IBM Systems Journal 5(2), 1966). It is written once and read again when needed.
Weights stay from request to request if all of them fit beside the peak memory of the activations; otherwise every
request reads them. A batch may be processed in pieces, and each piece reads those weights again. The number of pieces
with the least traffic is used.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roofline.core.schedule import FAMILIES, Schedule

Floats = NDArray[np.float64]
ATTENTION = FAMILIES.index("attention")
NEVER = 1 << 30
"""The next reader of a tensor that has no further reader."""


@dataclass(frozen=True)
class Traffic:
    """Bytes of one request of one core, by kernel: weights read, activations moved [B], shape (N,) each."""

    weights: Floats
    activations: Floats

    @property
    def total(self) -> float:
        """``weights + activations`` of all kernels [B]."""
        return float(self.weights.sum() + self.activations.sum())


def traffic(
    schedule: Schedule, stored: Floats, room: float, samples: int, *, weight_room: float = 0.0, keep: bool = True
) -> Traffic:
    """Bytes that every kernel moves to and from DRAM in one request::

        traffic = min over pieces of pieces * (spilled of one piece + weights that do not stay)    [B]

    Source: Belady, IBM Systems Journal 5(2), 1966, for what spills; the rest is this project's own (docs/arrays.md).

    Parameters
    ----------
    schedule : N kernels in program order.
    stored : weights as stored in memory [B], shape (N,).
    room : memory of one core [B].
    samples : of the batch, the largest number of pieces [1].
    weight_room : shared memory of all cores for weights, beside their own [B].
    keep : False where weights never stay.

    Returns
    -------
    traffic : weights and activations [B], shape (N,) each.
    """
    best: Traffic | None = None
    pieces = 1
    while best is None or pieces <= samples:
        spilled, fullest = _spilled(schedule, pieces, room)
        spare = max(0.0, room - fullest) + weight_room if keep else 0.0
        read = np.zeros(len(schedule)) if stored.sum() <= spare else stored * pieces
        made = Traffic(read, spilled * pieces)
        best = made if best is None or made.total < best.total else best
        pieces *= 2
    return best


def _spilled(s: Schedule, pieces: int, room: float) -> tuple[Floats, float]:
    """Bytes of activations that each kernel moves for one piece, and the peak memory (at most ``room``)."""
    moved = np.zeros(len(s))
    sources = [(int(a), int(b)) for a, b in zip(s.source, s.source2, strict=True)]
    targets = [int(t) for t in s.target]
    readers: dict[int, list[int]] = {}
    for row, pair in enumerate(sources):
        for tensor in dict.fromkeys(pair):
            if tensor >= 0:
                readers.setdefault(tensor, []).append(row)
    made = set(targets)
    size: dict[int, float] = {}
    kept: dict[int, float] = {}
    stored: dict[int, float] = {}  # bytes of each tensor that are already in DRAM
    fullest = 0.0
    for row, (pair, target) in enumerate(zip(sources, targets, strict=True)):
        working = {tensor for tensor in (*pair, target) if tensor >= 0}
        for tensor in dict.fromkeys(pair):
            if tensor < 0:
                continue
            if tensor not in size:  # an input of the network, from the host through DRAM
                size[tensor] = float(s.reads[row]) / pieces if tensor not in made else 0.0
                stored[tensor] = size[tensor]
            missing = size[tensor] - kept.get(tensor, 0.0)
            moved[row] += missing
            kept[tensor] = size[tensor]
        if s.family[row] == ATTENTION:  # keys and values of earlier tokens are kept in DRAM
            query, key = (size.get(tensor, 0.0) for tensor in pair)
            moved[row] += max(0.0, float(s.reads[row]) / pieces - query - 2.0 * key)
        if target >= 0:
            size[target] = kept[target] = float(s.writes[row]) / pieces
            stored[target] = 0.0
        alive = sum(kept.values())
        fullest = max(fullest, min(alive, room))
        over = alive - room
        if over > 0:
            last = sorted(kept, key=lambda tensor: (tensor in working, -_next(readers, tensor, row)))
            for tensor in last:
                out = min(over, kept[tensor])
                unsaved = max(0.0, (size[tensor] - stored[tensor]) - (kept[tensor] - out))
                if _next(readers, tensor, row) < NEVER:
                    moved[row] += unsaved
                    stored[tensor] += unsaved
                kept[tensor] -= out
                over -= out
                if over <= 0:
                    break
        for tensor in [tensor for tensor in kept if _next(readers, tensor, row) == NEVER]:
            if tensor == target and tensor not in readers:
                moved[row] += size[tensor]  # a result of the network
            del kept[tensor]
    return moved, fullest


def _next(readers: dict[int, list[int]], tensor: int, row: int) -> int:
    """The first kernel after ``row`` that reads a tensor; NEVER if there is none."""
    return next((reader for reader in readers.get(tensor, ()) if reader > row), NEVER)
