"""Which kernels move data by index: gather, scatter, padding, reordering?"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from roofline.core.schedule import Kernel
from roofline.core.workload import Tensor
from roofline.errors import UsageError
from roofline.operators.attributes import Attributes, Parameter, flag
from roofline.operators.case import Case, Needs, Saved
from roofline.operators.elementwise import sum_back
from roofline.operators.operator import Inferred, Operator, dims
from roofline.units import plural


def _index_bytes(case: Case) -> float:
    return sum(tensor.bytes for tensor in case.inputs[1:] if tensor.dtype.kind == "int")


def _gather_shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    shape, piece = attributes.sizes("shape"), attributes.whole("piece")
    if prod(shape) % piece:
        raise UsageError(f"gather: {dims(shape)} is not a multiple of pieces of {plural(piece, 'element')}")
    return Inferred((shape,), dtype=inputs[0].dtype if inputs[0].dtype.kind == "int" else None)


def _pieces(case: Case, elements: int) -> dict[str, Any]:
    """``m`` pieces of ``k`` numbers out of ``n``, as in the kernels of lookup tables."""
    piece = case.attributes.whole("piece")
    return {"m": elements // piece, "n": max(1, case.inputs[0].elements // piece), "k": piece}


def _gather_kernels(case: Case) -> list[Kernel]:
    """Reads the indices and the elements they point at, writes as much; a repeated index may be read twice."""
    y = case.result
    reads = _index_bytes(case) + min(y.bytes, case.inputs[0].bytes)
    return [case.kernel("embedding", kind="gather", reads=reads, **_pieces(case, y.elements))]


def _gather_saves(case: Case) -> Saved:
    """The indices."""
    return Saved(inputs=tuple(range(1, len(case.inputs))))


def _gather_backward(case: Case, needs: Needs) -> list[Kernel]:
    """Zeros of the whole, and every dY added at its index."""
    x, y = case.inputs[0], case.result
    return [
        case.gradient(
            "embedding",
            kind="gather",
            elements=y.elements,
            flops=float(y.elements),
            reads=y.bytes + _index_bytes(case),
            writes=x.bytes + min(y.bytes, x.bytes),
            **_pieces(case, y.elements),
        )
    ]


def _same_shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    return Inferred((inputs[0].shape,), dtype=inputs[0].dtype)


def _moved(case: Case) -> Tensor:
    """The written values: the last input of the first one's kind, or the first where there is none."""
    return next((t for t in reversed(case.inputs[1:]) if t.dtype.kind == case.inputs[0].dtype.kind), case.inputs[-1])


def _scatter_kernels(case: Case) -> list[Kernel]:
    """Out of place a copy first; then the values are written (or added) at the indices."""
    x, source = case.inputs[0], _moved(case)
    adds = case.attributes.flag("add")
    put = case.kernel(
        "embedding",
        kind="gather",
        elements=source.elements,
        flops=float(source.elements) if adds else 0.0,
        reads=source.bytes * (2 if adds else 1) + _index_bytes(case),
        writes=source.bytes,
        **_pieces(case, source.elements - source.elements % case.attributes.whole("piece")),
    )
    if case.attributes.flag("inplace"):
        return [put]
    return [case.kernel("copy", op="copy", reads=x.bytes, source2=-1), put]


def _scatter_backward(case: Case, needs: Needs) -> list[Kernel]:
    """dX is dY (with zeros where it was replaced); the gradient of the values is dY at the indices."""
    x, source = case.inputs[0], _moved(case)
    kernels = []
    if needs[0] and not case.attributes.flag("add"):
        kernels.append(case.gradient("copy", reads=case.result.bytes, writes=x.bytes, target=0))
    if needs[-1]:
        kernels.append(
            case.gradient(
                "embedding",
                kind="gather",
                elements=source.elements,
                reads=source.bytes + _index_bytes(case),
                writes=source.bytes,
                **_pieces(case, source.elements - source.elements % case.attributes.whole("piece")),
            )
        )
    return kernels


def _overwrite_kernels(case: Case) -> list[Kernel]:
    """A copy of the second input into a part of the first; nothing where another kernel wrote there."""
    if not case.attributes.flag("moved"):
        return []
    part = case.attributes.whole("elements") * case.result.dtype.bytes
    source = case.inputs[1]
    return [case.kernel("copy", elements=case.attributes.whole("elements"), reads=source.bytes, writes=part)]


def _overwrite_backward(case: Case, needs: Needs) -> list[Kernel]:
    """A copy of dY with zeros in the overwritten part for the first input, that part of dY for the second."""
    x, source = case.inputs[0], case.inputs[1]
    kernels = [case.gradient("copy", reads=case.result.bytes, writes=x.bytes, target=0)] if needs[0] else []
    if needs[1]:
        kernels.append(
            case.gradient("copy", elements=source.elements, reads=source.bytes, writes=source.bytes, target=1)
        )
    return kernels


def _shaped(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    return Inferred((attributes.sizes("shape"),), dtype=inputs[0].dtype)


def _pad_shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    shape = attributes.sizes("shape")
    if len(shape) != len(inputs[0].shape):
        raise UsageError(f"pad: {dims(inputs[0].shape)} cannot be padded to {dims(shape)}")
    return Inferred((shape,), dtype=inputs[0].dtype)


def _copy_kernels(case: Case) -> list[Kernel]:
    """The input is read once and the result is written."""
    return [case.kernel("copy")]


def _copy_backward(case: Case, needs: Needs) -> list[Kernel]:
    """dY is brought back into the old order; gradients of a repeated number are added."""
    x, y = case.inputs[0], case.result
    if y.elements <= x.elements or case.node.op == "pad":
        return [case.gradient("copy", reads=min(x.bytes, y.bytes), writes=x.bytes, target=0)]
    return [sum_back(case, 0)]


_SHAPE = Parameter("shape", "sizes", "shape of the result")
_PIECE = Parameter("piece", "whole", "number of contiguous elements moved together", 1)
_INPLACE = flag("inplace", False, "the result overwrites the first input")

INDEXING = (
    Operator(
        "gather",
        "elements or rows of the first input, selected by indices in the others",
        (2, 9),
        _gather_shapes,
        _gather_kernels,
        (_SHAPE, _PIECE),
        backward=_gather_backward,
        saves=_gather_saves,
    ),
    Operator(
        "scatter",
        "the first input, with elements written (or added) at given indices",
        (2, 9),
        _same_shapes,
        _scatter_kernels,
        (_PIECE, flag("add", False, "adds to the existing elements"), _INPLACE),
        backward=_scatter_backward,
        saves=_gather_saves,
    ),
    Operator(
        "overwrite",
        "the first input, with a part of it replaced by the second",
        (2, 2),
        _same_shapes,
        _overwrite_kernels,
        (
            Parameter("elements", "whole", "number of elements replaced"),
            flag("inplace", True, "the other elements are not copied"),
            flag("moved", True, "the second input is copied; false: the kernel that made it wrote into the first"),
        ),
        backward=_overwrite_backward,
    ),
    Operator(
        "pad",
        "pads or crops the input, copied",
        (1, 1),
        _pad_shapes,
        _copy_kernels,
        (_SHAPE,),
        backward=_copy_backward,
    ),
    Operator(
        "rearrange",
        "the same elements in another order or repeated, copied",
        (1, 1),
        _shaped,
        _copy_kernels,
        (_SHAPE,),
        backward=_copy_backward,
    ),
)
