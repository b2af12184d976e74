"""Which shape has every value of an ONNX file at these sizes? One walk over the nodes, with ONNX's own rule for each.

Exporters write sizes as nodes (``Shape``, select, multiply, ``Reshape``). Those that follow from known shapes are
computed on the way (:mod:`.sizes`); nothing else is.
"""

# mypy: disable-error-code="misc"

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from roofline.errors import UsageError
from roofline.frontends.onnx.microsoft import REWRITES, outputs_of
from roofline.frontends.onnx.reader import called, value_of
from roofline.frontends.onnx.sizes import LARGEST, answer_of

NEWEST = 23
"""The opset of nodes that are written here in place of others."""
OWN = ("", "ai.onnx")
_FORMATS = {
    **dict.fromkeys((1, 10, 11, 16, 17, 18, 19, 20, 23), ""),
    **dict.fromkeys((2, 3, 17, 18, 19, 20, 21, 22, 23), "int8"),
    **dict.fromkeys((4, 5), "int16"),
    **dict.fromkeys((6, 12), "int32"),
    **dict.fromkeys((7, 13), "int64"),
    9: "bool",
}
"""ONNX's codes of element types; floats have the network's own format."""
FLOATS_KNOWN = 16
"""Floats that may stand for sizes, such as the scales of a ``Resize``."""


@dataclass
class Values:
    """Types and small whole numbers of a file, by value, and the nodes that compute on data, with their opset."""

    types: dict[str, Any] = field(default_factory=dict)
    known: dict[str, Any] = field(default_factory=dict)
    weights: list[str] = field(default_factory=list)
    nodes: list[tuple[Any, int]] = field(default_factory=list)

    def shape(self, name: str) -> tuple[int, ...] | None:
        """Sizes of a value, None where one is not known or the value is no tensor."""
        one = self.types.get(name)
        if one is None or not one.tensor_type.HasField("shape"):
            return None
        sizes = [int(dim.dim_value) for dim in one.tensor_type.shape.dim]
        return tuple(sizes) if all(size > 0 for size in sizes) else None

    def kind(self, name: str) -> str:
        """Its format; empty for the network's own."""
        one = self.types.get(name)
        return "" if one is None else _FORMATS.get(one.tensor_type.elem_type, "")

    def stored(self, tensor: Any) -> None:
        """A tensor of the file; its numbers are looked at where they may be sizes."""
        from onnx import helper, numpy_helper

        count = int(np.prod([max(0, size) for size in tensor.dims], dtype=object))
        self.types[tensor.name] = helper.make_tensor_type_proto(tensor.data_type, tuple(tensor.dims))
        self.weights.append(tensor.name)
        floats = _FORMATS.get(tensor.data_type, "x") == ""
        if count <= (FLOATS_KNOWN if floats else LARGEST) and tensor.data_location != 1 and tensor.data_type != 8:
            self.known[tensor.name] = numpy_helper.to_array(tensor)


def walked(inputs: Mapping[str, Any], graph: Any, opsets: Mapping[str, int]) -> Values:
    """The values of a graph.

    Parameters
    ----------
    inputs : types of the inputs, with sizes.
    opsets : version by domain.

    Raises
    ------
    UsageError : shapes that do not match; names the node.
    """
    values = Values(types=dict(inputs))
    _stored(values, graph)
    queue = deque((node, _opset(node, opsets)) for node in graph.node)
    while queue:
        node, opset = queue.popleft()
        attributes = {one.name: value_of(one) for one in node.attribute}
        if node.op_type == "Constant" and node.domain in OWN:
            _constant(values, node)
            continue
        if node.op_type == "If" and node.domain in OWN and node.input[0] in values.known:
            queue.extendleft(reversed(_branch(values, node, opset)))
            continue
        if node.op_type in REWRITES and (node.domain not in OWN or not _defined(node.op_type, NEWEST)):
            try:
                parts = REWRITES[node.op_type](node, attributes, values.shape)
            except (TypeError, ValueError, IndexError, KeyError, ZeroDivisionError) as error:
                raise UsageError(f"{called(node)} cannot be read: {str(error)[:80]}") from None
            queue.extendleft((part, NEWEST) for part in reversed(parts))
            continue
        answer = answer_of(node, attributes, values.known, values.shape)
        if answer is not None:
            for name, numbers in zip(node.output, answer, strict=False):
                _knows(values, name, numbers)
            continue
        values.nodes.append((node, opset))
        values.types |= _inferred(values, node, attributes, opset)
    return values


def _defined(op: str, opset: int, domain: str = "") -> bool:
    import onnx

    return bool(onnx.defs.has(op, opset, domain))


