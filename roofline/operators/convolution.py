"""Which kernels does a convolution of images launch? An implicit GEMM, and two for its gradients."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from roofline.core.schedule import Kernel
from roofline.core.workload import Tensor
from roofline.errors import UsageError
from roofline.operators.attributes import Attributes, Parameter, flag
from roofline.operators.case import Case, Needs, saves_inputs
from roofline.operators.operator import Inferred, Operator, Weight, ranked
from roofline.operators.products import bias_gradient


def window(name: str, size: tuple[int, int], attributes: Attributes) -> tuple[int, int]:
    """Height and width of the output: (size + 2 padding - dilation (kernel - 1) - 1) // stride + 1.

    Raises
    ------
    UsageError : the window is larger than the padded image.
    """
    kernel, padding = attributes.pair("kernel"), attributes.pair("padding")
    stride = attributes.pair("stride") if attributes.has("stride") else kernel
    dilation = attributes.pair("dilation") if attributes.has("dilation") else (1, 1)
    out = []
    for side in (0, 1):
        reach = dilation[side] * (kernel[side] - 1) + 1
        padded = size[side] + 2 * padding[side]
        if padded < reach:
            raise UsageError(f"{name}: a window of {reach} does not fit into {size[side]} + 2 x {padding[side]} pixels")
        out.append((padded - reach) // stride[side] + 1)
    return out[0], out[1]


def used_pixels(size: tuple[int, int], out: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int]) -> int:
    """Pixels of an image that windows read [1]: all, unless the stride is larger than the kernel::

        pixels = product over both sides of (length if kernel >= stride else min(length, out * kernel))

    Parameters
    ----------
    size : height and width of the image [1].
    out : of the result [1].
    kernel : of the window [1].
    stride : of the window [1].
    """
    return prod(
        length if taps >= step else min(length, count * taps)
        for length, count, taps, step in zip(size, out, kernel, stride, strict=True)
    )


def _shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    batch, channels, *size = ranked("conv2d", inputs[0], 4, layout="images (batch, channels, height, width)")
    out, groups = attributes.whole("out"), attributes.whole("groups")
    if channels % groups or out % groups:
        raise UsageError(f"conv2d: {channels} input and {out} output channels do not divide into {groups} groups")
    kernel = attributes.pair("kernel")
    height, width = window("conv2d", (size[0], size[1]), attributes)
    bias = (Weight("bias", (out,)),) if attributes.flag("bias") else ()
    return Inferred(((batch, out, height, width),), (Weight("weight", (out, channels // groups, *kernel)), *bias))


def implicit_gemm(case: Case, pixels: int, *, reads: float | None = None) -> Kernel:
    """The implicit GEMM of a convolution, per group::

        m = images * pixels,  n = out / groups,  k = taps * in / groups,  flops = 2 * groups * m * n * k    [FLOP]

    Parameters
    ----------
    case : the convolution.
    pixels : of the result, of one image [1].
    reads : bytes read [B]; all inputs if None.
    """
    batch, channels = case.inputs[0].shape[:2]
    out, groups = case.attributes.whole("out"), case.attributes.whole("groups")
    taps = prod(case.attributes.pair("kernel"))
    m, n, k = batch * pixels, out // groups, taps * channels // groups
    family = "conv1x1" if taps == 1 and groups == 1 else "conv"
    if groups > 1 and channels == groups:
        family = "depthwise"
    return case.kernel(
        family,
        kind="matmul",
        batch=groups,
        m=m,
        n=n,
        k=k,
        taps=taps,
        stride=max(case.attributes.pair("stride")),
        images=batch,
        taps_high=case.attributes.pair("kernel")[0],
        flops=2.0 * groups * m * n * k,
        reads=reads,
    )


def _kernels(case: Case) -> list[Kernel]:
    """An implicit GEMM over output pixels.

    It reads the pixels that some window touches (a 1x1 of stride 2 touches a quarter), the weights and the bias once.
    """
    batch, channels, height, width = case.inputs[0].shape
    pixels = case.result.shape[2], case.result.shape[3]
    touched = used_pixels((height, width), pixels, case.attributes.pair("kernel"), case.attributes.pair("stride"))
    return [implicit_gemm(case, prod(pixels), reads=batch * channels * touched * case.inputs[0].dtype.bytes)]


def _backward(case: Case, needs: Needs) -> list[Kernel]:
    """Gradients of the data (the same GEMM with input and output channels swapped) and of the weights.

    Both have the FLOP of the forward pass. For the data, m counts input pixels and k the taps that reach a pixel. For
    the weights, m = taps x in / groups, n = out / groups, k = images x output pixels.
    """
    (forward,) = _kernels(case)
    x, y = case.inputs[0], case.result
    weight, *bias = case.weights
    pixels = x.elements // x.shape[1]
    shared: dict[str, Any] = {
        "taps": forward.taps,
        "stride": forward.stride,
        "images": forward.images,
        "flops": forward.flops,
    }
    inner = forward.k // forward.taps
    kernels = []
    if needs[0]:
        kernels.append(
            case.gradient(
                forward.family,
                op="conv2d_backward_data",
                kind="matmul",
                batch=forward.batch,
                m=pixels,
                n=inner,
                k=max(1, round(forward.m * forward.n * forward.taps / pixels)),
                reads=y.bytes,
                weights=weight.bytes,
                writes=x.bytes,
                **shared,
            )
        )
    kernels.append(
        case.gradient(
            forward.family,
            op="conv2d_backward_weight",
            kind="matmul",
            batch=forward.batch,
            m=forward.k,
            n=forward.n,
            k=forward.m,
            elements=weight.elements,
            reads=forward.reads + y.bytes,
            writes=weight.bytes,
            **shared,
        )
    )
    return [*kernels, *(bias_gradient(case, tensor, forward.m) for tensor in bias)]


CONVOLUTION = (
    Operator(
        "conv2d",
        "(B, C, H, W) -> (B, out, H', W'): convolution",
        (1, 1),
        _shapes,
        _kernels,
        (
            Parameter("out", "whole", "output channels"),
            Parameter("kernel", "pair", "kernel size"),
            Parameter("stride", "pair", "stride", 1),
            Parameter("padding", "pair", "zeros on each side", 0, low=0),
            Parameter("dilation", "pair", "distance between kernel elements", 1),
            Parameter("groups", "whole", "number of independent groups of channels", 1),
            flag("bias", True, "adds one bias value per output channel"),
        ),
        backward=_backward,
        saves=saves_inputs,
        autocast="low",
    ),
)
