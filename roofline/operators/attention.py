"""Which kernels does scaled dot-product attention launch: one fused kernel, or eager steps
(:mod:`.attention_steps`)?
"""

from __future__ import annotations

from collections.abc import Sequence

from roofline.core.schedule import Kernel
from roofline.core.workload import Tensor
from roofline.errors import UsageError
from roofline.operators import attention_steps
from roofline.operators.attributes import Attributes, Parameter, flag
from roofline.operators.case import Case, Needs, Saved
from roofline.operators.operator import Inferred, Operator, dims, ranked


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
    """``softmax(q k^T / sqrt(d)) v``: two GEMMs, ``flops = 4 * B * H * S * T * D`` [FLOP].

    B batch, H query heads, S queries, T keys, D head size. Grouped heads (fewer key than query heads) read fewer bytes
    and compute as much. ``causal`` counts in full, as PyTorch's counter and its CPU kernel do. A kernel that skips the
    masked half of S = T does up to half less; that is left to the device model. Softmax is not counted in ``flops``;
    ``elements`` are the B H S T scores.
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
    return attention_steps.forward(case)


def _saves(case: Case) -> Saved:
    """Fused: queries, keys, values, the result and one logarithm per query. Unfused: what each step saves."""
    batch, heads, queries, _ = case.inputs[0].shape
    if case.stack.fused_attention:
        return Saved(inputs=(0, 1, 2), outputs=(0,), extra=4.0 * batch * heads * queries)
    return attention_steps.saves(case)


def _backward(case: Case, needs: Needs) -> list[Kernel]:
    """Fused: five GEMMs in one kernel, ``flops = 10 * B * H * S * T * D`` [FLOP]; the first recomputes the scores.

    Source: Dao et al., arXiv:2205.14135.
    """
    if not case.stack.fused_attention:
        return attention_steps.backward(case)
    query, key, value = case.inputs
    batch, heads, queries, head_size = query.shape
    groups, scores = batch * heads, batch * heads * queries * key.shape[2]
    written = query.bytes + key.bytes + value.bytes
    return [
        case.gradient(
            "attention",
            kind="matmul",
            batch=groups,
            m=queries,
            n=key.shape[2],
            k=head_size,
            elements=scores,
            flops=5 * 2.0 * scores * head_size,
            reads=written + 2 * query.bytes,
            writes=written,
        )
    ]


ATTENTION = (
    Operator(
        "attention",
        "q (B, H, S, D), k and v (B, Hkv, T, D) -> (B, H, S, D): softmax(q k^T / sqrt(D)) v",
        (3, 3),
        _shapes,
        _kernels,
        (
            flag("causal", False, "a query sees no later key"),
            flag("padded", False, "eager code adds a padding mask to the scores"),
            Parameter("dropout", "whole", "percent of the probabilities set to zero in training", 0, low=0),
        ),
        backward=_backward,
        saves=_saves,
        autocast="low",
    ),
)
