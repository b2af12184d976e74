"""What is one operation that PyTorch dispatches, with its arguments by name, and which properties of tensors are
needed?
"""

# mypy: disable-error-code="misc"

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from roofline.core.workload import Attribute
from roofline.frontends.pytorch.graph import Shape

Tensor = Any


@dataclass
class Call:
    """One operation: its arguments by name, defaults included, and its result."""

    name: str
    args: dict[str, Any]
    out: Any
    inplace: bool
    written: tuple[Tensor, ...] = ()
    """The arguments that it writes into."""

    def __getitem__(self, key: str) -> Any:
        return self.args.get(key)

    @property
    def first(self) -> Tensor:
        return next(iter(self.args.values()))

    @property
    def result(self) -> Tensor:
        """The first resulting tensor."""
        return self.out if isinstance(self.out, torch.Tensor) else next(t for t in tensors_in(self.out))


def tensors_in(value: Any) -> Iterable[Tensor]:
    """All tensors in lists and dictionaries, in order."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from tensors_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from tensors_in(item)


def shape_of(tensor: Tensor) -> Shape:
    """The shape as operators count it: a complex number counts as two."""
    shape = tuple(int(size) for size in tensor.shape)
    return (*shape, 2) if tensor.is_complex() else shape


def bits(tensor: Tensor) -> dict[str, Attribute]:
    """``whole_bits`` of an integer tensor; empty for floats."""
    if tensor.is_floating_point() or tensor.is_complex():
        return {}
    return {"whole_bits": 1 if tensor.dtype == torch.bool else 8 * tensor.element_size()}


def storage_of(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def bound(func: Any, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], out: Any) -> Call:
    """Arguments by the names of the operation's schema."""
    args_by_name: dict[str, Any] = {}
    written: list[Tensor] = []
    for index, argument in enumerate(func._schema.arguments):
        if index < len(args):
            args_by_name[argument.name] = args[index]
        elif argument.name in kwargs:
            args_by_name[argument.name] = kwargs[argument.name]
        else:
            args_by_name[argument.name] = argument.default_value if argument.has_default_value() else None
        if argument.alias_info is not None and argument.alias_info.is_write:
            written += tensors_in(args_by_name[argument.name])
    return Call(name, args_by_name, out, bool(written), tuple(written))
