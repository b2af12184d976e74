"""Which kernels does local response normalisation launch? Each element divided by the size of its neighbours in
channels.
"""

from __future__ import annotations

from collections.abc import Sequence

from roofline.core.schedule import Kernel
from roofline.core.workload import Tensor
from roofline.operators.attributes import Attributes, Parameter
from roofline.operators.case import Case, Needs, Saved
from roofline.operators.operator import Inferred, Operator, ranked

LOCAL_NORM_FLOPS = 7.0
"""FLOP per element: square 1, sliding sum over the channels 2, scale and shift 2, power 1, divide 1."""
LOCAL_NORM_BACKWARD_FLOPS = 9.0
"""FLOP per element: x and dY over the power 2, their product over the sum 2, sliding sum 2, scale, times x,
subtract 3.
"""


def _shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    layout = "images (batch, channels, height, width)"
    return Inferred((ranked("local_response_norm", inputs[0], 4, layout=layout),))


def _rows(case: Case) -> tuple[int, int]:
    batch, channels, height, width = case.inputs[0].shape
    return batch * height * width, channels


def _tables(case: Case) -> float:
    """Bytes of what PyTorch saves beside the input.

    The squares with (size - 1) channels of zeros around them, the scaled sums, and their power.
    """
    m, k = _rows(case)
    return float(m * (3 * k + case.attributes.whole("size") - 1) * case.result.dtype.bytes)


def _kernels(case: Case) -> list[Kernel]:
    """``y = x / (shift + alpha / size * sum of x^2 over size channels)^beta``: a row of channels per pixel.

    One kernel of two passes, as in Caffe and cuDNN; a lower bound for PyTorch, which launches seven kernels. Training
    also writes what those seven save for the backward.
    """
    m, k = _rows(case)
    kept = _tables(case) if case.training else 0.0
    return [
        case.kernel(
            "norm",
            m=m,
            k=k,
            taps=case.attributes.whole("size"),
            flops=LOCAL_NORM_FLOPS * m * k,
            writes=case.result.bytes + kept,
            passes=2.0,
        )
    ]


def _saves(case: Case) -> Saved:
    """The input and three tables of its size."""
    return Saved(inputs=(0,), extra=_tables(case))


def _backward(case: Case, needs: Needs) -> list[Kernel]:
    """``dX = dY / s^beta - 2 alpha beta / size x sum(dY y / s)``, with the scaled sums s: one kernel, as
    the forward.
    """
    m, k = _rows(case)
    x, y = case.inputs[0], case.result
    return [
        case.gradient(
            "norm",
            m=m,
            k=k,
            taps=case.attributes.whole("size"),
            flops=LOCAL_NORM_BACKWARD_FLOPS * m * k,
            reads=y.bytes + x.bytes + _tables(case),
            writes=x.bytes,
            passes=2.0,
            target=0,
        )
    ]


LOCAL_NORM = (
    Operator(
        "local_response_norm",
        "(B, C, H, W) -> same: local response normalization over neighbouring channels",
        (1, 1),
        _shapes,
        _kernels,
        (Parameter("size", "whole", "number of neighbouring channels, including its own", 5),),
        backward=_backward,
        saves=_saves,
        autocast="fp32",
    ),
)
