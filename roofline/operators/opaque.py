"""Work that is no net: so many operations, so many bytes, as an author counted them.

Nothing inside is known, so nothing but the totals can bound it. Hashes are the example.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from roofline.core.dtype import dtype
from roofline.core.schedule import Kernel
from roofline.core.workload import Tensor
from roofline.errors import UsageError
from roofline.operators.attributes import Attributes, Parameter, flag
from roofline.operators.case import Case, Needs, Saved
from roofline.operators.constants import BITS, whole
from roofline.operators.operator import Inferred, Operator

WHOLE = dtype("int32")


def _shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    if attributes.whole("access") and not attributes.has("reads"):
        raise UsageError("opaque: access is the size of each scattered read; say with reads how many bytes in all")
    whole = attributes.flag("integer")
    return Inferred((attributes.sizes("shape"),), dtype=WHOLE if whole else None)


def _kernels(case: Case) -> list[Kernel]:
    """One kernel; it reads its inputs and writes its result unless told otherwise.

    With ``access`` it gathers ``m`` pieces of so many bytes (``k``) from anywhere in its inputs.
    """
    given, access = case.attributes, case.attributes.whole("access")
    kernel = case.kernel(
        "opaque",
        kind="gather" if access else "opaque",
        flops=float(given.whole("operations")),
        reads=float(given.whole("reads")) if given.has("reads") else None,
        writes=float(given.whole("writes")) if given.has("writes") else None,
    )
    if access:
        kernel = replace(kernel, m=max(1, given.whole("reads") // access), k=access, itemsize=1.0)
    return [replace(kernel, precision=WHOLE.name) if given.flag("integer") else kernel]


def _uncovered_shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    return Inferred((attributes.sizes("shape"),), dtype=whole(attributes))


def _uncovered_kernels(case: Case) -> list[Kernel]:
    """What it reads and writes at least; its operations are not known."""
    return [case.kernel("uncovered", kind="opaque", source=0 if case.inputs else -1)]


def _uncovered_saves(case: Case) -> Saved:
    """Everything it read and made: nobody knows less."""
    return Saved(inputs=tuple(range(len(case.inputs))), outputs=(0,))


def _uncovered_backward(case: Case, needs: Needs) -> list[Kernel]:
    """As visible as the forward: reads dY, inputs and result, writes a gradient of every input."""
    writes = sum(tensor.bytes for tensor, need in zip(case.inputs, needs, strict=True) if need)
    reads = 2 * case.result.bytes + case.read_bytes
    return [case.gradient("uncovered", kind="opaque", reads=reads, writes=writes)] if writes else []


OPAQUE = (
    Operator(
        "uncovered",
        "(...) -> shape: an operation nobody has a formula for; counted are the bytes it must move, no operations",
        (0, 64),
        _uncovered_shapes,
        _uncovered_kernels,
        (Parameter("shape", "sizes", "of the result"), BITS),
        backward=_uncovered_backward,
        saves=_uncovered_saves,
    ),
    Operator(
        "opaque",
        "(...) -> shape: so many operations and bytes, in a way not described",
        (1, 64),
        _shapes,
        _kernels,
        (
            Parameter("operations", "whole", "how many in all", low=0),
            Parameter("reads", "whole", "bytes read in all (the inputs if not given)", low=0, optional=True),
            Parameter("writes", "whole", "bytes written in all (the result if not given)", low=0, optional=True),
            Parameter("access", "whole", "bytes of each scattered read; 0 where reading is orderly", 0, low=0),
            Parameter("shape", "sizes", "of the result", (1,)),
            flag("integer", False, "operations on 32-bit whole numbers"),
        ),
    ),
)
