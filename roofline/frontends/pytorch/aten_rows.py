"""Formulas for PyTorch's norms, softmax, reductions, pooling and resampling."""

# mypy: disable-error-code="misc"

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import torch

from roofline.core.workload import Attribute
from roofline.frontends.pytorch.aten_products import _many
from roofline.frontends.pytorch.calls import Call, shape_of
from roofline.frontends.pytorch.recorder import Handler, Recorder

Tensor = Any
Attributes = dict[str, Attribute]


def batch_norm(r: Recorder, c: Call) -> bool:
    x, weight, mean = c["input"], c["weight"], c["running_mean"]
    attributes: Attributes = {}
    if weight is None:
        attributes["affine"] = False
    if mean is None:
        attributes["tracked"] = False
    weights = [tensor for tensor in (weight, c["bias"]) if tensor is not None]
    r.put("batch_norm", [x], attributes, c.result, weights=weights)
    return True


def layer_norm(r: Recorder, c: Call) -> bool:
    count = len(c["normalized_shape"])
    return _norm(r, c, "layer_norm", {} if count == 1 else {"dims": count})


def group_norm(r: Recorder, c: Call) -> bool:
    return _norm(r, c, "group_norm", {"groups": int(c["num_groups"] if c["num_groups"] is not None else c["group"])})


def instance_norm(r: Recorder, c: Call) -> bool:
    return _norm(r, c, "group_norm", {"groups": int(c["input"].shape[1])})


def rms_norm(r: Recorder, c: Call) -> bool:
    if len(c["normalized_shape"]) != 1:
        return False
    return _norm(r, c, "rms_norm", {})


def _norm(r: Recorder, c: Call, op: str, attributes: Attributes) -> bool:
    """Scale and shift that are no weights of the model (a style, a condition) are operations of their own."""
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


def _last(r: Recorder, name: str, dims: Sequence[int]) -> tuple[str, tuple[int, ...]]:
    """A view with ``dims`` behind the others, and the order of dimensions that makes it."""
    rank = len(r.graph.tensors[name].shape)
    order = (*(dim for dim in range(rank) if dim not in dims), *sorted(dims))
    if order == tuple(range(rank)):
        return name, order
    return r.graph.aside("transpose", name, {"dims": order}), order


def along(r: Recorder, c: Call, op: str, dim: int, out: Tensor) -> bool:
    """A function of rows that gives rows, along any dimension."""
    x = c.first
    if x.dim() == 0:
        return False
    dim %= x.dim()
    name, order = _last(r, r.name(x), [dim])
    made = r.graph.add(op, r._label(op, "", []), [name], {})
    if order != tuple(range(len(order))):
        back = tuple(order.index(index) for index in range(len(order)))
        made = r.graph.aside("transpose", made, {"dims": back}, shape=shape_of(out))
    r.bind(out, made)
    return True


def softmax(r: Recorder, c: Call) -> bool:
    return along(r, c, "log_softmax" if "log" in c.name else "softmax", int(c["dim"]), c.result)


def safe_softmax(r: Recorder, c: Call) -> bool:
    """A softmax that gives zeros for rows of minus infinity, which PyTorch looks for in three more steps."""
    x, dim = c.first, int(c["dim"])
    with r:
        result = torch.softmax(x, dim)
        masked = torch.isneginf(x).all(dim, keepdim=True)
        c.out = torch.where(masked, x.new_zeros(()), result)
    return True


def running(r: Recorder, c: Call) -> bool:
    op = {"cumprod": "running_product", "logcumsumexp": "running_log_sum_exp"}.get(c.name, "running_sum")
    along(r, c, op, int(c["dim"]), c.result)
    for other in c.out[1:] if isinstance(c.out, list | tuple) else ():
        r.beside(c.result, other)
    return True


def sort(r: Recorder, c: Call) -> bool:
    dim = -1 if c["dim"] is None else int(c["dim"])
    along(r, c, "sort", dim, c.result)
    if isinstance(c.out, list | tuple):
        r.beside(c.result, c.out[1])
    return True


def topk(r: Recorder, c: Call) -> bool:
    x, dim = c["self"], int(c["dim"]) % max(1, c["self"].dim())
    if x.dim() == 0:
        return False
    name, order = _last(r, r.name(x), [dim])
    made = r.graph.add("topk", r._label("topk", "", []), [name], {"count": int(c["k"])})
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


def reduction(r: Recorder, c: Call) -> bool:
    """One number of each row; rows along any dimensions."""
    x = c.first
    dims = c["dim"] if "dim" in c.args else None
    if isinstance(c["other"], type(x)):
        return False  # the larger of two tensors
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


def pool(r: Recorder, c: Call) -> bool:
    """Windows of one to three dimensions; a line is an image of height one."""
    x = c.first
    count = int(c.name.split("pool")[1][0])
    kernel = _many(c["kernel_size"], count)
    stride = _many(c["stride"], count) if c["stride"] not in (None, []) else kernel
    padding = _many(c["padding"] or 0, count)
    if c["dilation"] is not None and set(_many(c["dilation"], count)) != {1}:
        return False
    return _windows(r, c, x, ("max" if "max" in c.name else "avg"), kernel, stride, padding, bool(c["ceil_mode"]))


