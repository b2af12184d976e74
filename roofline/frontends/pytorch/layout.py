"""Which operations first copy an input because its memory layout does not fit?

PyTorch does so inside the operation, on CPUs and GPUs, and dispatches no other operation for it: a norm over channels
moved to the end, a linear layer over transposed tokens, batched GEMMs of heads sliced from one tensor.
"""

# mypy: disable-error-code="misc"

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from roofline.frontends.pytorch.ledger import Ledger

Tensor = Any

_IN_ORDER = (
    *("layer_norm", "native_layer_norm", "group_norm", "native_group_norm", "softmax", "_softmax"),
    *("log_softmax", "_log_softmax"),
)


def laid_out(r: Ledger, name: str, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments of an operation, with explicit copies of those that it would copy itself."""
    places = copied(name, args)
    if not places:
        return args
    laid, scope = list(args), r.scopes[-1]
    used, scope.used = scope.used, True  # the module's name belongs to the operation, not to its copy
    for place in places:
        laid[place] = torch.empty(args[place].shape, dtype=args[place].dtype, device="meta")
        r.put("copy", [args[place]], {}, laid[place])
    scope.used = used
    return tuple(laid)


def copied(name: str, args: Sequence[Any]) -> list[int]:
    """Places of the arguments that the operation copies first."""
    if name in _IN_ORDER:
        return [0] if not args[0].is_contiguous() else []
    if name == "linear":
        return [0] if not _joins(args[0], 1) else []
    if name == "matmul" and min(args[0].dim(), args[1].dim()) > 2:
        return [place for place in (0, 1) if not _joins(args[place], 2)]
    return []


def _joins(x: Tensor, kept: int) -> bool:
    """Whether all dimensions but the last ``kept`` can be viewed as one."""
    if x.dim() <= kept + 1:
        return True
    try:
        x.view(-1, *x.shape[x.dim() - kept :])
    except RuntimeError:
        return False
    return True
