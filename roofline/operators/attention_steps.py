"""Which kernels does attention launch in eager code? Two batched GEMMs, and steps over the scores between them::

    copies of q, k and v | GEMM | scale | mask | softmax | dropout | GEMM | copy of the result

As Hugging Face's ``eager`` attention. A copy is made where a row's heads are adjacent in storage (a transposed view)
and the batched GEMM needs them apart: of q, k, v for more than one sample, of the result always. Keys and values of
grouped heads are repeated for every query head. The backward reverses each step.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from roofline.core.schedule import Kernel
from roofline.operators.case import Case, Saved
from roofline.operators.dropout import DROPOUT_FLOPS, MASK_BYTES, rarity
from roofline.operators.rowwise import SOFTMAX_FLOPS, SOFTMAX_PASSES

SOFTMAX_BACKWARD_FLOPS = 4.0
"""FLOP per score: times the gradient 1, sum 1, subtract 1, times the probability 1."""


@dataclass
class Steps:
    """The sizes of one attention, and its kernels in order; ``table`` is the bytes of all scores."""

    case: Case
    kernels: list[Kernel] = field(default_factory=list)

    def __post_init__(self) -> None:
        query, key, value = self.case.inputs
        self.batch, self.heads, self.queries, self.head = query.shape
        self.shared, self.keys, self.width = key.shape[1], key.shape[2], value.shape[3]
        self.groups = self.batch * self.heads
        self.scores = self.groups * self.queries * self.keys
        self.size = self.case.result.dtype.bytes
        self.table = self.scores * self.size
        self.rows = (
            self.groups * self.head * self.size * self.queries,
            self.groups * self.head * self.size * self.keys,
            self.groups * self.width * self.size * self.keys,
        )
        self.hidden = self.case.attributes.flag("causal") or self.case.attributes.whole("window") > 0
        self.dropped = self.case.training and self.case.attributes.whole("dropout") > 0
        self.next = self.case.temporary

    def temporary(self) -> int:
        self.next += 1
        return self.next - 1

    def bytes_of(self, index: int) -> float:
        """Bytes of q, k or v as the GEMMs read them: with a copy for every query head."""
        return self.rows[index]

    def apart(self, index: int) -> bool:
        """Whether heads and rows of an input are stored in another order than in its shape."""
        length = self.case.inputs[index].shape[2]
        return bool(self.case.swapped) and self.case.swapped[index] and self.heads > 1 and length > 1

    def copied(self, index: int) -> bool:
        """Whether the batched GEMM needs a copy of an input first."""
        return (self.apart(index) and self.batch > 1) or (index > 0 and self.shared < self.heads)

    @property
    def joined(self) -> bool:
        """Whether the result is copied, so that the heads of a row are adjacent."""
        return self.heads > 1 and self.queries > 1

    @property
    def mask_bytes(self) -> float:
        """One float per pair with causal padding, one per key with padding only, else one flag per pair."""
        if self.case.attributes.flag("padded"):
            return self.batch * (self.queries if self.hidden else 1) * self.keys * self.size
        return float(self.queries * self.keys)

    @property
    def masked(self) -> bool:
        return self.hidden or self.case.attributes.flag("padded")

    def add(self, kernel: Kernel) -> int:
        self.kernels.append(kernel)
        return kernel.target


def forward(case: Case) -> list[Kernel]:
    """The kernels in order; those over scores compute all B H S T of them."""
    s = Steps(case)
    query, key = _operand(s, 0), _operand(s, 1)
    place = s.add(
        case.kernel(
            "bmm",
            op="matmul",
            kind="matmul",
            batch=s.groups,
            m=s.queries,
            n=s.keys,
            k=s.head,
            elements=s.scores,
            flops=2.0 * s.scores * s.head,
            reads=s.bytes_of(0) + (s.bytes_of(1) if case.inputs[0].name != case.inputs[1].name else 0.0),
            writes=s.table,
            source=query,
            source2=key,
            target=s.temporary(),
        )
    )
    over_scores = [("scale", 0.0), ("mask", s.mask_bytes)] if s.masked else [("scale", 0.0)]
    for op, beside in over_scores:
        place = s.add(
            case.kernel(
                "elementwise",
                op=op,
                elements=s.scores,
                flops=float(s.scores),
                reads=s.table + beside,
                writes=s.table,
                source=place,
                source2=-1,
                target=s.temporary(),
            )
        )
    place = s.add(
        case.kernel(
            "softmax",
            op="softmax",
            m=s.groups * s.queries,
            k=s.keys,
            elements=s.scores,
            flops=SOFTMAX_FLOPS * s.scores,
            reads=s.table,
            writes=s.table,
            passes=SOFTMAX_PASSES,
            source=place,
            source2=-1,
            target=s.temporary(),
        )
    )
    if s.dropped:
        place = s.add(
            case.kernel(
                "elementwise",
                op="dropout",
                k=rarity(case.attributes.whole("dropout")),
                elements=s.scores,
                flops=DROPOUT_FLOPS * s.scores,
                reads=s.table,
                writes=s.table + MASK_BYTES * s.scores,
                source=place,
                source2=-1,
                target=s.temporary(),
            )
        )
    value = _operand(s, 2)
    place = s.add(
        case.kernel(
            "bmm",
            op="matmul",
            kind="matmul",
            batch=s.groups,
            m=s.queries,
            n=s.width,
            k=s.keys,
            flops=2.0 * s.scores * s.width,
            reads=s.table + s.bytes_of(2),
            source=place,
            source2=value,
            target=s.temporary() if s.joined else None,
        )
    )
    if s.joined:
        s.add(case.kernel("copy", op="copy", reads=case.result.bytes, source=place, source2=-1))
    return s.kernels


def _operand(s: Steps, index: int) -> int:
    """The tensor that the GEMM reads: q, k or v itself, or a copy of it."""
    if not s.copied(index):
        return index
    tensor, target = s.case.inputs[index], s.temporary()
    elements = round(s.bytes_of(index) / s.size)
    return s.add(
        s.case.kernel(
            "copy",
            op="copy",
            elements=elements,
            reads=tensor.bytes,
            writes=s.bytes_of(index),
            source=index,
            source2=-1,
            target=target,
        )
    )


def saves(case: Case) -> Saved:
    """q, k and v or their copies, and the probabilities; with dropout also the dropped probabilities and the mask."""
    s = Steps(case)
    copies = sum(s.bytes_of(index) for index in range(3) if s.copied(index))
    extra = s.table + (s.table + MASK_BYTES * s.scores if s.dropped else 0.0)
    return Saved(inputs=tuple(index for index in range(3) if not s.copied(index)), extra=extra + copies)


def backward(case: Case) -> list[Kernel]:
    """dV = P^T dO, dP = dO V^T, dS from dP and P, dK^T = Q^T dS, dQ = dS K, with the steps between reversed."""
    s = Steps(case)

    def bmm(m: int, n: int, k: int, reads: float, source: int) -> int:
        writes = s.groups * m * n * s.size
        return s.add(
            case.gradient(
                "bmm",
                op="matmul_backward",
                kind="matmul",
                batch=s.groups,
                m=m,
                n=n,
                k=k,
                elements=s.groups * m * n,
                flops=2.0 * s.groups * m * n * k,
                reads=reads,
                writes=writes,
                source=source,
                target=s.temporary(),
            )
        )

    def over_scores(op: str, flops: float, beside: float, source: int) -> int:
        return s.add(
            case.gradient(
                "elementwise",
                op=op,
                elements=s.scores,
                flops=flops * s.scores,
                reads=s.table + beside,
                writes=s.table,
                source=source,
                target=s.temporary(),
            )
        )

    given = -1
    if s.joined and s.batch > 1:
        size = case.result.bytes
        given = s.add(case.gradient("copy", op="copy", reads=size, writes=size, target=s.temporary()))
    result = s.groups * s.queries * s.width * s.size
    value = bmm(s.keys, s.width, s.queries, s.table + result, given)
    place = bmm(s.queries, s.keys, s.width, result + s.bytes_of(2), given)
    if s.dropped:
        place = over_scores("dropout_backward", DROPOUT_FLOPS, MASK_BYTES * s.scores, place)
    place = s.add(
        case.gradient(
            "softmax",
            op="softmax_backward",
            m=s.groups * s.queries,
            k=s.keys,
            elements=s.scores,
            flops=SOFTMAX_BACKWARD_FLOPS * s.scores,
            reads=2 * s.table,
            writes=s.table,
            passes=2.0,
            source=place,
            target=s.temporary(),
        )
    )
    if s.masked and not case.attributes.flag("padded"):  # the gradient passes an added mask
        place = over_scores("mask_backward", 1.0, s.mask_bytes, place)
    place = over_scores("scale_backward", 1.0, 0.0, place)
    key = bmm(s.head, s.keys, s.queries, s.table + s.bytes_of(0), place)
    query = bmm(s.queries, s.head, s.keys, s.table + s.bytes_of(1), place)
    for index, source in enumerate((query, key, value)):
        _given_back(s, index, source)
    return s.kernels


def _given_back(s: Steps, index: int, source: int) -> None:
    """The gradient of q, k or v, summed over heads that shared it and stored in the order of its rows."""
    tensor = s.case.inputs[index]
    times = s.heads // s.shared if index else 1
    if times > 1:
        elements = tensor.elements * times
        source = s.add(
            s.case.gradient(
                "reduction",
                op="sum_backward",
                m=tensor.elements,
                k=times,
                elements=elements,
                flops=float(elements),
                reads=s.bytes_of(index),
                writes=tensor.bytes,
                source=source,
                target=s.temporary() if s.apart(index) else index,
            )
        )
    turned = index == 1 and times == 1 and s.batch == 1  # dK^T of one sample: the next GEMM reads it in this order
    if s.apart(index) and not turned:
        size = tensor.bytes
        moved: dict[str, Any] = {"reads": size, "writes": size, "source": source, "target": index}
        s.add(s.case.gradient("copy", op="copy", elements=tensor.elements, **moved))