def adaptive(r: Recorder, c: Call) -> bool:
    """As many windows as asked for; one for all is a mean of each channel."""
    x = c.first
    count = int(c.name.split("pool")[1][0])
    size = shape_of(x)[-count:]
    wanted = _many(c["output_size"], count)
    largest = "max" in c.name
    if count == 2 and set(wanted) == {1} and x.dim() == 4 and not largest:
        r.put("global_avg_pool", [x], {}, c.result)
        return True
    stride = tuple(max(1, have // want) for have, want in zip(size, wanted, strict=True))
    kernel = tuple(have - (want - 1) * step for have, want, step in zip(size, wanted, stride, strict=True))
    if any(length < 1 for length in kernel):  # enlarged: every window is one number
        r.put("resample", [x], {"size": wanted}, c.result)
        return True
    return _windows(r, c, x, "max" if largest else "avg", kernel, stride, (0,) * count, ceil=False)


def _windows(
    r: Recorder,
    c: Call,
    x: Tensor,
    kind: str,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    ceil: bool,
) -> bool:
    count, shape, result = len(kernel), shape_of(x), shape_of(c.result)
    if len(shape) == count + 1:
        shape, result = (1, *shape), (1, *result)
    if count == 1:
        kernel, stride, padding = (1, *kernel), (1, *stride), (0, *padding)
        shape, result = (*shape[:2], 1, shape[2]), (*result[:2], 1, result[2])
    op = f"{kind}_pool{3 if count == 3 else 2}d"
    attributes: Attributes = {"kernel": kernel, "stride": stride, "padding": padding}
    if ceil and count < 3:
        attributes["ceil_mode"] = True
    r.put(op, [r.graph.seen_as(r.name(x), shape)], attributes, c.result, shape=result)
    for other in c.out[1:] if isinstance(c.out, list | tuple) else ():
        r.beside(c.result, other)
    return True


def enlarge(r: Recorder, c: Call) -> bool:
    """Larger or smaller images: by whole steps, or read between pixels."""
    x, y = c.first, c.result
    count = x.dim() - 2
    linear = "linear" in c.name
    taps = 4**count if "cubic" in c.name else 2**count if linear else 1
    have, want = shape_of(x)[2:], shape_of(y)[2:]
    whole = all(new % old == 0 for old, new in zip(have, want, strict=True))
    if count == 2 and whole and "cubic" not in c.name:
        scale = tuple(new // old for old, new in zip(have, want, strict=True))
        r.put("upsample2d", [x], {"scale": scale, "bilinear": linear}, y)
    else:
        r.put("resample", [x], {"size": want, "taps": taps}, y)
    return True


def grid_sample(r: Recorder, c: Call) -> bool:
    x, y = c["input"], c.result
    count = x.dim() - 2
    mode = c["interpolation_mode"] or 0  # linear, nearest, cubic
    taps = {0: 2**count, 1: 1, 2: 4**count}[int(mode)]
    r.put("resample", [x, c["grid"]], {"size": shape_of(y)[2:], "taps": taps}, y)
    return True


def affine_grid(r: Recorder, c: Call) -> bool:
    """Every place of an even grid times a matrix for each image."""
    theta, y = c["theta"], c.result
    batch, *size, count = shape_of(y)
    lines = (batch, prod(size), count + 1)
    grid = r.graph.add("fill", r._label("fill", "", []), [], {"shape": lines, "counted": True})
    r.put("matmul", [grid, theta], {"transpose_b": True}, y, shape=(*lines[:2], count))
    return True


def fourier(r: Recorder, c: Call) -> bool:
    x, y = c.first, c.result
    length = prod(int((x if c.name != "_fft_c2r" else y).shape[dim]) for dim in c["dim"])
    r.put("fft", [x], {"shape": shape_of(y), "length": max(1, length), "real": c.name != "_fft_c2c"}, y)
    return True


_UPSAMPLES = [
    f"{start}upsample_{kind}"
    for start in ("", "_")
    for kind in (
        *("nearest1d", "nearest2d", "nearest3d", "nearest_exact1d", "nearest_exact2d", "nearest_exact3d"),
        *("linear1d", "bilinear2d", "trilinear3d", "bicubic2d", "bilinear2d_aa", "bicubic2d_aa"),
    )
]

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
    **{f"{kind}_pool{n}d": pool for kind in ("max", "avg") for n in (1, 2, 3)},
    **{f"max_pool{n}d_with_indices": pool for n in (1, 2, 3)},
    **{f"adaptive_{kind}_pool{n}d": adaptive for kind in ("max", "avg") for n in (1, 2, 3)},
    **{f"_adaptive_avg_pool{n}d": adaptive for n in (2, 3)},
    **dict.fromkeys(_UPSAMPLES, enlarge),
    **dict.fromkeys(("grid_sampler", "grid_sampler_2d", "grid_sampler_3d"), grid_sample),
    "affine_grid_generator": affine_grid,
    **dict.fromkeys(("_fft_r2c", "_fft_c2c", "_fft_c2r"), fourier),
}
