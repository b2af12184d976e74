"""What does a PyTorch module run? Every operation it dispatches, caught on the meta device and given a formula.

In inference mode PyTorch hands operations over whole: a linear layer, an LSTM, an attention. What is known here is
recorded as it is; what is not is taken apart as PyTorch itself does, and what cannot be taken apart becomes a layer
``uncovered`` with its shapes. Nothing is computed: meta tensors have shapes and no numbers.
"""

# torch has no types here, so its classes count as unknown
# mypy: disable-error-code="misc"

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from roofline.core.workload import Attribute
from roofline.frontends.pytorch.calls import Call, bits, bound, shape_of, storage_of, tensors_in
from roofline.frontends.pytorch.graph import FREE, Graph, Shape
from roofline.frontends.pytorch.known import Known
from roofline.frontends.pytorch.layout import laid_out
from roofline.operators import OPERATORS

Tensor = Any
Handler = Callable[["Recorder", "Call"], bool]

READS_NUMBERS = (
    *("_local_scalar_dense", "item", "is_nonzero", "equal", "allclose", "nonzero", "nonzero_numpy", "masked_select"),
    *("_unique2", "unique_dim", "unique_consecutive", "bincount"),
)
"""Operations whose result, or its shape, depends on numbers that are not there."""


_OWN = re.compile(r"[._]?weight(_ih_l0)?$")
"""What a parameter is called within its module: the layer is named after the module."""


Key = tuple[str, int, int]
"""A parameter, or a part of it: name, first number, how many."""


class ReadsNumbers(Exception):
    """The model looks at numbers: a branch or a shape that depends on data."""


@dataclass
class Scope:
    """A module at work: its path, whether it has no children, and whether it has done something already."""

    path: str
    leaf: bool
    used: bool = False


