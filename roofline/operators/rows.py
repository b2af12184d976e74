"""More work along rows: the largest, products, deviations, running sums, sorting. ``m`` rows of ``k`` elements."""

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
"""A place in a row, int64."""


@dataclass(frozen=True)
class RowFunction:
    """One function of rows.

    flops : per element read. keeps_row : whether the result is as long as the row (a running sum) or one number.
    places : whether it also writes where in the row it found the result. backward : operations per element of the
    input; ``None``: no gradient. result : ``bool`` or ``int64`` where the result is no number of the net's format.
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
"""By name. Sorting takes k log2 k comparisons; a network of merges passes over long rows log2 k times."""

_WIDE = ("log_softmax", "log_sum_exp", "running_sum", "running_product", "row_product", "row_norm")
"""What mixed precision gives in fp32."""


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
        """One kernel over dY and what was kept; where places were kept zeros first, and dY put at them."""
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
        f"(..., N) -> {'same' if function.keeps_row else '(...)'}: {name.replace('_', ' ')} of each row",
        (1, 1),
        _shapes(name, function),
        _kernels(function),
        backward=_backward(function),
        saves=_saves(function),
        autocast="fp32 result" if name in _WIDE else "widest",
    )
    for name, function in ROW_FUNCTIONS.items()
)
