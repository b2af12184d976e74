"""How do values and nodes of an ONNX file become layers? Names, shapes, weights, and the plain operators."""

# mypy: disable-error-code="misc"

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

from roofline.core.workload import Attribute
from roofline.errors import UsageError
from roofline.frontends.pytorch.graph import Graph, Shape
from roofline.operators import OPERATORS

Attributes = dict[str, Attribute]
Formula = Callable[..., str]
"""(reader, node, existing inputs, attributes) -> name of the layer; empty where it does not apply."""
_OWN = re.compile(r"[._]?weight$")
BITS = {"int64": 64, "int32": 32, "int16": 16, "int8": 8, "bool": 1}

UNARY = {
    **{name: name.lower() for name in ("Relu", "Sqrt", "Exp", "Tanh", "Sigmoid", "Neg", "Abs", "Reciprocal", "Log")},
    **{name: name.lower() for name in ("Sin", "Cos", "Erf", "Elu", "Softplus", "Mish", "Round")},
    "HardSigmoid": "hardsigmoid",
    "HardSwish": "hardswish",
    "LeakyRelu": "leaky_relu",
    "Clip": "clamp",
    **dict.fromkeys(("Selu", "Celu", "ThresholdedRelu"), "elu"),
    **dict.fromkeys(("Floor", "Ceil", "Sign"), "round"),
    "Not": "logical_not",
    "IsNaN": "compare_number",
    "Swish": "silu",
}
BINARY = {
    **{name: name.lower() for name in ("Add", "Sub", "Mul", "Div", "Pow")},
    **dict.fromkeys(("Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual"), "compare"),
    **dict.fromkeys(("And", "Or", "Xor"), "logical"),
    "Max": "maximum",
    "Min": "minimum",
    "PRelu": "prelu",
    "Mod": "remainder",
    "Where": "choose",
}
REDUCTIONS = {
    "ReduceMean": "mean",
    "ReduceSum": "sum",
    "ReduceMax": "row_max",
    "ReduceMin": "row_max",
    "ReduceProd": "row_product",
    "ReduceL2": "row_norm",
    "ReduceL1": "row_norm",
    "ReduceLogSumExp": "log_sum_exp",
    "ArgMax": "row_argmax",
    "ArgMin": "row_argmax",
    "ReduceSumSquare": "row_norm",
}
VIEWS = ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity")
COPIES = {"Pad": "pad", "Tile": "rearrange", "DepthToSpace": "rearrange", "SpaceToDepth": "rearrange"}


