"""What comes out of an operation whose result depends on data, if a number of elements is given for it?"""

# mypy: disable-error-code="misc"

from __future__ import annotations

from typing import Any

import torch

Tensor = Any


def chosen(name: str, args: tuple[Any, ...], most: int) -> tuple[Any, list[Tensor]]:
    """The results, of at most ``most`` rows, and the tensors they are picked from; or a value, and nothing.

    Conditions are false, whole numbers are ``most``, and others are one.
    """
    x = args[0]
    if name in ("is_nonzero", "equal", "allclose"):
        return (False,), []
    if name in ("item", "_local_scalar_dense"):
        return (False if x.dtype == torch.bool else 1.0 if x.is_floating_point() else most,), []
    whole = {"dtype": torch.int64, "device": "meta"}
    if name == "index":
        return _indexed(x, args[1], most)
    if name == "nms":
        return (torch.empty(min(most, int(x.shape[0])), **whole),), [x, args[1]]
    rows = min(most, int(x.numel()))
    if name == "nonzero":
        return (torch.empty(rows, x.dim(), **whole),), [x]
    if name == "nonzero_numpy":
        return [torch.empty(rows, **whole) for _ in range(x.dim())], [x]
    if name == "masked_select":
        return (torch.empty(rows, dtype=x.dtype, device="meta"),), list(args[:2])
    if name == "bincount":
        return (torch.empty(max(most, *(a for a in args[1:] if isinstance(a, int)), 1), **whole),), [x]
    values = torch.empty(rows, dtype=x.dtype, device="meta")
    return (values, torch.empty(x.shape, **whole), torch.empty(rows, **whole)), [x]


def _indexed(x: Tensor, indices: Any, most: int) -> tuple[Any, list[Tensor]]:
    """Elements where a mask is true; other indices beside the mask pick as many."""
    given = [index for index in indices if index is not None]
    first = next(place for place, index in enumerate(indices) if index is not None)
    covered = sum(index.dim() if index.dtype == torch.bool else 1 for index in given)
    size = 1
    for length in x.shape[first : first + covered]:
        size *= int(length)
    shape = (*x.shape[:first], min(most, size), *x.shape[first + covered :])
    return (torch.empty(shape, dtype=x.dtype, device="meta"),), [x, *given]