class Recorder(TorchDispatchMode):
    """Grows a :class:`Graph`. ``parameters`` and ``buffers`` are the model's own tensors with their names."""

    def __init__(
        self,
        parameters: Mapping[str, Tensor],
        buffers: Mapping[str, Tensor],
        handlers: Mapping[str, Handler],
        quick: Mapping[str, Callable[[Call], Any]] | None = None,
    ) -> None:
        super().__init__()
        self.graph = Graph()
        self.handlers = handlers
        self.quick = quick or {}
        self.names: dict[int, str] = {}
        self.alive: list[Any] = []
        self.roots: dict[int, Tensor] = {}
        self.weight_of: dict[int, str] = {}
        self.buffer_of: dict[int, str] = {}
        for owned, store in ((parameters, self.weight_of), (buffers, self.buffer_of)):
            for name, tensor in owned.items():
                store.setdefault(storage_of(tensor), name)
                self.alive.append(tensor)
        self.sizes = {name: tensor.numel() for name, tensor in (*parameters.items(), *buffers.items())}
        self.users: dict[Key, tuple[str, Shape]] = {}
        """Which layer a weight, or a part of one, belongs to, and its shape there; ``()`` where it is not the first."""
        self.scopes = [Scope("", leaf=False)]
        self.unexpanded: dict[int, Tensor] = {}
        self.twins: dict[int, Tensor] = {}
        self.uncovered: list[tuple[str, str]] = []
        self.known = Known()

    # what PyTorch calls

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled here, so PyTorch's compiler need not be loaded to keep out."""
        return False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        given = [*tensors_in(args), *tensors_in(kwargs)]
        name = func.overloadpacket.__name__
        if any(t.device.type != "meta" for t in given):
            if all(t.device.type != "meta" for t in given):
                return func(*args, **kwargs)  # numbers that are really there: nothing of the net
            args, kwargs = self._twin(args), self._twin(kwargs)
        if name in READS_NUMBERS or (name == "index" and any(t.dtype == torch.bool for t in given)):
            return self._numbers(func, name, args, kwargs)
        if func.namespace == "prim":
            return func(*args, **kwargs)
        handler = self.handlers.get(name) or self.handlers.get(name.removesuffix("_"))
        if handler is None or func.namespace != "aten":
            return self._otherwise(func, args, kwargs)
        args = laid_out(self, name, args)
        call = bound(func, name, args, kwargs, None)
        known = self.quick.get(name.removesuffix("_"))
        call.out = known(call) if known else None
        if call.out is None:
            call.out = func(*args, **kwargs)
        if _empty(call.out) or self._attempt(lambda: handler(self, call)):
            self._note(func, args, kwargs, call.out)
            return call.out
        return self._otherwise(func, args, kwargs)

    def _otherwise(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Taken apart as PyTorch does it, or else unknown."""
        with self:
            parts = func.decompose(*args, **kwargs)
        if parts is not NotImplemented:
            return parts
        out = self._unknown(func, args, kwargs)
        self._note(func, args, kwargs, out)
        return out

    def _note(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> None:
        given = [*tensors_in(args), *tensors_in(kwargs)]
        if self.known.recipes or not given:
            self.known.note(func, args, kwargs, out, given, random=torch.Tag.nondeterministic_seeded in func.tags)

    def _numbers(self, func: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Numbers the model looks at: those of constants can be had."""
        values = [self.known.value(tensor) for tensor in tensors_in(args)]
        if name == "index" or any(value is None for value in values):
            raise ReadsNumbers(name)
        made = iter(values)
        return func(*(next(made) if isinstance(one, torch.Tensor) else one for one in args), **kwargs)

    def _attempt(self, record: Callable[[], bool]) -> bool:
        """Whether a formula could be given; what it recorded halfway is forgotten.

        Whatever a formula trips over, in arguments it did not expect, leaves the operation to be taken apart or shown
        as uncovered: a model is traced all the same.
        """
        count = len(self.graph.entries)
        try:
            if record():
                return True
        except Exception:
            pass
        if len(self.graph.entries) > count:
            gone = {entry.name for entry in self.graph.entries[count:]}
            self.names = {key: name for key, name in self.names.items() if name not in gone}
            self.users = {key: user for key, user in self.users.items() if user[0] not in gone}
            self.graph.back_to(count)
        return False

    def _unknown(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """An operation without a formula: a function of elements where PyTorch says so, else uncovered."""
        out = func(*args, **kwargs)
        results = [t for t in tensors_in(out) if isinstance(t, torch.Tensor)]
        if not results or _empty(out):
            return out
        given = [*tensors_in(args), *tensors_in(kwargs)]
        name = func.overloadpacket.__name__
        call = bound(func, name, args, kwargs, out)
        if torch.Tag.pointwise in func.tags and 1 <= len(given) <= 8 and len(results) == 1:
            from roofline.frontends.pytorch.aten_pointwise import pointwise

            if self._attempt(lambda: pointwise(self, call, "function", given)):
                return out
        sharing = {storage_of(t): t for t in given}
        for index, result in enumerate(results):
            if storage_of(result) in sharing and not call.inplace:
                self.put("strided", [sharing[storage_of(result)]], {"shape": shape_of(result)}, result)
            elif index == 0:
                attributes: dict[str, Attribute] = {"shape": shape_of(result), **bits(result)}
                self.put("uncovered", given[:64], attributes, result, label=f"{func.namespace}_{name}")
                self.uncovered.append((f"{func.namespace}.{name}", self.names[id(result)]))
            else:
                self.beside(results[0], result)
        return out

    # what formulas call

    def name(self, tensor: Tensor) -> str:
        """The name of a tensor; weights, buffers and constants get a layer of their own when they are first read."""
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
        """A parameter as a tensor like others, in this shape."""
        user, own = self.users.get(key, ("", ()))
        made = self.graph.add("parameter", key[0], [], {"shape": own or shape}, tied=user if own else "")
        self.users.setdefault(key, (made, own or shape))
        return self.graph.seen_as(made, shape)

    def weight(self, tensor: Tensor | None) -> Key | None:
        """Which parameter, from where and how much of it, a tensor is (a view of); None where it is computed."""
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
        """Record one layer whose result is ``out``; of ``shape`` where ``out`` is seen in another one afterwards.

        weights : parameters (or views of them) that it brings along; tensors computed for it are tied.
        """
        names = [one if isinstance(one, str) else self.name(one) for one in inputs]
        keys = [self.weight(weight) for weight in weights]
        tied, needed = self._tied(op, names, attributes, weights[0], keys[0]) if weights else ("", ())
        if inplace and any(parameter.name == "inplace" for parameter in OPERATORS[op].parameters):
            attributes = {**attributes, "inplace": True}
        wanted = shape_of(out)
        named = self._label(op, label, [key for key in keys if key is not None])
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
        """Remember what a tensor is called; a result that PyTorch counts in another kind of numbers is told so."""
        have = self.graph.tensors[name].dtype.kind
        if (have == "int") == (tensor.is_floating_point() or tensor.is_complex()):
            name = self.graph.aside("beside", name, {"shape": self.graph.tensors[name].shape, **bits(tensor)})
        self.names[id(tensor)] = name
        self.alive.append(tensor)
        self.roots.setdefault(storage_of(tensor), tensor)

    def beside(self, main: Tensor, other: Tensor) -> None:
        """Another result of the layer that made ``main``; nothing where it is empty."""
        if not other.numel():
            return
        made = self.graph.aside("beside", self.name(main), {"shape": shape_of(other), **bits(other)})
        self.bind(other, made)

    def overwritten(self, part: Tensor, source: Tensor) -> None:
        """Numbers of ``source`` take the place of those of ``part``, a tensor or a view of one."""
        root = self.roots.get(storage_of(part), part)
        made = self.graph.add(
            "overwrite",
            self._label("overwrite", "", []),
            [self.name(root), self.name(source)],
            {"elements": max(1, int(part.numel()))},
        )
        self.bind(root, made)
        if part is not root and shape_of(part) == shape_of(root):
            self.bind(part, made)

    def _label(self, op: str, label: str, weights: Sequence[tuple[str, int, int]]) -> str:
        """The name of the module, and of the operator where the module does more than that."""
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

    def _twin(self, value: Any) -> Any:
        """Meta tensors in place of others, one for each."""
        if isinstance(value, torch.Tensor):
            if value.device.type == "meta":
                return value
            if id(value) not in self.twins:
                self.twins[id(value)] = torch.empty_strided(
                    value.shape, value.stride(), dtype=value.dtype, device="meta"
                )
                self.alive.append(value)
            return self.twins[id(value)]
        if isinstance(value, dict):
            return {key: self._twin(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self._twin(item) for item in value)
        return value


def _empty(out: Any) -> bool:
    """Whether nothing but tensors without elements comes out: a cache before its first token."""
    results = list(tensors_in(out))
    return bool(results) and not any(result.numel() for result in results)
