"""What has a module run so far, and what is every tensor called? The record that formulas write into.

A formula gets one operation with its arguments (:class:`~roofline.frontends.pytorch.calls.Call`) and adds its layers.
Layers are named after the modules they ran in; weights belong to the first layer that used them.
"""

# torch is untyped here, so its classes are unknown
# mypy: disable-error-code="misc"

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from roofline.core.workload import Attribute
from roofline.frontends.pytorch.aliases import Aliases, whole
from roofline.frontends.pytorch.calls import Call, bits, shape_of, storage_of
from roofline.frontends.pytorch.graph import FREE, Graph, Shape
from roofline.operators import OPERATORS

Tensor = Any

_OWN = re.compile(r"[._]?weight(_ih_l0)?$")
"""Names of a parameter within its module for which the layer is named after the module."""
Key = tuple[str, int, int]
"""A parameter, or a part of it: name, first element, number of elements."""


@dataclass
class Scope:
    """A running module: its path, whether it has no children, and whether it has already run an operation."""

    path: str
    leaf: bool
    used: bool = False


class Ledger(AbstractContextManager[Any]):
    """Builds a :class:`Graph`. ``parameters`` and ``buffers`` are the model's own tensors with their names.

    ``with ledger:`` records what PyTorch runs inside as if the model had run it.
    """

    def __init__(self, parameters: Mapping[str, Tensor], buffers: Mapping[str, Tensor]) -> None:
        self.graph = Graph()
        self.names: dict[int, str] = {}
        self.alive: list[Any] = []
        self.aliases = Aliases()
        self.weight_of: dict[int, str] = {}
        self.buffer_of: dict[int, str] = {}
        for owned, store in ((parameters, self.weight_of), (buffers, self.buffer_of)):
            for name, tensor in owned.items():
                store.setdefault(storage_of(tensor), name)
                self.aliases.roots.setdefault(storage_of(tensor), tensor)
                self.alive.append(tensor)
        self.sizes = {name: tensor.numel() for name, tensor in (*parameters.items(), *buffers.items())}
        self.users: dict[Key, tuple[str, Shape]] = {}
        """The layer of a weight, or of a part of one, and its shape there; ``()`` where it is not the first."""
        self.scopes = [Scope("", leaf=False)]
        self.unexpanded: dict[int, Tensor] = {}

    def name(self, tensor: Tensor) -> str:
        """The name of a tensor; weights, buffers and constants get their own layer when they are first read."""
        self.aliases.refresh(tensor)
        known = self.names.get(id(tensor))
        if known is not None:
            return known
        graph, shape, storage = self.graph, shape_of(tensor), storage_of(tensor)
        owner = self.weight_of.get(storage)
        if owner is not None and tensor.numel() == self.sizes[owner]:
            made = self._parameter((owner, 0, tensor.numel()), shape)
        else:
            owner = self.buffer_of.get(storage) or owner or "constant"
            made = graph.add("buffer", owner, [], {"shape": shape, **bits(tensor)})
        self.bind(tensor, made)
        return made

    def _parameter(self, key: Key, shape: Shape) -> str:
        """A parameter as an ordinary tensor, in this shape."""
        user, own = self.users.get(key, ("", ()))
        made = self.graph.add("parameter", key[0], [], {"shape": own or shape}, tied=user if own else "")
        self.users.setdefault(key, (made, own or shape))
        return self.graph.seen_as(made, shape)

    def weight(self, tensor: Tensor | None) -> Key | None:
        """The parameter, start and size that a tensor is (a view of); None where it is computed."""
        if tensor is None:
            return None
        owner = self.weight_of.get(storage_of(tensor))
        if owner is None or tensor.numel() > self.sizes[owner]:
            return None
        return owner, int(tensor.storage_offset()), int(tensor.numel())

    def put(
        self,
        op: str,
        inputs: Sequence[Tensor | str],
        attributes: dict[str, Attribute],
        out: Tensor,
        *,
        weights: Sequence[Tensor] = (),
        inplace: bool = False,
        shape: Shape | None = None,
        label: str = "",
    ) -> str:
        """Record one layer whose result is ``out``; of ``shape`` if ``out`` is viewed in another shape afterwards.

        Parameters
        ----------
        weights : its parameters (or views of them); computed tensors are tied.
        """
        names = [one if isinstance(one, str) else self.name(one) for one in inputs]
        keys = [self.weight(weight) for weight in weights]
        tied, needed = self._tied(op, names, attributes, weights[0], keys[0]) if weights else ("", ())
        if inplace and any(parameter.name == "inplace" for parameter in OPERATORS[op].parameters):
            attributes = {**attributes, "inplace": True}
        wanted = shape_of(out)
        named = self.label(op, label, [key for key in keys if key is not None])
        made = self.graph.add(op, named, names, attributes, tied=tied, shape=wanted if shape is None else shape)
        for index, key in enumerate(keys):
            if key is not None:
                self.users.setdefault(key, (made, () if index else needed))
        if self.graph.tensors[made].shape != wanted:
            made = self.graph.seen_as(made, wanted)
        self.bind(out, made)
        return made

    def _tied(
        self, op: str, names: Sequence[str], attributes: dict[str, Attribute], weight: Tensor, key: Key | None
    ) -> tuple[str, Shape]:
        """The layer whose weight, or result, is the first weight of a layer (none: its own), and its shape."""
        inferred = OPERATORS[op].infer([self.graph.tensors[one] for one in names], attributes)
        needed = inferred.weights[0].shape if inferred.weights else ()
        if key is None:
            return self.graph.seen_as(self.name(weight), needed), needed
        user, own = self.users.get(key, ("", ()))
        if not own or own == needed:
            return (user if own else ""), needed
        return self._parameter(key, needed), needed  # used before in another shape

    def bind(self, tensor: Tensor, name: str) -> None:
        """Remember the name of a tensor; corrects the format of a result that PyTorch has in another one."""
        have = self.graph.tensors[name].dtype.kind
        if (have == "int") == (tensor.is_floating_point() or tensor.is_complex()):
            name = self.graph.aside("beside", name, {"shape": self.graph.tensors[name].shape, **bits(tensor)})
        self.names[id(tensor)] = name
        self.alive.append(tensor)
        self.aliases.bound(tensor)

    def beside(self, main: Tensor, other: Tensor) -> None:
        """Another result of the layer that made ``main``; ignored where it is empty."""
        if not other.numel():
            return
        made = self.graph.aside("beside", self.name(main), {"shape": shape_of(other), **bits(other)})
        self.bind(other, made)

    def overwritten(self, part: Tensor, source: Tensor) -> None:
        """Elements of ``source`` replace those of ``part``, a tensor or a view of one."""
        self._replace(part, self.name(source), moved=True)

    def wrote(self, part: Tensor) -> None:
        """The layer that ``part`` is named after wrote into it in place."""
        root, name = self.aliases.root(part), self.names[id(part)]
        if part is root:
            self.aliases.written(part)
        elif whole(part, root):
            self.bind(root, self.graph.seen_as(name, shape_of(root)))
            self.aliases.written(part)
        else:
            self._replace(part, name, moved=False)

    def _replace(self, part: Tensor, source: str, *, moved: bool) -> None:
        """A new value of the root; ``moved``: by a copy of ``source`` (or else the elements are already there)."""
        root = self.aliases.root(part)
        everything = part.numel() == root.numel()
        shape = {"shape": shape_of(root), **bits(root)}
        before = self.graph.aside("blank", "", shape) if everything else self.name(root)
        attributes: dict[str, Attribute] = {"elements": max(1, int(part.numel()))}
        if not moved:
            attributes["moved"] = False
        made = self.graph.add("overwrite", self.label("overwrite", "", []), [before, source], attributes)
        known = self.names.get(id(part))
        self.bind(root, made)
        self.aliases.written(root)
        if not moved and known is not None and part is not root:
            self.aliases.bound(part)

    def label(self, op: str, label: str, weights: Sequence[Key]) -> str:
        """The name of the module, with the operation where the module runs several."""
        scope = self.scopes[-1]
        if weights:
            parameter = weights[0][0]
            stem = _OWN.sub("", parameter)
            scope.used = scope.used or stem == scope.path
            return stem or op
        label = label or op
        if op in FREE or op == "fill":
            return f"{scope.path}.{label}" if scope.path else label
        if scope.leaf and not scope.used and scope.path:
            scope.used = True
            return scope.path
        return f"{scope.path}.{label}" if scope.path else label

    def back_to(self, count: int) -> None:
        """Remove all but the first ``count`` layers."""
        if len(self.graph.entries) > count:
            gone = {entry.name for entry in self.graph.entries[count:]}
            self.names = {key: name for key, name in self.names.items() if name not in gone}
            self.users = {key: user for key, user in self.users.items() if user[0] not in gone}
            self.graph.back_to(count)


Handler = Callable[[Ledger, Call], bool]
"""A formula: returns whether it applies to this call; if so, its layers are in the ledger."""
