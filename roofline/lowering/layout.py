"""Which kernels belong to which layer? What a program says of its layers before any chip comes in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from roofline.core.schedule import PHASES, Schedule

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Layout:
    """The layers of a program in the order in which they start; a layer of the backward pass stands by itself.

    Parameters
    ----------
    index : layer of every kernel, shape (N,).
    names, ops, templates, phases, shapes : of every layer, L each; shapes are put in words when they are read.
    flops : operations [FLOP], shape (L,). bytes : compulsory bytes [B], shape (L,).
    covered : whether formulas describe all kernels of a layer, shape (L,).
    order : kernels sorted by layer, shape (N,). starts : where each layer begins in ``order``, shape (L,).
    """

    index: Ints
    names: tuple[str, ...]
    ops: tuple[str, ...]
    templates: tuple[str, ...]
    phases: tuple[str, ...]
    shapes: Sequence[str]
    flops: Floats
    bytes: Floats
    covered: NDArray[np.bool_]
    order: Ints
    starts: Ints

    def __len__(self) -> int:
        return len(self.names)

    def sums(self, values: Floats) -> Floats:
        """The sum over the kernels of every layer, shape (L,); ``values`` has shape (N,)."""
        return np.bincount(self.index, values, minlength=len(self)).astype(np.float64)

    def longest(self, seconds: Floats) -> Ints:
        """The kernel of every layer that takes longest, the first of equals, shape (L,)."""
        if not len(self):
            return np.zeros(0, dtype=np.int64)
        most = np.maximum.reduceat(seconds[self.order], self.starts)
        rows = np.where(seconds >= most[self.index], np.arange(len(seconds)), len(seconds))
        return np.asarray(np.minimum.reduceat(rows[self.order], self.starts))

    def worst(self, ranks: Ints) -> Ints:
        """The highest rank of every layer, shape (L,); ``ranks`` has shape (N,)."""
        return np.asarray(np.maximum.reduceat(ranks[self.order], self.starts)) if len(self) else ranks


class _Shapes(Sequence[str]):
    """The shapes of layers in words, each made when it is read."""

    def __init__(self, layers: list[int], shapes_of: Callable[[int], str]) -> None:
        self.layers, self.shapes_of = layers, shapes_of

    def __len__(self) -> int:
        return len(self.layers)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return _Shapes(self.layers[index], self.shapes_of)
        return self.shapes_of(self.layers[index])


def layout_of(
    schedule: Schedule,
    nodes: int,
    name_of: Callable[[int, str], tuple[str, str, str]],
    shapes_of: Callable[[int], str],
) -> Layout:
    """The layout of a schedule.

    Parameters
    ----------
    schedule : N kernels. nodes : number of nodes of the workload; higher layer numbers are the optimizer.
    name_of : (layer, phase) -> name, operator, template.
    shapes_of : layer -> shapes in words.
    """
    keys = schedule.phase * (nodes + 1) + schedule.layer
    distinct, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    sequence = np.argsort(first)
    place = np.empty_like(sequence)
    place[sequence] = np.arange(len(sequence))
    index = place[inverse.reshape(-1)]
    phases = [PHASES[code] for code in (distinct // (nodes + 1))[sequence].tolist()]
    layers = (distinct % (nodes + 1))[sequence].tolist()
    words = [name_of(layer, phase) for layer, phase in zip(layers, phases, strict=True)]
    order = np.argsort(index, kind="stable")

    def sums(values: NDArray[Any]) -> Floats:
        return np.bincount(index, values.astype(np.float64), minlength=len(words)).astype(np.float64)

    return Layout(
        index=index,
        names=tuple(name for name, _, _ in words),
        ops=tuple(op for _, op, _ in words),
        templates=tuple(template for _, _, template in words),
        phases=tuple(phases),
        shapes=_Shapes(layers, shapes_of),
        flops=sums(schedule.all_flops),
        bytes=sums(schedule.all_bytes),
        covered=sums(schedule.in_family("uncovered")) == 0,
        order=order,
        starts=np.searchsorted(index[order], np.arange(len(words))),
    )
