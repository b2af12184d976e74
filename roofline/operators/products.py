"""Which kernels does a matrix multiplication (GEMM) launch: a linear layer, and the product of two activations?"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from roofline.core.schedule import Kernel
from roofline.core.workload import Tensor
from roofline.errors import UsageError
from roofline.operators.attributes import Attributes, Parameter, flag
from roofline.operators.case import Case, Needs, saves_inputs
from roofline.operators.operator import Inferred, Operator, Weight, dims


def _linear_shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    shape = inputs[0].shape
    if not shape:
        raise UsageError("linear takes (..., features), not a scalar")
    out = attributes.whole("out")
    bias = (Weight("bias", (out,)),) if attributes.flag("bias") else ()
    return Inferred(((*shape[:-1], out),), (Weight("weight", (out, shape[-1])), *bias))


def _linear_kernels(case: Case) -> list[Kernel]:
    """``Y = X W^T + b`` as (m, k) . (k, n), with m the product of all leading dimensions: 2 m n k FLOP; the bias is
    free.
    """
    *leading, k = case.inputs[0].shape
    m, n = prod(leading), case.attributes.whole("out")
    return [case.kernel("linear", kind="matmul", m=m, n=n, k=k, flops=2.0 * m * n * k)]


def _linear_backward(case: Case, needs: Needs) -> list[Kernel]:
    """dX = dY W, dW = dY^T X, db = column sums of dY: two GEMMs of 2 m n k FLOP each, and a reduction."""
    x, y = case.inputs[0], case.result
    *leading, k = x.shape
    m, n = prod(leading), case.attributes.whole("out")
    weight, *bias = case.weights
    flops = 2.0 * m * n * k
    kernels = []
    if needs[0]:
        kernels.append(
            case.gradient(
                "linear",
                op="linear_backward_data",
                kind="matmul",
                m=m,
                n=k,
                k=n,
                flops=flops,
                reads=y.bytes,
                weights=weight.bytes,
                writes=x.bytes,
            )
        )
    kernels.append(
        case.gradient(
            "linear",
            op="linear_backward_weight",
            kind="matmul",
            m=n,
            n=k,
            k=m,
            elements=weight.elements,
            flops=flops,
            reads=y.bytes + x.bytes,
            writes=weight.bytes,
        )
    )
    return [*kernels, *(bias_gradient(case, tensor, m) for tensor in bias)]


def bias_gradient(case: Case, bias: Tensor, rows: int) -> Kernel:
    """db: the sum of ``rows`` rows of dY, ``flops = rows * bias elements`` [FLOP], ``bytes = dY + bias`` [B]."""
    elements = rows * bias.elements
    return case.gradient(
        "reduction",
        op="bias_backward",
        m=bias.elements,
        k=rows,
        elements=elements,
        flops=float(elements),
        reads=case.result.bytes,
        writes=bias.bytes,
    )


def _matmul_sizes(inputs: Sequence[Tensor], transpose_b: bool) -> tuple[int, int, int, int]:
    """(batch, m, n, k); a second operand of two dimensions is shared, and the leading dimensions of the
    first join m.
    """
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
    """``C = A B`` as batch x (m, k) . (k, n): 2 batch m n k FLOP."""
    batch, m, n, k = _matmul_sizes(case.inputs, case.attributes.flag("transpose_b"))
    return [case.kernel("bmm", kind="matmul", batch=batch, m=m, n=n, k=k, flops=2.0 * batch * m * n * k)]


def _matmul_backward(case: Case, needs: Needs) -> list[Kernel]:
    """dA = dC B^T and dB = A^T dC: 2 batch m n k FLOP each."""
    batch, m, n, k = _matmul_sizes(case.inputs, case.attributes.flag("transpose_b"))
    left, right, result = case.inputs[0], case.inputs[1], case.result
    flops = 2.0 * batch * m * n * k
    kernels = []
    for index, (other, own, sizes) in enumerate(((right, left, (m, k, n)), (left, right, (k, n, m)))):
        if needs[index]:
            rows, columns, inner = sizes
            kernels.append(
                case.gradient(
                    "bmm",
                    kind="matmul",
                    batch=batch,
                    m=rows,
                    n=columns,
                    k=inner,
                    elements=own.elements,
                    flops=flops,
                    reads=result.bytes + other.bytes,
                    writes=own.bytes,
                )
            )
    return kernels


PRODUCTS = (
    Operator(
        "linear",
        "(..., in) -> (..., out): matrix multiplication with a weight matrix",
        (1, 1),
        _linear_shapes,
        _linear_kernels,
        (Parameter("out", "whole", "output features"), flag("bias", True, "adds a bias vector of length out")),
        backward=_linear_backward,
        saves=saves_inputs,
        autocast="low",
    ),
    Operator(
        "matmul",
        "(..., m, k) and (..., k, n) -> (..., m, n): matrix multiplication of two activations, batched",
        (2, 2),
        _matmul_shapes,
        _matmul_kernels,
        (flag("transpose_b", False, "the second input is (..., n, k)"),),
        backward=_matmul_backward,
        saves=saves_inputs,
        autocast="low",
    ),
)
