"""Which kernels run, in which order, on which tensors? Workload -> Schedule."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from roofline.core.schedule import Kernel, Schedule
from roofline.core.stack import Stack
from roofline.core.workload import Workload
from roofline.lowering.fusion import fuse
from roofline.lowering.nodes import Lowered, lowered_nodes


def lower(workload: Workload, stack: Stack = Stack()) -> Schedule:  # noqa: B008 (a frozen value)
    """The kernels of a forward pass in program order.

    ``layer`` is the index of the node in ``workload.nodes``. ``source``, ``source2`` and ``target`` are indices of
    tensors in ``workload.tensors``. A view or an in-place result has the number of the tensor whose storage it shares.
    A temporary of a plan with several kernels has a number beyond them.

    Raises
    ------
    UnknownName : a node whose kind is neither in the table nor ``uncovered``.
    """
    if stack.mode == "compiled":
        return Schedule.of(program_order(workload, stack))
    made: dict[int, int] = {}  # of each distinct lowering, where its kernels begin among the distinct ones
    distinct: list[Kernel] = []
    rows: list[int] = []
    layers: list[int] = []
    places: list[tuple[int, int, int]] = []
    kept: list[Lowered] = []  # so that no two have the same id
    for layer, (low, tensors) in enumerate(_lowered_nodes(workload, stack)):
        start = made.get(id(low))
        if start is None:
            start = made[id(low)] = len(distinct)
            distinct += low.kernels
            kept.append(low)
        count = len(low.kernels)
        rows += range(start, start + count)
        layers += [layer] * count
        places += [(tensors[k.source], tensors[k.source2], tensors[k.target]) for k in low.kernels]
    source, source2, target = np.array(places, dtype=np.int64).reshape(-1, 3).T
    return replace(
        Schedule.of(distinct).select(np.array(rows, dtype=np.int64)),
        layer=np.array(layers, dtype=np.int64),
        source=source,
        source2=source2,
        target=target,
    )


def program_order(workload: Workload, stack: Stack) -> list[Kernel]:
    """The kernels of the forward pass as the stack launches them: fused where it compiles."""
    return merged(list(forward_kernels(workload, stack)), workload, stack)


def merged(kernels: list[Kernel], workload: Workload, stack: Stack, saved: Iterable[str] = ()) -> list[Kernel]:
    """Forward kernels (all of them, or those of a segment) as the stack launches them.

    Parameters
    ----------
    saved : names of tensors that the backward reads; a fused kernel must write them.
    """
    if stack.mode != "compiled":
        return kernels
    owner, number = workload.owners, {name: index for index, name in enumerate(workload.tensors)}
    return fuse(kernels, frozenset(number[owner.get(name, name)] for name in (*workload.outputs, *saved)))


def forward_kernels(workload: Workload, stack: Stack) -> Iterator[Kernel]:
    """The kernels of each node, unfused."""
    for layer, (low, tensors) in enumerate(_lowered_nodes(workload, stack)):
        for k in low.kernels:
            source, source2, target = tensors[k.source], tensors[k.source2], tensors[k.target]
            yield replace(k, layer=layer, source=source, source2=source2, target=target)


def _lowered_nodes(workload: Workload, stack: Stack) -> Iterator[tuple[Lowered, list[int]]]:
    """Every node lowered, with the numbers of its tensors: inputs, outputs, temporaries; place -1 is none, -1."""
    owner = workload.owners
    number = {name: index for index, name in enumerate(workload.tensors)}
    temporaries = len(number)
    for node, low in zip(workload.nodes, lowered_nodes(workload, stack), strict=True):
        named = [number[owner.get(name, name)] for name in (*node.inputs, *node.outputs)]
        yield low, [*named, *range(temporaries, temporaries + low.used), -1]
        temporaries += low.used
