"""What are the results of the most common operations, from their shapes alone?

PyTorch would give the same from its own rules for the meta device. Some of those are written in Python and load half of
its compiler first, which takes seconds.
"""

# mypy: disable-error-code="misc"

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from roofline.frontends.pytorch.aten_pointwise import UNARY
from roofline.frontends.pytorch.calls import Call

Tensor = Any


def _like(c: Call) -> Tensor | None:
    x = c.first
    if c.inplace:
        return x
    if not x.is_floating_point() or c["dtype"] is not None:
        return None
    if x.is_contiguous() or 0 in x.stride():
        return torch.empty(x.shape, dtype=x.dtype, device="meta")
    return torch.empty_strided(x.shape, x.stride(), dtype=x.dtype, device="meta")


def _mean(c: Call) -> Tensor | None:
    x, dims = c.first, c["dim"]
    if dims is None or x.dim() == 0 or not x.is_floating_point() or c["dtype"] is not None:
        return None
    reduced = {dim % x.dim() for dim in ([dims] if isinstance(dims, int) else dims or range(x.dim()))}
    shape = [1 if index in reduced else size for index, size in enumerate(x.shape)]
    if not c["keepdim"]:
        shape = [size for index, size in enumerate(x.shape) if index not in reduced]
    return x.new_empty(shape)


def _adaptive(c: Call) -> Tensor:
    x, size = c.first, c["output_size"]
    return x.new_empty((*x.shape[: x.dim() - len(size)], *size))


def _linear(c: Call) -> Tensor | None:
    x, weight = c["input"], c["weight"]
    if x.dim() < 1 or weight.dim() != 2 or x.shape[-1] != weight.shape[1] or x.dtype != weight.dtype:
        return None
    return x.new_empty((*x.shape[:-1], weight.shape[0]))


def _grouped(c: Call) -> Tensor | None:
    left, right = list(c.args.values())[:2]
    return left.new_empty((left.shape[0], right.shape[2])) if (left.dim(), right.dim()) == (2, 3) else None


def _convolution(c: Call) -> Tensor | None:
    x, weight = c["input"], c["weight"]
    count = weight.dim() - 2
    fits = x.dim() == weight.dim() and x.shape[1] == weight.shape[1] * c["groups"] and x.dtype == weight.dtype
    if not fits or isinstance(c["padding"], str) or c["transposed"]:
        return None
    sizes = []
    for index, length in enumerate(x.shape[2:]):
        stride, padding, dilation = (_at(c[key], index, count) for key in ("stride", "padding", "dilation"))
        room = length + 2 * padding - dilation * (weight.shape[2 + index] - 1) - 1
        if room < 0:
            return None
        sizes.append(room // stride + 1)
    return x.new_empty((x.shape[0], weight.shape[0], *sizes))


def _at(value: Any, index: int, count: int) -> int:
    if isinstance(value, list | tuple):
        return int(value[index] if len(value) == count else value[0])
    return int(value)


def _attention(c: Call) -> Tensor | None:
    query, key, value = c["query"], c["key"], c["value"]
    fits = query.dim() >= 3 and query.shape[-1] == key.shape[-1] and key.shape[:-1] == value.shape[:-1]
    return query.new_empty((*query.shape[:-1], value.shape[-1])) if fits else None


def _lstm(c: Call) -> Any:
    x, params = c["input"], c["params"]
    if x is None or params is None or x.dim() != 3 or c["hx"] is None:
        return None
    hidden, both = params[1].shape[1], 2 if c["bidirectional"] else 1
    states = c["hx"] if isinstance(c["hx"], list | tuple) else [c["hx"]]
    if params[0].shape[1] != x.shape[2] or states[0].shape[-1] != hidden:
        return None
    return (x.new_empty((x.shape[0], x.shape[1], both * hidden)), *(torch.empty_like(state) for state in states))


QUICK: dict[str, Callable[[Call], Any]] = {
    **dict.fromkeys(("batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm", "dropout"), _like),
    **dict.fromkeys(("softmax", "log_softmax", "gelu", "hardtanh", "relu6"), _like),
    **{name: _like for name, ours in UNARY.items() if ours not in ("compare_number", "logical_not")},
    **dict.fromkeys(("mean", "sum"), _mean),
    **{f"adaptive_avg_pool{n}d": _adaptive for n in (2, 3)},
    "linear": _linear,
    "_grouped_mm": _grouped,
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), _convolution),
    "scaled_dot_product_attention": _attention,
    **dict.fromkeys(("lstm", "gru", "rnn_tanh", "rnn_relu"), _lstm),
}
"""By operation; None where PyTorch should compute (or refuse) it itself."""
