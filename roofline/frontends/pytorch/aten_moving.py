"""Which formulas do PyTorch's views, copies and newly filled tensors have?"""

# mypy: disable-error-code="misc"

from __future__ import annotations

from typing import Any

from roofline.core.workload import Attribute
from roofline.frontends.pytorch.calls import Call, bits, shape_of
from roofline.frontends.pytorch.ledger import Handler, Ledger

Tensor = Any
Attributes = dict[str, Attribute]


def _shares(c: Call) -> bool:
    return bool(c.result.untyped_storage()._cdata == c.first.untyped_storage()._cdata)


def view(r: Ledger, c: Call) -> bool:
    """The same elements in another shape; if that needs a copy, a copy first."""
    if not _shares(c):
        return False
    r.bind(c.result, r.graph.seen_as(r.name(c.first), shape_of(c.result)))
    return True


def alias(r: Ledger, c: Call) -> bool:
    """The same storage in the same shape; a copy is decomposed instead."""
    if not _shares(c):
        return False
    r.bind(c.result, r.name(c.first))
    return True


def transpose(r: Ledger, c: Call) -> bool:
    x = c.first
    rank = x.dim()
    order = list(range(rank))
    if c["dims"] is not None:
        order = [int(dim) % rank for dim in c["dims"]]
    elif rank > 1:
        one, two = (int(c[key]) % rank if c[key] is not None else end for key, end in (("dim0", 0), ("dim1", 1)))
        order[one], order[two] = order[two], order[one]
    if x.is_complex():
        order.append(rank)
    r.put("transpose", [x], {"dims": tuple(order)}, c.result)
    return True


def expand(r: Ledger, c: Call) -> bool:
    x, y = c.first, c.result
    if x.shape == y.shape:
        return alias(r, c)
    r.put("expand", [x], {"shape": shape_of(y)}, y)
    r.unexpanded[id(y)] = r.unexpanded.get(id(x), x)
    return True


def cut(r: Ledger, c: Call) -> bool:
    """A range of a dimension; a step of 2 counts the same."""
    x, y, dim = c["self"], c.result, int(c["dim"] or 0) % max(1, c["self"].dim())
    length = int(y.shape[dim])
    if length == int(x.shape[dim]):
        return alias(r, c)
    start = int(c["start"] or 0)
    start = start % int(x.shape[dim]) if start < 0 else start
    start = min(start, int(x.shape[dim]) - length)
    r.put("slice", [x], {"dim": dim, "start": start, "length": length}, y)
    return True


def select(r: Ledger, c: Call) -> bool:
    x = c["self"]
    r.put("select", [x], {"dim": int(c["dim"]) % x.dim(), "index": int(c["index"])}, c.result)
    return True


def split(r: Ledger, c: Call) -> bool:
    x, dim = c["self"], int(c["dim"] or 0) % c["self"].dim()
    start = 0
    for part in c.out:
        length = int(part.shape[dim])
        if len(c.out) == 1:
            r.bind(part, r.name(x))
        else:
            r.put("slice", [x], {"dim": dim, "start": start, "length": length}, part)
        start += length
    return True


def unbind(r: Ledger, c: Call) -> bool:
    x, dim = c["self"], int(c["dim"] or 0) % c["self"].dim()
    for index, part in enumerate(c.out):
        r.put("select", [x], {"dim": dim, "index": index}, part)
    return True


def strided(r: Ledger, c: Call) -> bool:
    r.put("strided", [c.first], {"shape": shape_of(c.result)}, c.result)
    return True


def concat(r: Ledger, c: Call) -> bool:
    parts = [part for part in c.first if part.numel()]
    dim = int(c["dim"] or 0) % c.result.dim()
    if len(parts) == 1:
        r.put("copy", [parts[0]], {}, c.result)
        return True
    r.put("concat", parts, {"dim": dim}, c.result)
    return True


def stack(r: Ledger, c: Call) -> bool:
    out = c.result
    dim = int(c["dim"] or 0) % out.dim()
    shape = shape_of(out)
    one = (*shape[:dim], 1, *shape[dim + 1 :])
    parts = [r.graph.seen_as(r.name(part), one) for part in c.first]
    r.put("concat", parts, {"dim": dim}, out)
    return True


