"""Which kernels does group normalisation launch? Statistics over groups of channels of one image; also
instance norm.
"""

from __future__ import annotations

from collections.abc import Sequence

from roofline.core.schedule import Kernel
from roofline.core.workload import Tensor
from roofline.errors import UsageError
from roofline.operators.attributes import Attributes, Parameter, flag
from roofline.operators.case import Case, Needs, Saved
from roofline.operators.operator import Inferred, Operator, Weight, dims
from roofline.operators.rowwise import LAYER_NORM_FLOPS, NORM_BACKWARD_FLOPS, norm_gradient


def _shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    shape, groups = inputs[0].shape, attributes.whole("groups")
    if len(shape) < 2 or shape[1] % groups:
        raise UsageError(f"group_norm: {dims(shape)} has no channels that divide evenly into {groups} groups")
    learned = (Weight("weight", (shape[1],)), Weight("bias", (shape[1],)))
    return Inferred((shape,), learned if attributes.flag("affine") else ())


def _rows(case: Case) -> tuple[int, int]:
    x = case.inputs[0]
    m = x.shape[0] * case.attributes.whole("groups")
    return m, x.elements // m


def _kernels(case: Case) -> list[Kernel]:
    """``y = (x - mean) / sqrt(variance + eps) * weight + bias``, a row per image and group; two passes."""
    m, k = _rows(case)
    return [case.kernel("norm", m=m, k=k, flops=LAYER_NORM_FLOPS * m * k, passes=2.0)]


def _saves(case: Case) -> Saved:
    """The input, and mean and deviation of every group in fp32."""
    return Saved(inputs=(0,), extra=8.0 * _rows(case)[0])


def _backward(case: Case, needs: Needs) -> list[Kernel]:
    """dX, dweight and dbias as for a layer norm."""
    return [norm_gradient(case, _rows(case), NORM_BACKWARD_FLOPS)]


GROUP_NORM = (
    Operator(
        "group_norm",
        "(B, C, ...) -> same: normalizes groups of channels of each image",
        (1, 1),
        _shapes,
        _kernels,
        (Parameter("groups", "whole", "number of groups"), flag("affine", True, "learned scale and shift")),
        backward=_backward,
        saves=_saves,
        autocast="fp32",
    ),
)
