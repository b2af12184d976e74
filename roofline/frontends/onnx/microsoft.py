"""Which nodes of ONNX's own stand for those of ``com.microsoft``, and what shape have results of ``ai.onnx.ml``?

Optimizers and quantizers write fused nodes that ONNX itself does not define. Each is written here as the nodes it was
fused from, once the shapes of its inputs are known.
"""

# mypy: disable-error-code="misc"

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from roofline.frontends.onnx.attentions import many_heads, packed, shared_heads
from roofline.frontends.onnx.parts import Parts, Rewrite, Shapes

_SAME: tuple[str, ...] = (
    "QuickGelu",
    "RotaryEmbedding",
    "Scaler",
    "Normalizer",
    "Binarizer",
    "BiasSoftmax",
    "BiasDropout",
)
_SAME += ("GroupNormalization", "MeanVarianceNormalization")


def _as(op: str, *places: int, keep: tuple[str, ...] = (), bias: int | None = None) -> Rewrite:
    """Another node on some of the inputs, with some of the attributes, and a bias added."""

    def rewrite(node: Any, a: Mapping[str, Any], shape: Shapes) -> list[Any]:
        parts = Parts(node)
        given = [parts.input(place) for place in places]
        attributes = {key: a[key] for key in keep if key in a}
        if bias is None or not parts.input(bias):
            parts.add(op, *given, out=node.output[0], **attributes)
        else:
            parts.add("Add", parts.add(op, *given, **attributes), parts.input(bias), out=node.output[0])
        return parts.made

    return rewrite


_CONV = ("auto_pad", "dilations", "group", "kernel_shape", "pads", "strides")
_POOL = ("auto_pad", "ceil_mode", "count_include_pad", "kernel_shape", "pads", "strides")


def _activated(op: str, keep: tuple[str, ...]) -> Rewrite:
    """A product with an activation behind it, and for convolutions a sum with another image."""

    def rewrite(node: Any, a: Mapping[str, Any], shape: Shapes) -> list[Any]:
        parts = Parts(node)
        made = parts.add(op, *node.input[:3], **{key: a[key] for key in keep if key in a})
        if parts.input(3):
            made = parts.add("Add", made, parts.input(3))
        parts.add(a.get("activation") or "Identity", made, out=node.output[0])
        return parts.made

    return rewrite


def _product(node: Any, a: Mapping[str, Any], shape: Shapes) -> list[Any]:
    """``FusedMatMul``: the last two dimensions of an operand may be exchanged."""
    parts, reads = Parts(node), []
    for place, key in ((0, "transA"), (1, "transB")):
        value, rank = node.input[place], len(shape(node.input[place]) or ())
        if a.get("transBatchA" if place == 0 else "transBatchB"):
            raise ValueError("batches are exchanged")
        if a.get(key):
            value = parts.add("Transpose", value, perm=[*range(rank - 2), rank - 1, rank - 2])
        reads.append(value)
    parts.add("MatMul", *reads, out=node.output[0])
    return parts.made


def _few_bits(node: Any, a: Mapping[str, Any], shape: Shapes) -> list[Any]:
    """``MatMulNBits``: a weight of ``K`` x ``N`` numbers of a few bits."""
    from onnx import TensorProto

    parts = Parts(node)
    weight = TensorProto(data_type=1, dims=[a["K"], a["N"]], name=f"{node.input[1]}/unpacked", data_location=1)
    parts.add("Constant", out=weight.name, value=weight)
    made = parts.add("MatMul", node.input[0], weight.name, out="" if parts.input(5) else node.output[0])
    if parts.input(5):
        parts.add("Add", made, parts.input(5), out=node.output[0])
    return parts.made


def _biased(op: str, **attributes: Any) -> Rewrite:
    def rewrite(node: Any, a: Mapping[str, Any], shape: Shapes) -> list[Any]:
        parts = Parts(node)
        value = parts.add("Add", *node.input[:2]) if parts.input(1) else node.input[0]
        parts.add(op, value, out=node.output[0], **attributes)
        return parts.made

    return rewrite


def _sum(node: Any, a: Mapping[str, Any], shape: Shapes) -> list[Any]:
    parts = Parts(node)
    parts.several("Sum", [name for name in node.input if name], node.output[:1])
    return parts.made


def _skip(op: str, bias: int) -> Rewrite:
    """A sum of two or three, then a norm; the sum may be a result too."""

    def rewrite(node: Any, a: Mapping[str, Any], shape: Shapes) -> list[Any]:
        parts = Parts(node)
        made = parts.add("Add", *node.input[:2], out="" if parts.input(bias) else parts.output(3))
        if parts.input(bias):
            made = parts.add("Add", made, parts.input(bias), out=parts.output(3))
        parts.add(op, made, *node.input[2:bias], out=node.output[0], axis=-1)
        return parts.made

    return rewrite


