"""How is arithmetic on shapes inside ONNX files evaluated? ``Shape``, select, multiply, ``Reshape``: a few integers.

Exporters write sizes as nodes. Those that follow from known shapes are computed, each on at most a few
thousand numbers.
"""

# mypy: disable-error-code="misc"

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import numpy as np

LARGEST = 4096

Array = Any
Given = list[Array]


def _slice(x: Given, a: Mapping[str, Any]) -> Array:
    if len(x) == 1:  # before opset 10
        x = [x[0], *(np.array(a[name]) for name in ("starts", "ends", "axes") if name in a)]
    data, starts, ends = x[:3]
    axes = x[3] if len(x) > 3 else np.arange(len(starts))
    steps = x[4] if len(x) > 4 else np.ones(len(starts), np.int64)
    index: list[slice] = [slice(None)] * data.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        index[int(axis)] = slice(int(start), int(end) if abs(int(end)) < 2**60 else None, int(step))
    return data[tuple(index)]


def _reshape(x: Given, a: Mapping[str, Any]) -> Array:
    sizes = [int(size) for size in (x[1] if len(x) > 1 else a["shape"])]
    have = x[0].shape
    return x[0].reshape([have[place] if size == 0 else size for place, size in enumerate(sizes)])


def _unsqueeze(x: Given, a: Mapping[str, Any]) -> Array:
    axes = a.get("axes") or [int(axis) for axis in np.ravel(x[1])]
    return np.expand_dims(x[0], tuple(axes))


def _squeeze(x: Given, a: Mapping[str, Any]) -> Array:
    axes = a.get("axes") or ([int(axis) for axis in np.ravel(x[1])] if len(x) > 1 else None)
    return np.squeeze(x[0], tuple(axes) if axes is not None else None)


def _filled(x: Given, a: Mapping[str, Any]) -> Array:
    shape = [int(size) for size in x[0]]
    if np.prod(shape) > LARGEST:
        raise ValueError("too large")
    return np.full(shape, a.get("value", 0), dtype=np.int64)


def _split(x: Given, a: Mapping[str, Any]) -> list[Array]:
    sizes = a.get("split") or ([int(one) for one in x[1]] if len(x) > 1 else None)
    axis = int(a.get("axis", 0))
    where: Any = int(a["pieces"]) if sizes is None else np.cumsum(sizes)[:-1]
    return list(np.split(x[0], where, axis=axis))


def _expanded(x: Given, a: Mapping[str, Any]) -> Array:
    shape = np.broadcast_shapes(x[0].shape, tuple(int(size) for size in x[1]))
    if np.prod(shape, dtype=object) > LARGEST:
        raise ValueError("too large")
    return np.broadcast_to(x[0], shape)


def _reduced(function: Callable[..., Array]) -> Callable[[Given, Mapping[str, Any]], Array]:
    def reduced(x: Given, a: Mapping[str, Any]) -> Array:
        axes = a.get("axes") or ([int(axis) for axis in x[1]] if len(x) > 1 else None)
        return function(x[0], axis=None if not axes else tuple(axes), keepdims=bool(a.get("keepdims", 1)))

    return reduced


def _cast(x: Given, a: Mapping[str, Any]) -> Array:
    to = a.get("to")
    return x[0].astype(np.float64 if to in (1, 10, 11, 16) else np.bool_ if to == 9 else np.int64)


def _folded(function: Callable[[Array, Array], Array]) -> Callable[[Given, Mapping[str, Any]], Array]:
    return lambda x, a: reduce(function, x)


def _range(x: Given, a: Mapping[str, Any]) -> Array:
    start, stop, step = (int(one) for one in x)
    if abs(stop - start) > LARGEST * abs(step):
        raise ValueError("too large")
    return np.arange(start, stop, step)


def _divide(x: Given, a: Mapping[str, Any]) -> Array:
    if x[0].dtype.kind == "f" or x[1].dtype.kind == "f":
        return x[0] / x[1]
    return np.trunc(x[0] / x[1]).astype(np.int64)


