"""What does a PyTorch module run? Every dispatched operation, caught on the meta device and given a formula.

In inference mode PyTorch dispatches whole operations: a linear layer, an LSTM, an attention. Operations with a formula
are recorded as they are. Others are decomposed as PyTorch itself does, and what cannot be decomposed becomes a layer
``uncovered`` with its shapes. Nothing is computed: meta tensors have shapes and no values.
"""

# torch is untyped here, so its classes are unknown
# mypy: disable-error-code="misc"

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from roofline.core.workload import Attribute
from roofline.frontends.pytorch import audit, known
from roofline.frontends.pytorch.aten_pointwise import pointwise
from roofline.frontends.pytorch.calls import Call, bits, bound, shape_of, storage_of, tensors_in
from roofline.frontends.pytorch.layout import laid_out
from roofline.frontends.pytorch.ledger import Handler, Ledger
from roofline.frontends.pytorch.parts import decomposition, one_by_one
from roofline.frontends.pytorch.proposals import chosen

Tensor = Any

READS_NUMBERS = (
    *("_local_scalar_dense", "item", "is_nonzero", "equal", "allclose", "nonzero", "nonzero_numpy", "masked_select"),
    *("_unique2", "unique_dim", "unique_consecutive", "bincount"),
)
"""Operations whose result, or its shape, depends on values that do not exist."""


class ReadsNumbers(Exception):
    """The model reads values: a branch or a shape that depends on data."""