def _embedded(node: Any, a: Mapping[str, Any], shape: Shapes) -> list[Any]:
    """``EmbedLayerNormalization``: words, positions and segments, then a norm."""
    parts, (ids, segments, words, positions, kinds) = Parts(node), node.input[:5]
    length = (shape(ids) or ())[1]
    rows = parts.add("Slice", positions, parts.numbers(0), parts.numbers(length), parts.numbers(0))
    made = parts.add("Add", parts.add("Gather", words, ids), rows)
    if segments and kinds:
        made = parts.add("Add", made, parts.add("Gather", kinds, segments))
    parts.add("LayerNormalization", made, *node.input[5:7], out=node.output[0], axis=-1)
    if parts.output(2):
        parts.add("Identity", made, out=parts.output(2))
    return parts.made


def _images_last(op: str, keep: tuple[str, ...], *, groups: bool = False) -> Rewrite:
    """A node for images with channels in the last dimension."""

    def rewrite(node: Any, a: Mapping[str, Any], shape: Shapes) -> list[Any]:
        parts = Parts(node)
        attributes = {key: a[key] for key in keep if key in a} | ({"num_groups": a["groups"]} if groups else {})
        value = parts.add("Transpose", node.input[0], perm=[0, 3, 1, 2])
        value = parts.add(op, value, *node.input[1:3], **attributes)
        active = bool(a.get("activation")) and groups
        value = parts.add("Transpose", value, perm=[0, 2, 3, 1], out="" if active else node.output[0])
        if active:
            parts.add("Mul", value, parts.add("Sigmoid", value), out=node.output[0])
        return parts.made

    return rewrite


def _concat(node: Any, a: Mapping[str, Any], shape: Shapes) -> list[Any]:
    parts = Parts(node)
    parts.several("Concat", list(node.input[2::3]), node.output[:1], axis=a["axis"])
    return parts.made


REWRITES: dict[str, Rewrite] = {
    "FusedConv": _activated("Conv", _CONV),
    "FusedGemm": _activated("Gemm", ("transA", "transB", "alpha", "beta")),
    "FusedMatMul": _product,
    "TransposeMatMul": _product,
    "MatMulNBits": _few_bits,
    "MatMulIntegerToFloat": _as("MatMul", 0, 1, bias=6),
    "DynamicQuantizeMatMul": _as("MatMul", 0, 1, bias=4),
    "QGemm": _as("Gemm", 0, 3, 6, keep=("transA", "transB")),
    "QLinearAdd": _as("Add", 0, 3),
    "QLinearMul": _as("Mul", 0, 3),
    "QLinearSigmoid": _as("Sigmoid", 0),
    "QLinearLeakyRelu": _as("LeakyRelu", 0),
    "QLinearSoftmax": _as("Softmax", 0, keep=("axis",)),
    "QLinearGlobalAveragePool": _as("GlobalAveragePool", 0),
    "QLinearAveragePool": _as("AveragePool", 0, keep=_POOL),
    "QLinearWhere": _as("Where", 0, 1, 4),
    "QLinearConcat": _concat,
    "NhwcConv": _images_last("Conv", _CONV),
    "GroupNorm": _images_last("GroupNormalization", ("epsilon",), groups=True),
    "Gelu": _biased("Gelu"),
    "BiasGelu": _biased("Gelu"),
    "FastGelu": _biased("Gelu", approximate="tanh"),
    "BiasAdd": _sum,
    "SkipLayerNormalization": _skip("LayerNormalization", 4),
    "SkipSimplifiedLayerNormalization": _skip("RMSNormalization", 3),
    "SimplifiedLayerNormalization": _as("RMSNormalization", 0, 1, keep=("axis", "epsilon")),
    "EmbedLayerNormalization": _embedded,
    "Attention": packed,
    "QAttention": packed,
    "MultiHeadAttention": many_heads,
    "GroupQueryAttention": shared_heads,
}
"""What stands for a node of another domain: (node, attributes, shapes) -> nodes of ONNX's own."""


def outputs_of(node: Any, a: Mapping[str, Any], shape: Shapes) -> dict[str, tuple[int, ...]] | None:
    """Shapes of results for which ONNX has no rule, by name; None where it has one, or none is known here."""
    first, kind = shape(node.input[0]) if node.input else None, node.op_type
    if first is None or (node.domain in ("", "ai.onnx") and kind not in _SAME):
        return None
    if kind in _SAME:
        return dict.fromkeys(node.output[:1], first)
    classes = len(a.get("classlabels_ints") or a.get("classlabels_int64s") or a.get("classlabels_strings") or ())
    if kind.endswith("Classifier") and classes:
        return dict(zip(node.output, ((first[0],), (first[0], classes)), strict=False))
    if kind.endswith("Regressor"):
        return dict.fromkeys(node.output[:1], (first[0], max(1, int(a.get("targets", a.get("n_targets", 1))))))
    return None
