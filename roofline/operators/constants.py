"""Which tensors come from no input? Those that are filled, stored with the network, or made beside another result."""

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
    """The format that ``whole_bits`` means; ``None`` is the format of the network."""
    bits = attributes.whole("whole_bits")
    if bits and bits not in _WHOLE:
        raise UsageError(f"whole_bits is {bits}; write 64, 32, 16, 8, 1 (bool), or 0 for the dtype of the network")
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
    """Every element is written; counting or random numbers take 1 FLOP each; nothing is read."""
    flops = float(case.result.elements) if case.attributes.flag("counted") else 0.0
    return [case.kernel("elementwise", flops=flops, reads=0.0, source=-1, source2=-1)]


def _convert_kernels(case: Case) -> list[Kernel]:
    return [case.kernel("copy")]


def _convert_backward(case: Case, needs: Needs) -> list[Kernel]:
    """Integers have no gradient; other numbers are converted back."""
    if case.result.dtype.kind == "int" or not needs[0]:
        return []
    return [case.gradient("copy", reads=case.result.bytes, writes=case.inputs[0].bytes, target=0)]


def _cut_backward(case: Case, needs: Needs) -> list[Kernel]:
    """The gradient of a slice is copied into zeros of the whole."""
    x = case.inputs[0]
    moved = x.bytes + case.result.bytes
    return [case.gradient("copy", reads=case.result.bytes, writes=moved, target=0)] if needs[0] else []


_SHAPE = Parameter("shape", "sizes", "its shape")
BITS = Parameter("whole_bits", "whole", "bits per integer element (1: boolean); 0: the dtype of the network", 0, low=0)

CONSTANTS = (
    Operator(
        "fill",
        "-> shape: a new tensor filled with a constant, a range or random values",
        (0, 0),
        _shapes,
        _fill_kernels,
        (_SHAPE, BITS, flag("counted", False, "counts one operation per element")),
        backward=no_kernels,
    ),
    Operator(
        "blank",
        "-> shape: a new tensor that is not written",
        (0, 0),
        _shapes,
        _nothing,
        (_SHAPE, BITS),
        backward=no_kernels,
    ),
    Operator(
        "buffer",
        "-> shape: a constant tensor stored with the network (a buffer in PyTorch)",
        (0, 0),
        _buffer_shapes,
        _nothing,
        (_SHAPE, BITS),
        backward=no_kernels,
    ),
    Operator(
        "beside",
        "a further result of the layer it reads; the work is counted in that layer",
        (1, 1),
        _shapes,
        _nothing,
        (_SHAPE, BITS),
        backward=no_kernels,
    ),
    Operator(
        "strided",
        "a view of the same storage with other strides, no copy",
        (1, 1),
        lambda inputs, attributes: Inferred((attributes.sizes("shape"),), dtype=inputs[0].dtype),
        _nothing,
        (_SHAPE,),
        backward=_cut_backward,
    ),
    Operator(
        "convert",
        "(...) -> same: the same values in another number format",
        (1, 1),
        _convert_shapes,
        _convert_kernels,
        (BITS,),
        backward=_convert_backward,
    ),
)
