"""Which kernels does a loss launch? The last of the forward pass and the first of the backward pass."""

from __future__ import annotations

from collections.abc import Sequence

from roofline.core.schedule import Kernel
from roofline.core.workload import Tensor
from roofline.errors import UsageError
from roofline.operators.attributes import Attributes, Parameter
from roofline.operators.case import Case, Needs, Saved, saves_inputs
from roofline.operators.operator import Inferred, Operator, dims
from roofline.operators.rowwise import SOFTMAX_FLOPS, SOFTMAX_PASSES


def _shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    shape = inputs[0].shape
    dim = attributes.whole("dim")
    if not shape or not -len(shape) <= dim < len(shape):
        raise UsageError(f"cross_entropy: {dims(shape)} has no dimension {dim} for the classes")
    return Inferred(((1,),))


def _rows(case: Case) -> tuple[int, int]:
    x = case.inputs[0]
    classes = x.shape[case.attributes.whole("dim")]
    return x.elements // classes, classes


def _cross_entropy_kernels(case: Case) -> list[Kernel]:
    """The logarithm of the softmax of every row, then the mean of one entry of each row."""
    x = case.inputs[0]
    m, k = _rows(case)
    table, picked = x.bytes, m * x.dtype.bytes
    return [
        case.kernel(
            "softmax",
            op="log_softmax",
            m=m,
            k=k,
            elements=x.elements,
            flops=SOFTMAX_FLOPS * x.elements,
            writes=table,
            passes=SOFTMAX_PASSES,
            target=len(case.inputs) + 1,
        ),
        case.kernel(
            "reduction", op="nll_loss", m=1, k=m, elements=m, flops=float(m), reads=picked + 8.0 * m, source=-1
        ),
    ]


def _cross_entropy_saves(case: Case) -> Saved:
    """The table of logarithms (the class of every row is an input of the step)."""
    return Saved(extra=case.inputs[0].bytes)


def _cross_entropy_backward(case: Case, needs: Needs) -> list[Kernel]:
    """A table of zeros with one entry a row, then the gradient of the logarithm of the softmax."""
    x = case.inputs[0]
    m, k = _rows(case)
    return [
        case.gradient(
            "elementwise",
            op="nll_loss_backward",
            elements=x.elements,
            flops=float(m),
            reads=8.0 * m,
            writes=x.bytes,
            target=case.temporary,
        ),
        case.gradient(
            "softmax",
            op="log_softmax_backward",
            m=m,
            k=k,
            flops=4.0 * x.elements,
            reads=2 * x.bytes,
            writes=x.bytes,
            passes=2.0,
            source=case.temporary,
            target=0,
        ),
    ]


def _mean_shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    return Inferred(((1,),))


def _squares_kernels(case: Case) -> list[Kernel]:
    """The mean of the squared differences from a target of the same shape."""
    x = case.inputs[0]
    return [
        case.kernel(
            "reduction",
            m=1,
            k=x.elements,
            elements=x.elements,
            flops=3.0 * x.elements,
            reads=2 * x.bytes,
        )
    ]


def _squares_backward(case: Case, needs: Needs) -> list[Kernel]:
    """Twice the difference, divided by the number of elements."""
    x = case.inputs[0]
    return [case.gradient("elementwise", flops=2.0 * x.elements, reads=2 * x.bytes, writes=x.bytes, target=0)]


LOSSES = (
    Operator(
        "cross_entropy",
        "(..., N) -> (1): mean of -log softmax of the target class",
        (1, 1),
        _shapes,
        _cross_entropy_kernels,
        (Parameter("dim", "whole", "dimension of the classes", -1, low=None),),
        backward=_cross_entropy_backward,
        saves=_cross_entropy_saves,
        autocast="fp32",
    ),
    Operator(
        "mean_squares",
        "(...) -> (1): mean squared difference from a target of the same shape",
        (1, 1),
        _mean_shapes,
        _squares_kernels,
        backward=_squares_backward,
        saves=saves_inputs,
        autocast="fp32",
    ),
)
