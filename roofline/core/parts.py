"""Where do the programs of a schedule begin and end? Many programs, one after the other, are timed in one call.

A device model times kernels by themselves. What couples the kernels of one program (the memory that it fills, the host
that launches them, the power that they draw together) is computed program by program: over :meth:`Parts.sums`, or over
tables with one row for each program of equal length (:meth:`Parts.tables`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from roofline.core.lazy import lazy
from roofline.core.schedule import Schedule

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Parts:
    """P programs in a schedule of N kernels.

    Parameters
    ----------
    starts : the first kernel of each, and N, shape (P + 1,).
    samples : of the batch of each, which may be processed in as many pieces [1], shape (P,).
    footprint : bytes that each keeps in memory [B], shape (P,).
    tensors : number of the first tensor of each, shape (P,).
    """

    starts: Ints
    samples: Ints
    footprint: Floats
    tensors: Ints

    @classmethod
    def one(cls, count: int, samples: int = 1, footprint: float = 0.0) -> Parts:
        """All ``count`` kernels as one program."""
        return cls(np.array([0, count]), np.array([samples]), np.array([float(footprint)]), np.zeros(1, np.int64))

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def sizes(self) -> Ints:
        """Kernels of each program, shape (P,)."""
        return np.diff(self.starts)

    @lazy
    def index(self) -> Ints:
        """The program of every kernel, shape (N,)."""
        return np.repeat(np.arange(len(self)), self.sizes)

    def sums(self, values: Floats) -> Floats:
        """The sum over the kernels of every program, shape (P,); ``values`` has shape (N,)."""
        if len(self) == 1:
            return np.array([values.sum()], dtype=np.float64)
        return np.bincount(self.index, values, minlength=len(self)).astype(np.float64)

    def largest(self, values: Floats | Ints) -> Floats:
        """The largest value of every program, at least 0, shape (P,); ``values`` has shape (N,)."""
        found = np.zeros(len(self))
        some = self.sizes > 0
        if some.any():
            found[some] = np.maximum(np.maximum.reduceat(values, self.starts[:-1][some]), 0)
        return found

    @lazy
    def tables(self) -> tuple[Ints, ...]:
        """The kernels of programs of equal length: tables of one row for each program, shape (programs, kernels)."""
        sizes = self.sizes
        lengths = [length for length in np.unique(sizes).tolist() if length]
        return tuple(self.starts[:-1][sizes == length, None] + np.arange(length) for length in lengths)


def join(schedules: Sequence[Schedule]) -> tuple[Schedule, Ints, Ints]:
    """Schedules end to end. Layers and tensors get new numbers, so that no two programs share one.

    Returns
    -------
    schedule : the kernels of all of them.
    starts : the first kernel of each, and their number, shape (P + 1,).
    tensors : number of the first tensor of each, shape (P,).
    """
    whole = Schedule.concatenate(schedules)
    starts = np.cumsum([0, *map(len, schedules)])
    of = np.repeat(np.arange(len(schedules)), np.diff(starts))

    def beyond(*names: str) -> Ints:
        """The first number of each program in these columns."""
        used = [max(int(getattr(one, name).max(initial=-1)) for name in names) + 1 for one in schedules]
        return np.cumsum([0, *used])[:-1]

    layers, tensors = beyond("layer"), beyond("source", "source2", "target")
    source, source2, target = (
        np.where(tensor >= 0, tensor + tensors[of], tensor) for tensor in (whole.source, whole.source2, whole.target)
    )
    layer = whole.layer + layers[of]
    return replace(whole, layer=layer, source=source, source2=source2, target=target), starts, tensors
