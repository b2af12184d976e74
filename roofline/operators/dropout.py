"""Which kernels does dropout launch? In training elements are set to zero at random; in inference there is no kernel.

In inference the result is the input itself (:data:`roofline.core.workload.IDLE`).
"""

from __future__ import annotations

from collections.abc import Sequence

from roofline.core.schedule import Kernel
from roofline.core.workload import Tensor
from roofline.errors import UsageError
from roofline.operators.attributes import Attributes, Parameter
from roofline.operators.case import Case, Needs, Saved
from roofline.operators.operator import Inferred, Operator

DROPOUT_FLOPS = 2.0
"""FLOP per element: select, scale. Drawing the random numbers is not counted."""
MASK_BYTES = 1.0
"""Bytes per element of the mask of kept elements."""


def rarity(percent: int) -> int:
    """Elements per element that takes the rarer branch, kept or dropped: a mispredicted branch of the processor [1]::

        rarity = 100 / min(percent, 100 - percent)

    Parameters
    ----------
    percent : of the elements that are dropped [1].
    """
    return round(100 / max(min(percent, 100 - percent), 1))


def _shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    if attributes.whole("percent") > 99:
        raise UsageError(f"dropout: {attributes.whole('percent')} percent leaves nothing; write 1 to 99")
    return Inferred((inputs[0].shape,), dtype=inputs[0].dtype)


def _kernels(case: Case) -> list[Kernel]:
    """In training one kernel draws, selects and scales; it writes the result and the mask."""
    if not case.training:
        return []
    y = case.result
    rare = rarity(case.attributes.whole("percent"))
    return [case.kernel("elementwise", k=rare, flops=DROPOUT_FLOPS * y.elements, writes=y.bytes + _mask(case))]


def _saves(case: Case) -> Saved:
    """The mask."""
    return Saved(extra=_mask(case))


def _backward(case: Case, needs: Needs) -> list[Kernel]:
    """dX = dY mask / (1 - p)."""
    x, y = case.inputs[0], case.result
    flops = DROPOUT_FLOPS * x.elements
    return [case.gradient("elementwise", flops=flops, reads=y.bytes + _mask(case), writes=x.bytes, target=0)]


def _mask(case: Case) -> float:
    return MASK_BYTES * case.result.elements


DROPOUT = (
    Operator(
        "dropout",
        "(...) -> same: sets random elements to zero in training; no work in inference",
        (1, 1),
        _shapes,
        _kernels,
        (Parameter("percent", "whole", "percent of the elements set to zero", 50),),
        backward=_backward,
        saves=_saves,
    ),
)
