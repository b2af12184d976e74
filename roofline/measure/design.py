"""Which operators are worth measuring? Random shapes that span what networks use, by family.

Shapes are drawn log-uniformly between the sizes below, with a fixed seed, and kept if one call is
neither trivial nor longer than about 40 ms of work on a slow core. No shape of a built-in network is
put in on purpose: networks are what the calibration is tested on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

MAX_FLOPS = 3.2e9
MAX_ELEMENTS = 12_000_000
MAX_WEIGHTS = 16_000_000


@dataclass(frozen=True)
class Question:
    """One operator to measure: its name, attributes and input shapes, and the family drawn for."""

    family: str
    op: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[tuple[int, ...], ...] = ()


SHARES = {
    "conv": 0.19,
    "conv1x1": 0.12,
    "depthwise": 0.09,
    "linear": 0.15,
    "bmm": 0.06,
    "attention": 0.07,
    "elementwise": 0.12,
    "norm": 0.08,
    "softmax": 0.03,
    "pool": 0.03,
    "reduction": 0.03,
    "embedding": 0.015,
    "copy": 0.015,
}
"""Share of the rows each family gets: more where more kernel paths hide."""


def design(rows: int, *, seed: int = 0) -> list[Question]:
    """About ``rows`` questions, stratified by family, in random order; equal seeds give equal designs."""
    rng = np.random.default_rng(seed)
    questions: list[Question] = []
    for family, share in SHARES.items():
        wanted = max(6, round(rows * share))
        seen: set[Question | str] = set()
        for _ in range(50 * wanted):
            if len(seen) == wanted:
                break
            question = _DRAW[family](rng)
            if question is not None and (identity := repr(question)) not in seen:
                seen.add(identity)
                questions.append(question)
    order = rng.permutation(len(questions))
    return [questions[index] for index in order]


def ladder() -> list[Question]:
    """Streams from 64 KiB to 128 MiB: how bandwidth falls from the caches to DRAM.

    A copying ReLU, the same in place (the most bandwidth one core gets), an addition and a sum.
    """
    steps = [round(2.0 ** (exponent / 2)) * 64 for exponent in range(16, 39)]
    return [
        question
        for size in steps
        for question in (
            Question("elementwise", "relu", {}, ((size,),)),
            Question("elementwise", "relu", {"inplace": True}, ((size,),)),
            Question("elementwise", "add", {}, ((size,), (size,))),
            Question("reduction", "sum", {}, ((size,),)),
        )
        if size * (3 if question.op == "add" else 2) <= 2**26
    ]


def _log(rng: np.random.Generator, low: float, high: float) -> int:
    return round(float(np.exp(rng.uniform(np.log(low), np.log(high)))))


def _size(rng: np.random.Generator, low: float, high: float) -> int:
    """A size as networks have them: mostly a multiple of 16 or 64, sometimes anything."""
    value = _log(rng, low, high)
    multiple = int(rng.choice([1, 8, 16, 64], p=[0.2, 0.15, 0.3, 0.35]))
    return max(1, round(value / multiple) * multiple) if value >= multiple else value


def _linear(rng: np.random.Generator) -> Question | None:
    m = 1 if rng.random() < 0.08 else _size(rng, 1, 2048)
    k, n = _size(rng, 16, 4096), _size(rng, 8, 8192)
    if not 2e3 <= 2 * m * n * k <= MAX_FLOPS or n * k > MAX_WEIGHTS:
        return None
    return Question("linear", "linear", {"out": n, "bias": bool(rng.random() < 0.8)}, ((m, k),))


def _bmm(rng: np.random.Generator) -> Question | None:
    b, m, n, k = _log(rng, 2, 128), _size(rng, 8, 512), _size(rng, 8, 512), _size(rng, 8, 512)
    if 2 * b * m * n * k > MAX_FLOPS or b * max(m * n, m * k, n * k) > MAX_ELEMENTS:
        return None
    if rng.random() < 0.5:
        return Question("bmm", "matmul", {"transpose_b": True}, ((b, m, k), (b, n, k)))
    return Question("bmm", "matmul", {}, ((b, m, k), (b, k, n)))


def _attention(rng: np.random.Generator) -> Question | None:
    b, h, s = _log(rng, 1, 8), _log(rng, 1, 24), _size(rng, 8, 768)
    d = int(rng.choice([32, 48, 64, 64, 80, 128]))
    if 4 * b * h * s * s * d > MAX_FLOPS or b * h * s * d > MAX_ELEMENTS:
        return None
    return Question("attention", "attention", {"causal": bool(rng.random() < 0.4)}, ((b, h, s, d),) * 3)


def _image(rng: np.random.Generator) -> int:
    return int(rng.choice([7, 14, 28, 56, 112])) if rng.random() < 0.35 else _log(rng, 5, 128)


def _conv(rng: np.random.Generator) -> Question | None:
    b, side = _log(rng, 1, 8), _image(rng)
    c = 3 if rng.random() < 0.12 else _size(rng, 8, 768)
    kernel = int(rng.choice([2, 3, 3, 3, 3, 3, 5, 7]))
    if c == 3:
        side = _log(rng, 32, 224)
    out = _size(rng, 8, 768)
    stride = int(rng.choice([1, 1, 1, 2]))
    if kernel > side:
        return None
    padding = kernel // 2 if rng.random() < 0.85 else 0
    pixels = b * ((side + 2 * padding - kernel) // stride + 1) ** 2
    flops = 2 * pixels * out * c * kernel**2
    if not 2e5 <= flops <= MAX_FLOPS or max(b * c * side**2, pixels * out) > MAX_ELEMENTS:
        return None
    attributes = {"out": out, "kernel": kernel, "stride": stride, "padding": padding, "bias": bool(rng.random() < 0.4)}
    return Question("conv", "conv2d", attributes, ((b, c, side, side),))


def _conv1x1(rng: np.random.Generator) -> Question | None:
    b, side, c, out = _log(rng, 1, 8), _image(rng), _size(rng, 8, 2048), _size(rng, 8, 2048)
    stride = int(rng.choice([1, 1, 1, 1, 2]))
    pixels = b * ((side - 1) // stride + 1) ** 2
    flops = 2 * pixels * out * c
    if not 5e4 <= flops <= MAX_FLOPS or max(b * c * side**2, pixels * out) > MAX_ELEMENTS:
        return None
    attributes = {"out": out, "kernel": 1, "stride": stride, "bias": bool(rng.random() < 0.3)}
    return Question("conv1x1", "conv2d", attributes, ((b, c, side, side),))


def _depthwise(rng: np.random.Generator) -> Question | None:
    b, side, c = _log(rng, 1, 8), _image(rng), _size(rng, 8, 1024)
    kernel = int(rng.choice([3, 3, 3, 5]))
    if b * c * side**2 > MAX_ELEMENTS // 3 or b * c * side**2 < 500:
        return None
    stride = int(rng.choice([1, 1, 2]))
    attributes = {"out": c, "kernel": kernel, "stride": stride, "padding": kernel // 2, "groups": c, "bias": False}
    return Question("depthwise", "conv2d", attributes, ((b, c, side, side),))


_UNARY = ("relu", "relu6", "gelu", "gelu_tanh", "tanh", "sigmoid", "silu")


def _elementwise(rng: np.random.Generator) -> Question | None:
    rows, width = _log(rng, 1, 4096), _size(rng, 8, 8192)
    if rows * width > MAX_ELEMENTS:
        return None
    shape = (rows, width)
    if rng.random() < 0.35:
        attributes = {"inplace": True} if rng.random() < 0.4 else {}
        second = (width,) if rng.random() < 0.15 else shape
        return Question("elementwise", str(rng.choice(["add", "add", "mul"])), attributes, (shape, second))
    op = str(rng.choice(_UNARY, p=[0.25, 0.2, 0.15, 0.1, 0.1, 0.1, 0.1]))
    inplace = op in ("relu", "relu6") and rng.random() < 0.6
    return Question("elementwise", op, {"inplace": True} if inplace else {}, (shape,))


def _norm(rng: np.random.Generator) -> Question | None:
    if rng.random() < 0.4:
        rows, width = _log(rng, 1, 4096), _size(rng, 16, 4096)
        if rows * width > MAX_ELEMENTS // 2:
            return None
        return Question("norm", "layer_norm", {}, ((rows, width),))
    b, c, side = _log(rng, 1, 8), _size(rng, 8, 2048), _image(rng)
    if b * c * side**2 > MAX_ELEMENTS:
        return None
    return Question("norm", "batch_norm", {}, ((b, c, side, side),))


def _softmax(rng: np.random.Generator) -> Question | None:
    rows, width = _log(rng, 1, 16384), _size(rng, 8, 4096)
    return None if rows * width > MAX_ELEMENTS // 2 else Question("softmax", "softmax", {}, ((rows, width),))


def _pool(rng: np.random.Generator) -> Question | None:
    b, c, side = _log(rng, 1, 8), _size(rng, 8, 1024), _image(rng)
    kernel, stride, padding = ((2, 2, 0), (3, 2, 1), (3, 2, 0), (3, 1, 1))[int(rng.integers(4))]
    if not 500 < b * c * side**2 <= MAX_ELEMENTS // 3:
        return None
    op = "max_pool2d" if rng.random() < 0.7 else "avg_pool2d"
    return Question("pool", op, {"kernel": kernel, "stride": stride, "padding": padding}, ((b, c, side, side),))


def _reduction(rng: np.random.Generator) -> Question | None:
    if rng.random() < 0.6:
        b, c, side = _log(rng, 1, 16), _size(rng, 16, 2048), _log(rng, 4, 56)
        shape: tuple[int, ...] = (b, c, side, side)
        op = "global_avg_pool"
    else:
        shape, op = (_log(rng, 4, 4096), _size(rng, 16, 4096)), str(rng.choice(["mean", "sum"]))
    return None if prod(shape) > MAX_ELEMENTS else Question("reduction", op, {}, (shape,))


def _embedding(rng: np.random.Generator) -> Question | None:
    entries, features, b, s = _log(rng, 512, 40000), _size(rng, 64, 1024), _log(rng, 1, 16), _log(rng, 8, 512)
    if entries * features > MAX_WEIGHTS or b * s * features > MAX_ELEMENTS:
        return None
    return Question("embedding", "embedding", {"entries": entries, "features": features}, ((b, s),))


def _copy(rng: np.random.Generator) -> Question | None:
    b, rows, width = _log(rng, 1, 16), _log(rng, 8, 1024), _size(rng, 8, 1024)
    if b * rows * width > MAX_ELEMENTS // 2:
        return None
    op = str(rng.choice(["copy", "transpose_copy", "concat"]))
    shape = (b, rows, width)
    return Question("copy", op, {"dim": 1} if op == "concat" else {}, (shape, shape) if op == "concat" else (shape,))


_DRAW: dict[str, Callable[[np.random.Generator], Question | None]] = {
    "conv": _conv,
    "conv1x1": _conv1x1,
    "depthwise": _depthwise,
    "linear": _linear,
    "bmm": _bmm,
    "attention": _attention,
    "elementwise": _elementwise,
    "norm": _norm,
    "softmax": _softmax,
    "pool": _pool,
    "reduction": _reduction,
    "embedding": _embedding,
    "copy": _copy,
}
