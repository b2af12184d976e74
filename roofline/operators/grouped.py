"""Which kernels does a grouped matrix multiplication (GEMM) launch: sorted rows, each group with its own matrix?

How many rows a group has depends on data; they are spread evenly here. With fewer rows than groups, as when a mixture
of experts decodes, each row is a group of its own and the matrices of the other groups are not read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from roofline.core.schedule import Kernel
from roofline.core.workload import Tensor
from roofline.errors import UsageError
from roofline.operators.attributes import Attributes
from roofline.operators.case import Case, Needs, saves_inputs
from roofline.operators.operator import Inferred, Operator, dims


def _shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    left, right = inputs[0].shape, inputs[1].shape
    if len(left) != 2 or len(right) != 3 or left[1] != right[1]:
        raise UsageError(f"grouped_matmul takes (rows, k) and (groups, k, n), not {dims(left)} and {dims(right)}")
    return Inferred(((left[0], right[2]),))


@dataclass(frozen=True)
class _Work:
    """``busy`` groups of ``m`` rows; ``read`` bytes of their matrices [B]."""

    rows: int
    k: int
    n: int
    busy: int
    read: float

    @classmethod
    def of(cls, case: Case) -> _Work:
        (rows, k), (groups, _, n) = case.inputs[0].shape, case.inputs[1].shape
        busy = min(groups, rows)
        return cls(rows, k, n, busy, case.inputs[1].bytes * busy / groups)

    @property
    def m(self) -> int:
        return -(-self.rows // self.busy)

    @property
    def flops(self) -> float:
        """``2 rows k n`` [FLOP], without padding of uneven groups."""
        return 2.0 * self.rows * self.k * self.n


def _kernels(case: Case) -> list[Kernel]:
    """One launch for all groups: 2 rows k n FLOP; reads all rows and the matrices of busy groups."""
    work = _Work.of(case)
    return [
        case.kernel(
            "bmm",
            kind="matmul",
            batch=work.busy,
            m=work.m,
            n=work.n,
            k=work.k,
            flops=work.flops,
            reads=case.inputs[0].bytes + work.read,
        )
    ]


def _backward(case: Case, needs: Needs) -> list[Kernel]:
    """dA = dC B^T and dB = A^T dC of every group: 2 rows k n FLOP each; idle groups get zeros."""
    work, (left, right), y = _Work.of(case), case.inputs[:2], case.result
    kernels = []
    for place, own, reads, (m, n, k) in (
        (0, left, y.bytes + work.read, (work.m, work.k, work.n)),
        (1, right, y.bytes + left.bytes, (work.k, work.n, work.m)),
    ):
        if needs[place]:
            kernels.append(
                case.gradient(
                    "bmm",
                    kind="matmul",
                    batch=work.busy,
                    m=m,
                    n=n,
                    k=k,
                    elements=own.elements,
                    flops=work.flops,
                    reads=reads,
                    writes=own.bytes,
                )
            )
    return kernels


GROUPED = (
    Operator(
        "grouped_matmul",
        "(rows, k) and (groups, k, n) -> (rows, n): sorted rows, each group multiplied by its own matrix",
        (2, 2),
        _shapes,
        _kernels,
        backward=_backward,
        saves=saves_inputs,
        autocast="low",
    ),
)
