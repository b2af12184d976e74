"""Which kernels does a mixture of experts launch? A router sends each token to a few of many small networks.

All experts are parameters; only those that some token of the call was sent to are read. A router without preference
sends T tokens, to k experts each, on average to this many different ones of E experts::

    hit = E * (1 - (1 - k/E)^T)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from roofline.core.schedule import Kernel
from roofline.core.workload import Tensor
from roofline.errors import UsageError
from roofline.operators.attributes import Attributes, Parameter
from roofline.operators.case import Case, Needs, Saved
from roofline.operators.elementwise import UNARY_FLOPS
from roofline.operators.operator import Inferred, Operator, Weight, dims

INDEX_BYTES = 8.0
"""Size of an index among experts or tokens, int64 [B]."""


def _top_shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    shape, count = inputs[0].shape, attributes.whole("count")
    if not shape or count > shape[-1]:
        raise UsageError(f"topk: count is {count}, more than a row of {dims(shape)} has")
    return Inferred(((*shape[:-1], count),))


def _top_kernels(case: Case) -> list[Kernel]:
    """One comparison per element; writes the largest values of each row and their indices."""
    *leading, k = case.inputs[0].shape
    m, y = prod(leading), case.result
    writes = y.bytes + INDEX_BYTES * y.elements
    return [case.kernel("reduction", m=m, k=k, elements=m * k, flops=float(m * k), writes=writes)]


def _top_saves(case: Case) -> Saved:
    """The indices."""
    return Saved(extra=INDEX_BYTES * case.result.elements)


def _top_backward(case: Case, needs: Needs) -> list[Kernel]:
    """Zeros, then the gradients of the largest values at their indices."""
    x, y = case.inputs[0], case.result
    reads = y.bytes + INDEX_BYTES * y.elements
    return [
        case.gradient("elementwise", op="zeros", reads=0.0, writes=x.bytes),
        case.gradient("copy", elements=y.elements, reads=reads, writes=y.bytes),
    ]


def _shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    (*leading, features), scores = inputs[0].shape or (0,), inputs[1].shape
    experts, width = attributes.whole("experts"), attributes.whole("width")
    if scores[:-1] != tuple(leading) or not 1 <= (scores or (0,))[-1] <= experts:
        raise UsageError(
            f"experts takes tokens (..., features) and scores (..., k) with k of at most {experts}, "
            f"not {dims(inputs[0].shape)} and {dims(scores)}"
        )
    weights = (
        Weight("gate", (experts, width, features)),
        Weight("up", (experts, width, features)),
        Weight("down", (experts, features, width)),
    )
    return Inferred((inputs[0].shape,), weights)


@dataclass(frozen=True)
class _Work:
    """``pairs`` of a token and an expert; ``active`` experts have ``m`` pairs each, ``hit`` on average."""

    tokens: int
    features: int
    chosen: int
    experts: int
    width: int

    @classmethod
    def of(cls, case: Case) -> _Work:
        *leading, features = case.inputs[0].shape
        attributes = case.attributes
        sizes = attributes.whole("experts"), attributes.whole("width")
        return cls(prod(leading), features, case.inputs[1].shape[-1], *sizes)

    @property
    def pairs(self) -> int:
        return self.tokens * self.chosen

    @property
    def hit(self) -> float:
        """Expected number of different experts."""
        if self.chosen == self.experts:
            return float(self.experts)
        return self.experts * (1.0 - (1.0 - self.chosen / self.experts) ** self.tokens)

    @property
    def active(self) -> int:
        return max(1, round(self.hit))

    @property
    def m(self) -> int:
        return -(-self.pairs // self.active)

    @property
    def flops(self) -> float:
        """FLOP of one of the three GEMMs, without padding of the uneven shares."""
        return 2.0 * self.pairs * self.width * self.features


def _kernels(case: Case) -> list[Kernel]:
    """Gather the tokens of every expert, ``down(silu(gate x) * up x)`` in grouped GEMMs, add the results by score.

    One launch serves all experts. A loop over experts launches each step once per busy expert instead.
    """
    work, x, scores = _Work.of(case), case.inputs[0], case.inputs[1]
    size = case.result.dtype.bytes
    rows, inner = work.pairs * work.features * size, work.pairs * work.width * size
    inner_elements, row_elements = work.pairs * work.width, work.pairs * work.features
    # temporaries, numbered after two inputs and one output
    sorted_, gate, up, act, mixed, out = range(3, 9)

    def product(weight: Tensor, n: int, k: int, reads: float, writes: float, source: int, target: int) -> Kernel:
        return case.kernel(
            "linear",
            op="linear",
            kind="matmul",
            batch=work.active,
            m=work.m,
            n=n,
            k=k,
            elements=work.pairs * n,
            flops=work.flops,
            reads=reads,
            weights=case.stored(weight) * work.hit / work.experts,
            writes=writes,
            source=source,
            source2=-1,
            target=target,
        )

    def pointwise(op: str, flops: float, sources: tuple[int, int], target: int) -> Kernel:
        return case.kernel(
            "elementwise",
            op=op,
            elements=inner_elements,
            flops=flops * inner_elements,
            reads=inner * (1 if sources[1] < 0 else 2),
            weights=0.0,
            writes=inner,
            source=sources[0],
            source2=sources[1],
            target=target,
        )

    weights = case.weights
    return [
        case.kernel(
            "copy",
            op="gather_tokens",
            kind="gather",
            m=work.pairs,
            n=work.tokens,
            k=work.features,
            elements=row_elements,
            reads=x.bytes + INDEX_BYTES * work.pairs,
            weights=0.0,
            writes=rows,
            source2=-1,
            target=sorted_,
        ),
        product(weights[0], work.width, work.features, rows, inner, sorted_, gate),
        product(weights[1], work.width, work.features, rows, inner, sorted_, up),
        pointwise("silu", UNARY_FLOPS["silu"], (gate, -1), act),
        pointwise("mul", 1.0, (act, up), mixed),
        product(weights[2], work.features, work.width, inner, rows, mixed, out),
        case.kernel(
            "reduction",
            op="add_experts",
            m=x.elements,
            k=work.chosen,
            elements=row_elements,
            flops=2.0 * row_elements,
            reads=rows + scores.bytes + INDEX_BYTES * work.pairs,
            weights=0.0,
            source=out,
            source2=1,
        ),
    ]


def _saves(case: Case) -> Saved:
    """The scores; for every pair its input and output row, four vectors of the width, and its index."""
    work = _Work.of(case)
    vectors = work.pairs * (2 * work.features + 4 * work.width) * case.result.dtype.bytes
    return Saved(inputs=(1,), extra=vectors + INDEX_BYTES * work.pairs)


def _backward(case: Case, needs: Needs) -> list[Kernel]:
    """Every step of the forward pass in reverse; gradients of weights are dense, with zeros for idle experts."""
    work, x, scores = _Work.of(case), case.inputs[0], case.inputs[1]
    size = case.result.dtype.bytes
    rows, inner = work.pairs * work.features * size, work.pairs * work.width * size
    inner_elements, row_elements = work.pairs * work.width, work.pairs * work.features

    def product(weight: Tensor, n: int, k: int, reads: float, writes: float) -> list[Kernel]:
        share = weight.bytes * work.hit / work.experts
        shared = {"kind": "matmul", "batch": work.active, "flops": work.flops}
        data = case.gradient(
            "linear",
            op="linear_backward_data",
            m=work.m,
            n=k,
            k=n,
            elements=work.pairs * k,
            reads=writes,
            weights=share,
            writes=reads,
            **shared,
        )
        own = case.gradient(
            "linear",
            op="linear_backward_weight",
            m=n,
            n=k,
            k=work.m,
            elements=weight.elements,
            reads=reads + writes,
            writes=weight.bytes,
            **shared,
        )
        return [data, own]

    def stream(family: str, op: str, elements: int, flops: float, reads: float, writes: float) -> Kernel:
        whole = flops * elements
        return case.gradient(family, op=op, elements=elements, flops=whole, reads=reads, writes=writes)

    gate, up, down = case.weights
    places = INDEX_BYTES * work.pairs
    kernels = [
        stream("elementwise", "mul_backward", row_elements, 1.0, x.bytes + scores.bytes + places, rows),
        stream("reduction", "mul_backward", row_elements, 2.0, x.bytes + rows + places, scores.bytes),
        *product(down, work.features, work.width, inner, rows),
        stream("elementwise", "mul_backward", inner_elements, 1.0, 2 * inner, inner),
        stream("elementwise", "mul_backward", inner_elements, 1.0, 2 * inner, inner),
        stream("elementwise", "silu_backward", inner_elements, UNARY_FLOPS["silu"] + 1.0, 2 * inner, inner),
        *product(up, work.width, work.features, rows, inner),
        *product(gate, work.width, work.features, rows, inner),
        stream("elementwise", "add_gradients", row_elements, 1.0, 2 * rows, rows),
    ]
    if needs[0]:
        kernels.append(stream("copy", "gather_tokens_backward", row_elements, 1.0, rows + places, x.bytes))
    return kernels


EXPERTS = (
    Operator(
        "topk",
        "(..., N) -> (..., count): the largest elements of each row",
        (1, 1),
        _top_shapes,
        _top_kernels,
        (Parameter("count", "whole", "number of elements"),),
        backward=_top_backward,
        saves=_top_saves,
    ),
    Operator(
        "experts",
        "(..., N) and scores (..., k) -> (..., N): mixture of experts; k gated experts per token, weighted by score",
        (2, 2),
        _shapes,
        _kernels,
        (
            Parameter("experts", "whole", "number of experts"),
            Parameter("width", "whole", "inner size of each expert"),
        ),
        backward=_backward,
        saves=_saves,
        autocast="low",
    ),
)
