"""Which formulas do those nodes of ONNX files have that need more than a name?"""

# mypy: disable-error-code="misc"

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

from roofline.core.workload import Attribute
from roofline.frontends.onnx.einsum import einsum
from roofline.frontends.onnx.reader import BITS, Attributes, Reader


def _window(a: Mapping[str, Any], count: int) -> Attributes | None:
    """Stride and padding, in one dimension as for an image of height one; None where the sides differ."""
    pads = tuple(a.get("pads", (0,) * 2 * count))
    if a.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID") or pads[:count] != pads[count:]:
        return None
    lines = {"stride": tuple(a.get("strides", (1,) * count)), "padding": pads[:count]}
    one = {"stride": (1,), "padding": (0,)}
    return {key: (one[key] + value if count == 1 else value) for key, value in lines.items()}


def _conv(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
    x, weight = given[0], given[1]
    shape, taps = r.shapes[x], r.shapes[weight]
    count, turned = len(taps) - 2, node.op_type == "ConvTranspose"
    window = _window(a, count)
    if window is None or count > 3:
        return ""
    kernel, dilation, groups = taps[2:], tuple(a.get("dilations", (1,) * count)), int(a.get("group", 1))
    if count == 1:
        kernel, dilation, shape = (1, *kernel), (1, *dilation), (*shape[:2], 1, shape[2])
    attributes: Attributes = {**window, "out": taps[1] * groups if turned else taps[0], "kernel": kernel}
    attributes |= {"groups": groups, "bias": len(given) > 2}
    if turned:
        attributes["output_padding"] = tuple(a.get("output_padding", (0,) * len(kernel)))
    elif set(dilation) != {1}:
        attributes["dilation"] = dilation
    op = ("conv_transpose" if turned else "conv") + ("3d" if count == 3 else "2d")
    if weight not in r.weights:
        return ""
    return r.put(op, node, [r.graph.seen_as(r.name(x), shape)], attributes, given[1:])


def _matmul(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
    left, right = given[0], given[1]
    shapes = r.shapes[left], r.shapes[right]
    turned = bool(a.get("transB", 0))
    if right in r.weights and len(shapes[1]) == 2 and not a.get("transA", 0) and len(shapes[0]) > 1:
        out = shapes[1][0] if turned else shapes[1][1]
        bias = [name for name in given[2:] if name in r.weights]
        return r.put("linear", node, [left], {"out": out, "bias": bool(bias)}, [right, *bias])
    if a.get("transA", 0) or len(shapes[0]) < 2 or len(shapes[1]) < 2:
        return ""
    return r.put("matmul", node, [left, right], {"transpose_b": turned})


def _batch_norm(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
    return r.put("batch_norm", node, given[:1], {}, given[1:3])


def _norm(op: str, **fixed: Attribute) -> Callable[..., str]:
    def formula(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
        attributes: Attributes = dict(fixed)
        if op == "group_norm":
            attributes["groups"] = int(a.get("num_groups", r.shapes[given[0]][1]))
        elif op == "layer_norm" and len(given) < 3:
            attributes["bias"] = False
        return r.put(op, node, given[:1], attributes, given[1:])

    return formula


def _pool(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
    shape = r.shapes[given[0]]
    count, window = len(shape) - 2, _window(a, len(shape) - 2)
    kernel = tuple(a["kernel_shape"])
    if window is None:
        return ""
    if count == 1:
        kernel, shape = (1, *kernel), (*shape[:2], 1, shape[2])
    attributes: Attributes = {**window, "kernel": kernel}
    if a.get("ceil_mode") and count < 3:
        attributes["ceil_mode"] = True
    op = ("max" if node.op_type == "MaxPool" else "avg") + f"_pool{3 if count == 3 else 2}d"
    return r.put(op, node, [r.graph.seen_as(r.name(given[0]), shape)], attributes)


def _global_pool(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
    return r.put("global_avg_pool", node, given[:1], {})


def _along(op: str) -> Callable[..., str]:
    def formula(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
        rank = len(r.shapes[given[0]])
        dim = int(a.get("axis", -1)) % rank
        order = (*(index for index in range(rank) if index != dim), dim)
        if order == tuple(range(rank)):
            return r.put(op, node, given[:1], {})
        name = r.graph.aside("transpose", r.name(given[0]), {"dims": order})
        made = r.graph.add(op, r.label(node), [name], {})
        return r.graph.aside("transpose", made, {"dims": tuple(order.index(index) for index in range(rank))})

    return formula


def _transpose(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
    rank = len(r.shapes[given[0]])
    order = tuple(a.get("perm") or reversed(range(rank)))
    return r.graph.aside("transpose", r.name(given[0]), {"dims": order})


def _concat(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
    return r.put("concat", node, given, {"dim": int(a["axis"]) % len(r.shapes[node.output[0]])})


def _slice(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
    """The remaining size of every dimension; the start does not matter."""
    name = r.name(given[0])
    for dim, (have, want) in enumerate(zip(r.shapes[given[0]], r.shapes[node.output[0]], strict=True)):
        if want < have:
            name = r.graph.aside("slice", name, {"dim": dim, "start": 0, "length": want})
    return name


def _split(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
    dim, start = int(a.get("axis", 0)) % len(r.shapes[given[0]]), 0
    for value in node.output:
        length = r.shapes[value][dim]
        r.names[value] = r.graph.aside("slice", r.name(given[0]), {"dim": dim, "start": start, "length": length})
        start += length
    return r.names[node.output[0]]


def _gather(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
    """Rows of a stored table; one index of a dimension is a view."""
    table, places = given[0], given[1]
    dim, shape, out = int(a.get("axis", 0)), r.shapes[table], r.shapes[node.output[0]]
    if table in r.weights and not r.kinds.get(table) and dim == 0 and len(shape) == 2 and places not in r.weights:
        return r.put("embedding", node, [places], {"entries": shape[0], "features": shape[1]}, [table])
    if places in r.sizes and not r.shapes[places]:
        return r.graph.aside("select", r.name(table), {"dim": dim % len(shape), "index": 0})
    piece = prod(shape[dim % len(shape) + 1 :])
    return r.put("gather", node, [table, places], {"shape": out, "piece": piece})


def _expand(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
    return r.graph.aside("expand", r.name(given[0]), {"shape": r.shapes[node.output[0]]})


def _cast(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
    kind = r.kinds.get(node.output[0], "")
    if kind == r.kinds.get(given[0], ""):
        return r.name(given[0])
    return r.put("convert", node, given[:1], {"whole_bits": BITS[kind]} if kind else {})


def _gelu(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
    return r.put("gelu_tanh" if a.get("approximate") == "tanh" else "gelu", node, given[:1], {})


def _dropout(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
    return r.put("dropout", node, given[:1], {})


def _resize(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
    out = r.shapes[node.output[0]]
    taps = {"nearest": 1, "linear": 2, "cubic": 4}[a.get("mode", "nearest")] ** (len(out) - 2)
    return r.put("resample", node, given[:1], {"size": out[2:], "taps": taps})


def _topk(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
    return r.put("topk", node, given[:1], {"count": r.shapes[node.output[0]][-1]})


def _recurrence(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
    """One layer, steps first: weights are (directions, gates, ...), the result (steps, directions, batch, hidden)."""
    weight, states = r.shapes[given[1]], r.shapes[given[2]]
    if a.get("layout") or given[1] not in r.weights or given[2] not in r.weights:
        return ""
    directions, hidden = weight[0], states[2]
    steps, batch, features = r.shapes[given[0]]
    bias = len(node.input) > 3 and node.input[3] in r.weights
    name = r.graph.aside("transpose", r.name(given[0]), {"dims": (1, 0, 2)}, shape=(batch, steps, features))
    attributes: Attributes = {"hidden": hidden, "bidirectional": directions == 2, "bias": bias}
    made = r.graph.add(node.op_type.lower(), r.label(node), [name], attributes)
    made = r.graph.seen_as(made, (batch, steps, directions, hidden))
    made = r.graph.aside("transpose", made, {"dims": (1, 2, 0, 3)})
    if node.output[0]:
        return made
    r.names[next(name for name in node.output if name)] = made
    return r.graph.aside("select", made, {"dim": 0, "index": steps - 1})


def _picked(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
    return r.put("gather", node, given[:2], {"shape": r.shapes[node.output[0]]})


def _scattered(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
    return r.put("scatter", node, given, {"add": a.get("reduction", "none") != "none"})


def _filled(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
    return r.graph.add("fill", r.label(node), [], r.shaped(node.output[0]))


SPECIAL: dict[str, Callable[..., str]] = {
    **dict.fromkeys(("Conv", "ConvTranspose"), _conv),
    **dict.fromkeys(("MatMul", "Gemm"), _matmul),
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _norm("layer_norm"),
    "RMSNormalization": _norm("rms_norm"),
    **dict.fromkeys(("GroupNormalization", "InstanceNormalization"), _norm("group_norm")),
    **dict.fromkeys(("MaxPool", "AveragePool"), _pool),
    "GlobalAveragePool": _global_pool,
    "Softmax": _along("softmax"),
    "LogSoftmax": _along("log_softmax"),
    "CumSum": _along("running_sum"),
    "Einsum": einsum,
    "Transpose": _transpose,
    "Concat": _concat,
    "Slice": _slice,
    "Split": _split,
    "Gather": _gather,
    "Expand": _expand,
    "Cast": _cast,
    "Gelu": _gelu,
    "Dropout": _dropout,
    **dict.fromkeys(("Resize", "Upsample"), _resize),
    "TopK": _topk,
    **dict.fromkeys(("LSTM", "GRU", "RNN"), _recurrence),
    **dict.fromkeys(("GatherElements", "GatherND"), _picked),
    **dict.fromkeys(("ScatterElements", "ScatterND"), _scattered),
    **dict.fromkeys(("ConstantOfShape", "Range", "RandomNormalLike", "RandomUniformLike"), _filled),
}
