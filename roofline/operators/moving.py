"""Which kernels only move data: table lookups and copies? A view moves nothing.

A view has no kernel: its output shares the storage of its input (:data:`roofline.core.workload.VIEWS`).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from roofline.core.schedule import Kernel
from roofline.core.workload import Tensor
from roofline.errors import UsageError
from roofline.operators.attributes import Attributes, Parameter
from roofline.operators.case import Case, Needs, no_kernels, saves_inputs
from roofline.operators.operator import Inferred, Operator, Shape, Weight, dims


def _embedding_shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    if inputs[0].dtype.kind != "int":
        raise UsageError(f"embedding takes integer ids, not {inputs[0].dtype.name}")
    features = attributes.whole("features")
    table = Weight("weight", (attributes.whole("entries"), features))
    return Inferred(((*inputs[0].shape, features),), (table,))


def _embedding_kernels(case: Case) -> list[Kernel]:
    """``m`` rows of ``k`` elements from a table of ``n`` rows: reads ids and the named rows, at most the
    whole table.
    """
    table = case.weights[0]
    m, k = case.inputs[0].elements, case.attributes.whole("features")
    rows_bytes = min(m, table.shape[0]) * k * table.dtype.bytes
    kernel = case.kernel(
        "embedding",
        kind="gather",
        m=m,
        n=table.shape[0],
        k=k,
        reads=case.inputs[0].bytes,
        weights=rows_bytes,
    )
    return [kernel]


def rows_backward(case: Case, needs: Needs) -> list[Kernel]:
    """Rows of dY added to those of a table: into zeros of its size, or as a list of rows (``sparse``)."""
    table, ids = case.weights[0], case.inputs[0]
    elements = ids.elements * table.shape[1]
    added = elements * table.dtype.bytes
    sparse = case.attributes.flag("sparse")
    return [
        case.gradient(
            "embedding",
            kind="gather",
            m=ids.elements,
            n=table.shape[0],
            k=table.shape[1],
            elements=elements,
            flops=0.0 if sparse else float(elements),
            reads=ids.bytes + case.result.bytes,
            writes=added if sparse else table.bytes + min(added, table.bytes),
        )
    ]


def _cut_backward(case: Case, needs: Needs) -> list[Kernel]:
    """The gradient of a part is copied into zeros of the whole. (Slices with one source: see training.)"""
    x = case.inputs[0]
    return [case.gradient("copy", reads=case.result.bytes, writes=x.bytes + case.result.bytes, target=0)]


def _copy_shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    return Inferred((inputs[0].shape,), dtype=inputs[0].dtype)


def _copy_kernels(case: Case) -> list[Kernel]:
    return [case.kernel("copy")]


def _cast_shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    return Inferred((inputs[0].shape,))


def _cast_backward(case: Case, needs: Needs) -> list[Kernel]:
    """The gradient is cast back."""
    return [case.gradient("copy", reads=case.result.bytes, writes=case.inputs[0].bytes, target=0)]


def _swap_shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    shape = inputs[0].shape
    if len(shape) < 2:
        raise UsageError(f"transpose_copy takes (..., m, n), not {dims(shape)}")
    return Inferred(((*shape[:-2], shape[-1], shape[-2]),), dtype=inputs[0].dtype)


def _swap_kernels(case: Case) -> list[Kernel]:
    """``batch`` matrices of m x n, each written as n x m."""
    *leading, m, n = case.inputs[0].shape
    return [case.kernel("copy", batch=prod(leading), m=m, n=n)]


def _concat_shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    first = inputs[0].shape
    dim = _dimension("concat", attributes.whole("dim"), first)
    for tensor in inputs[1:]:
        rest = (tensor.shape[:dim], tensor.shape[dim + 1 :])
        if len(tensor.shape) != len(first) or rest != (first[:dim], first[dim + 1 :]):
            raise UsageError(f"concat along {dim}: {dims(tensor.shape)} does not fit {dims(first)}")
    total = sum(tensor.shape[dim] for tensor in inputs)
    return Inferred(((*first[:dim], total, *first[dim + 1 :]),), dtype=inputs[0].dtype)


def _view_shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    shape = attributes.sizes("shape")
    known = prod(size for size in shape if size != -1)
    if shape.count(-1) > 1 or any(size < 1 and size != -1 for size in shape):
        raise UsageError(f"view: {dims(shape)} may hold sizes and at most one -1")
    have = inputs[0].elements
    if (-1 in shape and have % known) or (-1 not in shape and have != known):
        raise UsageError(f"view: {dims(inputs[0].shape)} ({have} elements) cannot be viewed as {dims(shape)}")
    return Inferred((tuple(have // known if size == -1 else size for size in shape),), dtype=inputs[0].dtype)


def _transpose_shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    shape, order = inputs[0].shape, attributes.sizes("dims")
    if sorted(order) != list(range(len(shape))):
        raise UsageError(f"transpose: dims {list(order)} is not a permutation of the dimensions of {dims(shape)}")
    return Inferred((tuple(shape[index] for index in order),), dtype=inputs[0].dtype)


def _select_shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    shape = inputs[0].shape
    dim, index = _dimension("select", attributes.whole("dim"), shape), attributes.whole("index")
    if not -shape[dim] <= index < shape[dim]:
        raise UsageError(f"select: index {index} lies outside dimension {dim} of {dims(shape)}")
    return Inferred((shape[:dim] + shape[dim + 1 :],), dtype=inputs[0].dtype)


def _slice_shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    shape = inputs[0].shape
    dim, start, length = (attributes.whole(name) for name in ("dim", "start", "length"))
    dim = _dimension("slice", dim, shape)
    if start + length > shape[dim]:
        raise UsageError(f"slice: {start} to {start + length} lies outside dimension {dim} of {dims(shape)}")
    return Inferred(((*shape[:dim], length, *shape[dim + 1 :]),), dtype=inputs[0].dtype)


def _dimension(name: str, dim: int, shape: Shape) -> int:
    if not -len(shape) <= dim < len(shape):
        raise UsageError(f"{name}: {dims(shape)} has no dimension {dim}")
    return dim % len(shape)


def _nothing(case: Case) -> list[Kernel]:
    """A view moves no data."""
    return []


_DIM = Parameter("dim", "whole", "the dimension (negative: from the end)", low=None)

MOVING = (
    Operator(
        "embedding",
        "ids (...) -> (..., features): rows of an embedding table",
        (1, 1),
        _embedding_shapes,
        _embedding_kernels,
        (
            Parameter("entries", "whole", "number of rows of the table"),
            Parameter("features", "whole", "length of a row"),
        ),
        indices=(0,),
        backward=rows_backward,
        saves=saves_inputs,
    ),
    Operator("copy", "a contiguous copy", (1, 1), _copy_shapes, _copy_kernels, backward=no_kernels),
    Operator(
        "cast",
        "the same values in the dtype of the network",
        (1, 1),
        _cast_shapes,
        _copy_kernels,
        backward=_cast_backward,
    ),
    Operator(
        "transpose_copy", "(..., m, n) -> (..., n, m), copied", (1, 1), _swap_shapes, _swap_kernels, backward=no_kernels
    ),
    Operator(
        "concat",
        "joins tensors along a dimension",
        (1, 4096),
        _concat_shapes,
        _copy_kernels,
        (_DIM,),
        backward=no_kernels,
    ),
    Operator(
        "view",
        "the same elements in another shape, no copy",
        (1, 1),
        _view_shapes,
        _nothing,
        (Parameter("shape", "sizes", "the new shape; one size can be -1", low=-1),),
        backward=no_kernels,
    ),
    Operator(
        "transpose",
        "changes the order of the dimensions, no copy",
        (1, 1),
        _transpose_shapes,
        _nothing,
        (Parameter("dims", "sizes", "the old dimensions in their new order", low=0),),
        backward=no_kernels,
    ),
    Operator(
        "select",
        "one index along a dimension, no copy",
        (1, 1),
        _select_shapes,
        _nothing,
        (_DIM, Parameter("index", "whole", "the index (negative: from the end)", low=None)),
        backward=_cut_backward,
    ),
    Operator(
        "slice",
        "a range along a dimension, no copy",
        (1, 1),
        _slice_shapes,
        _nothing,
        (_DIM, Parameter("start", "whole", "first index", low=0), Parameter("length", "whole", "number of indices")),
        backward=_cut_backward,
    ),
)
