"""One small question about every operator, drawn at random: (op, attributes, input shapes)."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from roofline.operators.elementwise import BINARY_FLOPS, UNARY_FLOPS

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
    if op in ("max_pool2d", "avg_pool2d"):
        return (
            op,
            {"kernel": draw(st.integers(1, 3)), "stride": draw(st.integers(1, 3))},
            [(b, k, side, side)],
        )
    if op in ("global_avg_pool", "batch_norm"):
        return op, {}, [(b, k, side, side)]
    if op == "embedding":
        return op, {"entries": n, "features": k}, [(b, m)]
    if op == "concat":
        return op, {"dim": 1}, [(b, m, k), (b, n, k)]
    if op in BINARY_FLOPS:
        inplace = draw(st.booleans())
        return op, {"inplace": inplace}, [(b, m, k), draw(st.sampled_from([(b, m, k), (m, k), (k,), (1, 1)]))]
    if op in VIEW_ATTRIBUTES:
        return op, VIEW_ATTRIBUTES[op], [(b, m, k)]
    return op, {}, [(b, m, k)]


VIEW_ATTRIBUTES: dict[str, dict[str, Any]] = {
    "view": {"shape": (-1,)},
    "transpose": {"dims": (1, 0, 2)},
    "select": {"dim": 0, "index": -1},
    "slice": {"dim": 0, "start": 0, "length": 1},
}
ROW_OPS = ("layer_norm", "softmax", "mean", "sum", "copy", "transpose_copy")
OTHERS = [
    "linear",
    "matmul",
    "attention",
    "conv2d",
    "max_pool2d",
    "avg_pool2d",
    "global_avg_pool",
    "batch_norm",
    "embedding",
    "concat",
]
OPS = [*OTHERS, *ROW_OPS, *UNARY_FLOPS, *BINARY_FLOPS, *VIEW_ATTRIBUTES]