class Reader:
    """Builds a graph from nodes. ``shapes`` and ``kinds`` have every value of known shape."""

    def __init__(self, shapes: dict[str, Shape], kinds: dict[str, str], special: Mapping[str, Formula]) -> None:
        self.graph = Graph()
        self.special = special
        self.shapes, self.kinds = shapes, kinds
        self.weights: dict[str, Shape] = {}
        self.names: dict[str, str] = {}
        self.users: dict[str, str] = {}
        self.sizes: set[str] = set()
        """Values that are shapes or computed from shapes: not computed on the device."""
        self.uncovered: list[tuple[str, str]] = []

    def weight(self, name: str, shape: Shape, kind: str) -> None:
        """A tensor stored in the file."""
        self.weights[name], self.shapes[name], self.kinds[name] = shape, shape, kind
        if kind and (len(shape) == 0 or prod(shape) <= 64):
            self.sizes.add(name)

    def node(self, node: Any) -> None:
        """Record one node: by its formula, or as uncovered with its shapes."""
        given = [name for name in node.input if name]
        if node.op_type in ("Shape", "Size", "Constant") or (given and all(name in self.sizes for name in given)):
            self.sizes.update(node.output)
            return
        outputs = [name for name in node.output if name]
        if not outputs or outputs[0] not in self.shapes:
            raise UsageError(
                f"the shape of {outputs[0] if outputs else node.op_type} ({node.op_type}) is not known; "
                "run ONNX shape inference on the file first, or fix the sizes of its inputs"
            )
        count = len(self.graph.entries)
        attributes = {one.name: value_of(one) for one in node.attribute}
        try:
            made = self._formula(node.op_type, node, given, attributes)
        except (UsageError, KeyError, IndexError, TypeError, ValueError):
            made = ""
        if not made:
            self.graph.back_to(count)
            self.users = {weight: name for weight, name in self.users.items() if name in self.graph.tensors}
            self.names = {value: name for value, name in self.names.items() if name in self.graph.tensors}
            reads = [self.name(name) for name in given if name not in self.sizes][:64]
            made = self.graph.add("uncovered", self.label(node), reads, self.shaped(outputs[0]))
            equation = f" {attributes['equation']}" if "equation" in attributes else ""
            self.uncovered.append((f"onnx.{node.op_type}{equation}", made))
        self.names[outputs[0]] = made
        for other in outputs[1:]:
            if other in self.shapes:
                self.names.setdefault(other, self.graph.aside("beside", made, self.shaped(other)))

    def name(self, value: str) -> str:
        """The layer of a value; weights that no layer includes are layers of their own."""
        if value not in self.names:
            kind = self.kinds.get(value, "")
            bits: Attributes = {"whole_bits": BITS[kind]} if kind else {}
            op = "buffer" if kind or value not in self.weights else "parameter"
            shape = self.shapes[value]
            tied = self.users.get(value, "") if op == "parameter" else ""
            bits = bits if op == "buffer" else {}
            self.names[value] = self.graph.add(op, value, [], {"shape": shape, **bits}, tied=tied)
        return self.names[value]

    def shaped(self, value: str) -> Attributes:
        kind = self.kinds.get(value, "")
        return {"shape": self.shapes[value], **({"whole_bits": BITS[kind]} if kind else {})}

    def label(self, node: Any) -> str:
        """The module a node came from: by its weight, or by the path that exporters put into names."""
        for name in node.input[1:2]:
            if name in self.weights and _OWN.search(name):
                return _OWN.sub("", name)
        parts: list[str] = []
        for part in node.name.strip("/").split("/"):
            if parts and part.startswith(f"{parts[-1]}."):
                parts[-1] = part
            elif part:
                parts.append(part)
        kind = node.op_type.lower()
        if len(parts) > 1 and parts[-1].startswith(node.op_type):
            module = parts[-2].rpartition(".")[2].lower()
            parts[-1:] = [] if kind in module or module in kind or self._has_weights(node) else [kind]
        return ".".join(parts) or kind

    def _has_weights(self, node: Any) -> bool:
        return any(name in self.weights and not self.kinds.get(name) for name in node.input[1:])

    def put(self, op: str, node: Any, reads: Sequence[str], attributes: Attributes, weights: Sequence[str] = ()) -> str:
        """One layer that makes the first output of a node; its first weight may be shared with another layer."""
        out = self.shapes[node.output[0]]
        names = [read if read in self.graph.tensors else self.name(read) for read in reads]
        tied = self.users.get(weights[0], "") if weights else ""
        made = self.graph.add(op, self.label(node), names, attributes, tied=tied)
        for weight in weights:
            self.users.setdefault(weight, made)
        return self.graph.seen_as(made, out)

    def _formula(self, kind: str, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
        special = self.special.get(kind)
        if special is not None:
            return special(self, node, given, a)
        reads = [name for name in given if name not in self.sizes or self.kinds.get(name) == ""]
        if kind in VIEWS:
            return self.graph.seen_as(self.name(given[0]), self.shapes[node.output[0]])
        if kind in COPIES:
            return self.put(COPIES[kind], node, given[:1], {"shape": self.shapes[node.output[0]]})
        if kind in UNARY:
            return self.put(UNARY[kind], node, given[:1], {})
        if kind in BINARY and len(given) == OPERATORS[BINARY[kind]].inputs[1]:
            small = [name for name in given if name in self.weights and prod(self.weights[name]) == 1]
            if len(given) == 2 and small:  # with a number
                number = {"add": "shift", "sub": "shift", "compare": "compare_number", "pow": "power"}
                rest = [name for name in given if name not in small] or given[:1]
                return self.put(number.get(BINARY[kind], "scale"), node, rest, {})
            return self.put(BINARY[kind], node, reads, {})
        if kind in REDUCTIONS:
            return self._reduced(node, given[0], REDUCTIONS[kind])
        return ""

    def _reduced(self, node: Any, value: str, op: str) -> str:
        """Rows are the dimensions that were removed or have size 1 now."""
        have, out = self.shapes[value], self.shapes[node.output[0]]
        kept = list(out)
        gone = []
        for dim, size in enumerate(have):
            if kept and kept[0] == size:
                kept.pop(0)
            else:
                gone.append(dim)
                if kept and kept[0] == 1 and len(out) == len(have):
                    kept.pop(0)
        if not gone:
            return self.name(value)
        order = (*(dim for dim in range(len(have)) if dim not in gone), *gone)
        name = self.name(value)
        if order != tuple(range(len(have))):
            name = self.graph.aside("transpose", name, {"dims": order})
        rows = (*(have[dim] for dim in order[: len(have) - len(gone)]), prod(have[dim] for dim in gone))
        return self.put(op, node, [self.graph.seen_as(name, rows)], {})


def value_of(attribute: Any) -> Any:
    """Integers, floats, texts and lists of them."""
    if attribute.type == 1:
        return float(attribute.f)
    if attribute.type == 2:
        return int(attribute.i)
    if attribute.type == 3:
        return attribute.s.decode("utf-8", "replace")
    if attribute.type == 7:
        return tuple(int(one) for one in attribute.ints)
    if attribute.type == 4:  # a tensor of one integer, stored in either of two fields
        if len(attribute.t.int64_data) == 1:
            return int(attribute.t.int64_data[0])
        return int.from_bytes(attribute.t.raw_data, "little", signed=True) if attribute.t.data_type == 7 else 0
    return tuple(float(one) for one in attribute.floats) if attribute.type == 6 else None
