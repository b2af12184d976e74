"""Which kernels did a measured row time?"""

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
"""Rows of these are steps of an optimizer, their inputs the shapes of its parameters."""

Attributes = tuple[tuple[str, Any], ...]


def kernel_of(row: Measurement) -> Kernel:
    """The one kernel a measured operator is.

    Raises
    ------
    RooflineError : the operators do not know it, or it launches several kernels, whose times nobody measured.
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
    """Kernels as one of so many ``passes``, as which a CPU model fits them; named as the first."""
    total = {
        name: sum(kernel.repeats * getattr(kernel, name) for kernel in kernels)
        for name in ("flops", "reads", "weights", "writes")
    }
    return replace(kernels[0], passes=float(sum(kernel.repeats for kernel in kernels)), repeats=1, **total)


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
    if op in OPTIMIZERS:
        return tuple(_step(op, attributes, inputs, dtype))
    kernels = lowering.part_kernels(op, dict(attributes), inputs, precision(dtype), part, stack)
    if stack.framework == "pytorch" and op == "linear" and part == "forward" and dtype in WIDENED:
        return tuple(replace(kernel, writes=WIDENED[dtype] * kernel.writes) for kernel in kernels)
    if stack.framework in QUANTIZING and precision(dtype).storage.bytes == 1 and op == "linear":
        return tuple(_quantized(kernels))
    return tuple(kernels)


def _step(op: str, attributes: Attributes, shapes: tuple[tuple[int, ...], ...], dtype: str) -> Iterator[Kernel]:
    """The kernels of one step of an optimizer over parameters of these shapes."""
    storage = precision(dtype).storage
    parameters = [Tensor(f"parameter{index}", shape, storage) for index, shape in enumerate(shapes)]
    recipe = Recipe(cast(OptimizerName, op))
    implementation = cast(Implementation, dict(attributes).get("implementation", "loop"))
    return lowering.optimizer_kernels(parameters, recipe, implementation, layer=0, unscale=False)


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
