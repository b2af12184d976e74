"""Which shapes do the forward passes of networks have, by family? One question for each point drawn, or none."""

from __future__ import annotations

from math import prod

from roofline.campaign.question import MAX_ELEMENTS, MAX_FLOPS, MAX_WEIGHTS, Point, Question


def linear(at: Point) -> Question | None:
    m = 1 if at.chance(0.08) else at.size(1, 2048)
    k, n = at.size(16, 4096), at.size(8, 8192)
    if not 2e3 <= 2 * m * n * k <= MAX_FLOPS or n * k > MAX_WEIGHTS:
        return None
    return Question("linear", "linear", {"out": n, "bias": at.chance(0.8)}, ((m, k),))


def bmm(at: Point) -> Question | None:
    b, m, n, k = at.log_size(2, 128), at.size(8, 512), at.size(8, 512), at.size(8, 512)
    if 2 * b * m * n * k > MAX_FLOPS or b * max(m * n, m * k, n * k) > MAX_ELEMENTS:
        return None
    if at.chance(0.5):
        return Question("bmm", "matmul", {"transpose_b": True}, ((b, m, k), (b, n, k)))
    return Question("bmm", "matmul", {}, ((b, m, k), (b, k, n)))


def attention(at: Point) -> Question | None:
    b, h, s = at.log_size(1, 8), at.log_size(1, 24), at.size(8, 768)
    d = at.choose([32, 48, 64, 64, 80, 128])
    if 4 * b * h * s * s * d > MAX_FLOPS or b * h * s * d > MAX_ELEMENTS:
        return None
    return Question("attention", "attention", {"causal": at.chance(0.4)}, ((b, h, s, d),) * 3)


def _image(at: Point) -> int:
    return at.choose([7, 14, 28, 56, 112]) if at.chance(0.35) else at.log_size(5, 128)


