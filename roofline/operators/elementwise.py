"""One result per element: activations and arithmetic, into a new tensor or in place."""

from __future__ import annotations

from collections.abc import Sequence

from roofline.core.schedule import Kernel
from roofline.core.workload import Tensor
from roofline.errors import UsageError
from roofline.operators.attributes import Attributes, flag
from roofline.operators.case import Case
from roofline.operators.operator import Inferred, Operator, Shape, dims

UNARY_FLOPS = {
    "relu": 1.0,  # max
    "relu6": 2.0,  # max, min
    "neg": 1.0,
    "sqrt": 1.0,
    "exp": 1.0,
    "tanh": 1.0,
    "sigmoid": 4.0,  # negate, exp, add, divide
    "silu": 5.0,  # sigmoid, multiply
    "gelu": 5.0,  # x/sqrt(2), erf, add 1, times x, halve
    "gelu_tanh": 9.0,  # cube 2, scale, add, scale, tanh, add 1, times x, halve
}
"""Operations per element, a square root, division or transcendental function counting as one: what
any program must do, so that a rate made of it is never above the peak of the vector units."""

BINARY_FLOPS = {"add": 1.0, "sub": 1.0, "mul": 1.0, "div": 1.0}


def broadcast(left: Shape, right: Shape) -> Shape:
    """The common shape: from the right, sizes are equal or one of them is 1.

    Raises
    ------
    UsageError : the shapes do not fit.
    """
    rank = max(len(left), len(right))
    padded = [(1,) * (rank - len(shape)) + shape for shape in (left, right)]
    out = []
    for a, b in zip(*padded, strict=True):
        if a != b and 1 not in (a, b):
            raise UsageError(f"{dims(left)} and {dims(right)} do not broadcast ({a} against {b})")
        out.append(max(a, b))
    return tuple(out)


def _unary_shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    return Inferred((inputs[0].shape,))


def _unary_kernels(case: Case) -> list[Kernel]:
    return [case.kernel("elementwise", flops=UNARY_FLOPS[case.node.op] * case.result.elements)]


def _binary_shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    left, right = inputs[0].shape, inputs[1].shape
    out = broadcast(left, right)
    if attributes.flag("inplace") and out != left:
        raise UsageError(f"in place: the result {dims(out)} does not fit into the first input {dims(left)}")
    return Inferred((out,))


def _binary_kernels(case: Case) -> list[Kernel]:
    return [case.kernel("elementwise", flops=BINARY_FLOPS[case.node.op] * case.result.elements)]


_INPLACE = (flag("inplace", False, "the result overwrites the first input"),)

ELEMENTWISE = (
    *(
        Operator(name, f"{name} of each element", (1, 1), _unary_shapes, _unary_kernels, _INPLACE)
        for name in UNARY_FLOPS
    ),
    *(
        Operator(name, f"{name} of two tensors, broadcast", (2, 2), _binary_shapes, _binary_kernels, _INPLACE)
        for name in BINARY_FLOPS
    ),
)
