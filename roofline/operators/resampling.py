"""Which kernels enlarge an image without weights? Pixels repeated, or interpolated between neighbours."""

from __future__ import annotations

from collections.abc import Sequence

from roofline.core.schedule import Kernel
from roofline.core.workload import Tensor
from roofline.operators.attributes import Attributes, Parameter, flag
from roofline.operators.case import Case, Needs
from roofline.operators.operator import Inferred, Operator, ranked

BILINEAR_FLOPS = 7.0
"""FLOP per result: four multiplications, three additions."""
BILINEAR_BACKWARD_FLOPS = 8.0
"""FLOP per result: four multiplications, each added to its pixel."""


def _shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    layout = "images (batch, channels, height, width)"
    batch, channels, height, width = ranked("upsample2d", inputs[0], 4, layout=layout)
    rows, columns = attributes.pair("scale")
    return Inferred(((batch, channels, rows * height, columns * width),), dtype=inputs[0].dtype)


def _kernels(case: Case) -> list[Kernel]:
    """Repeated pixels are a copy; bilinear interpolation takes 7 FLOP per result."""
    if case.attributes.flag("bilinear"):
        return [case.kernel("elementwise", flops=BILINEAR_FLOPS * case.result.elements)]
    return [case.kernel("copy")]


def _backward(case: Case, needs: Needs) -> list[Kernel]:
    """dX: every dY added to the pixel (or the four pixels) it came from."""
    x, y = case.inputs[0], case.result
    bilinear = case.attributes.flag("bilinear")
    return [
        case.gradient(
            "elementwise",
            elements=y.elements,
            flops=(BILINEAR_BACKWARD_FLOPS if bilinear else 1.0) * y.elements,
            reads=y.bytes,
            writes=x.bytes,
        )
    ]


RESAMPLING = (
    Operator(
        "upsample2d",
        "(B, C, H, W) -> (B, C, scale H, scale W): enlarges images",
        (1, 1),
        _shapes,
        _kernels,
        (
            Parameter("scale", "pair", "enlargement factor"),
            flag("bilinear", False, "bilinear interpolation instead of the nearest pixel"),
        ),
        backward=_backward,
        autocast="fp32",
    ),
)