def copied(r: Ledger, c: Call) -> bool:
    r.put("copy", [c.first], {}, c.result)
    return True


def converted(r: Ledger, c: Call) -> bool:
    """Another number format; of the same kind and size it is a copy."""
    x, y = c.first, c.result
    if y.untyped_storage()._cdata == x.untyped_storage()._cdata:
        return alias(r, c)
    if x.dtype == y.dtype:
        return copied(r, c)
    if x.is_complex() != y.is_complex():  # the imaginary part added or dropped
        return rearranged(r, c)
    r.put("convert", [x], bits(y), y)
    return True


def written(r: Ledger, c: Call) -> bool:
    r.overwritten(c["self"], c["src"])
    return True


def filled(r: Ledger, c: Call) -> bool:
    """Values written into a new tensor or into (a part of) an existing one."""
    out = c.result
    counted = any(word in c.name for word in ("range", "rand", "normal", "bernoulli", "uniform", "linspace", "eye"))
    attributes: Attributes = {"shape": shape_of(out), **bits(out)}
    if counted:
        attributes["counted"] = True
    if not c.inplace:
        r.put("fill", [], attributes, out)
        return True
    r.bind(out, r.graph.add("fill", r.label("fill", "", []), [], attributes))
    return True


def blank(r: Ledger, c: Call) -> bool:
    r.put("blank", [], {"shape": shape_of(c.result), **bits(c.result)}, c.result)
    return True


def rearranged(r: Ledger, c: Call) -> bool:
    r.put("rearrange", [c.first], {"shape": shape_of(c.result)}, c.result)
    return True


def masked_half(r: Ledger, c: Call) -> bool:
    """One half of a matrix, zeros in the other: a copy."""
    return copied(r, c)


def padded(r: Ledger, c: Call) -> bool:
    x, y = c.first, c.result
    if x.dim() != y.dim():
        return False
    r.put("pad", [x], {"shape": shape_of(y)}, y)
    return True


MOVING: dict[str, Handler] = {
    **dict.fromkeys(
        ("view", "_unsafe_view", "reshape", "_reshape_alias", "squeeze", "unsqueeze", "flatten", "unflatten"), view
    ),
    **dict.fromkeys(("alias", "detach", "lift_fresh", "view_as_real", "view_as_complex", "contiguous"), alias),
    **dict.fromkeys(("_conj", "_neg_view", "resolve_conj", "resolve_neg", "conj", "lift"), alias),
    **dict.fromkeys(("transpose", "permute", "t", "numpy_T", "swapaxes", "swapdims"), transpose),
    "expand": expand,
    **dict.fromkeys(("slice",), cut),
    "select": select,
    **dict.fromkeys(("split", "split_with_sizes", "unsafe_split", "unsafe_split_with_sizes"), split),
    "unbind": unbind,
    **dict.fromkeys(("as_strided", "unfold", "diagonal", "real", "imag"), strided),
    **dict.fromkeys(("cat", "concat", "concatenate"), concat),
    "stack": stack,
    "clone": copied,
    "_to_copy": converted,
    "copy": written,
    **dict.fromkeys(
        (
            *("arange", "zeros", "ones", "full", "zeros_like", "ones_like", "full_like", "new_zeros", "new_ones"),
            *("new_full", "rand", "randn", "rand_like", "randn_like", "randint", "randint_like", "randperm", "eye"),
            *("linspace", "bernoulli", "normal", "uniform", "exponential", "fill", "zero", "scalar_tensor", "range"),
            *("tril_indices", "triu_indices", "logspace", "cauchy", "log_normal", "random"),
        ),
        filled,
    ),
    **dict.fromkeys(
        ("empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided", "empty_permuted"), blank
    ),
    **dict.fromkeys(("flip", "roll", "repeat", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle"), rearranged),
    **dict.fromkeys(("native_channel_shuffle", "im2col", "col2im", "rot90", "repeat_interleave"), rearranged),
    **dict.fromkeys(("tril", "triu"), masked_half),
    **dict.fromkeys(("constant_pad_nd", "_pad_circular"), padded),
    **{f"{kind}_pad{n}d": padded for kind in ("reflection", "replication") for n in (1, 2, 3)},
}
"""``reshape``, ``contiguous`` and similar operations are handled here where they are views; otherwise they are
decomposed.
"""
