"""Which kernels does pooling launch: the maximum or the mean of every window of an image?"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from roofline.core.schedule import Kernel
from roofline.core.workload import Tensor
from roofline.operators.attributes import Attributes, Parameter, flag
from roofline.operators.case import Case, Needs, Saved
from roofline.operators.convolution import used_pixels, window
from roofline.operators.operator import Inferred, Operator, ranked


def _shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    batch, channels, *size = ranked("pooling", inputs[0], 4, layout="images (batch, channels, height, width)")
    return Inferred(((batch, channels, *_windows((size[0], size[1]), attributes)),))


def _windows(size: tuple[int, int], attributes: Attributes) -> tuple[int, int]:
    """The number of windows; with ``ceil_mode`` one more that starts in the remaining pixels."""
    fit = window("pooling", size, attributes)
    if not attributes.flag("ceil_mode"):
        return fit
    kernel, padding, dilation = (attributes.pair(name) for name in ("kernel", "padding", "dilation"))
    stride = attributes.pair("stride") if attributes.has("stride") else kernel
    out = []
    for side in (0, 1):
        covered = (fit[side] - 1) * stride[side] + dilation[side] * (kernel[side] - 1) + 1
        more = covered < size[side] + 2 * padding[side] and fit[side] * stride[side] < size[side] + padding[side]
        out.append(fit[side] + more)
    return out[0], out[1]


def _kernels(case: Case) -> list[Kernel]:
    """``m`` planes (images x channels) of ``n`` results from ``k`` taps each: m n k FLOP."""
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
            writes=case.result.bytes + (_places(case) if case.training else 0.0),
        )
    ]


def _places(case: Case) -> float:
    """Bytes of the index of each maximum, as int64."""
    return 8.0 * case.result.elements if case.node.op == "max_pool2d" else 0.0


def _saves(case: Case) -> Saved:
    """The input; for a maximum also its index, as int64."""
    return Saved(inputs=(0,), extra=_places(case))


def _backward(case: Case, needs: Needs) -> list[Kernel]:
    """dX: zeros with dY at the maxima, or dY spread over every window."""
    (forward,) = _kernels(case)
    x, y = case.inputs[0], case.result
    indices = _places(case)
    taps = 1 if indices else forward.taps
    return [
        case.gradient(
            "pool",
            m=forward.m,
            n=forward.n,
            k=forward.k,
            taps=forward.taps,
            stride=forward.stride,
            elements=y.elements,
            flops=float(y.elements * taps),
            reads=y.bytes + indices,
            writes=x.bytes,
        )
    ]


_WINDOW = (
    Parameter("kernel", "pair", "window size"),
    Parameter("stride", "pair", "stride (default: the window size)", optional=True),
    Parameter("padding", "pair", "padding on each side", 0, low=0),
    Parameter("dilation", "pair", "distance between elements of a window", 1),
    flag("ceil_mode", False, "rounds the output size up, so that the last window can extend over the edge"),
)

POOLING = (
    Operator(
        "max_pool2d",
        "(B, C, H, W) -> (B, C, H', W'): maximum of each window",
        (1, 1),
        _shapes,
        _kernels,
        _WINDOW,
        backward=_backward,
        saves=_saves,
    ),
    Operator(
        "avg_pool2d",
        "(B, C, H, W) -> (B, C, H', W'): mean of each window",
        (1, 1),
        _shapes,
        _kernels,
        _WINDOW,
        backward=_backward,
        saves=_saves,
    ),
)
