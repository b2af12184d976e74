"""Scaled dot-product attention, fused into one kernel or as product, softmax, product."""

from __future__ import annotations

from collections.abc import Sequence

from roofline.core.schedule import Kernel
from roofline.core.workload import Tensor
from roofline.errors import UsageError
from roofline.operators.attributes import Attributes, flag
from roofline.operators.case import Case, Needs, Saved
from roofline.operators.operator import Inferred, Operator, dims, ranked
from roofline.operators.rowwise import SOFTMAX_FLOPS, SOFTMAX_PASSES


def _shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    layout = "queries, keys and values (batch, heads, length, head size)"
    query, key, value = (ranked("attention", tensor, 4, layout=layout) for tensor in inputs)
    if key != value:
        raise UsageError(f"attention: keys {dims(key)} and values {dims(value)} differ in shape")
    if query[0] != key[0] or query[3] != key[3]:
        raise UsageError(f"attention: queries {dims(query)} and keys {dims(key)} differ in batch or head size")
    if query[1] % key[1]:
        raise UsageError(f"attention: {query[1]} query heads do not share {key[1]} key heads evenly")
    return Inferred((query,))


def _kernels(case: Case) -> list[Kernel]:
    """softmax(q k^T / sqrt(d)) v: 4 B H S T D operations in two products.

    B batch, H query heads, S queries, T keys, D head size. Grouped heads (fewer key than query heads)
    read fewer bytes and compute as much. ``causal`` counts in full too: what PyTorch's counter and
    its CPU kernel do; a kernel that skips the masked half of S = T does up to half less, which is for
    the device model to know. Softmax is not counted in ``flops``; ``elements`` are the B H S T scores.
    """
    batch, heads, queries, head_size = case.inputs[0].shape
    keys = case.inputs[1].shape[2]
    groups, scores = batch * heads, batch * heads * queries * keys
    product = 2.0 * scores * head_size
    if case.stack.fused_attention:
        fused = case.kernel(
            "attention",
            kind="matmul",
            batch=groups,
            m=queries,
            n=keys,
            k=head_size,
            elements=scores,
            flops=2 * product,
        )
        return [fused]
    query, key, value = case.inputs
    table = scores * case.result.dtype.bytes
    raw, weighted = 4, 5  # temporaries, after three inputs and one output
    return [
        case.kernel(
            "bmm",
            op="matmul",
            kind="matmul",
            batch=groups,
            m=queries,
            n=keys,
            k=head_size,
            elements=scores,
            flops=product,
            reads=query.bytes + (key.bytes if key.name != query.name else 0.0),
            writes=table,
            target=raw,
        ),
        case.kernel(
            "softmax",
            op="softmax",
            m=groups * queries,
            k=keys,
            elements=scores,
            flops=SOFTMAX_FLOPS * scores,
            reads=table,
            writes=table,
            passes=SOFTMAX_PASSES,
            source=raw,
            source2=-1,
            target=weighted,
        ),
        case.kernel(
            "bmm",
            op="matmul",
            kind="matmul",
            batch=groups,
            m=queries,
            n=head_size,
            k=keys,
            flops=product,
            reads=table + value.bytes,
            source=weighted,
            source2=2,
        ),
    ]


def _saves(case: Case) -> Saved:
    """Queries, keys and values; fused also the result and one logarithm per query, unfused the whole table."""
    batch, heads, queries, _ = case.inputs[0].shape
    if case.stack.fused_attention:
        return Saved(inputs=(0, 1, 2), outputs=(0,), extra=4.0 * batch * heads * queries)
    return Saved(inputs=(0, 1, 2), extra=_scores(case) * case.result.dtype.bytes)


def _scores(case: Case) -> int:
    batch, heads, queries, _ = case.inputs[0].shape
    return batch * heads * queries * case.inputs[1].shape[2]


def _backward(case: Case, needs: Needs) -> list[Kernel]:
    """Fused: five products in one kernel, the first of them the scores once more (Dao et al., 2022).

    Unfused: dV = P^T dO, dP = dO V^T, dS from dP and P, dQ = dS K, dK = dS^T Q.
    """
    query, key, value = case.inputs
    batch, heads, queries, head_size = query.shape
    keys = key.shape[2]
    groups, scores = batch * heads, _scores(case)
    product = 2.0 * scores * head_size
    written = query.bytes + key.bytes + value.bytes
    if case.stack.fused_attention:
        return [
            case.gradient(
                "attention",
                kind="matmul",
                batch=groups,
                m=queries,
                n=keys,
                k=head_size,
                elements=scores,
                flops=5 * product,
                reads=written + 2 * query.bytes,
                writes=written,
            )
        ]
    table = scores * case.result.dtype.bytes

    def bmm(m: int, n: int, k: int, reads: float, writes: float, target: int = -1) -> Kernel:
        return case.gradient(
            "bmm",
            op="matmul_backward",
            kind="matmul",
            batch=groups,
            m=m,
            n=n,
            k=k,
            elements=groups * m * n,
            flops=product,
            reads=reads,
            writes=writes,
            target=target,
        )

    spread = groups * keys * head_size * value.dtype.bytes
    return [
        bmm(keys, head_size, queries, table + query.bytes, spread),
        bmm(queries, keys, head_size, query.bytes + value.bytes, table, case.temporary),
        case.gradient(
            "softmax",
            op="softmax_backward",
            m=groups * queries,
            k=keys,
            elements=scores,
            flops=SOFTMAX_FLOPS * scores,
            reads=2 * table,
            writes=table,
            passes=2.0,
            target=case.temporary + 1,
        ),
        bmm(queries, head_size, keys, table + key.bytes, query.bytes),
        bmm(keys, head_size, queries, table + query.bytes, spread),
    ]


ATTENTION = (
    Operator(
        "attention",
        "q (B, H, S, D), k and v (B, Hkv, T, D) -> (B, H, S, D): softmax(q k^T / sqrt(D)) v",
        (3, 3),
        _shapes,
        _kernels,
        (flag("causal", False, "a query sees no later key"),),
        backward=_backward,
        saves=_saves,
        autocast="low",
    ),
)
