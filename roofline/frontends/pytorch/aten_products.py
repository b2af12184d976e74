"""Which formulas do PyTorch's matrix multiplications have: linear layers, GEMM, convolutions, attention,
recurrences?
"""

# mypy: disable-error-code="misc"

from __future__ import annotations

from math import prod
from typing import Any

import torch

from roofline.core.workload import Attribute
from roofline.frontends.pytorch.calls import Call, shape_of
from roofline.frontends.pytorch.ledger import Handler, Ledger

Tensor = Any
Attributes = dict[str, Attribute]


def linear(r: Ledger, c: Call) -> bool:
    """A GEMM with a weight of the model, or with a computed one."""
    x, weight, bias = c["input"], c["weight"], c["bias"]
    if r.weight(weight) is None:
        return _product(r, x, weight, c, bias, transposed=True)
    own = bias is None or r.weight(bias) is not None
    attributes: Attributes = {"out": int(weight.shape[0]), "bias": bias is not None and own}
    weights = [weight, bias] if bias is not None and own else [weight]
    r.put("linear", [_row(r, x)], attributes, c.result, weights=weights, shape=_rowed(x, int(weight.shape[0])))
    if not own:
        r.put("add", [c.result, bias], {}, c.result)
    return True


def _row(r: Ledger, x: Tensor) -> str:
    """A vector as a matrix of one row."""
    shape = shape_of(x)
    return r.name(x) if len(shape) > 1 else r.graph.seen_as(r.name(x), (1, *shape))


def _rowed(x: Tensor, out: int) -> tuple[int, ...]:
    shape = shape_of(x)
    return (*(shape[:-1] or (1,)), out)


def _product(
    r: Ledger, left: Tensor, right: Tensor, c: Call, bias: Tensor | None = None, *, transposed: bool = False
) -> bool:
    """A GEMM of two tensors, leading dimensions broadcast; a plain weight on the right makes it a linear layer."""
    if left.is_complex() or right.is_complex():
        return False
    a, b = shape_of(left), shape_of(right)
    if r.weight(right) is not None and len(b) == 2 and not transposed:
        out = b[1]
        own = bias is not None and r.weight(bias) is not None and bias.dim() == 1
        weights = [right, bias] if own else [right]
        # stored as (in, out); the same size as the (out, in) of a linear layer
        tied = r.weight(right) in r.users
        if not tied:
            r.put(
                "linear", [_row(r, left)], {"out": out, "bias": own}, c.result, weights=weights, shape=_rowed(left, out)
            )
            if bias is not None and not own:
                r.put("add", [c.result, bias], {}, c.result)
            return True
    first, second = r.name(left), r.name(right)
    if len(a) == 1:
        first, a = r.graph.seen_as(first, (1, *a)), (1, *a)
    if len(b) == 1:
        second, b = r.graph.seen_as(second, (b[0], 1)), (b[0], 1)
    m, n = a[-2], b[-2] if transposed else b[-1]
    if len(b) == 2:
        lead = a[:-2]
    else:
        lead = tuple(
            max(x, y) for x, y in zip((1,) * (len(b) - len(a)) + a[:-2], (1,) * (len(a) - len(b)) + b[:-2], strict=True)
        )
        first, second = _spread(r, first, lead), _spread(r, second, lead)
    r.put("matmul", [first, second], {"transpose_b": transposed}, c.result, shape=(*lead, m, n))
    if bias is not None:
        r.put("add", [c.result, bias], {}, c.result)
    return True


def _spread(r: Ledger, name: str, lead: tuple[int, ...]) -> str:
    """Leading dimensions expanded to those of the other operand, without a copy."""
    shape = r.graph.tensors[name].shape
    wanted = (*lead, *shape[-2:])
    return name if shape == wanted else r.graph.aside("expand", name, {"shape": wanted})


def matmul(r: Ledger, c: Call) -> bool:
    left, right = (value for value in list(c.args.values())[:2])
    return _product(r, left, right, c)


