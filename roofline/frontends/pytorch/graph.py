"""What does a front end collect? Layers in order with their inputs by name, every shape checked.

It becomes a :class:`~roofline.core.network.Network` in :mod:`.assemble`. Sizes are still numbers here; they become
expressions when two graphs of one network at different sizes are compared.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod

from roofline.core.dtype import DType, dtype
from roofline.core.workload import VIEWS, Attribute, Tensor
from roofline.errors import UsageError
from roofline.operators import OPERATORS

Shape = tuple[int, ...]

FREE = VIEWS | {"parameter", "buffer", "blank", "beside"}
"""Operators without a kernel; they are removed if nothing reads them."""

_NAME = re.compile(r"[^\w.-]+")
_TAKEN = re.compile(r"input\d*")


@dataclass
class Entry:
    """One layer: an operator, the names it reads, and the layer whose weight it shares (``tied``)."""

    name: str
    op: str
    inputs: tuple[str, ...]
    attributes: dict[str, Attribute]
    tied: str = ""


@dataclass
class Graph:
    """A network at one size. ``tensors`` are inputs and results by name."""

    storage: DType = field(default_factory=lambda: dtype("fp32"))
    sources: dict[str, Tensor] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)
    names: dict[str, set[str]] = field(default_factory=dict)
    """Of a layer and its weights, by layer."""
    path: str = ""
    """The running module; layers that come from no operation of the model are named after it."""

    def source(self, name: str, shape: Shape, kind: str) -> str:
        """An input of the network; ``kind`` is its dtype, ``""`` the network's own format."""
        made = self.free_name(name)
        self.sources[made] = self.tensors[made] = Tensor(made, shape, dtype(kind) if kind else self.storage, "input")
        return made

    def add(
        self,
        op: str,
        name: str,
        inputs: Sequence[str],
        attributes: dict[str, Attribute] | None = None,
        *,
        tied: str = "",
        shape: Shape | None = None,
    ) -> str:
        """One more layer; returns its name, made unique.

        Raises
        ------
        UsageError : the operator refuses these inputs, or infers another ``shape`` than the known one.
        """
        operator, given = OPERATORS[op], dict(attributes or {})
        inferred = operator.infer([self.tensors[one] for one in inputs], given)
        made = inferred.outputs[0]
        if shape is not None and made != shape:
            raise UsageError(f"{op} makes {made}, not {shape}")
        unique = self.free_name(name, [weight.suffix for weight in inferred.weights])
        self.names[unique] = {unique, *(f"{unique}.{weight.suffix}" for weight in inferred.weights)}
        self.entries.append(Entry(unique, op, tuple(inputs), given, tied))
        self.tensors[unique] = Tensor(unique, made, inferred.dtype or self.storage)
        return unique

    def free_name(self, wanted: str, suffixes: Sequence[str] = ()) -> str:
        """``wanted`` as an unused name of a layer, as are those of its weights: ``relu``, ``relu_2``..."""
        plain = _NAME.sub("_", wanted).strip(".-") or "layer"
        if _TAKEN.fullmatch(plain):
            plain += "_"
        name, count = plain, 1
        while not self.taken.isdisjoint(names := {name, *(f"{name}.{suffix}" for suffix in suffixes)}):
            count += 1
            name = f"{plain}_{count}"
        self.taken |= names
        return name

    def seen_as(self, name: str, shape: Shape) -> str:
        """The same elements in another shape: a view, or the name itself."""
        have = self.tensors[name].shape
        if have == shape:
            return name
        if prod(have) != prod(shape):
            raise UsageError(f"{have} cannot be viewed as {shape}")
        return self.aside("view", name, {"shape": shape})

    def aside(self, op: str, of: str, attributes: dict[str, Attribute], *, shape: Shape | None = None) -> str:
        """A layer without work, such as a view of a tensor (``""``: of none), named after the running module."""
        return self.add(op, f"{self.path}.{op}" if self.path else op, [of] if of else [], attributes, shape=shape)

    def back_to(self, count: int) -> None:
        """Remove the layers after the first ``count``."""
        for entry in self.entries[count:]:
            del self.tensors[entry.name]
            self.taken -= self.names.pop(entry.name)
        del self.entries[count:]

    def prune(self) -> None:
        """Remove layers without work that nothing reads."""
        read = set(self.outputs)
        kept: list[Entry] = []
        for entry in reversed(self.entries):
            if entry.op in FREE and entry.name not in read:
                continue
            read.update(entry.inputs)
            if entry.tied:
                read.add(entry.tied)
            kept.append(entry)
        self.entries = kept[::-1]
