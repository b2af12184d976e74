"""One small question about every operator, drawn at random: (op, attributes, input shapes)."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from roofline.operators.elementwise import BINARY_FLOPS, UNARY_FLOPS
from roofline.operators.pointwise import FUNCTIONS
from roofline.operators.rows import ROW_FUNCTIONS

Question = tuple[str, dict[str, Any], list[tuple[int, ...]]]

size = st.integers(1, 40)
batch = st.integers(1, 8)


@st.composite
def questions(draw: st.DrawFn) -> Question:
    op = draw(st.sampled_from(OPS))
    b, m, n, k = draw(batch), draw(size), draw(size), draw(size)
    side = draw(st.integers(4, 24))
    if op == "linear":
        return op, {"out": n, "bias": draw(st.booleans())}, [(b, m, k)]
    if op == "matmul":
        swapped = draw(st.booleans())
        return op, {"transpose_b": swapped}, [(b, m, k), (b, n, k) if swapped else (b, k, n)]
    if op == "attention":
        shared = draw(st.sampled_from([1, 2, 4]))
        return op, {"causal": draw(st.booleans())}, [(b, 4, m, k), (b, shared, n, k), (b, shared, n, k)]
    if op == "conv2d":
        groups = draw(st.sampled_from([1, 2, 4]))
        window = {
            "kernel": draw(st.integers(1, 4)),
            "stride": draw(st.integers(1, 3)),
            "padding": draw(st.integers(0, 2)),
        }
        return op, {"out": groups * n, "groups": groups, **window}, [(b, 4 * k, side, side)]
    if op == "conv_transpose2d":
        groups, stride = draw(st.sampled_from([1, 2, 4])), draw(st.integers(1, 3))
        window = {
            "kernel": draw(st.integers(1, 4)),
            "stride": stride,
            "padding": draw(st.integers(0, 1)),
            "output_padding": draw(st.integers(0, stride - 1)),
        }
        return op, {"out": groups * n, "groups": groups, **window}, [(b, 4 * k, side, side)]
    if op in ("max_pool2d", "avg_pool2d"):
        window = {
            "kernel": draw(st.integers(1, 3)),
            "stride": draw(st.integers(1, 3)),
            "ceil_mode": draw(st.booleans()),
        }
        return op, window, [(b, k, side, side)]
    if op == "upsample2d":
        return op, {"scale": draw(st.integers(1, 3)), "bilinear": draw(st.booleans())}, [(b, k, side, side)]
    if op == "local_response_norm":
        return op, {"size": draw(st.integers(1, 7))}, [(b, k, side, side)]
    if op == "dropout":
        return op, {"percent": draw(st.integers(1, 99))}, [(b, m, k)]
    if op in ("global_avg_pool", "batch_norm"):
        return op, {}, [(b, k, side, side)]
    if op == "embedding":
        return op, {"entries": n, "features": k}, [(b, m)]
    if op == "concat":
        return op, {"dim": 1}, [(b, m, k), (b, n, k)]
    if op in BINARY_FLOPS:
        inplace = draw(st.booleans())
        return op, {"inplace": inplace}, [(b, m, k), draw(st.sampled_from([(b, m, k), (m, k), (k,), (1, 1)]))]
    if op == "expand":
        return op, {"shape": (n, b, m, k)}, [(b, m, k)]
    if op in VIEW_ATTRIBUTES:
        return op, VIEW_ATTRIBUTES[op], [(b, m, k)]
    if op in SEQUENCES:
        return sequence(draw, op)
    if op in FUNCTIONS:
        inputs = draw(st.integers(1, 4)) if op == "function" else FUNCTIONS[op].inputs
        return op, {"inplace": draw(st.booleans())}, [(b, m, k), *[(m, k)] * (inputs - 1)]
    if op in TRACED:
        return traced(draw, op)
    return op, {}, [(b, m, k)]


def sequence(draw: st.DrawFn, op: str) -> Question:
    """What sequence nets, recommenders and hashes are made of."""
    b, m, n, k = draw(batch), draw(size), draw(size), draw(size)
    if op == "rotary":
        return op, {}, [(b, m, n, 2 * k)]
    if op == "kv_cache":  # with earlier tokens it writes less than it gives: see test_counts_sequences
        return op, {"length": 0}, [(b, m, n, k)]
    if op == "parameter":
        return op, {"shape": (m, k)}, []
    if op == "embedding_bag":
        return op, {"entries": n, "features": k, "sparse": draw(st.booleans())}, [(b, m)]
    if op == "topk":
        return op, {"count": draw(st.integers(1, k))}, [(b, m, k)]
    if op == "experts":
        return op, {"experts": n, "width": m}, [(b, m, k), (b, m, draw(st.integers(1, n)))]
    if op in ("lstm", "gru", "rnn"):
        stacked = {"layers": draw(st.integers(1, 3)), "bidirectional": draw(st.booleans())}
        return op, {"hidden": n, "bias": draw(st.booleans()), **stacked}, [(b, m, k)]
    return op, {"operations": m * n * k, "integer": draw(st.booleans())}, [(b, m, k)]


def traced(draw: st.DrawFn, op: str) -> Question:
    """What only traces of models are made of."""
    b, m, n, k = draw(batch), draw(size), draw(size), draw(size)
    side = draw(st.integers(3, 9))
    if op == "group_norm":
        return op, {"groups": m, "affine": draw(st.booleans())}, [(b, m * n, k)]
    if op in ("conv3d", "conv_transpose3d"):
        window = {"kernel": draw(st.integers(1, 3)), "stride": draw(st.integers(1, 2)), "bias": draw(st.booleans())}
        return op, {"out": 2 * n, "groups": draw(st.sampled_from([1, 2])), **window}, [(b, 2 * k, side, side, side)]
    if op in ("max_pool3d", "avg_pool3d"):
        return op, {"kernel": draw(st.integers(1, 3)), "stride": draw(st.integers(1, 3))}, [(b, k, side, side, side)]
    if op == "fft":
        return op, {"shape": (b, m, 2), "length": m, "real": draw(st.booleans())}, [(b, m, 2)]
    if op == "resample":
        return op, {"size": (m, n), "taps": draw(st.sampled_from([1, 4, 16]))}, [(b, k, side, side)]
    if op == "gather":
        return op, {"shape": (b, m, k), "piece": draw(st.sampled_from([1, k]))}, [(b, n, k), (b, m)]
    if op == "scatter":
        return op, {"add": draw(st.booleans()), "piece": 1, "inplace": draw(st.booleans())}, [(b, n, k), (b, m), (b, m)]
    if op == "overwrite":
        return op, {"elements": m * k}, [(b, m, k), (m, k)]
    if op == "pad":
        return op, {"shape": (b, m + n, k)}, [(b, m, k)]
    if op == "rearrange":
        return op, {"shape": (draw(st.integers(1, 3)) * b, m, k)}, [(b, m, k)]
    if op == "convert":
        return op, {"whole_bits": draw(st.sampled_from([0, 64]))}, [(b, m, k)]
    if op == "beside":
        return op, {"shape": (b, m)}, [(b, m, k)]
    if op == "uncovered":
        return op, {"shape": (b, m)}, [(b, m, k)]
    if op == "grouped_matmul":
        return op, {}, [(b * m, k), (draw(size), k, n)]
    return op, {"shape": (b, m, k)}, []


TRACED = (
    *("group_norm", "conv3d", "conv_transpose3d", "max_pool3d", "avg_pool3d", "fft", "resample", "gather", "scatter"),
    *("overwrite", "pad", "rearrange", "convert", "beside", "uncovered", "fill", "blank", "buffer"),
    "grouped_matmul",
)
WRITES_PLACES = ("topk", "sort", "row_max_places")
FREE = ("parameter", "buffer", "blank", "beside")
VIEW_ATTRIBUTES: dict[str, dict[str, Any]] = {
    "view": {"shape": (-1,)},
    "transpose": {"dims": (1, 0, 2)},
    "select": {"dim": 0, "index": -1},
    "slice": {"dim": 0, "start": 0, "length": 1},
    "expand": {"shape": (4, 6, 8)},
    "strided": {"shape": (4, 3)},
}
SEQUENCES = (
    "rotary",
    "kv_cache",
    "parameter",
    "embedding_bag",
    "topk",
    "experts",
    "lstm",
    "gru",
    "rnn",
    "opaque",
)
HIDDEN_STEPS = ("experts", "rnn", "lstm", "gru", "cross_entropy", "mean_squares")
"""Operators of several kernels that hand results on to each other, or that read a goal beside their inputs."""
ROW_OPS = (
    "cast",
    "cross_entropy",
    "mean_squares",
    "layer_norm",
    "rms_norm",
    "softmax",
    "mean",
    "sum",
    "copy",
    "transpose_copy",
)
OTHERS = [
    "linear",
    "matmul",
    "attention",
    "conv2d",
    "conv_transpose2d",
    "max_pool2d",
    "avg_pool2d",
    "upsample2d",
    "global_avg_pool",
    "batch_norm",
    "local_response_norm",
    "dropout",
    "embedding",
    "concat",
]
OPS = [
    *OTHERS,
    *ROW_OPS,
    *UNARY_FLOPS,
    *BINARY_FLOPS,
    *VIEW_ATTRIBUTES,
    *SEQUENCES,
    *FUNCTIONS,
    *ROW_FUNCTIONS,
    *TRACED,
]
