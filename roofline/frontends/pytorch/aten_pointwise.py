"""Which formulas do PyTorch's elementwise functions, losses and dropout have?"""

# mypy: disable-error-code="misc"

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import torch

from roofline.core.workload import Attribute
from roofline.errors import UsageError
from roofline.frontends.pytorch.calls import Call, shape_of
from roofline.frontends.pytorch.ledger import Handler, Ledger
from roofline.operators import OPERATORS
from roofline.operators.elementwise import broadcast

Tensor = Any
Attributes = dict[str, Attribute]

BINARY = {  # with another tensor, and with a number
    "add": ("add", "shift"),
    "sub": ("sub", "shift"),
    "subtract": ("sub", "shift"),
    "rsub": ("sub", "shift"),
    "mul": ("mul", "scale"),
    "multiply": ("mul", "scale"),
    "div": ("div", "scale"),
    "divide": ("div", "scale"),
    "true_divide": ("div", "scale"),
    "floor_divide": ("div", "scale"),
    **dict.fromkeys(("remainder", "fmod"), ("remainder", "shift")),
    **dict.fromkeys(("maximum", "fmax"), ("maximum", "clamp")),
    **dict.fromkeys(("minimum", "fmin"), ("minimum", "clamp")),
    **dict.fromkeys(("eq", "ne", "lt", "le", "gt", "ge"), ("compare", "compare_number")),
    **dict.fromkeys(
        (
            *("logical_and", "logical_or", "logical_xor", "bitwise_and", "bitwise_or", "bitwise_xor"),
            *("__and__", "__or__", "__xor__", "__iand__", "__ior__", "__lshift__", "__rshift__"),
        ),
        ("logical", "shift"),
    ),
    "atan2": ("atan2", "function"),
}

UNARY = {
    **{name: name for name in ("relu", "hardsigmoid", "hardswish", "neg", "sqrt", "exp", "tanh", "sigmoid", "silu")},
    **{name: name for name in ("leaky_relu", "elu", "softplus", "mish", "abs", "square", "reciprocal", "rsqrt")},
    **{name: name for name in ("log", "log1p", "expm1", "sin", "cos", "erf", "clamp")},
    **dict.fromkeys(("celu", "selu"), "elu"),
    **dict.fromkeys(("clamp_min", "clamp_max", "clip"), "clamp"),
    **dict.fromkeys(("log2", "log10"), "log"),
    **dict.fromkeys(("floor", "ceil", "round", "trunc", "sign", "sgn", "frac"), "round"),
    **dict.fromkeys(("logical_not", "bitwise_not"), "logical_not"),
    **dict.fromkeys(("isnan", "isinf", "isfinite", "isneginf", "isposinf"), "compare_number"),
    "log_sigmoid": "log_sigmoid",
    "absolute": "abs",
    "exp2": "exp",
    "negative": "neg",
}
"""PyTorch's functions of one tensor, and their names here."""


def _broadcast(r: Ledger, tensor: Tensor) -> Tensor:
    """A tensor before it was broadcast without a copy: a kernel reads no more than that."""
    return r.unexpanded.get(id(tensor), tensor)


def pointwise(r: Ledger, c: Call, op: str, inputs: Sequence[Tensor]) -> bool:
    """One kernel over these tensors, in place where PyTorch works in place."""
    out = c.result
    read = [_broadcast(r, tensor) for tensor in inputs]
    try:
        whole = reduce(broadcast, (tuple(tensor.shape) for tensor in read)) == tuple(out.shape)
    except UsageError:
        whole = False
    kept = read if whole else list(inputs)
    if c.inplace:
        kept[0] = inputs[0]
    names: list[str] = []
    for tensor in kept:
        name = r.name(tensor)
        if out.is_complex() and not tensor.is_complex():  # one factor for the real and the imaginary part
            name = r.graph.seen_as(name, (*shape_of(tensor), 1))
        names.append(name)
    r.put(op, names, {}, out, inplace=c.inplace and shape_of(kept[0]) == shape_of(out))
    return True


def binary(r: Ledger, c: Call) -> bool:
    """With a tensor, or with a number (or a one-element tensor that was never on the device)."""
    name = c.name.removesuffix("_") if not c.name.startswith("__") else c.name
    with_tensor, with_number = BINARY[name]
    left, right = (value for value in list(c.args.values())[:2])
    given = [value for value in (left, right) if isinstance(value, torch.Tensor)]
    if not given:  # two numbers: a constant
        r.name(c.result)
        return True
    if name == "add" and len(given) == 2 and _counts_batches(r, c):
        return True
    return pointwise(r, c, with_tensor if len(given) == 2 else with_number, given)


def _counts_batches(r: Ledger, c: Call) -> bool:
    """The counter of a batch norm, which is counted with the norm."""
    owner = r.buffer_of.get(int(c.first.untyped_storage()._cdata), "")
    return c.inplace and owner.endswith("num_batches_tracked")


def add(r: Ledger, c: Call) -> bool:
    return True if _counts_batches(r, c) else binary(r, c)


def unary(r: Ledger, c: Call) -> bool:
    name = c.name.removesuffix("_")
    given = [value for value in c.args.values() if isinstance(value, torch.Tensor)]
    return pointwise(r, c, UNARY[name], given[:1]) if len(given) == 1 else False


