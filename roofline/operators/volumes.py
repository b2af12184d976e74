"""Which kernels do convolution and pooling of volumes (video, scans) launch? As for images, with three sizes."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from roofline.core.schedule import Kernel
from roofline.core.workload import Tensor
from roofline.errors import UsageError
from roofline.operators.attributes import Attributes, Parameter, flag
from roofline.operators.case import Case, Needs, Saved, saves_inputs
from roofline.operators.operator import Inferred, Operator, Shape, Weight, ranked
from roofline.operators.products import bias_gradient

LAYOUT = "volumes (batch, channels, depth, height, width)"


def _three(attributes: Attributes, name: str) -> Shape:
    """Three sizes, or one for all."""
    sizes = attributes.sizes(name)
    if len(sizes) not in (1, 3):
        raise UsageError(f"{name} is {list(sizes)}; write one size or three")
    return sizes if len(sizes) == 3 else sizes * 3


def _windows(name: str, size: Shape, attributes: Attributes) -> Shape:
    """(size + 2 padding - dilation (kernel - 1) - 1) // stride + 1 on each side."""
    kernel, padding, stride = (_three(attributes, key) for key in ("kernel", "padding", "stride"))
    dilation = _three(attributes, "dilation") if attributes.has("dilation") else (1, 1, 1)
    out = []
    for length, taps, border, step, distance in zip(size, kernel, padding, stride, dilation, strict=True):
        room = length + 2 * border - distance * (taps - 1) - 1
        if room < 0:
            raise UsageError(f"{name}: a window of {taps} does not fit into {length} + 2 x {border}")
        out.append(room // step + 1)
    return tuple(out)


def _weights(channels: int, attributes: Attributes, name: str, *, turned: bool) -> tuple[Weight, ...]:
    out, groups = attributes.whole("out"), attributes.whole("groups")
    if channels % groups or out % groups:
        raise UsageError(f"{name}: {channels} input and {out} output channels do not divide into {groups} groups")
    kernel = _three(attributes, "kernel")
    shape = (channels, out // groups, *kernel) if turned else (out, channels // groups, *kernel)
    bias = (Weight("bias", (out,)),) if attributes.flag("bias") else ()
    return (Weight("weight", shape), *bias)


def _conv_shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    batch, channels, *size = ranked("conv3d", inputs[0], 5, layout=LAYOUT)
    weights = _weights(channels, attributes, "conv3d", turned=False)
    return Inferred(((batch, attributes.whole("out"), *_windows("conv3d", tuple(size), attributes)),), weights)


def _turned_shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    batch, channels, *size = ranked("conv_transpose3d", inputs[0], 5, layout=LAYOUT)
    weights = _weights(channels, attributes, "conv_transpose3d", turned=True)
    kernel, padding, stride, extra, apart = (
        _three(attributes, key) for key in ("kernel", "padding", "stride", "output_padding", "dilation")
    )
    out = tuple(
        (length - 1) * step + wide * (taps - 1) + 1 - 2 * border + more
        for length, step, taps, wide, border, more in zip(size, stride, kernel, apart, padding, extra, strict=True)
    )
    return Inferred(((batch, attributes.whole("out"), *out),), weights)


def _product(case: Case, voxels: int) -> Kernel:
    """The implicit GEMM, per group: m = volumes x ``voxels``, n = out / groups, k = taps x in / groups; 2 m
    n k FLOP.
    """
    batch, channels = case.inputs[0].shape[:2]
    out, groups = case.attributes.whole("out"), case.attributes.whole("groups")
    taps = prod(_three(case.attributes, "kernel"))
    m, n, k = batch * voxels, out // groups, taps * channels // groups
    family = "conv1x1" if taps == 1 and groups == 1 else "conv"
    return case.kernel(
        "depthwise" if groups > 1 and channels == groups else family,
        kind="matmul",
        batch=groups,
        m=m,
        n=n,
        k=k,
        taps=taps,
        stride=max(_three(case.attributes, "stride")),
        images=batch,
        flops=2.0 * groups * m * n * k,
    )


def _conv_kernels(case: Case) -> list[Kernel]:
    return [_product(case, prod(case.result.shape[2:]))]


def _turned_kernels(case: Case) -> list[Kernel]:
    """Every voxel of the input is multiplied by every tap."""
    return [_product(case, prod(case.inputs[0].shape[2:]))]


def _conv_backward(case: Case, needs: Needs) -> list[Kernel]:
    """Gradients of the data and the weights, each with the FLOP of the forward pass."""
    turned = case.node.op != "conv3d"
    forward = (_turned_kernels if turned else _conv_kernels)(case)[0]
    x, y = case.inputs[0], case.result
    weight, *bias = case.weights
    shared: dict[str, Any] = {"kind": "matmul", "batch": forward.batch, "taps": forward.taps}
    shared |= {"stride": forward.stride, "images": forward.images, "flops": forward.flops}
    inner, voxels = forward.k // forward.taps, x.elements // x.shape[1]
    kernels = []
    if needs[0]:
        k = forward.taps * forward.n if turned else max(1, round(forward.m * forward.n * forward.taps / voxels))
        data: dict[str, Any] = {
            "m": voxels,
            "n": inner,
            "k": k,
            "reads": y.bytes,
            "weights": weight.bytes,
            "writes": x.bytes,
        }
        kernels.append(case.gradient(forward.family, op=f"{case.node.op}_backward_data", **data, **shared))
    own: dict[str, Any] = {"m": forward.k, "n": forward.n, "k": forward.m, "elements": weight.elements}
    own |= {"reads": x.bytes + y.bytes, "writes": weight.bytes}
    kernels.append(case.gradient(forward.family, op=f"{case.node.op}_backward_weight", **own, **shared))
    return [*kernels, *(bias_gradient(case, tensor, y.elements // y.shape[1]) for tensor in bias)]


def _pool_shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    batch, channels, *size = ranked("pool3d", inputs[0], 5, layout=LAYOUT)
    return Inferred(((batch, channels, *_windows("pool3d", tuple(size), attributes)),))


def _places(case: Case) -> float:
    return 8.0 * case.result.elements if case.node.op == "max_pool3d" else 0.0


def _pool_kernels(case: Case) -> list[Kernel]:
    """``m`` volumes of ``n`` results from ``k`` taps each: m n k FLOP."""
    batch, channels = case.inputs[0].shape[:2]
    m, n, taps = batch * channels, prod(case.result.shape[2:]), prod(_three(case.attributes, "kernel"))
    writes = case.result.bytes + (_places(case) if case.training else 0.0)
    stride = max(_three(case.attributes, "stride"))
    return [case.kernel("pool", m=m, n=n, k=taps, taps=taps, stride=stride, flops=float(m * n * taps), writes=writes)]


def _pool_saves(case: Case) -> Saved:
    """The input; for a maximum also its index."""
    return Saved(inputs=(0,), extra=_places(case))


def _pool_backward(case: Case, needs: Needs) -> list[Kernel]:
    """dX: zeros with dY at the maxima, or dY spread over every window."""
    (forward,) = _pool_kernels(case)
    y, taps = case.result, 1 if _places(case) else forward.taps
    shape: dict[str, Any] = {
        "m": forward.m,
        "n": forward.n,
        "k": forward.k,
        "taps": forward.taps,
        "stride": forward.stride,
    }
    shape |= {"reads": y.bytes + _places(case), "writes": case.inputs[0].bytes}
    return [case.gradient("pool", elements=y.elements, flops=float(y.elements * taps), **shape)]


_WINDOW = (
    Parameter("kernel", "sizes", "kernel size: depth, height, width, or one size for all"),
    Parameter("stride", "sizes", "stride", (1,)),
    Parameter("padding", "sizes", "padding on each side", (0,), low=0),
    Parameter("dilation", "sizes", "distance between kernel elements", (1,)),
)
_CHANNELS = (
    Parameter("out", "whole", "output channels"),
    Parameter("groups", "whole", "number of independent groups of channels", 1),
    flag("bias", True, "adds one bias value per output channel"),
)

VOLUMES = (
    Operator(
        "conv3d",
        "(B, C, D, H, W) -> (B, out, D', H', W'): 3-D convolution",
        (1, 1),
        _conv_shapes,
        _conv_kernels,
        (*_WINDOW, *_CHANNELS),
        backward=_conv_backward,
        saves=saves_inputs,
        autocast="low",
    ),
    Operator(
        "conv_transpose3d",
        "(B, C, D, H, W) -> (B, out, D', H', W'): transposed 3-D convolution",
        (1, 1),
        _turned_shapes,
        _turned_kernels,
        (*_WINDOW, Parameter("output_padding", "sizes", "voxels added at the end", (0,), low=0), *_CHANNELS),
        backward=_conv_backward,
        saves=saves_inputs,
        autocast="low",
    ),
    *(
        Operator(
            name,
            f"(B, C, D, H, W) -> (B, C, D', H', W'): {what} of each window",
            (1, 1),
            _pool_shapes,
            _pool_kernels,
            _WINDOW,
            backward=_pool_backward,
            saves=_pool_saves,
        )
        for name, what in (("max_pool3d", "maximum"), ("avg_pool3d", "mean"))
    ),
)
