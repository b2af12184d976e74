"""How do values and nodes of an ONNX file become layers? Names, shapes, weights, and the plain operators."""

# mypy: disable-error-code="misc"

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from roofline.core.workload import Attribute
from roofline.errors import UsageError
from roofline.frontends.onnx.tables import BINARY, COPIES, FOLDED, MOVED, QUANTIZED, REDUCTIONS, UNARY, VIEWS
from roofline.frontends.pytorch.graph import Graph, Shape
from roofline.operators import OPERATORS

Attributes = dict[str, Attribute]
Formula = Callable[..., str]
"""(reader, node, existing inputs, attributes) -> name of the layer; empty where it does not apply."""
_OWN = re.compile(r"[._]?weight$")
BITS = {"int64": 64, "int32": 32, "int16": 16, "int8": 8, "bool": 1}


@dataclass(frozen=True)
class User:
    """A layer that has a stored weight, with all its weights and the shape of the first."""

    layer: str
    op: str
    weights: tuple[str, ...]
    shape: Shape

    def shares(self, op: str, weights: tuple[str, ...], shape: Shape) -> bool:
        """Whether another layer can be tied to this one; one with the same operator would share all its weights."""
        return shape == self.shape and (op != self.op or weights == self.weights)


class Reader:
    """Builds a graph from nodes. ``shapes`` and ``kinds`` have every value of known shape."""

    def __init__(self, shapes: dict[str, Shape], kinds: dict[str, str], special: Mapping[str, Formula]) -> None:
        self.graph = Graph()
        self.special = special
        self.shapes, self.kinds = shapes, kinds
        self.weights: dict[str, Shape] = {}
        self.roots: dict[str, str] = {}
        """The weight as it is stored, by what was folded from it."""
        self.late: dict[str, Any] = {}
        """Nodes that make values from weights alone: recorded once a layer reads the value as data."""
        self.constants: dict[str, Any] = {}
        self.names: dict[str, str] = {}
        self.users: dict[str, User] = {}
        """By stored weight: the layer that had it first."""
        self.opset = 0
        self.sizes: set[str] = set()
        """Values that are shapes or computed from shapes: not computed on the device."""
        self.uncovered: list[tuple[str, str]] = []

    def weight(self, name: str, shape: Shape, kind: str) -> None:
        """A tensor stored in the file."""
        self.weights[name], self.shapes[name], self.kinds[name] = shape, shape, kind
        if kind and (len(shape) == 0 or prod(shape) <= 64):
            self.sizes.add(name)

    def node(self, node: Any, opset: int) -> None:
        """Record one node: by its formula, or as uncovered with its shapes."""
        given = [name for name in node.input if name]
        if node.op_type in ("Shape", "Size") or (given and all(name in self.sizes for name in given)):
            self.sizes.update(node.output)
        elif node.op_type in FOLDED and given and all(name in self.weights for name in given) and self._folds(node):
            self.late |= dict.fromkeys(node.output, (node, opset))
        else:
            self._record(node, given, opset)

    def _folds(self, node: Any) -> bool:
        """Its results as weights; numbers that stand in the file as whole numbers are none."""
        first = node.input[0]
        whole = any(self.kinds.get(name) for name in node.input if name and name not in self.sizes)
        if any(name not in self.shapes for name in node.output) or (whole and node.op_type not in QUANTIZED):
            return False
        for value in node.output:
            self.weights[value] = self.shapes[value]
            self.kinds[value] = ""
            if node.op_type in MOVED:
                self.roots[value] = self.root(first)
        return True

    def root(self, value: str) -> str:
        return self.roots.get(value, value)

    def _record(self, node: Any, given: list[str], opset: int) -> None:
        outputs = [name for name in node.output if name]
        if not outputs or outputs[0] not in self.shapes:
            raise UsageError(
                f"{called(node)}: the shape of its result {outputs[0] if outputs else ''} is not known; "
                "fix the sizes of the inputs of the file, or trace the model instead (roofline trace)"
            )
        count, self.opset = len(self.graph.entries), opset
        attributes = {one.name: value_of(one) for one in node.attribute}
        try:
            made = self._formula(node.op_type, node, given, attributes)
        except (UsageError, KeyError, IndexError, TypeError, ValueError):
            made = ""
        if not made:
            self.graph.back_to(count)
            self.users = {weight: user for weight, user in self.users.items() if user.layer in self.graph.tensors}
            self.names = {value: name for value, name in self.names.items() if name in self.graph.tensors}
            reads = [self.name(name) for name in given if name not in self.sizes and name in self.shapes][:64]
            made = self.graph.add("uncovered", self.label(node), reads, self.shaped(outputs[0]))
            equation = f" {attributes['equation']}" if "equation" in attributes else ""
            self.uncovered.append((f"onnx.{node.op_type}{equation}", made))
        self.names[outputs[0]] = made
        for other in outputs[1:]:
            if other in self.shapes and other not in self.names:
                self.names[other] = self.graph.aside("beside", made, self.shaped(other))

    def name(self, value: str) -> str:
        """The layer of a value; weights that no layer includes are layers of their own."""
        if value not in self.names and value in self.late:
            node, opset = self.late[value]
            now, given = self.opset, [name for name in node.input if name]
            self.read([name for name in given if name not in self.sizes])
            self._record(node, given, opset)
            self.opset = now
        if value not in self.names:
            kind = self.kinds.get(value, "")
            bits: Attributes = {"whole_bits": BITS[kind]} if kind else {}
            op = "buffer" if kind or value not in self.weights else "parameter"
            shape = self.shapes[value]
            if op == "parameter":
                self.names[value] = self.made(op, value, [], {"shape": shape}, [value])
            else:
                self.names[value] = self.graph.add(op, value, [], {"shape": shape, **bits})
        return self.names[value]

    def shaped(self, value: str) -> Attributes:
        kind = self.kinds.get(value, "")
        return {"shape": self.shapes[value], **({"whole_bits": BITS[kind]} if kind else {})}

    def label(self, node: Any) -> str:
        """The module a node came from: by its weight, or by the path that exporters put into names."""
        for name in map(self.root, node.input[1:2]):
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

    def read(self, values: Sequence[str]) -> list[str]:
        """The layers of values."""
        return [self.name(value) for value in values]

    def put(self, op: str, node: Any, reads: Sequence[str], attributes: Attributes, weights: Sequence[str] = ()) -> str:
        """One layer that makes the first output of a node from other layers."""
        made = self.made(op, self.label(node), reads, attributes, weights)
        return self.graph.seen_as(made, self.shapes[node.output[0]])

    def made(
        self, op: str, label: str, reads: Sequence[str], attributes: Attributes, weights: Sequence[str] = ()
    ) -> str:
        """One layer with these weights of the file; it shares the first, or all, with a layer that has them already."""
        if not weights:
            return self.graph.add(op, label, reads, attributes)
        own = tuple(map(self.root, weights))
        inferred = OPERATORS[op].infer([self.graph.tensors[one] for one in reads], attributes).weights
        user = self.users.get(own[0])
        tied = user.layer if user is not None and user.shares(op, own, inferred[0].shape) else ""
        made = self.graph.add(op, label, reads, attributes, tied=tied)
        for weight, kind in zip(own, inferred, strict=False):
            if kind.shape == inferred[0].shape:  # a tie is to the first weight, so it counts as the others of its shape
                self.users.setdefault(weight, User(made, op, own, kind.shape))
        return made

    def _formula(self, kind: str, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
        special = self.special.get(kind)
        if special is not None:
            return special(self, node, given, a)
        if kind in QUANTIZED or kind in VIEWS:
            self.kinds[node.output[0]] = self.kinds.get(given[0], "") if kind in VIEWS else ""
            return self.graph.seen_as(self.name(given[0]), self.shapes[node.output[0]])
        if kind in COPIES:
            return self.put(COPIES[kind], node, self.read(given[:1]), {"shape": self.shapes[node.output[0]]})
        if kind in UNARY:
            return self.put(UNARY[kind], node, self.read(given[:1]), {})
        if kind in BINARY:
            return self._joined(BINARY[kind], node, given)
        if kind in REDUCTIONS:
            return self._reduced(node, given[0], REDUCTIONS[kind])
        return ""

    def _joined(self, op: str, node: Any, given: list[str]) -> str:
        """Two operands element by element, or more one after another; an operand of one element is a number."""
        small = [name for name in given if name in self.weights and prod(self.weights[name]) == 1]
        if len(given) == 2 and small:
            number = {"add": "shift", "sub": "shift", "compare": "compare_number", "pow": "power"}
            rest = [name for name in given if name not in small] or given[:1]
            return self.put(number.get(op, "scale"), node, self.read(rest), {})
        reads = self.read([name for name in given if name not in self.sizes or self.kinds.get(name) == ""] or given[:1])
        count = OPERATORS[op].inputs[1]
        while len(reads) > count == 2:
            reads[:2] = [self.graph.add(op, self.label(node), reads[:2], {})]
        return reads[0] if len(given) == 1 else self.put(op, node, reads, {})

    def _axes(self, node: Any, have: Shape, out: Shape) -> list[int]:
        """The dimensions that are reduced: as the node says, or else those that are missing from the result."""
        said = next((one.ints for one in node.attribute if one.name == "axes"), None)
        if said is None and len(node.input) > 1:
            said = self.constants.get(node.input[1])
        if said is not None:
            return sorted({int(axis) % len(have) for axis in said})
        kept = list(out)
        gone = []
        for dim, size in enumerate(have):
            if kept and kept[0] == size:
                kept.pop(0)
            else:
                gone.append(dim)
                if kept and kept[0] == 1 and len(out) == len(have):
                    kept.pop(0)
        return gone

    def _reduced(self, node: Any, value: str, op: str) -> str:
        """Rows are the dimensions that were removed or have size 1 now."""
        have, out = self.shapes[value], self.shapes[node.output[0]]
        gone = self._axes(node, have, out)
        if not gone:
            return self.name(value)
        order = (*(dim for dim in range(len(have)) if dim not in gone), *gone)
        name = self.name(value)
        if order != tuple(range(len(have))):
            name = self.graph.aside("transpose", name, {"dims": order})
        rows = (*(have[dim] for dim in order[: len(have) - len(gone)]), prod(have[dim] for dim in gone))
        return self.put(op, node, [self.graph.seen_as(name, rows)], {})


def called(node: Any) -> str:
    """A node as messages name it."""
    return f"node {node.name or node.output[0] if node.output else node.name} ({node.op_type})"


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
