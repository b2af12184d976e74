"""Which kernels do further functions of rows launch: maxima, products, variances, running sums, sorting?

A kernel has ``m`` rows of ``k`` elements.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, log2, prod
from typing import Literal

from roofline.core.dtype import DType, dtype
from roofline.core.schedule import Kernel
from roofline.core.workload import Tensor
from roofline.errors import UsageError
from roofline.operators.attributes import Attributes
from roofline.operators.case import Case, Needs, Saved, saves_inputs, saves_nothing, saves_output
from roofline.operators.operator import Inferred, Operator
from roofline.operators.rowwise import SOFTMAX_PASSES

PLACE_BYTES = 8.0
"""Size of an index in a row, int64 [B]."""


@dataclass(frozen=True)
class RowFunction:
    """One function of rows.

    Parameters
    ----------
    flops : per element read [FLOP].
    keeps_row : whether the result is as long as the row (a running sum) or one number.
    places : whether it also writes the index of the result.
    backward : FLOP per element of the input; ``None``: no gradient.
    keeps : what autograd saves.
    result : ``bool`` or ``int64`` where the result does not have the network's format.
    passes : over a row.
    family : operator family.
    sorts : whether it takes k log2 k comparisons.
    """

    flops: float
    keeps_row: bool = False
    places: bool = False
    backward: float | None = 1.0
    keeps: Literal["inputs", "output", "both", "nothing"] = "inputs"
    result: str = ""
    passes: float = 1.0
    family: str = "reduction"
    sorts: bool = False


ROW_FUNCTIONS: dict[str, RowFunction] = {
    "row_max": RowFunction(1.0, backward=2.0, keeps="both"),
    "row_max_places": RowFunction(1.0, places=True, backward=0.0, keeps="nothing"),  # max and min along a dimension
    "row_argmax": RowFunction(1.0, backward=None, keeps="nothing", result="int64"),
    "row_any": RowFunction(1.0, backward=None, keeps="nothing", result="bool"),
    "row_product": RowFunction(1.0, backward=2.0, keeps="both"),
    "row_variance": RowFunction(4.0, backward=2.0, passes=2.0),  # mean 1, subtract, square, sum
    "row_norm": RowFunction(2.0, backward=2.0, keeps="both"),
    "log_sum_exp": RowFunction(4.0, backward=3.0, keeps="both", passes=2.0),
    "log_softmax": RowFunction(
        5.0, keeps_row=True, backward=4.0, keeps="output", passes=SOFTMAX_PASSES, family="softmax"
    ),
    "running_sum": RowFunction(1.0, keeps_row=True, keeps="nothing"),
    "running_product": RowFunction(1.0, keeps_row=True, backward=4.0, keeps="both"),
    "running_log_sum_exp": RowFunction(4.0, keeps_row=True, backward=4.0, keeps="both"),
    "sort": RowFunction(1.0, keeps_row=True, places=True, backward=0.0, keeps="nothing", sorts=True),
}
"""By name. Sorting takes k log2 k comparisons; a merge network passes over long rows log2 k times."""

_MEANING = {
    "row_max": "largest or smallest element of each row",
    "row_max_places": "largest or smallest element of each row and its index",
    "row_argmax": "index of the largest or smallest element of each row",
    "row_any": "whether any (or every) element of each row is true",
    "row_product": "product of the elements of each row",
    "row_variance": "variance or standard deviation of each row",
    "row_norm": "norm of each row",
    "log_sum_exp": "logarithm of the sum of exponentials of each row",
    "log_softmax": "logarithm of the softmax of each row",
    "running_sum": "cumulative sum along each row",
    "running_product": "cumulative product along each row",
    "running_log_sum_exp": "cumulative log-sum-exp along each row",
    "sort": "each row sorted, with the indices",
}
_WIDE = ("log_softmax", "log_sum_exp", "running_sum", "running_product", "row_product", "row_norm")
"""Functions whose result is fp32 under mixed precision."""


def _shapes(name: str, function: RowFunction) -> Callable[[Sequence[Tensor], Attributes], Inferred]:
    def shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
        shape = inputs[0].shape
        if not shape:
            raise UsageError(f"{name} takes (..., length), not a scalar")
        kind: DType | None = dtype(function.result) if function.result else None
        if kind is None and inputs[0].dtype.kind == "int":
            kind = inputs[0].dtype
        return Inferred((shape if function.keeps_row else shape[:-1],), dtype=kind)

    return shapes


def _kernels(function: RowFunction) -> Callable[[Case], list[Kernel]]:
    def kernels(case: Case) -> list[Kernel]:
        *leading, k = case.inputs[0].shape
        m = prod(leading)
        steps = max(1, ceil(log2(k))) if function.sorts else 1
        writes = case.result.bytes + (PLACE_BYTES * case.result.elements if function.places else 0.0)
        return [
            case.kernel(
                function.family,
                m=m,
                k=k,
                elements=m * k,
                flops=function.flops * m * k * steps,
                writes=writes,
                passes=function.passes * (steps if function.sorts and k > 1024 else 1),
            )
        ]

    return kernels


def _saves(function: RowFunction) -> Callable[[Case], Saved]:
    if function.places:
        return lambda case: Saved(extra=PLACE_BYTES * case.result.elements)
    if function.keeps == "both":
        return lambda case: Saved(inputs=(0,), outputs=(0,))
    return {"inputs": saves_inputs, "output": saves_output, "nothing": saves_nothing}[function.keeps]


def _backward(function: RowFunction) -> Callable[[Case, Needs], list[Kernel]]:
    def backward(case: Case, needs: Needs) -> list[Kernel]:
        """One kernel over dY and the saved tensors; with saved indices zeros first, then dY at the indices."""
        x, y = case.inputs[0], case.result
        if function.backward is None:
            return []
        if function.places:
            reads = y.bytes + PLACE_BYTES * y.elements
            return [
                case.gradient("elementwise", op="zeros", reads=0.0, writes=x.bytes),
                case.gradient("copy", elements=y.elements, reads=reads, writes=y.bytes),
            ]
        kept = {"inputs": x.bytes, "output": y.bytes, "both": x.bytes + y.bytes, "nothing": 0.0}[function.keeps]
        *leading, k = x.shape
        return [
            case.gradient(
                function.family if function.keeps_row else "elementwise",
                m=prod(leading),
                k=k,
                flops=function.backward * x.elements,
                reads=y.bytes + kept,
                writes=x.bytes,
                target=0,
            )
        ]

    return backward


ROWS = tuple(
    Operator(
        name,
        f"(..., N) -> {'same' if function.keeps_row else '(...)'}: {_MEANING[name]}",
        (1, 1),
        _shapes(name, function),
        _kernels(function),
        backward=_backward(function),
        saves=_saves(function),
        autocast="fp32 result" if name in _WIDE else "widest",
    )
    for name, function in ROW_FUNCTIONS.items()
)