def conv(at: Point) -> Question | None:
    b, side = at.log_size(1, 8), _image(at)
    c = 3 if at.chance(0.12) else at.size(8, 768)
    kernel = at.choose([2, 3, 3, 3, 3, 3, 5, 7])
    if c == 3:
        side = at.log_size(32, 224)
    out = at.size(8, 768)
    stride = at.choose([1, 1, 1, 2])
    if kernel > side:
        return None
    padding = kernel // 2 if at.chance(0.85) else 0
    pixels = b * ((side + 2 * padding - kernel) // stride + 1) ** 2
    flops = 2 * pixels * out * c * kernel**2
    if not 2e5 <= flops <= MAX_FLOPS or max(b * c * side**2, pixels * out) > MAX_ELEMENTS:
        return None
    attributes = {"out": out, "kernel": kernel, "stride": stride, "padding": padding, "bias": at.chance(0.4)}
    return Question("conv", "conv2d", attributes, ((b, c, side, side),))


def conv1x1(at: Point) -> Question | None:
    b, side, c, out = at.log_size(1, 8), _image(at), at.size(8, 2048), at.size(8, 2048)
    stride = at.choose([1, 1, 1, 1, 2])
    pixels = b * ((side - 1) // stride + 1) ** 2
    flops = 2 * pixels * out * c
    if not 5e4 <= flops <= MAX_FLOPS or max(b * c * side**2, pixels * out) > MAX_ELEMENTS:
        return None
    attributes = {"out": out, "kernel": 1, "stride": stride, "bias": at.chance(0.3)}
    return Question("conv1x1", "conv2d", attributes, ((b, c, side, side),))


def depthwise(at: Point) -> Question | None:
    b, side, c = at.log_size(1, 8), _image(at), at.size(8, 1024)
    kernel = at.choose([3, 3, 3, 5, 7])
    if b * c * side**2 > MAX_ELEMENTS // 3 or b * c * side**2 < 500:
        return None
    stride = at.choose([1, 1, 2])
    attributes = {"out": c, "kernel": kernel, "stride": stride, "padding": kernel // 2, "groups": c, "bias": False}
    return Question("depthwise", "conv2d", attributes, ((b, c, side, side),))


_UNARY = ("relu", "relu6", "gelu", "gelu_tanh", "tanh", "sigmoid", "silu")


def elementwise(at: Point) -> Question | None:
    rows, width = at.log_size(1, 4096), at.size(8, 8192)
    if rows * width > MAX_ELEMENTS:
        return None
    shape = (rows, width)
    kind = at.choose(["two", "one", "other"], [0.33, 0.5, 0.17])
    if kind == "two":
        attributes = {"inplace": True} if at.chance(0.4) else {}
        second = (width,) if at.chance(0.15) else shape
        return Question("elementwise", at.choose(["add", "add", "mul"]), attributes, (shape, second))
    if kind == "other":
        op = at.choose(["mask", "scale", "div", "exp"])
        return Question("elementwise", op, {}, (shape, shape) if op in ("mask", "div") else (shape,))
    op = at.choose(_UNARY, [0.25, 0.2, 0.15, 0.1, 0.1, 0.1, 0.1])
    inplace = op in ("relu", "relu6") and at.chance(0.6)
    return Question("elementwise", op, {"inplace": True} if inplace else {}, (shape,))


def norm(at: Point) -> Question | None:
    if at.chance(0.4):
        rows, width = at.log_size(1, 4096), at.size(16, 4096)
        if rows * width > MAX_ELEMENTS // 2:
            return None
        return Question("norm", "layer_norm", {}, ((rows, width),))
    groups = at.choose([0, 0, 0, 8, 32])
    b, c, side = at.log_size(1, 8), at.size(8, 2048), _image(at)
    if b * c * side**2 > MAX_ELEMENTS:
        return None
    if groups and c % groups == 0:
        return Question("norm", "group_norm", {"groups": groups}, ((b, c, side, side),))
    return Question("norm", "batch_norm", {}, ((b, c, side, side),))


def softmax(at: Point) -> Question | None:
    rows, width = at.log_size(1, 16384), at.size(8, 4096)
    op = at.choose(["softmax", "softmax", "softmax", "log_softmax"])
    return None if rows * width > MAX_ELEMENTS // 2 else Question("softmax", op, {}, ((rows, width),))


def pool(at: Point) -> Question | None:
    b, c, side = at.log_size(1, 8), at.size(8, 1024), _image(at)
    kernel, stride, padding = at.choose(((2, 2, 0), (3, 2, 1), (3, 2, 0), (3, 1, 1)))
    if not 500 < b * c * side**2 <= MAX_ELEMENTS // 3:
        return None
    op = "max_pool2d" if at.chance(0.7) else "avg_pool2d"
    return Question("pool", op, {"kernel": kernel, "stride": stride, "padding": padding}, ((b, c, side, side),))


def reduction(at: Point) -> Question | None:
    if at.chance(0.6):
        b, c, side = at.log_size(1, 16), at.size(16, 2048), at.log_size(4, 56)
        shape: tuple[int, ...] = (b, c, side, side)
        op = "global_avg_pool"
    else:
        shape, op = (at.log_size(4, 4096), at.size(16, 4096)), at.choose(["mean", "sum"])
    return None if prod(shape) > MAX_ELEMENTS else Question("reduction", op, {}, (shape,))


def embedding(at: Point) -> Question | None:
    entries, features, b, s = at.log_size(512, 40000), at.size(64, 1024), at.log_size(1, 16), at.log_size(8, 512)
    if entries * features > MAX_WEIGHTS or b * s * features > MAX_ELEMENTS:
        return None
    return Question("embedding", "embedding", {"entries": entries, "features": features}, ((b, s),))


def copy(at: Point) -> Question | None:
    b, rows, width = at.log_size(1, 16), at.log_size(8, 1024), at.size(8, 1024)
    if b * rows * width > MAX_ELEMENTS // 2:
        return None
    op = at.choose(["copy", "transpose_copy", "concat", "concat", "upsample2d"])
    shape = (b, rows, width)
    if op == "concat":
        return Question("copy", op, {"dim": 1}, (shape, shape))
    if op == "upsample2d":
        return Question("copy", op, {"scale": 2}, ((b, max(1, width // 4), max(1, rows // 8), max(1, rows // 8)),))
    return Question("copy", op, {}, (shape,))


def unusual(at: Point) -> Question | None:
    """Grouped, dilated and transposed convolutions."""
    b, side, width = at.log_size(1, 8), _image(at), at.size(4, 128)
    kind = at.choose(["groups", "dilation", "transposed"])
    kernel, out = at.choose([3, 3, 5]), at.size(8, 512)
    if kind == "transposed":
        c, stride = at.size(8, 512), 2
        flops, pixels = 2 * b * side**2 * c * out * stride**2, b * (stride * side) ** 2
        attributes = {"out": out, "kernel": stride, "stride": stride, "bias": False}
        inputs, op = (b, c, side, side), "conv_transpose2d"
    elif kind == "groups":
        groups = at.choose([2, 4, 8, 32])
        out = groups * width
        flops, pixels = 2 * b * side**2 * out * width * kernel**2, b * side**2
        attributes = {"out": out, "kernel": kernel, "padding": kernel // 2, "groups": groups, "bias": False}
        inputs, op = (b, out, side, side), "conv2d"
    else:
        dilation = at.choose([2, 4])
        flops, pixels = 2 * b * side**2 * width * out * kernel**2, b * side**2
        padding = dilation * (kernel // 2)
        attributes = {"out": out, "kernel": kernel, "padding": padding, "dilation": dilation, "bias": False}
        inputs, op = (b, width, side, side), "conv2d"
    if not 5e4 <= flops <= MAX_FLOPS or max(prod(inputs), pixels * out) > MAX_ELEMENTS:
        return None
    return Question("unusual conv", op, attributes, (inputs,))


def decode(at: Point) -> Question | None:
    """One new token against a cache, and groups of heads that share keys and values."""
    b, kv, shared = at.log_size(1, 8), at.log_size(1, 12), at.choose([1, 1, 2, 4])
    past, width = at.size(16, 4096), at.choose([64, 64, 128])
    queries = 1 if at.chance(0.7) else at.log_size(2, 256)
    if b * kv * past * width > MAX_ELEMENTS // 2 or 4 * b * kv * shared * queries * past * width > MAX_FLOPS:
        return None
    cache = (b, kv, past, width)
    return Question("decode", "attention", {"causal": False}, ((b, kv * shared, queries, width), cache, cache))


def recurrent(at: Point) -> Question | None:
    """A layer of an LSTM or GRU: many kernels by our count and one library call, so scored and not fitted."""
    b, steps, features, hidden = at.log_size(1, 64), at.log_size(4, 128), at.size(16, 1024), at.size(16, 1024)
    op = at.choose(["lstm", "gru"])
    if not 1e5 <= 8 * b * steps * hidden * (features + hidden) <= MAX_FLOPS:
        return None
    return Question("recurrent", op, {"hidden": hidden}, ((b, steps, features),))
