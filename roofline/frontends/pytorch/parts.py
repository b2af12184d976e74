"""What does an operation without a formula consist of? PyTorch's own rules, and functions of lists item by item."""

# mypy: disable-error-code="misc"

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


def decomposition(func: Any) -> Callable[..., Any] | None:
    """The rule by which PyTorch's compiler writes an operation as simpler ones. Loaded when first needed."""
    from torch._decomp import decomposition_table

    rule: Callable[..., Any] | None = decomposition_table.get(func)
    return rule


def one_by_one(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``_foreach_add_(a, b)`` as ``add_(a[i], b[i])`` of every i; numbers are the same for all."""
    name = func.overloadpacket.__name__.removeprefix("_foreach_").removesuffix("_")
    inplace = func._schema.is_mutable
    lists = [arg.name for arg in func._schema.arguments if isinstance(arg.type, torch.ListType)]
    names = [arg.name for arg in func._schema.arguments]
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    made = []
    for index in range(len(args[0])):
        each = [given[key][index] if key in lists else given[key] for key in names if key in given]
        if name in ("zero", "copy"):
            made.append(getattr(each[0], f"{name}_")(*each[1:]))
        elif name == "norm":
            made.append(torch.linalg.vector_norm(*each))
        else:
            each = each[:3] if name in ("addcmul", "addcdiv") else each  # without the factor
            made.append(getattr(torch.Tensor, f"{name}_" if inplace else name)(*each))
    return None if inplace else made
