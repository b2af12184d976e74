"""Scaled dot-product attention, fused into one kernel or as product, softmax, product."""

from __future__ import annotations

from collections.abc import Sequence

from roofline.core.schedule import Kernel
from roofline.core.workload import Tensor
from roofline.errors import UsageError
from roofline.operators.attributes import Attributes, flag
from roofline.operators.case import Case
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


ATTENTION = (
    Operator(
        "attention",
        "q (B, H, S, D), k and v (B, Hkv, T, D) -> (B, H, S, D): softmax(q k^T / sqrt(D)) v",
        (3, 3),
        _shapes,
        _kernels,
        (flag("causal", False, "a query sees no later key"),),
    ),
)