class Recorder(TorchDispatchMode, Ledger):
    """PyTorch calls it with every operation; formulas write to its :class:`Ledger`."""

    def __init__(
        self,
        parameters: Mapping[str, Tensor],
        buffers: Mapping[str, Tensor],
        handlers: Mapping[str, Handler],
        quick: Mapping[str, Callable[[Call], Any]] | None = None,
        proposals: int = 0,
    ) -> None:
        TorchDispatchMode.__init__(self)
        Ledger.__init__(self, parameters, buffers)
        self.handlers = handlers
        self.quick = quick or {}
        self.twins: dict[int, Tensor] = {}
        self.uncovered: list[tuple[str, str]] = []
        self.known = known.Known()
        self.audit = audit.Audit()
        self.proposals = proposals
        self.taken: set[str] = set()
        """Operations that got :attr:`proposals` elements instead of a number that data decide."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled here, so PyTorch's compiler need not be loaded."""
        return False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        given = [*tensors_in(args), *tensors_in(kwargs)]
        name = func.overloadpacket.__name__
        if any(t.device.type != "meta" for t in given):
            if all(t.device.type != "meta" for t in given):
                return func(*args, **kwargs)  # real values: not part of the network
            args, kwargs = self._twin(args), self._twin(kwargs)
        if name in ("where", "argwhere") and len(args) == 1:
            name = "nonzero_numpy" if name == "where" else "nonzero"
        if name in READS_NUMBERS or (name == "index" and any(t.dtype == torch.bool for t in tensors_in(args[1]))):
            return self._numbers(func, name, args, kwargs)
        if name == "nms" and self.proposals:
            return self._numbers(func, name, args, kwargs)
        if func.namespace == "prim":
            return func(*args, **kwargs)
        known_as = name if func.namespace == "aten" else f"{func.namespace}.{name}"
        handler = self.handlers.get(known_as) or self.handlers.get(known_as.removesuffix("_"))
        if handler is None:
            return self._otherwise(func, args, kwargs)
        count = len(self.graph.entries)
        args = laid_out(self, name, args)
        call = bound(func, name, args, kwargs, None)
        quick = self.quick.get(name.removesuffix("_"))
        call.out = quick(call) if quick else None
        if call.out is None:
            call.out = func(*args, **kwargs)
        if _empty(call.out) or self._attempt(lambda: handler(self, call)):
            self._aliased(call, lambda: handler(self, call))
            self._note(func, args, kwargs, call.out, count)
            return call.out
        return self._otherwise(func, args, kwargs)

    def _otherwise(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Decomposed as PyTorch does it, or else uncovered."""
        with self:
            parts = func.decompose(*args, **kwargs)
        if parts is NotImplemented:
            parts = self._in_parts(func, args, kwargs)
        if parts is not NotImplemented:
            return parts
        count = len(self.graph.entries)
        out = self._unknown(func, args, kwargs)
        self._note(func, args, kwargs, out, count)
        return out

    def _in_parts(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A function of lists item by item; what has no formula and is not elementwise as PyTorch's compiler would."""
        name = func.overloadpacket.__name__
        if name.startswith("_foreach_"):
            with self:
                return one_by_one(func, args, kwargs)
        if func.namespace != "aten" or torch.Tag.pointwise in func.tags or func._schema.is_mutable:
            return NotImplemented
        rule = decomposition(func)
        if rule is None:
            return NotImplemented
        count, (names, users) = len(self.graph.entries), (dict(self.names), dict(self.users))
        try:
            with self:
                return rule(*args, **kwargs)
        except ReadsNumbers:
            raise
        except Exception:
            self.back_to(count)
            self.names, self.users = names, users
            return NotImplemented

    def _aliased(self, call: Call, again: Callable[[], Any]) -> None:
        """Views remember how they were made; what was written in place is the new value of all that share it."""
        if not call.inplace:
            shared = {storage_of(tensor) for tensor in tensors_in(list(call.args.values()))}
            for result in tensors_in(call.out):
                if storage_of(result) in shared:
                    self.aliases.viewed(result, again)
        elif call.name.removesuffix("_") != "copy":  # which has written its own layer
            for tensor in call.written:
                if id(tensor) in self.names:
                    self.wrote(tensor)

    def _note(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any, count: int) -> None:
        """Remember what an operation read, made and became: the layers after the first ``count``."""
        given = [*tensors_in(args), *tensors_in(kwargs)]
        layers = [entry.name for entry in self.graph.entries[count:] if entry.op in audit.PRODUCTS]
        self.audit.note(func.overloadpacket.__name__, layers, given, [*tensors_in(out)])
        if self.known.recipes or not given or func.overloadpacket.__name__ in known.ASSUMED:
            self.known.note(func, args, kwargs, out, given, random=torch.Tag.nondeterministic_seeded in func.tags)

    def _numbers(self, func: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Values that the model reads: those of constants can be computed; others only if a number is given."""
        values = [self.known.value(tensor) for tensor in tensors_in(args)]
        if name == "index" or any(value is None for value in values):
            if not self.proposals:
                raise ReadsNumbers(name)
            self.taken.add(name)
            out, layer = chosen(name, args, self.proposals)
            if layer:
                self.put("gather", layer if len(layer) > 1 else 2 * layer, {"shape": shape_of(out[0])}, out[0])
                for other in out[1:]:
                    self.beside(out[0], other)
            return out[0] if len(out) == 1 and isinstance(out, tuple) else out
        made = iter(values)
        return func(*(next(made) if isinstance(one, torch.Tensor) else one for one in args), **kwargs)

    def _attempt(self, record: Callable[[], bool]) -> bool:
        """Whether a formula applies; a partial record is removed.

        Any error of a formula, on arguments it did not expect, leaves the operation to be decomposed or shown as
        uncovered: the model is traced in any case.
        """
        count = len(self.graph.entries)
        try:
            if record():
                return True
        except Exception:
            pass
        self.back_to(count)
        return False

    def _unknown(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """An operation without a formula: elementwise where PyTorch marks it so, else uncovered."""
        out = func(*args, **kwargs)
        results = [t for t in tensors_in(out) if isinstance(t, torch.Tensor)]
        if not results or _empty(out):
            return out
        given = [*tensors_in(args), *tensors_in(kwargs)]
        name = func.overloadpacket.__name__
        call = bound(func, name, args, kwargs, out)
        elements = torch.Tag.pointwise in func.tags and 1 <= len(given) <= 8 and len(results) == 1
        if elements and self._attempt(lambda: pointwise(self, call, "function", given)):
            self._aliased(call, lambda: None)
            return out
        sharing = {storage_of(t): t for t in given}
        for index, result in enumerate(results):
            if storage_of(result) in sharing and not call.inplace:
                again = partial(self._strided, sharing[storage_of(result)], result)
                again()
                self.aliases.viewed(result, again)
            elif index == 0:
                attributes: dict[str, Attribute] = {"shape": shape_of(result), **bits(result)}
                self.put("uncovered", given[:64], attributes, result, label=f"{func.namespace}_{name}")
                self.uncovered.append((f"{func.namespace}.{name}", self.names[id(result)]))
            else:
                self.beside(results[0], result)
        if call.inplace:
            self._aliased(call, lambda: None)
        return out

    def _strided(self, of: Tensor, result: Tensor) -> None:
        self.put("strided", [of], {"shape": shape_of(result)}, result)

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
    """Whether all results are tensors without elements: a cache before its first token."""
    results = list(tensors_in(out))
    return bool(results) and not any(result.numel() for result in results)