def hardtanh(r: Ledger, c: Call) -> bool:
    relu6 = (c["min_val"], c["max_val"]) == (0, 6) or c.name.startswith("relu6")
    return pointwise(r, c, "relu6" if relu6 else "clamp", [c.first])


def gelu(r: Ledger, c: Call) -> bool:
    return pointwise(r, c, "gelu_tanh" if c["approximate"] == "tanh" else "gelu", [c.first])


def power(r: Ledger, c: Call) -> bool:
    base, exponent = (value for value in list(c.args.values())[:2])
    given = [value for value in (base, exponent) if isinstance(value, torch.Tensor)]
    if len(given) == 2:
        return pointwise(r, c, "pow", given)
    known = {2: "square", 0.5: "sqrt", -0.5: "rsqrt", -1: "reciprocal"}
    return pointwise(r, c, known.get(exponent, "power") if given[0] is base else "exp", given)


def glu(r: Ledger, c: Call) -> bool:
    x, dim = c.first, int(c["dim"]) % c.first.dim()
    half = int(x.shape[dim]) // 2
    parts = [r.graph.aside("slice", r.name(x), {"dim": dim, "start": start, "length": half}) for start in (0, half)]
    r.put("glu", parts, {}, c.result)
    return True


def all_tensors(op: str) -> Handler:
    """A function of all tensors among its arguments."""

    def handler(r: Ledger, c: Call) -> bool:
        given = [value for value in c.args.values() if isinstance(value, torch.Tensor)]
        least, most = OPERATORS[op].inputs
        if not least <= len(given) <= most:
            return pointwise(r, c, "function", given) if given else False
        return pointwise(r, c, op, given)

    return handler


def prelu(r: Ledger, c: Call) -> bool:
    """One slope for all channels, or one for each."""
    x, slope = c.first, c["weight"]
    spread = (int(slope.numel()), *(1,) * max(0, x.dim() - 2)) if slope.numel() > 1 else shape_of(slope)
    r.put("prelu", [x, r.graph.seen_as(r.name(slope), spread)], {}, c.result)
    return True


def normed_weight(r: Ledger, c: Call) -> bool:
    """A direction times its length; the norms are separate results."""
    r.put("function", [c["v"], c["g"]], {}, c.out[0])
    r.beside(c.out[0], c.out[1])
    return True


def mask(r: Ledger, c: Call) -> bool:
    return pointwise(r, c, "mask", [c["self"], c["mask"]])


def dropout(r: Ledger, c: Call) -> bool:
    """Nothing in inference; the layer is kept for training. With probability 0 it is omitted."""
    share = float(c["p"] if c["p"] is not None else 0.5)
    x = c.first
    percent = round(100 * share)
    if percent < 1:
        r.bind(c.result, r.name(x))
        return True
    r.put("dropout", [x], {"percent": min(percent, 99)}, c.result)
    for other in c.out[1:] if isinstance(c.out, list | tuple) else ():
        r.beside(c.result, other)
    return True


def cross_entropy(r: Ledger, c: Call) -> bool:
    x = c["self"]
    if c["reduction"] == 0:
        return False
    dim = 1 if x.dim() > 1 else 0
    r.put("cross_entropy", [x], {"dim": dim}, c.result, shape=(1,))
    return True


def squares(r: Ledger, c: Call) -> bool:
    """A loss over pairs of numbers: their difference and a function of it, then the mean."""
    if c["reduction"] == 0:
        return pointwise(r, c, "function", [c.first, c["target"]])
    r.put("mean_squares", [c.first], {}, c.result, shape=(1,))
    return True


def nll(r: Ledger, c: Call) -> bool:
    """One entry of every row, and their mean."""
    rows = int(c["target"].numel())
    picked = r.graph.add(
        "gather", r.label("gather", "", []), [r.name(c["self"]), r.name(c["target"])], {"shape": (rows,)}
    )
    if c["reduction"] == 0:
        r.bind(c.result, r.graph.seen_as(picked, shape_of(c.result)))
        return True
    r.put("mean", [picked], {}, c.result)
    return True


ELEMENTS: dict[str, Handler] = {
    **dict.fromkeys(BINARY, binary),
    "add": add,
    **dict.fromkeys(UNARY, unary),
    **dict.fromkeys(("hardtanh", "relu6"), hardtanh),
    "gelu": gelu,
    "pow": power,
    "glu": glu,
    "prelu": prelu,
    "_weight_norm_interface": normed_weight,
    "where": all_tensors("choose"),
    "lerp": all_tensors("lerp"),
    "addcmul": all_tensors("add_product"),
    "addcdiv": all_tensors("add_quotient"),
    "masked_fill": mask,
    **dict.fromkeys(
        ("dropout", "native_dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout"), dropout
    ),
    "cross_entropy_loss": cross_entropy,
    **dict.fromkeys(
        (
            *("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "soft_margin_loss", "kl_div"),
            *("binary_cross_entropy", "binary_cross_entropy_with_logits", "poisson_nll_loss"),
        ),
        squares,
    ),
    **dict.fromkeys(("nll_loss", "nll_loss_nd", "nll_loss2d"), nll),
}
