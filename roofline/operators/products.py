"""Products of matrices: a linear layer, and the product of two activations."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from roofline.core.schedule import Kernel
from roofline.core.workload import Tensor
from roofline.errors import UsageError
from roofline.operators.operator import Attributes, Case, Inferred, Operator, Parameter, Weight, dims, flag


def _linear_shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    shape = inputs[0].shape
    if not shape:
        raise UsageError("linear takes (..., features), not a scalar")
    out = attributes.whole("out")
    bias = (Weight("bias", (out,)),) if attributes.flag("bias") else ()
    return Inferred(((*shape[:-1], out),), (Weight("weight", (out, shape[-1])), *bias))


def _linear_kernels(case: Case) -> list[Kernel]:
    """(m, k) . (k, n), m the product of all leading dimensions: 2 m n k operations; the bias is free."""
    *leading, k = case.inputs[0].shape
    m, n = prod(leading), case.attributes.whole("out")
    return [case.kernel("linear", kind="matmul", m=m, n=n, k=k, flops=2.0 * m * n * k)]


def _matmul_sizes(inputs: Sequence[Tensor], transpose_b: bool) -> tuple[int, int, int, int]:
    """(batch, m, n, k); a second operand of two dimensions is shared, its leading ones join m."""
    left, right = inputs[0].shape, inputs[1].shape
    written = f"{dims(left)} and {dims(right)}" + (" transposed" if transpose_b else "")
    if len(left) < 2 or len(right) < 2:
        raise UsageError(f"matmul takes (..., m, k) and (..., k, n), not {written}")
    inner, n = (right[-1], right[-2]) if transpose_b else (right[-2], right[-1])
    if inner != left[-1]:
        raise UsageError(f"matmul of {written}: inner sizes {left[-1]} and {inner} differ")
    if len(right) == 2:
        return 1, prod(left[:-1]), n, inner
    if left[:-2] != right[:-2]:
        raise UsageError(f"matmul of {written}: leading dimensions differ")
    return prod(left[:-2]), left[-2], n, inner


def _matmul_shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    _, _, n, _ = _matmul_sizes(inputs, attributes.flag("transpose_b"))
    return Inferred(((*inputs[0].shape[:-1], n),))


def _matmul_kernels(case: Case) -> list[Kernel]:
    """batch x (m, k) . (k, n): 2 batch m n k operations."""
    batch, m, n, k = _matmul_sizes(case.inputs, case.attributes.flag("transpose_b"))
    return [case.kernel("bmm", kind="matmul", batch=batch, m=m, n=n, k=k, flops=2.0 * batch * m * n * k)]


PRODUCTS = (
    Operator(
        "linear",
        "(..., in) -> (..., out): product with a weight matrix",
        (1, 1),
        _linear_shapes,
        _linear_kernels,
        (Parameter("out", "whole", "output features"), flag("bias", True, "adds a vector of length out")),
    ),
    Operator(
        "matmul",
        "(..., m, k) and (..., k, n) -> (..., m, n): product of two activations",
        (2, 2),
        _matmul_shapes,
        _matmul_kernels,
        (flag("transpose_b", False, "the second input is (..., n, k)"),),
    ),
)