def addmm(r: Ledger, c: Call) -> bool:
    left, right = (c[key] for key in (("mat1", "mat2") if c["mat1"] is not None else ("batch1", "batch2")))
    zero = c["beta"] == 0  # the existing contents are ignored
    return _product(r, left, right, c, None if zero else c["self"])


def addmv(r: Ledger, c: Call) -> bool:
    return _product(r, c["mat"], c["vec"], c, c["self"])


def outer(r: Ledger, c: Call) -> bool:
    left, right = (value for value in list(c.args.values())[:2])
    r.put("mul", [r.graph.seen_as(r.name(left), (int(left.shape[0]), 1)), right], {}, c.result)
    return True


def _many(value: Any, count: int) -> tuple[int, ...]:
    sizes = tuple(int(size) for size in value) if isinstance(value, list | tuple) else (int(value),)
    return sizes * count if len(sizes) == 1 else sizes


def convolution(r: Ledger, c: Call, *, turned: bool = False) -> bool:
    """One to three dimensions; one dimension is an image of height one."""
    x, weight, bias = c["input"], c["weight"], c["bias"]
    count = weight.dim() - 2
    turned = turned or bool(c["transposed"])
    if isinstance(c["padding"], str) or not 1 <= count <= 3:
        return False
    stride, padding, dilation = (_many(c[key], count) for key in ("stride", "padding", "dilation"))
    extra = _many(c["output_padding"] or 0, count)
    channels = int(weight.shape[1]) * int(c["groups"]) if turned else int(weight.shape[0])
    kernel = tuple(int(size) for size in weight.shape[2:])
    shape, result = shape_of(x), shape_of(c.result)
    if len(shape) == count + 1:
        shape, result = (1, *shape), (1, *result)
    if count == 1:
        kernel, stride, dilation = (1, *kernel), (1, *stride), (1, *dilation)
        padding, extra = (0, *padding), (0, *extra)
        shape, result = (*shape[:2], 1, shape[2]), (*result[:2], 1, result[2])
    attributes: Attributes = {"out": channels, "kernel": kernel, "stride": stride, "padding": padding}
    attributes |= {"groups": int(c["groups"]), "bias": bias is not None}
    if turned:
        attributes["output_padding"] = extra
    if set(dilation) != {1}:
        attributes["dilation"] = dilation
    op = ("conv_transpose" if turned else "conv") + ("3d" if count == 3 else "2d")
    own = bias is None or r.weight(bias) is not None
    attributes["bias"] = bias is not None and own
    weights = [weight, bias] if bias is not None and own else [weight]
    r.put(op, [r.graph.seen_as(r.name(x), shape)], attributes, c.result, weights=weights, shape=result)
    if not own:
        spread = (int(bias.shape[0]), *(1,) * count)
        r.put("add", [c.result, r.graph.seen_as(r.name(bias), spread)], {}, c.result)
    return True


def grouped(r: Ledger, c: Call) -> bool:
    """Rows sorted by group, each group with its own matrix."""
    left, right = (value for value in list(c.args.values())[:2])
    if left.dim() != 2 or right.dim() != 3:
        return False
    r.put("grouped_matmul", [left, right], {}, c.result)
    return True


def bilinear(r: Ledger, c: Call) -> bool:
    """``y = a W b``: a matrix of every row from the first input, then its product with the second."""
    a, b, weight, bias = c["input1"], c["input2"], c["weight"], c["bias"]
    out, left, right = (int(size) for size in weight.shape)
    rows = a.numel() // left
    with r:
        matrices = torch.matmul(a.reshape(rows, left), weight.permute(1, 0, 2).reshape(left, out * right))
        y = torch.bmm(matrices.view(rows, out, right), b.reshape(rows, right, 1)).view(*a.shape[:-1], out)
        c.out = y if bias is None else y + bias
    return True


