"""Which formulas do PyTorch's norms, softmax, reductions and other functions of rows have?"""

# mypy: disable-error-code="misc"

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import torch

from roofline.core.workload import Attribute
from roofline.frontends.pytorch.calls import Call, shape_of
from roofline.frontends.pytorch.ledger import Handler, Ledger

Tensor = Any
Attributes = dict[str, Attribute]


def batch_norm(r: Ledger, c: Call) -> bool:
    x, weight, mean = c["input"], c["weight"], c["running_mean"]
    attributes: Attributes = {}
    if weight is None:
        attributes["affine"] = False
    if mean is None:
        attributes["tracked"] = False
    weights = [tensor for tensor in (weight, c["bias"]) if tensor is not None]
    r.put("batch_norm", [x], attributes, c.result, weights=weights)
    return True


def layer_norm(r: Ledger, c: Call) -> bool:
    count = len(c["normalized_shape"])
    return _norm(r, c, "layer_norm", {} if count == 1 else {"dims": count})


def group_norm(r: Ledger, c: Call) -> bool:
    return _norm(r, c, "group_norm", {"groups": int(c["num_groups"] if c["num_groups"] is not None else c["group"])})


def instance_norm(r: Ledger, c: Call) -> bool:
    return _norm(r, c, "group_norm", {"groups": int(c["input"].shape[1])})


def rms_norm(r: Ledger, c: Call) -> bool:
    if len(c["normalized_shape"]) != 1:
        return False
    return _norm(r, c, "rms_norm", {})


def _norm(r: Ledger, c: Call, op: str, attributes: Attributes) -> bool:
    """Scale and shift that are no weights of the model (a style, a condition) are separate operations."""
    weight, bias = c["weight"], c["bias"]
    learned = [tensor for tensor in (weight, bias) if tensor is not None]
    own = bool(learned) and all(r.weight(tensor) is not None for tensor in learned)
    if not own:
        attributes["affine"] = False
    elif op == "layer_norm" and bias is None:
        attributes["bias"] = False
    r.put(op, [c.first], attributes, c.result, weights=learned if own else ())
    if learned and not own:
        for kind, tensor in (("mul", weight), ("add", bias)):
            if tensor is not None:
                r.put(kind, [c.result, tensor], {}, c.result)
    for other in c.out[1:] if isinstance(c.out, list | tuple) else ():
        r.beside(c.result, other)
    return True


def _last(r: Ledger, name: str, dims: Sequence[int]) -> tuple[str, tuple[int, ...]]:
    """A view with ``dims`` moved to the end, and the order of dimensions that makes it."""
    rank = len(r.graph.tensors[name].shape)
    order = (*(dim for dim in range(rank) if dim not in dims), *sorted(dims))
    if order == tuple(range(rank)):
        return name, order
    return r.graph.aside("transpose", name, {"dims": order}), order


def along(r: Ledger, c: Call, op: str, dim: int, out: Tensor) -> bool:
    """A function of rows that returns rows, along any dimension."""
    x = c.first
    if x.dim() == 0:
        return False
    dim %= x.dim()
    name, order = _last(r, r.name(x), [dim])
    made = r.graph.add(op, r.label(op, "", []), [name], {})
    if order != tuple(range(len(order))):
        back = tuple(order.index(index) for index in range(len(order)))
        made = r.graph.aside("transpose", made, {"dims": back}, shape=shape_of(out))
    r.bind(out, made)
    return True


def softmax(r: Ledger, c: Call) -> bool:
    return along(r, c, "log_softmax" if "log" in c.name else "softmax", int(c["dim"]), c.result)


def safe_softmax(r: Ledger, c: Call) -> bool:
    """A softmax that returns zeros for rows of minus infinity, which PyTorch finds in three more steps."""
    x, dim = c.first, int(c["dim"])
    with r:
        result = torch.softmax(x, dim)
        masked = torch.isneginf(x).all(dim, keepdim=True)
        c.out = torch.where(masked, x.new_zeros(()), result)
    return True


def running(r: Ledger, c: Call) -> bool:
    op = {"cumprod": "running_product", "logcumsumexp": "running_log_sum_exp"}.get(c.name, "running_sum")
    along(r, c, op, int(c["dim"]), c.result)
    for other in c.out[1:] if isinstance(c.out, list | tuple) else ():
        r.beside(c.result, other)
    return True