def _opset(node: Any, opsets: Mapping[str, int]) -> int:
    return opsets.get("" if node.domain in OWN else node.domain, 1)


def _stored(values: Values, graph: Any) -> None:
    for tensor in graph.initializer:
        values.stored(tensor)
    for sparse in graph.sparse_initializer:
        _sparse(values, sparse.values.name, sparse)


def _sparse(values: Values, name: str, sparse: Any) -> None:
    from onnx import helper

    values.types[name] = helper.make_tensor_type_proto(sparse.values.data_type, tuple(sparse.dims))
    values.weights.append(name)


def _constant(values: Values, node: Any) -> None:
    """A number, a list or a tensor in a node is stored as an initializer is."""
    from onnx import TensorProto, helper

    name = node.output[0]
    for one in node.attribute:
        if one.name == "value":
            tensor = TensorProto()
            tensor.CopyFrom(one.t)
            tensor.name = name
            values.stored(tensor)
        elif one.name == "sparse_value":
            _sparse(values, name, one.sparse_tensor)
        elif one.name in ("value_float", "value_floats", "value_int", "value_ints"):
            numbers = value_of(one)
            kind = TensorProto.FLOAT if "float" in one.name else TensorProto.INT64
            listed = isinstance(numbers, tuple)
            array = numbers if listed else (numbers,)
            values.stored(helper.make_tensor(name, kind, (len(array),) if listed else (), array))


def _branch(values: Values, node: Any, opset: int) -> list[tuple[Any, int]]:
    """The nodes of the branch that a condition known beforehand takes."""
    from onnx import helper

    chosen = "then_branch" if bool(np.all(values.known[node.input[0]])) else "else_branch"
    graph = next(one.g for one in node.attribute if one.name == chosen)
    _stored(values, graph)
    ends = [
        helper.make_node("Identity", [made.name], [name]) for made, name in zip(graph.output, node.output, strict=True)
    ]
    return [(one, opset) for one in (*graph.node, *ends)]


def _knows(values: Values, name: str, numbers: Any) -> None:
    """A value that was computed; whole numbers are sizes, or what is computed from them."""
    from onnx import numpy_helper

    kind = np.int64 if numbers.dtype.kind in "iu" else np.bool_ if numbers.dtype.kind == "b" else np.float32
    values.stored(numpy_helper.from_array(np.ascontiguousarray(numbers, dtype=kind).reshape(numbers.shape), name))
    values.known[name] = numbers


def _inferred(values: Values, node: Any, attributes: Mapping[str, Any], opset: int) -> dict[str, Any]:
    """The types of the results of one node, by ONNX's rule for it, or by those of this program."""
    import onnx

    own = outputs_of(node, attributes, values.shape)
    if own is not None:
        return {name: onnx.helper.make_tensor_type_proto(1, shape) for name, shape in own.items() if name}
    domain = "" if node.domain in OWN else node.domain
    inner = any(one.type in (5, 10) for one in node.attribute)
    if not _defined(node.op_type, opset, domain):  # some programs write what ONNX has only later
        opset = NEWEST
        if not _defined(node.op_type, opset, domain):
            return {}
    types = {name: values.types[name] for name in (values.types if inner else node.input) if name in values.types}
    if any(name and name not in types for name in node.input):
        return {}
    text, schema = "", onnx.defs.get_schema(node.op_type, opset, domain)
    imports = [onnx.helper.make_opsetid(domain, opset), onnx.helper.make_opsetid("", opset)]
    for given in (types, {name: _as_float(one) for name, one in types.items()}):
        try:
            data = _data(values, node.input) if given is types else {}
            return dict(onnx.shape_inference.infer_node_outputs(schema, node, given, data, opset_imports=imports))
        except Exception as error:  # what the rules raise is not documented
            text = text or str(error).replace("\n", " ").rpartition("] ")[2] or type(error).__name__
    raise UsageError(f"{called(node)}: its shapes do not match: {text[:100]}")


def _as_float(kind: Any) -> Any:
    """Numbers of 8 and 16 bits as floats: of quantized operands, or of formats that a file mixes."""
    if _FORMATS.get(kind.tensor_type.elem_type) not in ("", "int8", "int16"):
        return kind
    made = type(kind)()
    made.CopyFrom(kind)
    made.tensor_type.elem_type = 1
    return made


def _data(values: Values, names: Iterable[str]) -> dict[str, Any]:
    from onnx import numpy_helper

    known = {name: values.known[name] for name in names if name in values.known}
    return {
        name: numpy_helper.from_array(np.ascontiguousarray(one).reshape(one.shape), name) for name, one in known.items()
    }
