"""Tensors that nobody hands in: filled on the spot, kept with the net, or made beside another result."""

from __future__ import annotations

from collections.abc import Sequence

from roofline.core.dtype import DType, dtype
from roofline.core.schedule import Kernel
from roofline.core.workload import Tensor
from roofline.errors import UsageError
from roofline.operators.attributes import Attributes, Parameter, flag
from roofline.operators.case import Case, Needs, no_kernels
from roofline.operators.operator import Inferred, Operator, Weight

_WHOLE = {64: dtype("int64"), 32: dtype("int32"), 16: dtype("int16"), 8: dtype("int8"), 1: dtype("bool")}


def whole(attributes: Attributes) -> DType | None:
    """The format that ``whole_bits`` means; ``None`` is the net's own."""
    bits = attributes.whole("whole_bits")
    if bits and bits not in _WHOLE:
        raise UsageError(f"whole_bits is {bits}; write 64, 32, 16, 8, 1 (bool), or 0 for the net's own format")
    return _WHOLE[bits] if bits else None


def _shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    return Inferred((attributes.sizes("shape"),), dtype=whole(attributes))


def _buffer_shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    shape = attributes.sizes("shape")
    return Inferred((shape,), (Weight("state", shape, "state"),), whole(attributes))


def _convert_shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    return Inferred((inputs[0].shape,), dtype=whole(attributes))


def _nothing(case: Case) -> list[Kernel]:
    return []


def _fill_kernels(case: Case) -> list[Kernel]:
    """Every element is written; numbers that count up or are drawn take one operation each, nothing is read."""
    flops = float(case.result.elements) if case.attributes.flag("counted") else 0.0
    return [case.kernel("elementwise", flops=flops, reads=0.0, source=-1, source2=-1)]


def _convert_kernels(case: Case) -> list[Kernel]:
    return [case.kernel("copy")]


def _convert_backward(case: Case, needs: Needs) -> list[Kernel]:
    """Whole numbers have no gradient; others are converted back."""
    if case.result.dtype.kind == "int" or not needs[0]:
        return []
    return [case.gradient("copy", reads=case.result.bytes, writes=case.inputs[0].bytes, target=0)]


def _cut_backward(case: Case, needs: Needs) -> list[Kernel]:
    """The gradient of what a view shows is put into zeros of the whole."""
    x = case.inputs[0]
    moved = x.bytes + case.result.bytes
    return [case.gradient("copy", reads=case.result.bytes, writes=moved, target=0)] if needs[0] else []


_SHAPE = Parameter("shape", "sizes", "its shape")
BITS = Parameter("whole_bits", "whole", "bits of whole numbers (1: truths); 0 is the net's own format", 0, low=0)

CONSTANTS = (
    Operator(
        "fill",
        "-> shape: a tensor written on the spot, of one number or of numbers that count up or are drawn",
        (0, 0),
        _shapes,
        _fill_kernels,
        (_SHAPE, BITS, flag("counted", False, "an operation for each element")),
        backward=no_kernels,
    ),
    Operator("blank", "-> shape: memory set aside", (0, 0), _shapes, _nothing, (_SHAPE, BITS), backward=no_kernels),
    Operator(
        "buffer",
        "-> shape: a tensor kept with the net and not trained",
        (0, 0),
        _buffer_shapes,
        _nothing,
        (_SHAPE, BITS),
        backward=no_kernels,
    ),
    Operator(
        "beside",
        "another result of the layer it reads, whose work is counted there",
        (1, 1),
        _shapes,
        _nothing,
        (_SHAPE, BITS),
        backward=no_kernels,
    ),
    Operator(
        "strided",
        "a view of the same storage in strides of its own, no copy",
        (1, 1),
        lambda inputs, attributes: Inferred((attributes.sizes("shape"),), dtype=inputs[0].dtype),
        _nothing,
        (_SHAPE,),
        backward=_cut_backward,
    ),
    Operator(
        "convert",
        "(...) -> same: in another number format",
        (1, 1),
        _convert_shapes,
        _convert_kernels,
        (BITS,),
        backward=_convert_backward,
    ),
)
