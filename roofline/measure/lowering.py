"""Which kernels did a measured row time?"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from roofline import operators
from roofline.core.dtype import precision
from roofline.core.measurement import Measurement
from roofline.core.schedule import Kernel
from roofline.core.stack import Stack
from roofline.errors import Unsupported

Attributes = tuple[tuple[str, Any], ...]


def kernel_of(row: Measurement) -> Kernel:
    """The one kernel a measured operator is.

    Raises
    ------
    RooflineError : the operators do not know it, or it launches several kernels, whose times nobody measured.
    """
    kernels = kernels_of(row)
    if len(kernels) != 1:
        raise Unsupported("operators of several kernels")
    return kernels[0]


def kernels_of(row: Measurement) -> tuple[Kernel, ...]:
    """The kernels a measured operator launches in the direction that was measured; its time is their sum.

    Raises
    ------
    RooflineError : the operators do not know it, its shapes, or its backward pass.
    """
    question = (row.op, tuple(sorted(row.attributes.items())), row.inputs, row.dtype, row.part, row.stack)
    try:
        return _remembered(*question)
    except TypeError:  # an attribute that cannot be a key: the operator says what is wrong with it
        return _lowered(*question)


def _lowered(
    op: str, attributes: Attributes, inputs: tuple[tuple[int, ...], ...], dtype: str, part: str, stack: Stack
) -> tuple[Kernel, ...]:
    return tuple(operators.part_kernels(op, dict(attributes), inputs, precision(dtype), part, stack))


_remembered = lru_cache(maxsize=1 << 15)(_lowered)
"""Sets ask the same shapes on chip after chip."""
