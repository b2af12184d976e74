"""Which formulas do PyTorch's image functions have: windows, resizing, sampling between pixels?"""

# mypy: disable-error-code="misc"

from __future__ import annotations

from math import prod
from typing import Any

from roofline.core.workload import Attribute
from roofline.frontends.pytorch.aten_products import _many
from roofline.frontends.pytorch.calls import Call, shape_of
from roofline.frontends.pytorch.ledger import Handler, Ledger

Tensor = Any
Attributes = dict[str, Attribute]


def pool(r: Ledger, c: Call) -> bool:
    """Windows of one to three dimensions; one dimension is an image of height one."""
    x = c.first
    count = int(c.name.split("pool")[1][0])
    kernel = _many(c["kernel_size"], count)
    stride = _many(c["stride"], count) if c["stride"] not in (None, []) else kernel
    padding = _many(c["padding"] or 0, count)
    dilation = _many(c["dilation"] or 1, count)
    if c["ceil_mode"] and set(dilation) == {1}:  # a window larger than the image is cut at its border
        room = [size + 2 * pad for size, pad in zip(shape_of(x)[-count:], padding, strict=True)]
        kernel = tuple(map(min, kernel, room))
        stride = tuple(map(min, stride, room))
    return _windows(
        r, c, x, ("max" if "max" in c.name else "avg"), kernel, stride, padding, dilation, bool(c["ceil_mode"])
    )


def adaptive(r: Ledger, c: Call) -> bool:
    """The given number of windows; a single one is a mean of each channel."""
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
    if any(length < 1 for length in kernel):  # enlarged: every window has one element
        r.put("resample", [x], {"size": wanted}, c.result)
        return True
    return _windows(r, c, x, "max" if largest else "avg", kernel, stride, (0,) * count, (1,) * count, ceil=False)


def _windows(
    r: Ledger,
    c: Call,
    x: Tensor,
    kind: str,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    ceil: bool,
) -> bool:
    count, shape, result = len(kernel), shape_of(x), shape_of(c.result)
    if len(shape) == count + 1:
        shape, result = (1, *shape), (1, *result)
    if count == 1:
        kernel, stride, padding, dilation = (1, *kernel), (1, *stride), (0, *padding), (1, *dilation)
        shape, result = (*shape[:2], 1, shape[2]), (*result[:2], 1, result[2])
    op = f"{kind}_pool{3 if count == 3 else 2}d"
    attributes: Attributes = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}
    if ceil and count < 3:
        attributes["ceil_mode"] = True
    r.put(op, [r.graph.seen_as(r.name(x), shape)], attributes, c.result, shape=result)
    for other in c.out[1:] if isinstance(c.out, list | tuple) else ():
        r.beside(c.result, other)
    return True


def enlarge(r: Ledger, c: Call) -> bool:
    """Larger or smaller images: by integer factors, or interpolated between pixels."""
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


def grid_sample(r: Ledger, c: Call) -> bool:
    x, y = c["input"], c.result
    count = x.dim() - 2
    mode = c["interpolation_mode"] or 0  # linear, nearest, cubic
    taps = {0: 2**count, 1: 1, 2: 4**count}[int(mode)]
    r.put("resample", [x, c["grid"]], {"size": shape_of(y)[2:], "taps": taps}, y)
    return True


def affine_grid(r: Ledger, c: Call) -> bool:
    """Every point of a regular grid times a matrix for each image."""
    theta, y = c["theta"], c.result
    batch, *size, count = shape_of(y)
    lines = (batch, prod(size), count + 1)
    grid = r.graph.add("fill", r.label("fill", "", []), [], {"shape": lines, "counted": True})
    r.put("matmul", [grid, theta], {"transpose_b": True}, y, shape=(*lines[:2], count))
    return True


def aligned(r: Ledger, c: Call) -> bool:
    """Boxes cut out of features, sampled between pixels."""
    r.put("gather", [c["input"], c["rois"]], {"shape": shape_of(c.result)}, c.result)
    return True


def deformed(r: Ledger, c: Call) -> bool:
    """A convolution whose taps are sampled at computed places: gathered, then a GEMM with the weight."""
    x, weight, y = c["input"], c["weight"], shape_of(c.result)
    out, taps = int(weight.shape[0]), int(weight.numel()) // int(weight.shape[0])
    if c["groups"] != 1 or r.weight(weight) is None:
        return False
    rows = r.graph.add(
        "gather", r.label("gather", "", []), [r.name(x), r.name(c["offset"])], {"shape": (y[0], y[2] * y[3], taps)}
    )
    own = r.weight(c["bias"]) is not None
    weights = [weight, c["bias"]] if own else [weight]
    r.put("linear", [rows], {"out": out, "bias": own}, c.result, weights=weights, shape=(y[0], y[2] * y[3], out))
    return True


_UPSAMPLES = [
    f"{start}upsample_{kind}"
    for start in ("", "_")
    for kind in (
        *("nearest1d", "nearest2d", "nearest3d", "nearest_exact1d", "nearest_exact2d", "nearest_exact3d"),
        *("linear1d", "bilinear2d", "trilinear3d", "bicubic2d", "bilinear2d_aa", "bicubic2d_aa"),
    )
]

IMAGES: dict[str, Handler] = {
    **{f"{kind}_pool{n}d": pool for kind in ("max", "avg") for n in (1, 2, 3)},
    **{f"max_pool{n}d_with_indices": pool for n in (1, 2, 3)},
    **{f"adaptive_{kind}_pool{n}d": adaptive for kind in ("max", "avg") for n in (1, 2, 3)},
    **{f"_adaptive_avg_pool{n}d": adaptive for n in (2, 3)},
    **dict.fromkeys(_UPSAMPLES, enlarge),
    **dict.fromkeys(("grid_sampler", "grid_sampler_2d", "grid_sampler_3d"), grid_sample),
    "affine_grid_generator": affine_grid,
    **dict.fromkeys(("torchvision.roi_align", "torchvision.ps_roi_align"), aligned),
    "torchvision.deform_conv2d": deformed,
}
