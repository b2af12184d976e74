"""What is there to compute? A graph of operators over named tensors, every shape known.

A :class:`Workload` is a network with its symbols (batch, sequence, image) and its precision bound. Its edges show which
tensors a later node still needs; liveness and residency follow from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Literal

from roofline.core.dtype import DType, Precision
from roofline.core.lazy import lazy

Role = Literal["input", "weight", "activation", "state", "cache"]
"""``state`` is stored and not trained (running statistics); ``cache`` is kept between calls (keys and values)."""
Attribute = int | bool | str | tuple[int, ...]

VIEWS = frozenset({"view", "transpose", "select", "slice", "expand", "strided"})
"""Operator kinds whose result is another view of their first input's storage: no work, no bytes."""

KEPT = frozenset({"kv_cache", "parameter", "buffer"})
"""Operator kinds whose result has its own storage that outlives the run: a cache, a weight, a constant."""

IDLE = frozenset({"dropout"})
"""Operator kinds that are also views, except in training."""


@dataclass(frozen=True)
class Tensor:
    """A named array: ``shape`` in elements, ``dtype`` as stored, and its role."""

    name: str
    shape: tuple[int, ...]
    dtype: DType
    role: Role = "activation"

    @lazy
    def elements(self) -> int:
        return prod(self.shape)

    @lazy
    def bytes(self) -> float:
        return self.elements * self.dtype.bytes


@dataclass(frozen=True)
class Node:
    """One use of an operator: its kind, its attributes, and the names of the tensors it reads and writes.

    ``template`` is the name without block indices (``encoder.*.mlp.up``). Nodes with equal templates and equal shapes
    cost the same and may be shown as one.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    weights: tuple[str, ...] = ()
    attributes: Mapping[str, Attribute] = ()  # type: ignore[assignment]
    template: str = ""

    def __post_init__(self) -> None:
        if type(self.attributes) is not dict:
            object.__setattr__(self, "attributes", dict(self.attributes))
        if not self.template:
            object.__setattr__(self, "template", self.name)


@dataclass(frozen=True)
class Workload:
    """Ordered nodes over named tensors; ``precision`` is that of matrix multiplications.

    ``training`` makes layers work as in training: batch statistics, active dropout.
    """

    name: str
    title: str
    nodes: tuple[Node, ...]
    tensors: Mapping[str, Tensor]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    symbols: Mapping[str, int]
    precision: Precision
    source: str = ""
    file: str = ""
    training: bool = False

    @property
    def weight_bytes(self) -> float:
        return sum(t.bytes for t in self.tensors.values() if t.role == "weight")

    @lazy
    def parameters(self) -> int:
        """Number of weights; a tensor shared by two nodes counts once."""
        return sum(t.elements for t in self.tensors.values() if t.role == "weight")

    @property
    def samples(self) -> int:
        """Number of samples of one run: the ``batch`` symbol, or 1."""
        return self.symbols.get("batch", 1)

    @lazy
    def likeness(self) -> tuple[int, ...]:
        """For every node the number of an earlier node that is like it, or its own.

        Nodes are alike if they have the same operator, attributes and tensors of the same shapes, formats and roles,
        with the same of them standing twice. Who builds a workload may set it to what it knows.
        """
        return tuple(range(len(self.nodes)))

    @lazy
    def swapped(self) -> frozenset[str]:
        """Tensors that are views with another order of dimensions than their storage; some operators copy
        them first.
        """
        names: set[str] = set()
        for node in self.nodes:
            passes = node.op in VIEWS or node.op in (("kv_cache",) if self.training else IDLE)
            if node.op == "transpose" or (passes and node.inputs[0] in names):
                names.update(node.outputs)
        return frozenset(names)

    @lazy
    def owners(self) -> dict[str, str]:
        """Map every view and every in-place result to the tensor whose storage it shares.

        Cached keys and values share the cache; in training nothing is cached, and they are views.
        """
        owner: dict[str, str] = {}
        for node in self.nodes:
            idle = node.op in IDLE and not self.training
            if node.op in KEPT and (node.op != "kv_cache" or not self.training):
                owner.update(dict.fromkeys(node.outputs, node.weights[0]))
            elif node.op in (*VIEWS, *KEPT) or idle or node.attributes.get("inplace"):
                root = owner.get(node.inputs[0], node.inputs[0])
                owner.update(dict.fromkeys(node.outputs, root))
        return owner
