"""Which kernels did a measurement time?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, cast

from roofline import lowering
from roofline.core.dtype import precision
from roofline.core.measurement import Measurement
from roofline.core.run import OPTIMIZERS as RECIPES
from roofline.core.run import Implementation, OptimizerName, Recipe
from roofline.core.schedule import GATES, Kernel
from roofline.core.stack import Stack
from roofline.core.workload import Tensor
from roofline.errors import Unsupported

OPTIMIZERS = frozenset(RECIPES) - {"none"}
"""Operators that are steps of an optimizer; their inputs are the shapes of its parameters."""

Attributes = tuple[tuple[str, Any], ...]


def kernel_of(row: Measurement) -> Kernel:
    """The one kernel of a measured operator.

    Raises
    ------
    RooflineError : an unknown operator, or several kernels whose times were not measured separately.
    """
    kernels = kernels_of(row)
    if row.op in OPTIMIZERS and len(set(row.inputs)) == 1:
        mine = kernels[: len(kernels) // len(row.inputs)]
        return replace(_merged(mine), op="optimizer", repeats=len(row.inputs))
    if any(kernel.op.endswith(GATES) for kernel in kernels):
        whole = _merged(sorted(kernels, key=lambda kernel: not kernel.op.endswith(GATES)))
        once = sum(kernel.weights for kernel in kernels)
        return replace(whole, images=max(1, round(whole.weights / max(once, 1.0))))
    if len(kernels) != 1:
        raise Unsupported("operators of several kernels")
    return kernels[0]


def _merged(kernels: Sequence[Kernel]) -> Kernel:
    """Kernels as one with so many ``passes``, as a CPU model fits them; named as the first."""
    total = {
        name: sum(kernel.repeats * getattr(kernel, name) for kernel in kernels)
        for name in ("flops", "reads", "weights", "writes")
    }
    return replace(kernels[0], passes=float(sum(kernel.repeats for kernel in kernels)), repeats=1, **total)


def kernels_of(row: Measurement) -> tuple[Kernel, ...]:
    """The kernels that a measured operator launches in the measured direction; its time is their sum.

    Raises
    ------
    RooflineError : unknown operator, shapes, or backward pass.
    """
    question = (row.op, tuple(sorted(row.attributes.items())), row.inputs, row.dtype, row.part, row.stack)
    try:
        return _remembered(*question)
    except TypeError:  # an attribute that cannot be a key: the operator reports it
        return _lowered(*question)


def _lowered(
    op: str, attributes: Attributes, inputs: tuple[tuple[int, ...], ...], dtype: str, part: str, stack: Stack
) -> tuple[Kernel, ...]:
    if op in OPTIMIZERS:
        return tuple(_step(op, attributes, inputs, dtype))
    kernels = lowering.part_kernels(op, dict(attributes), inputs, precision(dtype), part, stack)
    if stack.framework == "pytorch" and op == "linear" and part == "forward" and dtype in WIDENED:
        return tuple(replace(kernel, writes=WIDENED[dtype] * kernel.writes) for kernel in kernels)
    if stack.framework in QUANTIZING and precision(dtype).storage.bytes == 1 and op == "linear":
        return tuple(_quantized(kernels))
    return tuple(kernels)


def _step(op: str, attributes: Attributes, shapes: tuple[tuple[int, ...], ...], dtype: str) -> Iterator[Kernel]:
    """The kernels of one optimizer step over parameters of these shapes."""
    storage = precision(dtype).storage
    parameters = [Tensor(f"parameter{index}", shape, storage) for index, shape in enumerate(shapes)]
    recipe = Recipe(cast(OptimizerName, op))
    implementation = cast(Implementation, dict(attributes).get("implementation", "loop"))
    return lowering.optimizer_kernels(parameters, recipe, implementation, layer=0, unscale=False)


WIDENED = {"fp8_e4m3": 2.0, "int8": 4.0}
"""Bytes per result of PyTorch's 8-bit matrix multiplications: bf16 of ``torch._scaled_mm``, int32 of
``torch._int_mm``.
"""

QUANTIZING = ("tensorrt-llm",)
"""Frameworks whose 8-bit layers have 16-bit inputs and results: a first kernel reads the input twice (its maximum, then
all of it) and writes it in 8 bits.
"""


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
"""Cached, because sets measure the same shapes on each chip."""
