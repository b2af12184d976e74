"""Which kernels does scaled dot-product attention launch: one fused kernel, or eager steps
(:mod:`.attention_steps`)?
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from roofline.core import attention
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
    if key[:3] != value[:3]:
        raise UsageError(f"attention: keys {dims(key)} and values {dims(value)} differ in batch, heads or length")
    if query[0] != key[0] or query[3] != key[3]:
        raise UsageError(f"attention: queries {dims(query)} and keys {dims(key)} differ in batch or head size")
    if query[1] % key[1]:
        raise UsageError(f"attention: {query[1]} query heads do not share {key[1]} key heads evenly")
    return Inferred(((*query[:3], value[3]),))


@dataclass(frozen=True)
class _Sizes:
    """The columns that describe an attention (:mod:`roofline.core.attention`), and the bytes of its operands."""

    columns: dict[str, Any]
    width: int
    cached: float
    stored: float

    @classmethod
    def of(cls, case: Case) -> _Sizes:
        query, key, value = case.inputs
        batch, heads, queries, head = query.shape
        keys, width, window = key.shape[2], value.shape[3], case.attributes.whole("window")
        pairs = attention.kept(queries, keys, case.attributes.flag("causal"), window)
        bits = case.attributes.whole("cache_bits") or round(8 * key.dtype.bytes)
        bits = 1 if bits == round(8 * query.dtype.bytes) else bits
        columns = {
            "batch": batch * heads,
            "m": queries,
            "n": keys,
            "k": head,
            "elements": batch * heads * pairs,
            "images": heads // key.shape[1],
            "stride": batch,
            "taps": 1 if width == head else width,
            "taps_high": bits,
        }
        seen = attention.span(queries, keys, window) / keys
        stored = case.attributes.whole("cache_bits") / 8 / key.dtype.bytes or 1.0
        operands = {tensor.name: tensor.bytes * seen * stored for tensor in (key, value)}
        operands.pop(query.name, None)
        rows = case.inputs[1].shape[1] * batch * queries * (head + width)
        return cls(columns, width, sum(operands.values()), rows * key.dtype.bytes * stored)


def _kernels(case: Case) -> list[Kernel]:
    """``softmax(q k^T / sqrt(d)) v``: two GEMMs, ``flops = 2 * B * H * kept * (D + Dv)`` [FLOP].

    B batch, H query heads, D and Dv numbers in a key and a value; ``kept`` of the S x T scores of a head are left by
    the mask (:func:`roofline.core.attention.kept`). PyTorch's counter counts all S x T
    (:func:`roofline.core.attention.square`), and so do kernels that run in steps. Grouped heads (fewer key than query
    heads) read fewer bytes and compute as much. Outside of a window no key is read. Softmax is not counted in
    ``flops``; ``elements`` are the B H kept scores. In a paged cache, the call first writes its new keys and values.
    """
    if not case.stack.fused_attention:
        return attention_steps.forward(case)
    sizes = _Sizes.of(case)
    fused = case.kernel(
        "attention",
        kind="matmul",
        **sizes.columns,
        flops=2.0 * sizes.columns["elements"] * (sizes.columns["k"] + sizes.width),
        reads=case.inputs[0].bytes + sizes.cached,
        writes=case.result.bytes + (sizes.stored if paged(case) else 0.0),
    )
    return [fused]


def paged(case: Case) -> bool:
    """Whether keys and values lie in pages, which a kernel of its own writes; never in training."""
    return case.stack.kv_cache == "paged" and not case.training


def _saves(case: Case) -> Saved:
    """Fused: queries, keys, values, the result and one logarithm per query. Unfused: what each step saves."""
    batch, heads, queries, _ = case.inputs[0].shape
    if case.stack.fused_attention:
        return Saved(inputs=(0, 1, 2), outputs=(0,), extra=4.0 * batch * heads * queries)
    return attention_steps.saves(case)


def _backward(case: Case, needs: Needs) -> list[Kernel]:
    """Fused: five GEMMs in one kernel, ``flops = 2 * B * H * kept * (3 D + 2 Dv)`` [FLOP]; the first recomputes the
    scores. Gradients of shared keys and values are summed in the kernel.

    Source: Dao et al., arXiv:2205.14135.
    """
    if not case.stack.fused_attention:
        return attention_steps.backward(case)
    query, key, value = case.inputs
    sizes = _Sizes.of(case)
    columns = {name: size for name, size in sizes.columns.items() if name != "taps_high"}
    written = query.bytes + key.bytes + value.bytes
    return [
        case.gradient(
            "attention",
            kind="matmul",
            **columns,
            flops=2.0 * columns["elements"] * (3 * columns["k"] + 2 * sizes.width),
            reads=written + 2 * case.result.bytes,
            writes=written,
        )
    ]


ATTENTION = (
    Operator(
        "attention",
        "q (B, H, S, D), k (B, Hkv, T, D), v (B, Hkv, T, Dv) -> (B, H, S, Dv): softmax(q k^T / sqrt(D)) v",
        (3, 3),
        _shapes,
        _kernels,
        (
            flag("causal", False, "a query sees no later key; the last query stands beside the last key"),
            Parameter("window", "whole", "number of keys up to its own that a query sees; 0: all", 0, low=0),
            Parameter("cache_bits", "whole", "bits of a stored key or value; 0: as in the operands", 0, low=0),
            flag("padded", False, "eager code adds a padding mask to the scores"),
            Parameter("dropout", "whole", "percent of the probabilities set to zero in training", 0, low=0),
        ),
        backward=_backward,
        saves=_saves,
        autocast="low",
    ),
)
