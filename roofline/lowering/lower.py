"""Workload -> Schedule: which kernels run, in which order, on which tensors?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from roofline.core.schedule import Kernel, Schedule
from roofline.core.stack import Stack
from roofline.core.workload import Node, Workload
from roofline.lowering.fusion import fuse
from roofline.operators.attributes import Attributes
from roofline.operators.case import Case
from roofline.operators.table import operator_named

UNCOVERED = "uncovered"
"""Operator kind of a node that a front end met and no formula knows: listed, never zero in silence."""


def lower(workload: Workload, stack: Stack = Stack()) -> Schedule:  # noqa: B008 (a frozen value)
    """The kernels of a forward pass in program order.

    ``layer`` numbers the node within ``workload.nodes``. ``source``, ``source2`` and ``target`` number
    the tensors by their place in ``workload.tensors``; a view or an in-place result has the number of
    the tensor whose storage it shares, a temporary inside a plan of several kernels has a number
    beyond them all.

    Raises
    ------
    UnknownName : a node whose kind is neither in the table nor ``uncovered``.
    """
    return Schedule.of(program_order(workload, stack))


def program_order(workload: Workload, stack: Stack) -> list[Kernel]:
    """The kernels of the forward pass as the stack launches them: merged where it compiles."""
    return merged(list(forward_kernels(workload, stack)), workload, stack)


def merged(kernels: list[Kernel], workload: Workload, stack: Stack, saved: Iterable[str] = ()) -> list[Kernel]:
    """Forward kernels (all of them, or those of a segment) as the stack launches them.

    saved : names of tensors the backward reads, which a merged kernel must write too.
    """
    if stack.mode != "compiled":
        return kernels
    owner, number = workload.owners(), {name: index for index, name in enumerate(workload.tensors)}
    return fuse(kernels, frozenset(number[owner.get(name, name)] for name in (*workload.outputs, *saved)))


def forward_kernels(workload: Workload, stack: Stack) -> Iterator[Kernel]:
    """What every node launches by itself, one by one."""
    owner = workload.owners()
    number = {name: index for index, name in enumerate(workload.tensors)}
    temporaries = len(number)
    for layer, node in enumerate(workload.nodes):
        named = [number[owner.get(name, name)] for name in (*node.inputs, *node.outputs)]
        used = 0
        for kernel in node_kernels(case_of(node, workload, stack)):
            places = []
            for local in (kernel.source, kernel.source2, kernel.target):
                beyond = local - len(named)
                used = max(used, beyond + 1)
                places.append(temporaries + beyond if beyond >= 0 else named[local] if local >= 0 else -1)
            source, source2, target = places
            yield replace(kernel, layer=layer, source=source, source2=source2, target=target)
        temporaries += used


def case_of(node: Node, workload: Workload, stack: Stack) -> Case:
    """A node with its tensors and attributes at hand."""
    inputs, weights, outputs = (
        tuple(workload.tensors[name] for name in names) for names in (node.inputs, node.weights, node.outputs)
    )
    uncovered = node.op == UNCOVERED
    attributes = Attributes(node.attributes) if uncovered else operator_named(node.op).attributes(node.attributes)
    swapped = tuple(name in workload.swapped for name in node.inputs)
    return Case(node, inputs, weights, outputs, attributes, workload.precision, stack, workload.training, swapped)


def node_kernels(case: Case) -> list[Kernel]:
    """The forward kernels of a node; ``source`` and the like number its own tensors (see :meth:`Case.kernel`)."""
    return [_opaque(case)] if case.node.op == UNCOVERED else operator_named(case.node.op).kernels(case)


def _opaque(case: Case) -> Kernel:
    """Attributes ``op`` (its name where it came from), ``flops`` and ``bytes``, as far as known.

    Without ``bytes`` it moves its tensors once. With it, what the tensors do not explain is read.
    """
    given = case.attributes.values
    writes = sum(tensor.bytes for tensor in case.outputs)
    reads, weights = case.read_bytes, case.weight_bytes
    if "bytes" in given:
        weights = 0.0
        writes = min(writes, float(given["bytes"]))  # type: ignore[arg-type]
        reads = float(given["bytes"]) - writes  # type: ignore[arg-type]
    return case.kernel(
        "uncovered",
        op=str(given.get("op", UNCOVERED)),
        kind="opaque",
        elements=sum(tensor.elements for tensor in case.outputs),
        flops=float(given.get("flops", 0)),  # type: ignore[arg-type]
        reads=reads,
        weights=weights,
        writes=writes,
        source=0 if case.inputs else -1,
        target=len(case.inputs) if case.outputs else -1,
    )