KNOWN: dict[str, Callable[[Given, Mapping[str, Any]], Array]] = {
    "Gather": lambda x, a: np.take(x[0], x[1], axis=int(a.get("axis", 0))),
    "Concat": lambda x, a: np.concatenate([np.atleast_1d(one) for one in x], axis=int(a.get("axis", 0))),
    "Unsqueeze": _unsqueeze,
    "Squeeze": _squeeze,
    "Slice": _slice,
    "Reshape": _reshape,
    "Add": lambda x, a: x[0] + x[1],
    "Sub": lambda x, a: x[0] - x[1],
    "Mul": lambda x, a: x[0] * x[1],
    "Div": _divide,
    "Mod": lambda x, a: np.mod(x[0], x[1]),
    "Min": _folded(np.minimum),
    "Max": _folded(np.maximum),
    "Sum": _folded(np.add),
    "Pow": lambda x, a: np.power(x[0].astype(np.float64), x[1]).astype(x[0].dtype),
    "Neg": lambda x, a: -x[0],
    "Abs": lambda x, a: np.abs(x[0]),
    "Not": lambda x, a: ~x[0].astype(np.bool_),
    "And": lambda x, a: x[0] & x[1],
    "Or": lambda x, a: x[0] | x[1],
    "Less": lambda x, a: x[0] < x[1],
    "Greater": lambda x, a: x[0] > x[1],
    "LessOrEqual": lambda x, a: x[0] <= x[1],
    "GreaterOrEqual": lambda x, a: x[0] >= x[1],
    "Equal": lambda x, a: x[0] == x[1],
    "Where": lambda x, a: np.where(x[0], x[1], x[2]),
    "Cast": _cast,
    "Split": lambda x, a: x[0],  # several results: see answer_of
    "Expand": _expanded,
    "Transpose": lambda x, a: np.transpose(x[0], a.get("perm")),
    "Flatten": lambda x, a: x[0].reshape(int(np.prod(x[0].shape[: int(a.get("axis", 1))])), -1),
    "NonZero": lambda x, a: np.array(np.nonzero(x[0])),
    "Round": lambda x, a: np.round(x[0]),
    "Floor": lambda x, a: np.floor(x[0]),
    "Ceil": lambda x, a: np.ceil(x[0]),
    "Sqrt": lambda x, a: np.sqrt(x[0]),
    "Identity": lambda x, a: x[0],
    "ReduceProd": _reduced(np.prod),
    "ReduceSum": _reduced(np.sum),
    "ReduceMax": _reduced(np.max),
    "ReduceMin": _reduced(np.min),
    "ConstantOfShape": _filled,
    "Range": _range,
}


def answer_of(
    node: Any, a: Mapping[str, Any], known: Mapping[str, Array], shape_of: Callable[[str], tuple[int, ...] | None]
) -> list[Array] | None:
    """The results of a node on known numbers, None where they are not known, or too many.

    Parameters
    ----------
    a : its attributes.
    known : numbers by value.
    shape_of : the shape of a value, None where it is not known.
    """
    if node.op_type in ("Shape", "Size") and (shape := shape_of(node.input[0])) is not None:
        sizes = np.array(shape, dtype=np.int64)
        return [np.prod(sizes) if node.op_type == "Size" else sizes[a.get("start", 0) : a.get("end", len(sizes))]]
    given = [name for name in node.input if name]
    if node.op_type not in KNOWN or not given or any(name not in known for name in given):
        return None
    if any(known[name].dtype.kind not in "biuf" for name in given):
        return None
    try:
        with np.errstate(all="ignore"):
            if node.op_type == "Split":
                return _split([known[name] for name in given], {**a, "pieces": len(node.output)})
            answer = np.asarray(KNOWN[node.op_type]([known[name] for name in given], a))
    except (ValueError, IndexError, TypeError, ZeroDivisionError, OverflowError, MemoryError):
        return None
    return [answer] if answer.size <= LARGEST else None
