"""How do matrix multiplications, recurrences and attention of ONNX files become layers?"""

# mypy: disable-error-code="misc"

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from roofline.frontends.onnx.reader import Attributes, Reader

OPERANDS = {"QLinearMatMul": (0, 3)}
"""Which inputs are the operands, where they are not the first two."""


def product(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
    """``MatMul`` and ``Gemm``: a linear layer where the second operand is stored in the file."""
    left, right = (node.input[place] for place in OPERANDS.get(node.op_type, (0, 1)))
    bias = node.input[2] if node.op_type == "Gemm" and len(node.input) > 2 else ""
    (one, two), turned = (r.shapes[left], r.shapes[right]), bool(a.get("transB", 0))
    out = r.shapes[node.output[0]]
    if a.get("transA", 0):
        name, one = r.graph.aside("transpose", r.name(left), {"dims": (1, 0)}), one[::-1]
    else:
        name = r.name(left)
    if len(one) == 1:
        one = (1, *one)
        name = r.graph.seen_as(name, one)
    if right in r.weights and len(two) == 2:
        columns = two[0] if turned else two[1]
        own = bias in r.weights and prod(r.shapes[bias]) == columns
        weights = [right, bias] if own else [right]
        made = r.made("linear", r.label(node), [name], {"out": columns, "bias": own}, weights)
    else:
        own, other = False, r.name(right)
        if len(two) == 1:
            other = r.graph.seen_as(other, (two[0], 1))
        made = r.made("matmul", r.label(node), [name, other], {"transpose_b": turned})
    made = r.graph.seen_as(made, out)
    return made if own or not bias else r.put("add", node, [made, r.name(bias)], {})


def recurrence(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
    """One layer: weights are (directions, gates, ...); steps come first, or the batch with ``layout`` 1."""
    x, weight, states = node.input[:3]
    directions, hidden, first = r.weights[weight][0], r.weights[states][2], bool(a.get("layout", 0))
    bias = [name for name in node.input[3:4] if name in r.weights]
    name = r.name(x)
    if not first:
        name = r.graph.aside("transpose", name, {"dims": (1, 0, 2)})
    batch, steps, _ = r.graph.tensors[name].shape
    attributes: Attributes = {"hidden": hidden, "bidirectional": directions == 2, "bias": bool(bias)}
    made = r.made(node.op_type.lower(), r.label(node), [name], attributes, [weight, states, *bias])
    made = r.graph.seen_as(made, (batch, steps, directions, hidden))
    last = r.graph.aside("select", made, {"dim": 1, "index": steps - 1})
    results = [made if first else r.graph.aside("transpose", made, {"dims": (1, 2, 0, 3)})]
    results += [last if first else r.graph.aside("transpose", last, {"dims": (1, 0, 2)})] * 2
    for value, result in zip(node.output, results, strict=False):
        if value:
            r.names[value] = result
    return r.names[next(value for value in node.output if value)]


def attention(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
    """``Attention`` of opset 23: queries, keys and values with heads apart, or in the last dimension."""
    query, key, value = (
        _heads(r, name, int(a.get(heads, 0)))
        for name, heads in zip(node.input[:3], ("q_num_heads", *["kv_num_heads"] * 2), strict=True)
    )
    past = [name for name in node.input[4:6] if name]
    if len(past) == 2:
        key, value = (
            r.graph.add("concat", "cache", [r.name(name), own], {"dim": 2})
            for name, own in zip(past, (key, value), strict=True)
        )
    for name, layer in zip(node.output[1:3], (key, value), strict=False):
        if name:
            r.names[name] = layer
    padded = len(node.input) > 3 and bool(node.input[3])
    attributes: Attributes = {"causal": bool(a.get("is_causal", 0)), "padded": padded}
    made = r.graph.add("attention", r.label(node), [query, key, value], attributes)
    out = r.shapes[node.output[0]]
    if len(out) == 3:
        made = r.graph.aside("transpose", made, {"dims": (0, 2, 1, 3)})
    return r.graph.seen_as(made, out)


def _heads(r: Reader, value: str, heads: int) -> str:
    shape, name = r.shapes[value], r.name(value)
    if len(shape) == 4:
        return name
    name = r.graph.seen_as(name, (*shape[:2], heads, shape[2] // heads))
    return r.graph.aside("transpose", name, {"dims": (0, 2, 1, 3)})
