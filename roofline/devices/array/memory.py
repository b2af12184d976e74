"""What does an array move to and from DRAM in a network? Weights that do not stay, activations that spill.

A core keeps results in its own memory until their last reader has run. If they do not all fit, the tensor that is
needed last goes to DRAM first (Belady, IBM Systems Journal 5(2), 1966). It is written once and read again when needed.
Weights stay from request to request if all of them fit beside the peak memory of the activations; otherwise every
request reads them. A batch may be processed in pieces, and each piece reads those weights again. The number of pieces
with the least traffic is used.

Which tensor goes first does not depend on sizes. So programs that differ in sizes alone (the batches of a network) are
walked through together, each with all its numbers of pieces.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roofline.core.parts import Parts
from roofline.core.schedule import FAMILIES, Schedule

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
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
    schedule: Schedule, stored: Floats, room: float, parts: Parts, *, weight_room: float = 0.0, keep: bool = True
) -> Traffic:
    """Bytes that every kernel moves to and from DRAM in one request::

        traffic = min over pieces of pieces * (spilled of one piece + weights that do not stay)    [B]

    Source: Belady, IBM Systems Journal 5(2), 1966, for what spills; the rest is this project's own (docs/arrays.md).

    Parameters
    ----------
    schedule : N kernels in program order.
    stored : weights as stored in memory [B], shape (N,).
    room : memory of one core [B].
    parts : the programs that they belong to; the samples of each are its largest number of pieces [1].
    weight_room : shared memory of all cores for weights, beside their own [B].
    keep : False where weights never stay.

    Returns
    -------
    traffic : weights and activations [B], shape (N,) each.
    """
    weights, activations = np.zeros(len(schedule)), np.zeros(len(schedule))
    for rows, walk in _alike(schedule, parts):
        samples = parts.samples[parts.index[rows[:, 0]]]
        pieces = 2.0 ** np.arange(int(samples.max()).bit_length())  # 1, 2, 4... up to the largest batch
        split = np.broadcast_to(pieces, (len(rows), len(pieces)))
        reads, writes = (
            np.repeat(moved[rows].T, len(pieces), axis=1) / split.ravel() for moved in (schedule.reads, schedule.writes)
        )
        spilled, peak = _spilled(walk, reads, writes, room)
        spilled = spilled.reshape(-1, *split.shape) * pieces
        spare = np.maximum(0.0, room - peak.reshape(split.shape)) + weight_room if keep else 0.0
        all_of = stored[rows].sum(axis=1)[:, None]
        read = np.where(all_of <= spare, 0.0, all_of * pieces)
        total = np.where(pieces <= np.maximum(samples, 1)[:, None], read + spilled.sum(axis=0), np.inf)
        best = total.argmin(axis=1)
        lanes = np.arange(len(rows))
        again = np.where(read[lanes, best] > 0, pieces[best], 0.0)
        weights[rows] = stored[rows] * again[:, None]
        activations[rows] = spilled[:, lanes, best].T
    return Traffic(weights, activations)


@dataclass(frozen=True)
class _Walk:
    """Which tensors each kernel reads and writes, by number, and whether it is attention; N of each."""

    sources: tuple[tuple[int, int], ...]
    targets: tuple[int, ...]
    attends: tuple[bool, ...]


def _alike(s: Schedule, parts: Parts) -> list[tuple[Ints, _Walk]]:
    """The kernels of programs that read and write the same tensors in the same order, shape (programs, N)."""
    found = []
    for rows in parts.tables:
        first = parts.tensors[parts.index[rows]]
        tensors = [np.where(t[rows] >= 0, t[rows] - first, -1) for t in (s.source, s.source2, s.target)]
        attends = s.family[rows] == ATTENTION
        groups = defaultdict[bytes, list[int]](list)
        for program in range(len(rows)):
            groups[b"".join(part[program].tobytes() for part in (*tensors, attends))].append(program)
        for programs in groups.values():
            source, source2, target, attend = (part[programs[0]].tolist() for part in (*tensors, attends))
            walk = _Walk(tuple(zip(source, source2, strict=True)), tuple(target), tuple(attend))
            found.append((rows[programs], walk))
    return found


def _spilled(walk: _Walk, reads: Floats, writes: Floats, room: float) -> tuple[Floats, Floats]:
    """Bytes of activations that each kernel moves, and the peak memory (at most ``room``).

    ``reads`` and ``writes`` are bytes of each kernel in L programs [B], shape (N, L). So is the result; the peak has
    shape (L,).
    """
    none = np.zeros(reads.shape[1])
    moved, fullest, alive = np.zeros(reads.shape), none, none
    readers: dict[int, list[int]] = {}
    for row, pair in enumerate(walk.sources):
        for tensor in dict.fromkeys(pair):
            readers.setdefault(tensor, []).append(row)
    made = set(walk.targets)
    size: dict[int, Floats] = {}
    kept: dict[int, Floats] = {}  # the same array as in ``size`` where all of a tensor is kept
    stored: dict[int, Floats] = {}  # bytes of each tensor that are already in DRAM
    following: dict[int, int] = {}  # the next reader of each tensor that is kept
    for row, (pair, target) in enumerate(zip(walk.sources, walk.targets, strict=True)):
        read = [tensor for tensor in dict.fromkeys(pair) if tensor >= 0]
        for tensor in read:
            if tensor not in size:  # an input of the network, from the host through DRAM
                size[tensor] = stored[tensor] = reads[row] if tensor not in made else none
            if kept.get(tensor) is not size[tensor]:
                missing = size[tensor] - kept.get(tensor, none)
                moved[row] += missing
                alive = alive + missing
                kept[tensor] = size[tensor]
        if walk.attends[row]:  # keys and values of earlier tokens are kept in DRAM
            query, key = (size.get(tensor, none) for tensor in pair)
            moved[row] += np.maximum(0.0, reads[row] - query - 2.0 * key)
        if target >= 0:
            alive = alive + (writes[row] - kept[target] if target in kept else writes[row])
            size[target] = kept[target] = writes[row]
            stored[target] = none
        for tensor in (*read, target):
            following[tensor] = _next(readers, tensor, row)
        fullest = np.maximum(fullest, alive)
        if alive.max() > room:
            alive = alive - _evict(alive - room, {*read, target}, kept, size, stored, following, moved[row])
        for tensor in {*read, target} & kept.keys():
            if following[tensor] == NEVER:
                if tensor == target and tensor not in readers:
                    moved[row] += size[tensor]  # a result of the network
                alive = alive - kept.pop(tensor)
    return moved, np.minimum(fullest, room)


def _evict(
    over: Floats,
    working: set[int],
    kept: dict[int, Floats],
    size: dict[int, Floats],
    stored: dict[int, Floats],
    following: dict[int, int],
    moved: Floats,
) -> Floats:
    """Send ``over`` bytes to DRAM, if positive [B], shape (L,): the tensors needed last first, those in use at the end.

    What is needed again and not in DRAM yet is written there and counted in ``moved``. Returns the bytes sent.
    """
    left = np.maximum(over, 0.0)
    for tensor in sorted(kept, key=lambda tensor: (tensor in working, -following[tensor])):
        out = np.minimum(left, kept[tensor])
        if following[tensor] < NEVER:
            unsaved = np.maximum(0.0, (size[tensor] - stored[tensor]) - (kept[tensor] - out))
            unsaved = np.where(left > 0, unsaved, 0.0)
            moved += unsaved
            stored[tensor] = stored[tensor] + unsaved
        kept[tensor] = kept[tensor] - out
        left = left - out
        if left.max() <= 0:
            break
    return np.maximum(over, 0.0) - left


def _next(readers: dict[int, list[int]], tensor: int, row: int) -> int:
    """The first kernel after ``row`` that reads a tensor; NEVER if there is none."""
    several = readers.get(tensor, [])
    after = bisect_right(several, row)
    return several[after] if after < len(several) else NEVER
