"""Learned tensors that are no one's weight but data themselves, and sums of rows of large tables."""

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
    """It lies in memory already."""
    return []


def _expand_shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    shape, wanted = inputs[0].shape, attributes.sizes("shape")
    padded = (1,) * (len(wanted) - len(shape)) + shape
    if len(padded) != len(wanted) or any(old not in (1, new) for old, new in zip(padded, wanted, strict=True)):
        raise UsageError(f"expand: {dims(shape)} does not spread over {dims(wanted)}; only a size of 1 grows")
    return Inferred((wanted,), dtype=inputs[0].dtype)


def _expand_backward(case: Case, needs: Needs) -> list[Kernel]:
    """The sum of the gradient over what the tensor was spread over."""
    x, y = case.inputs[0], case.result
    if x.elements == y.elements or not needs[0]:
        return []
    return [sum_back(case, 0)]


def _bag_shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    ids = inputs[0]
    if ids.dtype.kind != "int" or len(ids.shape) < 2:
        raise UsageError(
            f"embedding_bag takes row numbers (..., rows of a bag), not {ids.dtype.name} {dims(ids.shape)}"
        )
    features = attributes.whole("features")
    return Inferred(((*ids.shape[:-1], features),), (Weight("weight", (attributes.whole("entries"), features)),))


def _bag_kernels(case: Case) -> list[Kernel]:
    """``m`` rows of ``k`` out of a table of ``n``, those of a bag added up: bags x (rows - 1) x k additions."""
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
        "-> shape: a learned tensor as it is, such as a class token or positions",
        (0, 0),
        _parameter_shapes,
        _nothing,
        (Parameter("shape", "sizes", "its shape"),),
        backward=no_kernels,
    ),
    Operator(
        "expand",
        "the same elements again and again along dimensions of size 1, no copy",
        (1, 1),
        _expand_shapes,
        _nothing,
        (Parameter("shape", "sizes", "the new shape"),),
        backward=_expand_backward,
    ),
    Operator(
        "embedding_bag",
        "ids (..., rows) -> (..., features): sums of rows of a table",
        (1, 1),
        _bag_shapes,
        _bag_kernels,
        (
            Parameter("entries", "whole", "rows of the table"),
            Parameter("features", "whole", "length of a row"),
            flag("sparse", False, "gradients are rows, not a whole table"),
        ),
        indices=(0,),
        backward=rows_backward,
        saves=saves_inputs,
    ),
)
