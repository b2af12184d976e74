"""Which kernels does one direction of one operator launch? A measurement of it is compared with these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from roofline.core.dtype import Precision
from roofline.core.measurement import PARTS
from roofline.core.schedule import Kernel
from roofline.core.stack import Stack
from roofline.errors import UnknownName, Unsupported
from roofline.lowering.build import single
from roofline.lowering.lower import program_order
from roofline.lowering.nodes import case_of
from roofline.operators.table import operator_named


def part_kernels(
    op: str,
    attributes: Mapping[str, object],
    shapes: Sequence[Sequence[int]],
    precision: Precision,
    part: str = "forward",
    stack: Stack = Stack(),  # noqa: B008 (a frozen value)
) -> list[Kernel]:
    """The kernels of an operator's forward pass (also in ``training``), of its gradient for the ``data`` or the
    ``weights``, or of both.

    Gradients are those of eager PyTorch (``backward`` of :class:`roofline.operators.operator.Operator`), in launch
    order. The sum over rows for a bias counts with the weights. An input of shape ``()`` is a number without a
    gradient.

    Raises
    ------
    UnknownName : no such operator, attribute or part.
    UsageError : shapes or attributes that do not fit.
    Unsupported : the operator has no backward pass, or none for the weights alone.
    """
    if part not in PARTS:
        raise UnknownName("part of an operator", part, PARTS)
    work = single(op, attributes, shapes, precision)
    if part == "forward":
        return program_order(work, stack)
    if part == "training":
        return program_order(replace(work, training=True), stack)
    backward = operator_named(op).backward
    if backward is None:
        raise Unsupported(f"{op} has no backward pass in this program")
    case = case_of(work.nodes[0], replace(work, training=True), stack)
    needs = tuple(len(shape) > 0 for shape in shapes)
    kernels = [replace(kernel, phase="backward", target=-1) for kernel in backward(case, needs)]
    if part != "backward":
        kernels = [kernel for kernel in kernels if _of_weights(kernel) == (part == "weights")]
    if not kernels:
        raise Unsupported(f"{op} launches no kernel in its {part} part")
    return kernels


def _of_weights(kernel: Kernel) -> bool:
    return kernel.op.endswith("_backward_weight") or kernel.op == "bias_backward"
