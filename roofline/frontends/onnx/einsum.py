"""How does an ``Einsum`` of an ONNX file become layers? ``bhqd,bhkd->bhqk`` is a batched GEMM.

It becomes sums, transposed views and matrix multiplications. Operands are joined from the left, two by two, as in
PyTorch. Letters of a pair are shared and kept (batch), shared and summed (the inner size of a GEMM), or of one operand
only. A transposed view costs nothing here, though a program copies where the GEMM cannot take the layout.
"""

# mypy: disable-error-code="misc"

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from roofline.frontends.onnx.reader import Reader

_EQUATION = re.compile(r"({0})(,({0}))*(->({0}))?".format(r"[A-Za-z]*(\.\.\.)?[A-Za-z]*"))


def odd_equation(nodes: Iterable[Any]) -> str | None:
    """The first text of an ``Einsum`` that is no equation, in nodes and the graphs inside them.

    It must be found before shapes are inferred: ONNX's own inference (1.23) never returns from ``i..j->``.
    """
    for node in nodes:
        for one in node.attribute:
            text: str = one.s.decode("utf-8", "replace").replace(" ", "")
            if node.op_type == "Einsum" and one.name == "equation" and not _EQUATION.fullmatch(text):
                return text
            inside = odd_equation(inner for graph in (one.g, *one.graphs) for inner in graph.node)
            if inside is not None:
                return inside
    return None


def einsum(r: Reader, node: Any, given: list[str], a: Mapping[str, Any]) -> str:
    """The layers of one equation; empty (uncovered) for diagonals and broadcast sizes of 1."""
    terms = _terms(str(a["equation"]), [len(r.shapes[name]) for name in given], len(r.shapes[node.output[0]]))
    if terms is None:
        return ""
    read, out = terms
    sizes: dict[str, int] = {}
    for name, letters in zip(given, read, strict=True):
        for letter, size in zip(letters, r.shapes[name], strict=True):
            if sizes.setdefault(letter, size) != size:
                return ""
    parts = _Parts(r, node, sizes)
    so_far = _Operand(read[0], value=given[0])
    for place, name in enumerate(given[1:], 1):
        so_far = parts.pair(so_far, _Operand(read[place], value=name), wanted="".join((*read[place + 1 :], out)))
    return parts.ordered(parts.summed(so_far, out), out)


def _terms(equation: str, ranks: Sequence[int], rank: int) -> tuple[list[str], str] | None:
    """The letters of every operand and of the result, with an ellipsis replaced by numbers."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    read = left.split(",")
    if len(read) != len(ranks):
        return None
    if not arrow:  # letters that occur once, in their order
        once = sorted(one for one in set(left) - set(",.") if left.count(one) == 1)
        right = ("..." if "..." in left else "") + "".join(once)
    widest = max(count - len(term.replace("...", "")) for term, count in zip(read, ranks, strict=True))
    spread = "0123456789"[: max(0, widest)]
    found = []
    for term, count in zip((*read, right), (*ranks, rank), strict=True):
        free = count - len(term.replace("...", ""))
        found.append(term.replace("...", spread[len(spread) - free :] if free > 0 else ""))
        if len(found[-1]) != count or len(set(found[-1])) != count:
            return None
    *operands, out = found
    return (operands, out) if set(out) <= set("".join(operands)) else None


@dataclass(frozen=True)
class _Operand:
    """Its letters, and its layer, or the ``value`` of the file that it still is."""

    letters: str
    layer: str = ""
    value: str = ""


class _Parts:
    """The layers of an equation, on values of one reader."""

    def __init__(self, r: Reader, node: Any, sizes: Mapping[str, int]) -> None:
        self.r, self.node, self.sizes = r, node, sizes

    def shape(self, *letters: str) -> tuple[int, ...]:
        return tuple(self.sizes[letter] for letter in "".join(letters))

    def size(self, letters: str) -> int:
        return prod(self.shape(letters))

    def layer(self, operand: _Operand) -> str:
        return operand.layer or self.r.name(operand.value)

    def made(
        self, op: str, reads: list[str], attributes: dict[str, Any] | None = None, weights: Sequence[str] = ()
    ) -> str:
        return self.r.made(op, self.r.label(self.node), reads, attributes or {}, weights)

    def ordered(self, operand: _Operand, wanted: str) -> str:
        """A view with the dimensions in another order."""
        if operand.letters == wanted:
            return self.layer(operand)
        order = tuple(operand.letters.index(one) for one in wanted)
        return self.r.graph.aside("transpose", self.layer(operand), {"dims": order})

    def summed(self, operand: _Operand, wanted: str) -> _Operand:
        """Without the letters that are not wanted."""
        kept, gone = _split(operand.letters, wanted)
        if not gone:
            return operand
        rows = self.r.graph.seen_as(self.ordered(operand, kept + gone), (*self.shape(kept), self.size(gone)))
        return _Operand(kept, self.made("sum", [rows]))

    def pair(self, left: _Operand, right: _Operand, wanted: str) -> _Operand:
        """Two operands joined; letters that are not ``wanted`` are summed over."""
        r = self.r
        if left.value in r.weights and right.value not in r.weights:  # the weight is the second operand
            left, right = right, left
        left = self.summed(left, right.letters + wanted)
        plain = right.value in r.weights and set(right.letters) <= set(left.letters + wanted)
        right = self.summed(right, left.letters + wanted)
        shared, rows = _split(left.letters, right.letters)
        batch, inner = _split(shared, wanted)
        columns = _split(right.letters, left.letters)[1]
        x = self.ordered(left, batch + rows + inner)
        if plain and inner and not batch:
            x = r.graph.seen_as(x, (*self.shape(rows), self.size(inner)))
            out = {"out": self.size(columns), "bias": False}
            layer = self.made("linear", [x], out, [right.value])
        elif inner:
            x = r.graph.seen_as(x, (*self.shape(batch), self.size(rows), self.size(inner)))
            y = self.ordered(right, batch + inner + columns)
            y = r.graph.seen_as(y, (*self.shape(batch), self.size(inner), self.size(columns)))
            layer = self.made("matmul", [x, y])
        else:  # nothing is summed
            x = r.graph.seen_as(x, (*self.shape(batch, rows), *(1,) * len(columns)))
            y = self.ordered(right, batch + columns)
            y = r.graph.seen_as(y, (*self.shape(batch), *(1,) * len(rows), *self.shape(columns)))
            layer = self.made("mul", [x, y])
        return _Operand(batch + rows + columns, r.graph.seen_as(layer, self.shape(batch, rows, columns)))


def _split(letters: str, among: str) -> tuple[str, str]:
    """Letters that are among others, and letters that are not."""
    return "".join(one for one in letters if one in among), "".join(one for one in letters if one not in among)
