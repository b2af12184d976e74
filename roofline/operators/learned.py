"""Which kernels do learned input tensors launch, and sums of rows of large tables?"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from roofline.core.schedule import Kernel
from roofline.core.workload import Tensor
from roofline.errors import UsageError
from roofline.operators.attributes import Attributes, Parameter, flag
from roofline.operators.case import Case, Needs, no_kernels, saves_inputs
from roofline.operators.elementwise import sum_back
from roofline.operators.moving import rows_backward
from roofline.operators.operator import Inferred, Operator, Weight, dims


def _parameter_shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    shape = attributes.sizes("shape")
    return Inferred((shape,), (Weight("weight", shape),))


def _nothing(case: Case) -> list[Kernel]:
    """It is in memory already."""
    return []


def _expand_shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    shape, wanted = inputs[0].shape, attributes.sizes("shape")
    padded = (1,) * (len(wanted) - len(shape)) + shape
    if len(padded) != len(wanted) or any(old not in (1, new) for old, new in zip(padded, wanted, strict=True)):
        raise UsageError(f"expand: {dims(shape)} cannot expand to {dims(wanted)}; only a size of 1 expands")
    return Inferred((wanted,), dtype=inputs[0].dtype)


def _expand_backward(case: Case, needs: Needs) -> list[Kernel]:
    """The sum of the gradient over the expanded dimensions."""
    x, y = case.inputs[0], case.result
    if x.elements == y.elements or not needs[0]:
        return []
    return [sum_back(case, 0)]


def _bag_shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    ids = inputs[0]
    if ids.dtype.kind != "int" or len(ids.shape) < 2:
        raise UsageError(f"embedding_bag takes integer ids (..., ids of a bag), not {ids.dtype.name} {dims(ids.shape)}")
    features = attributes.whole("features")
    return Inferred(((*ids.shape[:-1], features),), (Weight("weight", (attributes.whole("entries"), features)),))


def _bag_kernels(case: Case) -> list[Kernel]:
    """``m`` rows of ``k`` elements from a table of ``n`` rows, summed by bag: bags x (rows - 1) x k FLOP."""
    ids, table = case.inputs[0], case.weights[0]
    bags, rows = prod(ids.shape[:-1]), ids.shape[-1]
    entries, features = table.shape
    return [
        case.kernel(
            "embedding",
            kind="gather",
            m=bags * rows,
            n=entries,
            k=features,
            flops=float(bags * (rows - 1) * features),
            reads=ids.bytes,
            weights=min(bags * rows, entries) * features * table.dtype.bytes,
        )
    ]


LEARNED = (
    Operator(
        "parameter",
        "-> shape: a learned tensor, such as a class token or position embeddings",
        (0, 0),
        _parameter_shapes,
        _nothing,
        (Parameter("shape", "sizes", "shape of the tensor"),),
        backward=no_kernels,
    ),
    Operator(
        "expand",
        "repeats the elements along dimensions of size 1, no copy",
        (1, 1),
        _expand_shapes,
        _nothing,
        (Parameter("shape", "sizes", "the new shape"),),
        backward=_expand_backward,
    ),
    Operator(
        "embedding_bag",
        "ids (..., rows) -> (..., features): sums of rows of an embedding table",
        (1, 1),
        _bag_shapes,
        _bag_kernels,
        (
            Parameter("entries", "whole", "number of rows of the table"),
            Parameter("features", "whole", "length of a row"),
            flag("sparse", False, "the gradient has only the rows that were used"),
        ),
        indices=(0,),
        backward=rows_backward,
        saves=saves_inputs,
    ),
)
