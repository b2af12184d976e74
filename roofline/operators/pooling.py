"""The largest or the mean of every window of an image."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from roofline.core.schedule import Kernel
from roofline.core.workload import Tensor
from roofline.operators.attributes import Attributes, Parameter
from roofline.operators.case import Case
from roofline.operators.convolution import used_pixels, window
from roofline.operators.operator import Inferred, Operator, ranked


def _shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    batch, channels, *size = ranked("pooling", inputs[0], 4, layout="images (batch, channels, height, width)")
    return Inferred(((batch, channels, *window("pooling", (size[0], size[1]), attributes)),))


def _kernels(case: Case) -> list[Kernel]:
    """``m`` planes (images x channels) of ``n`` results from ``k`` taps each: m n k operations."""
    batch, channels, height, width = case.inputs[0].shape
    pixels = case.result.shape[2], case.result.shape[3]
    kernel = case.attributes.pair("kernel")
    stride = case.attributes.pair("stride") if case.attributes.has("stride") else kernel
    m, n, taps = batch * channels, prod(pixels), prod(kernel)
    return [
        case.kernel(
            "pool",
            m=m,
            n=n,
            k=taps,
            taps=taps,
            stride=max(stride),
            flops=float(m * n * taps),
            reads=m * used_pixels((height, width), pixels, kernel, stride) * case.inputs[0].dtype.bytes,
        )
    ]


_WINDOW = (
    Parameter("kernel", "pair", "window size"),
    Parameter("stride", "pair", "step of the window (the kernel if not given)", optional=True),
    Parameter("padding", "pair", "border on each side", 0, low=0),
)

POOLING = (
    Operator(
        "max_pool2d",
        "(B, C, H, W) -> (B, C, H', W'): largest of each window",
        (1, 1),
        _shapes,
        _kernels,
        _WINDOW,
    ),
    Operator(
        "avg_pool2d",
        "(B, C, H, W) -> (B, C, H', W'): mean of each window",
        (1, 1),
        _shapes,
        _kernels,
        _WINDOW,
    ),
)
