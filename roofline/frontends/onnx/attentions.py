"""Which nodes of ONNX's own stand for the attention of ``com.microsoft``?"""

# mypy: disable-error-code="misc"

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from roofline.frontends.onnx.parts import Parts, Shapes


def packed(node: Any, a: Mapping[str, Any], shape: Shapes) -> list[Any]:
    """``Attention``: one product for queries, keys and values."""
    parts, heads = Parts(node), a["num_heads"]
    quantized = node.op_type == "QAttention"
    if parts.input(8 if quantized else 4):
        raise ValueError("a past is not known here; trace the model instead (roofline trace)")
    width = (shape(node.input[1]) or ())[-1]
    sizes = list(a.get("qkv_hidden_sizes") or [width // 3] * 3)
    made = parts.add("MatMul", *node.input[:2])
    if parts.input(2):
        made = parts.add("Add", made, parts.input(2))
    _joined(
        parts, parts.split(made, sizes), heads, heads, a.get("unidirectional", 0), parts.input(5 if quantized else 3)
    )
    return parts.made


def _joined(
    parts: Parts,
    qkv: list[str],
    heads: int,
    shared: int,
    causal: int,
    mask: str,
    past: tuple[str, str] = ("", ""),
) -> None:
    """``Attention`` as ONNX has it from opset 23."""
    results = [parts.node.output[0], *(name for name in parts.node.output[1:3])]
    if not past[0]:
        past = ("", "")
    parts.several(
        "Attention",
        [*qkv, parts.add("Constant", value_float=0.0) if mask else "", *past],
        [name for name in results if name] if past[0] else results[:1],
        q_num_heads=heads,
        kv_num_heads=shared,
        is_causal=int(bool(causal)),
    )


def _flat(parts: Parts, value: str) -> str:
    """Heads as part of the last dimension."""
    return parts.add("Reshape", value, parts.numbers(0, 0, -1))


def many_heads(node: Any, a: Mapping[str, Any], shape: Shapes) -> list[Any]:
    """``MultiHeadAttention``: operands apart or packed as (batch, length, heads, 2 or 3, head size)."""
    parts, heads, given = Parts(node), a["num_heads"], [Parts(node).input(place) for place in range(3)]
    joined = next((name for name in given if name and len(shape(name) or ()) == 5), "")
    if joined:
        pieces = [_flat(parts, one) for one in parts.split(joined, [1] * (shape(joined) or ())[3], 3)]
        qkv = pieces if len(pieces) == 3 else [given[0], *pieces]
    else:
        qkv = [
            _flat(parts, parts.add("Transpose", name, perm=[0, 2, 1, 3])) if len(shape(name) or ()) == 4 else name
            for name in given
        ]
    if parts.input(3):
        width = (shape(parts.input(3)) or ())[0]
        query = (shape(given[0]) or ())[-1] if len(shape(given[0]) or ()) == 3 else width // 3
        key = (shape(given[1]) or ())[-1] if len(shape(given[1]) or ()) == 3 else query
        pieces = parts.split(parts.input(3), [query, key, width - query - key])
        qkv = [parts.add("Add", value, bias) for value, bias in zip(qkv, pieces, strict=True)]
    past = (parts.input(6), parts.input(7))
    _joined(parts, qkv, heads, heads, a.get("unidirectional", 0), parts.input(4) or parts.input(5), past)
    return parts.made


def shared_heads(node: Any, a: Mapping[str, Any], shape: Shapes) -> list[Any]:
    """``GroupQueryAttention``: causal, with a cache, and perhaps rotated positions."""
    parts, heads, shared = Parts(node), a["num_heads"], a["kv_num_heads"]
    qkv = [parts.input(place) for place in range(3)]
    if not qkv[1]:
        size = (shape(qkv[0]) or ())[-1] // (heads + 2 * shared)
        qkv = parts.split(qkv[0], [heads * size, shared * size, shared * size])
    if a.get("do_rotary"):
        qkv[:2] = [parts.add("RotaryEmbedding", value) for value in qkv[:2]]
    _joined(parts, qkv, heads, shared, 1, "", (parts.input(3), parts.input(4)))
    return parts.made
