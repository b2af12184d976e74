"""Which kernels does a node launch? Equal nodes are lowered once: kernels depend on shapes, not on names.

Two nodes are equal if they have the same operator, attributes, precision and software, and tensors of the same shapes,
formats and roles, with the same of them standing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from roofline.core.memo import Memo, Same
from roofline.core.schedule import Kernel
from roofline.core.stack import Stack
from roofline.core.workload import Node, Workload
from roofline.operators.attributes import Attributes
from roofline.operators.case import Case
from roofline.operators.operator import Operator
from roofline.operators.table import operator_named

T = TypeVar("T")
UNCOVERED = "uncovered"
"""Operator kind of a node that a front end read and no formula covers. It is listed, never counted as zero silently."""
_kept: Memo[Any] = Memo(20_000)
_checked: Memo[tuple[Operator, Attributes]] = Memo(20_000)


def case_of(node: Node, workload: Workload, stack: Stack) -> Case:
    """A node with its tensors and attributes."""
    tensors = workload.tensors
    return Case(
        node,
        tuple(tensors[name] for name in node.inputs),
        tuple(tensors[name] for name in node.weights),
        tuple(tensors[name] for name in node.outputs),
        Attributes(node.attributes) if node.op == UNCOVERED else checked(node.op, node.attributes),
        workload.precision,
        stack,
        workload.training,
        tuple(name in workload.swapped for name in node.inputs),
    )


def checked(op: str, given: Mapping[str, object]) -> Attributes:
    """The attributes of an operator, checked once for each choice; raises as :meth:`Operator.attributes` does."""
    operator = operator_named(op)
    key = (id(operator), tuple(given.items()), tuple(map(type, given.values())))  # True is not 1
    return _checked.once(key, lambda: (operator, operator.attributes(given)))[1]


@dataclass(frozen=True)
class Lowered:
    """The forward kernels of a node; ``source``, ``source2`` and ``target`` number its own tensors (see
    :meth:`Case.kernel`). ``temporaries`` is the peak memory of its temporaries [B], ``used`` their number.
    """

    kernels: tuple[Kernel, ...]
    temporaries: float
    used: int


def lowered_nodes(workload: Workload, stack: Stack) -> list[Lowered]:
    """Every node of a workload, lowered; the list is kept, for kernels and memory are both read off it."""
    key = (Same(workload), stack)
    found = _workloads.get(key)
    if found is None:
        made: dict[tuple[int, tuple[bool, ...]], Lowered] = {}
        found = []
        for node, like in zip(workload.nodes, workload.likeness, strict=True):
            kind = like, tuple(name in workload.swapped for name in node.inputs) if workload.swapped else ()
            if kind not in made:
                made[kind] = lowered(case_of(node, workload, stack))
            found.append(made[kind])
        _workloads.put(key, found, 1 + len(found))
    return found


_workloads: Memo[list[Lowered]] = Memo(100_000)
"""Lowered nodes by workload and software; weights are nodes."""


def lowered(case: Case) -> Lowered:
    """The kernels of a node, made once for all equal nodes."""
    return once("forward", case, _lowered)


def once(what: str, case: Case, make: Callable[[Case], T]) -> T:
    """``make(case)``, or what it returned for an equal case; it must not depend on names."""
    found: T = _kept.once((what, _signature(case)), lambda: make(case))
    return found


def _signature(case: Case) -> Hashable:
    """What kernels depend on. Tensors are numbered by their first place, so that ``a + a`` is not ``a + b``."""
    number: dict[str, int] = {}
    tensors = (*case.inputs, *case.weights, *case.outputs)
    places = tuple(number.setdefault(tensor.name, len(number)) for tensor in tensors)
    scales = tuple(number.get(f"{tensor.name}.scale", -1) for tensor in case.weights)
    op = case.node.op
    return (
        op if op == UNCOVERED else id(operator_named(op)),
        tuple(case.attributes.values.items()),
        len(case.inputs),
        len(case.weights),
        tuple((tensor.shape, tensor.dtype.name, tensor.role) for tensor in tensors),
        places,
        scales,
        case.precision,
        case.stack,
        case.training,
        case.swapped,
    )


def _lowered(case: Case) -> Lowered:
    uncovered = case.node.op == UNCOVERED
    kernels = (_opaque(case),) if uncovered else tuple(operator_named(case.node.op).kernels(case))
    first = case.temporary
    beyond = [place - first for k in kernels for place in (k.source, k.source2, k.target)]
    return Lowered(kernels, peak_of(kernels, first), max((place + 1 for place in beyond if place >= 0), default=0))


def peak_of(kernels: Sequence[Kernel], first: int) -> float:
    """Peak bytes of the temporaries of one node (tensors from ``first`` on).

    Each lives from the kernel that writes it to the last that reads it; one without a reader stays to the end.
    """
    last = {place: index for index, k in enumerate(kernels) for place in (k.source, k.source2) if place >= first}
    alive: dict[int, float] = {}
    most = 0.0
    for index, kernel in enumerate(kernels):
        if kernel.target >= first:
            alive[kernel.target] = kernel.writes
        most = max(most, sum(alive.values()))
        alive = {place: size for place, size in alive.items() if last.get(place, len(kernels)) > index}
    return most


def _opaque(case: Case) -> Kernel:
    """A kernel from the attributes ``op`` (its original name), ``flops`` and ``bytes``, as far as known.

    Without ``bytes`` it moves its tensors once. With it, the bytes that the results do not account for are reads.
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