def distances(r: Ledger, c: Call) -> bool:
    """Between all rows of two matrices: Euclidean ones of more than 25 rows are a GEMM, as PyTorch computes them."""
    one, two = c.first, c.first if c["x2"] is None else c["x2"]
    rows = int(one.shape[-2])
    with r:
        if c["p"] == 2 and max(rows, int(two.shape[-2])) > 25 and c["x2"] is not None:
            c.out = torch._euclidean_dist(one, two)
        else:
            c.out = (one.unsqueeze(-2) - two.unsqueeze(-3)).norm(dim=-1)
        if c["x2"] is None:  # every pair once
            c.out = c.out.flatten()[: rows * (rows - 1) // 2]
    return True


def transposed_convolution(r: Ledger, c: Call) -> bool:
    return convolution(r, c, turned=True)


def attention(r: Ledger, c: Call) -> bool:
    """Fused: its result has the storage order of the queries, as in flash attention on GPUs and CPUs.

    Without a dimension of heads, or where the elements of a head are not adjacent, no such kernel applies and PyTorch
    runs it in steps.
    """
    query, key, value = c["query"], c["key"], c["value"]
    shapes = [shape_of(tensor) for tensor in (query, key, value)]
    fused = len(shapes[0]) > 3 and all(tensor.stride(-1) == 1 for tensor in (query, key, value))
    if shapes[1] != shapes[2] or not fused:
        return False
    names = []
    for tensor, shape in zip((query, key, value), shapes, strict=True):
        four = (prod(shape[:-3]), *shape[-3:])
        names.append(r.graph.seen_as(r.name(tensor), four))
    result = (prod(shapes[0][:-3]), *shapes[0][-3:])
    c.out = torch.empty_like(query)
    r.put("attention", names, {"causal": bool(c["is_causal"])}, c.out, shape=result)
    return True


def recurrence(r: Ledger, c: Call) -> bool:
    """A whole stack of layers; the initial states are zeros or have the size of zeros."""
    if c["input"] is None or c["params"] is None:
        return False  # packed sequences
    op = {"lstm": "lstm", "gru": "gru"}.get(c.name, "rnn")
    x, params = c["input"], c["params"]
    rows = {"lstm": 4, "gru": 3, "rnn": 1}[op]
    hidden = int(params[0].shape[0]) // rows
    directions = 2 if c["bidirectional"] else 1
    each = (4 if c["has_biases"] else 2) * directions * int(c["num_layers"])
    if len(params) != each or x.dim() != 3 or int(params[1].shape[1]) != hidden:
        return False  # projected states
    if any(r.weight(weight) is None for weight in params):
        return False
    main = c.out[0]
    name, shape, result = r.name(x), shape_of(x), shape_of(main)
    first = bool(c["batch_first"])
    if not first:
        swapped = (shape[1], shape[0], shape[2])
        name = r.graph.aside("transpose", name, {"dims": (1, 0, 2)}, shape=swapped)
        result = (result[1], result[0], result[2])
    attributes: Attributes = {"hidden": hidden, "layers": int(c["num_layers"]), "bidirectional": directions == 2}
    if not c["has_biases"]:
        attributes["bias"] = False
    made = r.graph.add(
        op, r.label(op, "", [key] if (key := r.weight(params[0])) else []), [name], attributes, shape=result
    )
    for weight in params:
        key = r.weight(weight)
        assert key is not None
        r.users.setdefault(key, (made, ()))
    if not first:
        made = r.graph.aside("transpose", made, {"dims": (1, 0, 2)}, shape=shape_of(main))
    r.bind(main, made)
    for other in c.out[1:]:
        r.beside(main, other)
    return True


PRODUCTS: dict[str, Handler] = {
    "linear": linear,
    **dict.fromkeys(("mm", "bmm", "matmul", "mv", "dot", "vdot", "inner"), matmul),
    **dict.fromkeys(("addmm", "baddbmm"), addmm),
    "addmv": addmv,
    **dict.fromkeys(("_grouped_mm", "grouped_mm"), grouped),
    "bilinear": bilinear,
    **dict.fromkeys(("_cdist_forward", "_pdist_forward"), distances),
    "outer": outer,
    "ger": outer,
    **dict.fromkeys(("conv1d", "conv2d", "conv3d", "convolution", "_convolution"), convolution),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), transposed_convolution),
    "scaled_dot_product_attention": attention,
    **dict.fromkeys(("lstm", "gru", "rnn_tanh", "rnn_relu"), recurrence),
}
