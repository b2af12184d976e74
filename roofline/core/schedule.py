"""What does the program launch, in which order? Kernels as columns, independent of the chip.

A :class:`Kernel` is one launch in one of five basic shapes that every device model can time. A :class:`Schedule` holds
many kernels as one NumPy array per field, so one kernel, a network and a sweep of ten million take the same code path.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roofline.core.lazy import lazy

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

KINDS = ("matmul", "stream", "gather", "chain", "opaque")

PHASES = ("forward", "backward", "optimizer")
"""Parts of a training step; inference is all forward."""

FAMILIES = (
    "linear",
    "bmm",
    "attention",
    "conv",
    "conv1x1",
    "depthwise",
    "elementwise",
    "reduction",
    "softmax",
    "norm",
    "pool",
    "embedding",
    "copy",
    "opaque",
    "uncovered",
)
"""Operator families: what calibrations are fitted and scored by."""


GATES = ("_gates", "_gates_backward")
"""Suffixes of the names of kernels that compute the gates of a recurrent layer."""


@dataclass(frozen=True)
class Kernel:
    """One launch.

    Dimensions of a matrix multiplication are per batch entry: ``batch`` x (``m`` x ``k``) . (``k`` x ``n``). A
    convolution is its implicit GEMM: ``batch`` groups, m = images x output pixels, n = output channels of a group, k =
    kernel area x input channels of a group. ``images`` counts its images (for a recurrence measured as one kernel: how
    often its weights are read). ``taps`` is the kernel area, of ``taps_high`` rows. Row-wise kernels (softmax, norms,
    reductions) have ``m`` rows of ``k`` elements. In dropout, one element in ``k`` takes the rarer branch.

    ``flops`` is the executed work [FLOP], 1 multiply-add = 2. ``reads``, ``weights`` and ``writes`` are compulsory
    bytes [B], each counted once. ``repeats`` launches run one after the other (the steps of a recurrence, the
    micro-batches of a training step); the host launches them in ``calls`` library calls. All other fields are those of
    one launch.
    """

    family: str
    op: str
    kind: str = "stream"
    layer: int = 0
    precision: str = "fp32"
    batch: int = 1
    m: int = 1
    n: int = 1
    k: int = 1
    taps: int = 1
    stride: int = 1
    images: int = 1
    taps_high: int = 1
    elements: int = 0
    itemsize: float = 4.0
    flops: float = 0.0
    reads: float = 0.0
    weights: float = 0.0
    writes: float = 0.0
    passes: float = 1.0
    source: int = -1
    source2: int = -1
    target: int = -1
    repeats: int = 1
    calls: int = 1
    phase: str = "forward"


_CODED = {"family": FAMILIES, "kind": KINDS, "phase": PHASES}
_TEXT = ("op", "precision")
_INTS = (
    "layer",
    "batch",
    "m",
    "n",
    "k",
    "taps",
    "stride",
    "images",
    "taps_high",
    "elements",
    "source",
    "source2",
    "target",
    "repeats",
    "calls",
)
_ODD, _HALF = np.uint64(0x9E3779B97F4A7C15), np.uint64(29)
_PLACES = ("layer", "source", "source2", "target", "repeats", "calls")
_FLOATS = ("itemsize", "flops", "reads", "weights", "writes", "passes")


@dataclass(frozen=True)
class Schedule:
    """Kernels in program order, one array per field of :class:`Kernel`, all of one length N.

    ``family`` and ``kind`` are codes into :data:`FAMILIES` and :data:`KINDS`; ``op`` and ``precision`` are codes into
    ``op_names`` and ``precision_names``. ``source``, ``source2`` and ``target`` number the tensors that a kernel reads
    and writes (-1: none), so that a device model knows what earlier kernels left in the caches.
    """

    family: Ints
    op: Ints
    kind: Ints
    layer: Ints
    precision: Ints
    batch: Ints
    m: Ints
    n: Ints
    k: Ints
    taps: Ints
    stride: Ints
    images: Ints
    taps_high: Ints
    elements: Ints
    itemsize: Floats
    flops: Floats
    reads: Floats
    weights: Floats
    writes: Floats
    passes: Floats
    source: Ints
    source2: Ints
    target: Ints
    repeats: Ints
    calls: Ints
    phase: Ints
    op_names: tuple[str, ...] = ()
    precision_names: tuple[str, ...] = ()

    @classmethod
    def of(cls, kernels: Iterable[Kernel]) -> Schedule:
        """Kernels as columns, in their order."""
        rows = list(kernels)
        columns: dict[str, Any] = {}
        for name, table in _CODED.items():
            index = {entry: code for code, entry in enumerate(table)}
            columns[name] = np.array([index[getattr(row, name)] for row in rows], dtype=np.int64)
        for name in _TEXT:
            names = sorted({getattr(row, name) for row in rows})
            index = {entry: code for code, entry in enumerate(names)}
            columns[name] = np.array([index[getattr(row, name)] for row in rows], dtype=np.int64)
            columns[f"{name}_names"] = tuple(names)
        for name in _INTS:
            columns[name] = np.array([getattr(row, name) for row in rows], dtype=np.int64)
        for name in _FLOATS:
            columns[name] = np.array([getattr(row, name) for row in rows], dtype=np.float64)
        return cls(**columns)

    @classmethod
    def concatenate(cls, parts: Sequence[Schedule]) -> Schedule:
        """Schedules joined end to end; layer and tensor numbers stay those of each part."""
        if len(parts) == 1:
            return parts[0]
        columns: dict[str, Any] = {
            name: np.concatenate([getattr(part, name) for part in parts] or [np.zeros(0, kind)])
            for names, kind in ((_CODED, np.int64), (_INTS, np.int64), (_FLOATS, np.float64))
            for name in names
        }
        for name in _TEXT:
            names = tuple(sorted({word for part in parts for word in getattr(part, f"{name}_names")}))
            place = {word: code for code, word in enumerate(names)}
            codes = [
                np.array([place[word] for word in getattr(part, f"{name}_names")], dtype=np.int64)[getattr(part, name)]
                for part in parts
            ]
            columns[name] = np.concatenate(codes or [np.zeros(0, np.int64)])
            columns[f"{name}_names"] = names
        return cls(**columns)

    @lazy
    def distinct(self) -> tuple[Schedule, Ints]:
        """One of all kernels that are alike, D kernels, and for each kernel its place among them, shape (N,).

        Kernels are alike if they differ in layer, tensors, launches and calls alone.
        """
        columns = [getattr(self, name) for name in (*_CODED, *_TEXT, *_INTS, *_FLOATS) if name not in _PLACES]
        mixed = np.zeros(len(self), dtype=np.uint64)
        for column in columns:
            mixed = (mixed ^ column.view(np.uint64)) * _ODD
            mixed ^= mixed >> _HALF
        _, first, place = np.unique(mixed, return_index=True, return_inverse=True)
        place = place.reshape(-1)
        few = len(first) < 0.7 * len(self)
        if few and all(np.array_equal(column, column[first][place]) for column in columns):
            return self.select(first), place
        return self, np.arange(len(self))

    def __len__(self) -> int:
        return len(self.family)

    def __iter__(self) -> Iterator[Kernel]:
        return (self.kernel(index) for index in range(len(self)))

    def kernel(self, index: int) -> Kernel:
        """One :class:`Kernel`, by index."""
        values: dict[str, Any] = {name: int(getattr(self, name)[index]) for name in _INTS}
        values |= {name: float(getattr(self, name)[index]) for name in _FLOATS}
        values |= {name: table[int(getattr(self, name)[index])] for name, table in _CODED.items()}
        values |= {name: getattr(self, f"{name}_names")[int(getattr(self, name)[index])] for name in _TEXT}
        return Kernel(**values)

    def select(self, rows: NDArray[Any]) -> Schedule:
        """The kernels at ``rows`` (a mask or indices)."""
        kept = {
            f.name: getattr(self, f.name)[rows]
            if isinstance(getattr(self, f.name), np.ndarray)
            else getattr(self, f.name)
            for f in fields(self)
        }
        return Schedule(**kept)

    @property
    def bytes(self) -> Floats:
        """Compulsory bytes of one launch of each kernel [B], shape (N,): ``reads + weights + writes``."""
        return self.reads + self.weights + self.writes

    @property
    def all_flops(self) -> Floats:
        """Operations of all launches of each kernel [FLOP], shape (N,): ``flops * repeats``."""
        return self.flops * self.repeats

    @property
    def all_bytes(self) -> Floats:
        """Compulsory bytes of all launches of each kernel [B], shape (N,): ``bytes * repeats``."""
        return self.bytes * self.repeats

    def in_family(self, *names: str) -> NDArray[np.bool_]:
        """Mask of the kernels of these families, shape (N,)."""
        wanted = np.array([name in names for name in FAMILIES])
        return np.asarray(wanted[self.family])

    def family_names(self) -> list[str]:
        return [FAMILIES[code] for code in self.family]

    def op_labels(self) -> list[str]:
        return [self.op_names[code] for code in self.op]
