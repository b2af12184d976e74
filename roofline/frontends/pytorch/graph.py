"""What does a front end collect? Layers in order with their inputs by name, every shape checked as they come.

It becomes a :class:`~roofline.core.network.Network` in :mod:`.assemble`; numbers are still numbers here, and
become expressions when two graphs of one net at different sizes are laid beside each other.
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
"""Operators without a kernel: dropped where nobody reads them."""

_NAME = re.compile(r"[^\w.-]+")
_TAKEN = re.compile(r"input\d*")


@dataclass
class Entry:
    """One layer: an operator, the names it reads, and whose weight it shares (``tied``)."""

    name: str
    op: str
    inputs: tuple[str, ...]
    attributes: dict[str, Attribute]
    tied: str = ""


@dataclass
class Graph:
    """A net at one size. ``tensors`` are inputs and results by name."""

    storage: DType = field(default_factory=lambda: dtype("fp32"))
    sources: dict[str, Tensor] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)
    path: str = ""
    """The module at work, after which layers are called that come of no operation of the model."""

    def source(self, name: str, shape: Shape, kind: str) -> str:
        """An input of the net; ``kind`` is its dtype, ``""`` the net's own format."""
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
        UsageError : the operator refuses these inputs, or makes another ``shape`` than is known to be right.
        """
        operator, given = OPERATORS[op], dict(attributes or {})
        inferred = operator.infer([self.tensors[one] for one in inputs], given)
        made = inferred.outputs[0]
        if shape is not None and made != shape:
            raise UsageError(f"{op} makes {made}, not {shape}")
        unique = self.free_name(name)
        self.entries.append(Entry(unique, op, tuple(inputs), given, tied))
        self.tensors[unique] = Tensor(unique, made, inferred.dtype or self.storage)
        return unique

    def free_name(self, wanted: str) -> str:
        """``wanted`` as a name of a layer that is not taken yet: ``relu``, ``relu_2``..."""
        plain = _NAME.sub("_", wanted).strip(".-") or "layer"
        if _TAKEN.fullmatch(plain):
            plain += "_"
        name, count = plain, 1
        while name in self.taken:
            count += 1
            name = f"{plain}_{count}"
        self.taken.add(name)
        return name

    def seen_as(self, name: str, shape: Shape) -> str:
        """The same elements in another shape: a view, or the name itself."""
        have = self.tensors[name].shape
        if have == shape:
            return name
        if prod(have) != prod(shape):
            raise UsageError(f"{have} cannot be seen as {shape}")
        return self.aside("view", name, {"shape": shape})

    def aside(self, op: str, of: str, attributes: dict[str, Attribute], *, shape: Shape | None = None) -> str:
        """Another look at a tensor: a layer without work, called after the module at work."""
        return self.add(op, f"{self.path}.{op}" if self.path else op, [of], attributes, shape=shape)

    def back_to(self, count: int) -> None:
        """Forget the layers after the first ``count``."""
        for entry in self.entries[count:]:
            del self.tensors[entry.name]
            self.taken.discard(entry.name)
        del self.entries[count:]

    def prune(self) -> None:
        """Drop layers without work that nobody reads."""
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
