"""Which formulas do those nodes of ONNX files have that need more than a name?"""

# mypy: disable-error-code="misc"

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

from roofline.core.workload import Attribute
from roofline.frontends.onnx.einsum import einsum
from roofline.frontends.onnx.products import attention, product, recurrence
from roofline.frontends.onnx.reader import BITS, Attributes, Reader
from roofline.frontends.onnx.windows import conv, global_pool, pool


def _batch_norm(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
    return r.put("batch_norm", node, r.read(given[:1]), {}, given[1:3])


def _norm(op: str, **fixed: Attribute) -> Callable[..., str]:
    def formula(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
        attributes: Attributes = dict(fixed)
        if op == "group_norm":
            attributes["groups"] = int(a.get("num_groups", r.shapes[given[0]][1]))
        elif op == "layer_norm" and len(given) < 3:
            attributes["bias"] = False
        return r.put(op, node, r.read(given[:1]), attributes, given[1:])

    return formula


def _along(op: str) -> Callable[..., str]:
    def formula(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
        shape = r.shapes[given[0]]
        rank, flat = len(shape), r.opset < 13 and op.endswith("softmax")
        dim = int(a.get("axis", 1 if flat else -1)) % rank
        if flat:  # before opset 13: everything from the axis on
            rows = r.graph.seen_as(r.name(given[0]), (prod(shape[:dim]), prod(shape[dim:])))
            return r.put(op, node, [rows], {})
        order = (*(index for index in range(rank) if index != dim), dim)
        if order == tuple(range(rank)):
            return r.put(op, node, r.read(given[:1]), {})
        name = r.graph.aside("transpose", r.name(given[0]), {"dims": order})
        made = r.graph.add(op, r.label(node), [name], {})
        return r.graph.aside("transpose", made, {"dims": tuple(order.index(index) for index in range(rank))})

    return formula


def _transpose(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
    rank = len(r.shapes[given[0]])
    order = tuple(a.get("perm") or reversed(range(rank)))
    return r.graph.aside("transpose", r.name(given[0]), {"dims": order})


def _concat(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
    return r.put("concat", node, r.read(given), {"dim": int(a["axis"]) % len(r.shapes[node.output[0]])})


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
    data = places not in r.weights and places not in r.sizes
    if table in r.weights and not r.kinds.get(table) and dim == 0 and len(shape) == 2 and data:
        return r.put("embedding", node, r.read([places]), {"entries": shape[0], "features": shape[1]}, [table])
    if places in r.sizes and not r.shapes[places]:
        return r.graph.aside("select", r.name(table), {"dim": dim % len(shape), "index": 0})
    piece = prod(shape[dim % len(shape) + 1 :])
    return r.put("gather", node, r.read([table, places]), {"shape": out, "piece": piece})


def _expand(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
    return r.graph.aside("expand", r.name(given[0]), {"shape": r.shapes[node.output[0]]})


def _cast(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
    kind = r.kinds.get(node.output[0], "")
    if kind == r.kinds.get(given[0], ""):
        return r.name(given[0])
    return r.put("convert", node, r.read(given[:1]), {"whole_bits": BITS[kind]} if kind else {})


def _gelu(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
    return r.put("gelu_tanh" if a.get("approximate") == "tanh" else "gelu", node, r.read(given[:1]), {})


def _resize(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
    have, out = r.shapes[given[0]], r.shapes[node.output[0]]
    mode = a.get("mode", "nearest")
    if have[:2] != out[:2] or len(out) < 3:
        return ""
    if len(out) == 4 and mode in ("nearest", "linear") and out[2] % have[2] == out[3] % have[3] == 0:
        scale = (out[2] // have[2], out[3] // have[3])
        return r.put("upsample2d", node, r.read(given[:1]), {"scale": scale, "bilinear": mode == "linear"})
    taps = {"nearest": 1, "linear": 2, "cubic": 4}[mode] ** (len(out) - 2)
    return r.put("resample", node, r.read(given[:1]), {"size": out[2:], "taps": taps})


def _topk(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
    return r.put("topk", node, r.read(given[:1]), {"count": r.shapes[node.output[0]][-1]})


def _picked(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
    return r.put("gather", node, r.read(given[:2]), {"shape": r.shapes[node.output[0]]})


def _scattered(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
    return r.put("scatter", node, r.read(given), {"add": a.get("reduction", "none") != "none"})


def _filled(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
    return r.graph.add("fill", r.label(node), [], r.shaped(node.output[0]))


def _local_norm(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
    return r.put("local_response_norm", node, r.read(given[:1]), {"size": int(a["size"])})


def _whole_norm(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
    """Over all but the channels: rows of the channels."""
    shape = r.shapes[given[0]]
    order = (1, 0, *range(2, len(shape)))
    name = r.graph.aside("transpose", r.name(given[0]), {"dims": order})
    name = r.graph.seen_as(name, (shape[1], prod(shape) // shape[1]))
    made = r.graph.add("layer_norm", r.label(node), [name], {"affine": False, "bias": False})
    made = r.graph.seen_as(made, tuple(shape[dim] for dim in order))
    return r.graph.aside("transpose", made, {"dims": order})


def _sampled(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
    """Every place of a grid reads its neighbours."""
    out, mode = r.shapes[node.output[0]], a.get("mode", "linear")
    taps = (1 if mode == "nearest" else 4 if "cubic" in mode else 2) ** (len(out) - 2)
    return r.put("resample", node, r.read(given[:2]), {"size": out[2:], "taps": taps})


def _rotated(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
    return r.put("rotary", node, r.read(given[:1]), {})


def _linear_model(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
    """The coefficients are attributes; the scores are the last result."""
    features, scores = r.shapes[given[0]][-1], node.output[-1]
    out = r.shapes[scores][-1]
    rows = max(1, len(a["coefficients"]) // features)
    made = r.graph.add("linear", r.label(node), r.read(given[:1]), {"out": rows, "bias": "intercepts" in a})
    if rows != out:  # two classes with one row
        made = r.graph.aside("beside", made, r.shaped(scores))
    if len(node.output) > 1:
        r.names[scores] = made
        made = r.put("row_argmax", node, [made], {})
    return made


def _scaled(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
    return r.put("scale", node, [r.put("shift", node, r.read(given[:1]), {})], {})


_FILLS: tuple[str, ...] = (
    "ConstantOfShape",
    "Range",
    "RandomNormal",
    "RandomUniform",
    "RandomNormalLike",
    "RandomUniformLike",
)
_FILLS += ("EyeLike", "OneHot", "Bernoulli", "HannWindow", "HammingWindow", "BlackmanWindow")

SPECIAL: dict[str, Callable[..., str]] = {
    **dict.fromkeys(("Conv", "ConvTranspose", "ConvInteger", "QLinearConv"), conv),
    **dict.fromkeys(("MatMul", "Gemm", "MatMulInteger", "QLinearMatMul"), product),
    "Attention": attention,
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _norm("layer_norm"),
    "RMSNormalization": _norm("rms_norm"),
    **dict.fromkeys(("GroupNormalization", "InstanceNormalization"), _norm("group_norm")),
    **dict.fromkeys(("MaxPool", "AveragePool", "LpPool"), pool),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"), global_pool),
    "LRN": _local_norm,
    "MeanVarianceNormalization": _whole_norm,
    "LpNormalization": _along("log_softmax"),
    "Hardmax": _along("softmax"),
    "GridSample": _sampled,
    "RotaryEmbedding": _rotated,
    **dict.fromkeys(("LinearClassifier", "LinearRegressor"), _linear_model),
    "Scaler": _scaled,
    "Normalizer": _along("log_softmax"),
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
    **dict.fromkeys(("Resize", "Upsample"), _resize),
    "TopK": _topk,
    **dict.fromkeys(("LSTM", "GRU", "RNN"), recurrence),
    **dict.fromkeys(("GatherElements", "GatherND"), _picked),
    **dict.fromkeys(("ScatterElements", "ScatterND"), _scattered),
    **dict.fromkeys(_FILLS, _filled),
}
