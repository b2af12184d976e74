"""Which kernels does a transposed convolution launch? The data gradient of a convolution, used to enlarge images."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from roofline.core.schedule import Kernel
from roofline.core.workload import Tensor
from roofline.errors import UsageError
from roofline.operators.attributes import Attributes, Parameter, flag
from roofline.operators.case import Case, Needs, saves_inputs
from roofline.operators.convolution import implicit_gemm
from roofline.operators.operator import Inferred, Operator, Weight, ranked
from roofline.operators.products import bias_gradient

NAME = "conv_transpose2d"


def _shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    batch, channels, *size = ranked(NAME, inputs[0], 4, layout="images (batch, channels, height, width)")
    out, groups = attributes.whole("out"), attributes.whole("groups")
    if channels % groups or out % groups:
        raise UsageError(f"{NAME}: {channels} input and {out} output channels do not divide into {groups} groups")
    kernel, stride = attributes.pair("kernel"), attributes.pair("stride")
    height, width = (_enlarged(size[side], side, attributes) for side in (0, 1))
    largest = map(max, stride, attributes.pair("dilation"))
    if any(extra >= most for extra, most in zip(attributes.pair("output_padding"), largest, strict=True)):
        raise UsageError(f"{NAME}: output_padding must be smaller than the stride or the dilation")
    bias = (Weight("bias", (out,)),) if attributes.flag("bias") else ()
    return Inferred(((batch, out, height, width),), (Weight("weight", (channels, out // groups, *kernel)), *bias))


def _enlarged(size: int, side: int, attributes: Attributes) -> int:
    """(size - 1) stride + dilation (kernel - 1) + 1 - 2 padding + output_padding."""
    kernel, stride, padding, extra, dilation = (
        attributes.pair(name)[side] for name in ("kernel", "stride", "padding", "output_padding", "dilation")
    )
    out = (size - 1) * stride + dilation * (kernel - 1) + 1 - 2 * padding + extra
    if out < 1:
        raise UsageError(f"{NAME}: a padding of {padding} removes all {out + 2 * padding} pixels")
    return out


def _kernels(case: Case) -> list[Kernel]:
    """The implicit GEMM of the convolution it reverses: every pixel of the *input* is multiplied by every tap."""
    return [implicit_gemm(case, prod(case.inputs[0].shape[2:]))]


def _backward(case: Case, needs: Needs) -> list[Kernel]:
    """dX is a plain convolution of dY; dW is a GEMM of X and dY. Both have the FLOP of the forward."""
    (forward,) = _kernels(case)
    x, y = case.inputs[0], case.result
    weight, *bias = case.weights
    inner = forward.k // forward.taps
    shared: dict[str, Any] = {
        "kind": "matmul",
        "batch": forward.batch,
        "n": inner,
        "taps": forward.taps,
        "stride": forward.stride,
        "images": forward.images,
        "flops": forward.flops,
    }
    kernels = []
    if needs[0]:
        kernels.append(
            case.gradient(
                forward.family,
                op=f"{NAME}_backward_data",
                m=forward.m,
                k=forward.taps * forward.n,
                reads=y.bytes,
                weights=weight.bytes,
                writes=x.bytes,
                **shared,
            )
        )
    kernels.append(
        case.gradient(
            forward.family,
            op=f"{NAME}_backward_weight",
            m=forward.taps * forward.n,
            k=forward.m,
            elements=weight.elements,
            reads=x.bytes + y.bytes,
            writes=weight.bytes,
            **shared,
        )
    )
    return [*kernels, *(bias_gradient(case, tensor, y.elements // y.shape[1]) for tensor in bias)]


TRANSPOSED = (
    Operator(
        NAME,
        "(B, C, H, W) -> (B, out, H', W'): transposed convolution",
        (1, 1),
        _shapes,
        _kernels,
        (
            Parameter("out", "whole", "output channels"),
            Parameter("kernel", "pair", "kernel size"),
            Parameter("stride", "pair", "stride: the factor by which the image grows", 1),
            Parameter("padding", "pair", "pixels removed on each side", 0, low=0),
            Parameter("output_padding", "pair", "pixels added at the end", 0, low=0),
            Parameter("dilation", "pair", "distance between kernel elements", 1),
            Parameter("groups", "whole", "number of independent groups of channels", 1),
            flag("bias", True, "adds one bias value per output channel"),
        ),
        backward=_backward,
        saves=saves_inputs,
        autocast="low",
    ),
)
