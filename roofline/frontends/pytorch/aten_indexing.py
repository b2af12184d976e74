"""Which formulas do PyTorch's tables and indices have: elements read from, or written to, given indices?"""

# mypy: disable-error-code="misc"

from __future__ import annotations

from math import prod
from typing import Any

import torch

from roofline.core.workload import Attribute
from roofline.frontends.pytorch.aten_pointwise import pointwise
from roofline.frontends.pytorch.calls import Call, bits, shape_of, tensors_in
from roofline.frontends.pytorch.ledger import Handler, Ledger

Tensor = Any
Attributes = dict[str, Attribute]


def embedding(r: Ledger, c: Call) -> bool:
    table, ids = c["weight"], c["indices"]
    entries, features = (int(size) for size in table.shape)
    if r.weight(table) is None:
        r.put("gather", [table, ids], {"shape": shape_of(c.result), "piece": features}, c.result)
    else:
        r.put("embedding", [ids], {"entries": entries, "features": features}, c.result, weights=[table])
    return True


def embedding_bag(r: Ledger, c: Call) -> bool:
    """Bags of equal size, as two-dimensional indices make them."""
    table, ids, offsets = c["weight"], c["indices"], c["offsets"]
    bags = int(offsets.shape[0]) - (1 if c["include_last_offset"] else 0)
    if r.weight(table) is None or bags < 1 or int(ids.numel()) % bags:
        return False
    entries, features = (int(size) for size in table.shape)
    rows = r.graph.seen_as(r.name(ids), (bags, int(ids.numel()) // bags))
    attributes: Attributes = {"entries": entries, "features": features, "sparse": bool(c["sparse"])}
    r.put("embedding_bag", [rows], attributes, c.out[0], weights=[table])
    for other in c.out[1:]:
        if other.numel():
            r.beside(c.out[0], other)
    return True


def gather(r: Ledger, c: Call) -> bool:
    """Elements (or whole rows, where one dimension is indexed) at given indices."""
    x = c["self"]
    places = c["indices"] if c["indices"] is not None else c["index"]
    given = [places] if isinstance(places, torch.Tensor) else list(tensors_in(places))
    if any(index.dtype == torch.bool for index in given):
        return False
    r.put("gather", [x, *given], {"shape": shape_of(c.result), "piece": _piece(c, x, places)}, c.result)
    return True


def _piece(c: Call, x: Tensor, places: Any) -> int:
    """Adjacent elements after the indexed dimensions."""
    if c.name.removesuffix("_") in ("index_select", "index_add", "index_copy"):
        dim = int(c["dim"]) % max(1, x.dim())
        behind = x.shape[dim + 1 :]
    elif isinstance(places, list | tuple):
        behind = x.shape[len(places) :]
    else:
        return 1
    piece = prod(int(size) for size in behind) * (2 if x.is_complex() else 1)
    return max(1, piece)


def scatter(r: Ledger, c: Call) -> bool:
    """Elements written at indices, or added to the existing ones."""
    x = c["self"]
    places = c["indices"] if c["indices"] is not None else c["index"]
    source = next((c[key] for key in ("src", "source", "values", "value") if isinstance(c[key], torch.Tensor)), None)
    given = [places] if isinstance(places, torch.Tensor) else list(tensors_in(places))
    if any(index.dtype == torch.bool for index in given):  # a number wherever a mask is true, all in one kernel
        return len(given) == 1 and pointwise(r, c, "mask", [x, given[0]])
    adds = "add" in c.name or "reduce" in c.name or bool(c["accumulate"])
    inputs = [x, *given, *([source] if source is not None else [])]
    r.put("scatter", inputs, {"add": adds, "piece": 1}, c.result, inplace=c.inplace)
    return True


def placed(r: Ledger, c: Call) -> bool:
    """A copy with a part of it replaced: ``slice_scatter`` and its like."""
    values = list(c.args.values())
    with r:
        c.out = c.first.clone()
        view = getattr(torch.ops.aten, c.name.removesuffix("_scatter"))(c.out, *values[2:])
        view.copy_(c["src"])
    return True


def placed_by_mask(r: Ledger, c: Call) -> bool:
    """Values in order wherever a mask is true."""
    r.put("scatter", [c["self"], c["mask"], c["source"]], {"piece": 1}, c.result, inplace=c.inplace)
    return True


def histogram(r: Ledger, c: Call) -> bool:
    """Zeros, and one added to the bin of every element."""
    x, bins = c["self"], shape_of(c.result)
    zeros = r.graph.add("fill", r.label("fill", "", []), [], {"shape": bins, **bits(c.result)})
    r.put("scatter", [zeros, x], {"add": True, "piece": 1}, c.result, inplace=True)
    return True


INDEXING: dict[str, Handler] = {
    "embedding": embedding,
    **dict.fromkeys(("_embedding_bag", "_embedding_bag_forward_only"), embedding_bag),
    **dict.fromkeys(("gather", "index_select", "index", "_unsafe_index", "take"), gather),
    **dict.fromkeys(
        (
            *("scatter", "scatter_add", "scatter_reduce", "index_put", "index_add", "index_copy", "index_reduce"),
            *("_index_put_impl", "_unsafe_index_put"),
        ),
        scatter,
    ),
    **dict.fromkeys(("slice_scatter", "select_scatter", "diagonal_scatter", "as_strided_scatter"), placed),
    "masked_scatter": placed_by_mask,
    "histc": histogram,
}
