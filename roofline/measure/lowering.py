"""Which kernels did a measured row time?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
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
    kernels = operators.part_kernels(op, dict(attributes), inputs, precision(dtype), part, stack)
    if stack.framework == "pytorch" and op == "linear" and part == "forward" and dtype in WIDENED:
        return tuple(replace(kernel, writes=WIDENED[dtype] * kernel.writes) for kernel in kernels)
    if stack.framework in QUANTIZING and precision(dtype).storage.bytes == 1 and op == "linear":
        return tuple(_quantized(kernels))
    return tuple(kernels)


WIDENED = {"fp8_e4m3": 2.0, "int8": 4.0}
"""Bytes of a result that PyTorch's 8-bit products give: bf16 of ``torch._scaled_mm``, int32 of ``torch._int_mm``."""

QUANTIZING = ("tensorrt-llm",)
"""Frameworks whose 8-bit layers take and give 16 bits: a kernel in front reads the input twice (its largest number,
then all of them) and writes it in 8 bits."""


def _quantized(kernels: list[Kernel]) -> Iterator[Kernel]:
    for kernel in kernels:
        elements = kernel.m * kernel.k
        yield Kernel(
            "elementwise",
            "quantize",
            precision="bf16",
            elements=elements,
            itemsize=2.0,
            flops=2.0 * elements,
            reads=4.0 * elements,
            writes=1.0 * elements,
        )
        yield replace(kernel, writes=2.0 * kernel.writes)


_remembered = lru_cache(maxsize=1 << 17)(_lowered)
"""Sets ask the same shapes on chip after chip."""
