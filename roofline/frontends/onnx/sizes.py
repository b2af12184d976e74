"""How is arithmetic on shapes inside ONNX files evaluated? ``Shape``, select, multiply, ``Reshape``: a few integers.

Exporters write sizes as nodes. Those that follow from known shapes are computed and inserted as constants, and ONNX's
inference continues from there, round after round.
"""

# mypy: disable-error-code="misc"

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

LARGEST = 4096
ROUNDS = 400

Array = Any
Given = list[Array]


def _slice(x: Given, a: Mapping[str, Any]) -> Array:
    data, starts, ends = x[:3]
    axes = x[3] if len(x) > 3 else np.arange(len(starts))
    steps = x[4] if len(x) > 4 else np.ones(len(starts), np.int64)
    index: list[slice] = [slice(None)] * data.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        index[int(axis)] = slice(int(start), int(end) if abs(int(end)) < 2**60 else None, int(step))
    return data[tuple(index)]


def _reshape(x: Given, a: Mapping[str, Any]) -> Array:
    return x[0].reshape([int(size) for size in x[1]])


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
    "Min": lambda x, a: np.minimum(x[0], x[-1]),
    "Max": lambda x, a: np.maximum(x[0], x[-1]),
    "Equal": lambda x, a: x[0] == x[1],
    "Where": lambda x, a: np.where(x[0], x[1], x[2]),
    "Cast": lambda x, a: x[0].astype(np.float64) if a.get("to") in (1, 10, 11, 16) else x[0].astype(np.int64),
    "Floor": lambda x, a: np.floor(x[0]),
    "Ceil": lambda x, a: np.ceil(x[0]),
    "Sqrt": lambda x, a: np.sqrt(x[0]),
    "Identity": lambda x, a: x[0],
    "ReduceProd": lambda x, a: np.prod(x[0]),
    "ConstantOfShape": _filled,
    "Range": _range,
}


def resolved(model: Any, shape_of: Callable[[Any], tuple[int, ...] | None], value_of: Callable[[Any], Any]) -> Any:
    """The model with shapes inferred, and sizes that follow from shapes as constants.

    Parameters
    ----------
    shape_of : the shape of a ``ValueInfoProto``, None where it is not known.
    value_of : of an attribute.
    """
    import onnx

    known = {
        tensor.name: onnx.numpy_helper.to_array(tensor)
        for tensor in model.graph.initializer
        if int(np.prod(tensor.dims)) <= LARGEST and tensor.data_location != onnx.TensorProto.EXTERNAL
    }
    kept = {tensor.name for tensor in model.graph.initializer}
    for node in model.graph.node:
        tensor = node.attribute[0].t if node.op_type == "Constant" and node.attribute else None
        if tensor is not None and tensor.data_type and int(np.prod(tensor.dims)) <= LARGEST:
            known[node.output[0]] = onnx.numpy_helper.to_array(tensor)
    for _ in range(ROUNDS):
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
        values = (*inferred.graph.value_info, *inferred.graph.input)
        shapes = {value.name: shape for value in values if (shape := shape_of(value)) is not None}
        shapes |= {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
        made: dict[str, Array] = {}
        rest = []
        for node in model.graph.node:
            answer = _answer(node, {**known, **made}, shapes, value_of)
            if answer is None or len(node.output) != 1:
                rest.append(node)
            else:
                made[node.output[0]] = answer
        if not made:
            return inferred
        known |= made
        del model.graph.node[:]
        model.graph.node.extend(rest)
        for name, value in made.items():
            if name not in kept:
                whole = value.astype(np.int64) if value.dtype.kind in "ib" else value.astype(np.float32)
                model.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(whole), name))
    return inferred


def _answer(
    node: Any, known: Mapping[str, Array], shapes: Mapping[str, tuple[int, ...]], value_of: Callable[[Any], Any]
) -> Array | None:
    if node.op_type == "Shape" and node.input[0] in shapes:
        return np.array(shapes[node.input[0]], dtype=np.int64)
    given = [name for name in node.input if name]
    if node.op_type not in KNOWN or not given or any(name not in known for name in given):
        return None
    try:
        attributes = {one.name: value_of(one) for one in node.attribute}
        answer = np.asarray(KNOWN[node.op_type]([known[name] for name in given], attributes))
    except (ValueError, IndexError, TypeError, ZeroDivisionError, OverflowError):
        return None
    return answer if answer.size <= LARGEST else None
