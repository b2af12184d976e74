"""How is work counted that is not a neural network? By the number of operations and bytes that its author states.

Nothing inside is known, so only the totals bound it. Hashes are an example.
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
        raise UsageError("opaque: access is the size of each scattered read; add reads, the total bytes read")
    whole = attributes.flag("integer")
    return Inferred((attributes.sizes("shape"),), dtype=WHOLE if whole else None)


def _kernels(case: Case) -> list[Kernel]:
    """One kernel; it reads its inputs and writes its result unless given otherwise.

    With ``access`` it gathers ``m`` pieces of ``k`` bytes from anywhere in its inputs.
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
    """The bytes that it reads and writes at least [B]; its operations are not known."""
    return [case.kernel("uncovered", kind="opaque", source=0 if case.inputs else -1)]


def _uncovered_saves(case: Case) -> Saved:
    """All inputs and outputs, since nothing less is known."""
    return Saved(inputs=tuple(range(len(case.inputs))), outputs=(0,))


def _uncovered_backward(case: Case, needs: Needs) -> list[Kernel]:
    """As visible as the forward: reads dY, inputs and result; writes a gradient of every input."""
    writes = sum(tensor.bytes for tensor, need in zip(case.inputs, needs, strict=True) if need)
    reads = 2 * case.result.bytes + case.read_bytes
    return [case.gradient("uncovered", kind="opaque", reads=reads, writes=writes)] if writes else []


OPAQUE = (
    Operator(
        "uncovered",
        "(...) -> shape: an operation without a formula; counts the bytes it must move, but no operations",
        (0, 64),
        _uncovered_shapes,
        _uncovered_kernels,
        (Parameter("shape", "sizes", "shape of the result"), BITS),
        backward=_uncovered_backward,
        saves=_uncovered_saves,
    ),
    Operator(
        "opaque",
        "(...) -> shape: a given number of operations and bytes, such as a hash",
        (1, 64),
        _shapes,
        _kernels,
        (
            Parameter("operations", "whole", "total number of operations", low=0),
            Parameter("reads", "whole", "total bytes read (default: the inputs)", low=0, optional=True),
            Parameter("writes", "whole", "total bytes written (default: the result)", low=0, optional=True),
            Parameter("access", "whole", "bytes per random read; 0: sequential reads", 0, low=0),
            Parameter("shape", "sizes", "shape of the result", (1,)),
            flag("integer", False, "the operations are on 32-bit integers"),
        ),
    ),
)