def sort(r: Ledger, c: Call) -> bool:
    dim = -1 if c["dim"] is None else int(c["dim"])
    along(r, c, "sort", dim, c.result)
    if isinstance(c.out, list | tuple):
        r.beside(c.result, c.out[1])
    return True


def topk(r: Ledger, c: Call) -> bool:
    x, dim = c["self"], int(c["dim"]) % max(1, c["self"].dim())
    if x.dim() == 0:
        return False
    name, order = _last(r, r.name(x), [dim])
    made = r.graph.add("topk", r.label("topk", "", []), [name], {"count": int(c["k"])})
    if order != tuple(range(len(order))):
        back = tuple(order.index(index) for index in range(len(order)))
        made = r.graph.aside("transpose", made, {"dims": back})
    r.bind(c.out[0], made)
    r.beside(c.out[0], c.out[1])
    return True


REDUCTIONS = {
    "sum": "sum",
    "mean": "mean",
    **dict.fromkeys(("amax", "amin", "aminmax"), "row_max"),
    **dict.fromkeys(("max", "min", "median", "mode", "kthvalue"), "row_max_places"),
    **dict.fromkeys(("argmax", "argmin"), "row_argmax"),
    **dict.fromkeys(("any", "all"), "row_any"),
    "prod": "row_product",
    **dict.fromkeys(("var", "std", "var_mean", "std_mean"), "row_variance"),
    **dict.fromkeys(("norm", "linalg_vector_norm", "frobenius_norm"), "row_norm"),
    "logsumexp": "log_sum_exp",
    "count_nonzero": "sum",
    "nansum": "sum",
}


def reduction(r: Ledger, c: Call) -> bool:
    """One number of each row; rows along any dimensions."""
    x = c.first
    dims = c["dim"] if "dim" in c.args else None
    if isinstance(c["other"], type(x)):
        return False  # the maximum of two tensors
    rank = x.dim()
    wanted = range(rank) if dims is None or dims == [] else [dims] if isinstance(dims, int) else dims
    reduced = [int(dim) % rank for dim in wanted] if rank else []
    if not reduced:
        return False
    op = REDUCTIONS[c.name]
    if op == "row_max_places" and not isinstance(c.out, list | tuple):
        op = "row_max"
    if op == "mean" and rank == 4 and sorted(reduced) == [2, 3]:
        r.put("global_avg_pool", [x], {}, c.result, shape=(*shape_of(x)[:2], 1, 1))
        return True
    shape = shape_of(x)
    name, order = _last(r, r.name(x), reduced)
    kept = tuple(shape[dim] for dim in order[: len(shape) - len(reduced)])
    length = prod(shape[dim] for dim in reduced)
    name = r.graph.seen_as(name, (*kept, length))
    r.put(op, [name], {}, c.result, shape=kept)
    for other in c.out[1:] if isinstance(c.out, list | tuple) else ():
        r.beside(c.result, other)
    return True


def fourier(r: Ledger, c: Call) -> bool:
    x, y = c.first, c.result
    length = prod(int((x if c.name != "_fft_c2r" else y).shape[dim]) for dim in c["dim"])
    r.put("fft", [x], {"shape": shape_of(y), "length": max(1, length), "real": c.name != "_fft_c2c"}, y)
    return True


ROWS: dict[str, Handler] = {
    **dict.fromkeys(("batch_norm", "_native_batch_norm_legit", "native_batch_norm"), batch_norm),
    **dict.fromkeys(("layer_norm", "native_layer_norm"), layer_norm),
    **dict.fromkeys(("group_norm", "native_group_norm"), group_norm),
    "instance_norm": instance_norm,
    **dict.fromkeys(("rms_norm", "_fused_rms_norm"), rms_norm),
    **dict.fromkeys(("softmax", "_softmax", "log_softmax", "_log_softmax"), softmax),
    "_safe_softmax": safe_softmax,
    **dict.fromkeys(("cumsum", "cumprod", "logcumsumexp", "cummax", "cummin"), running),
    **dict.fromkeys(("sort", "argsort"), sort),
    "topk": topk,
    **dict.fromkeys(REDUCTIONS, reduction),
    **dict.fromkeys(("_fft_r2c", "_fft_c2c", "_fft_c2r"), fourier),
}
