"""Which numbers of a network depend on its batch, sequence or image size? Graphs at several sizes, compared.

A number that is the same in all of them is a constant. Others must be ``c + k * a**i * b**j`` of the symbols, found
from some of the graphs and checked on the others, or that times a power of ``s // q + c``. Where none fits, the symbol
becomes a constant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import product

from roofline.core.expression import Expression, parse_expression
from roofline.errors import UsageError
from roofline.frontends.pytorch.graph import Graph

Sizes = Mapping[str, int]
_OFFSETS = sorted((c for c in range(-12, 13) if c), key=abs)


class Differs(Exception):
    """Two graphs of one network differ in more than numbers, or in numbers that follow no rule; says where."""


def other_sizes(sizes: Sizes) -> list[dict[str, int]]:
    """Sizes to try beside the given ones: each symbol changed alone, then all of them."""
    changed = {name: _other(name, size) for name, size in sizes.items()}
    alone = [{**sizes, name: changed[name]} for name in sizes]
    twice = {name: _other(name, changed[name]) for name in sizes}
    return [*alone, twice]


def _other(name: str, size: int) -> int:
    """Images grow by 32 pixels, so that halved sizes stay integers; all other sizes grow to an odd number."""
    if name == "image" or (size % 32 == 0 and size >= 64):
        return size + 32
    return size + 2 if size % 2 else size + 3


def same_form(one: Graph, other: Graph) -> None:
    """Raise :class:`Differs` if two graphs do not have the same layers on the same inputs."""
    if len(one.entries) != len(other.entries):
        raise Differs(f"has {len(one.entries)} layers at one size and {len(other.entries)} at another")
    for a, b in zip(one.entries, other.entries, strict=True):
        same = (a.name, a.op, a.inputs, a.tied) == (b.name, b.op, b.inputs, b.tied)
        if not same or a.attributes.keys() != b.attributes.keys():
            raise Differs(f"{a.name} ({a.op}) becomes {b.name} ({b.op}) at another size")


class Rule:
    """Finds expressions. ``sizes`` are those of the graphs, in their order."""

    def __init__(self, sizes: Sequence[Sizes]) -> None:
        self.sizes = sizes
        self.names = tuple(sizes[0])
        powers = sorted(product(range(3), repeat=len(self.names)), key=lambda power: (sum(power), power[::-1]))
        self.powers = [power for power in powers if 0 < sum(power) <= 3]
        self.found: dict[tuple[int, ...], Expression] = {}

    def expression(self, numbers: Sequence[int], where: str) -> Expression:
        """The expression with these values, one for each graph; raises :class:`Differs` if there is none."""
        key = tuple(numbers)
        if key not in self.found:
            self.found[key] = self._find(key, where)
        return self.found[key]

    def _find(self, numbers: tuple[int, ...], where: str) -> Expression:
        if len(set(numbers)) == 1:
            return parse_expression(numbers[0])
        for plain in (True, False):
            for power in self.powers:
                text = self._fit(numbers, power, plain=plain)
                if text:
                    return parse_expression(text)
        text = self._product(numbers)
        if text:
            return parse_expression(text)
        raise Differs(f"{where} is {', '.join(map(str, numbers))} at {self._listed()}, which follows no simple rule")

    def _fit(self, numbers: tuple[int, ...], power: tuple[int, ...], *, plain: bool) -> str:
        """``k * monomial // q`` (``plain``), or that plus a constant; empty where it does not give the numbers."""
        terms = [self._monomial(sizes, power) for sizes in self.sizes]
        first, last = terms[0], terms[-1]
        if first == last:
            return ""
        slope = Fraction(numbers[0], first) if plain else Fraction(numbers[-1] - numbers[0], last - first)
        if slope == 0 or slope.denominator > 4096:
            return ""
        rest = 0 if plain else numbers[0] - slope * first
        if plain or rest.denominator == 1:
            made = [slope.numerator * term // slope.denominator + int(rest) for term in terms]
            if made == list(numbers) and all((slope.numerator * term) % slope.denominator == 0 for term in terms):
                return self._text(power, slope, int(rest))
        return ""

    def _product(self, numbers: tuple[int, ...]) -> str:
        """A monomial times ``s // q + c`` (pixels without a border) or ``(s // q)**2 + c`` (patches and one more), for
        one symbol ``s``, once or squared; empty where none gives the numbers.
        """
        for name, power, q, c in product(self.names, (1, 2), (1, 2, 4, 8, 16, 32), _OFFSETS):
            factors = [(sizes[name] // q) ** power + c for sizes in self.sizes]
            if len(set(factors)) == 1 or min(factors) < 1:
                continue
            side = name if q == 1 else f"({name} // {q})"
            factor = f"({' * '.join([side] * power)} {'+' if c > 0 else '-'} {abs(c)})"
            for times in (1, 2):
                if any(number % one**times for number, one in zip(numbers, factors, strict=True)):
                    break
                rest = tuple(number // one**times for number, one in zip(numbers, factors, strict=True))
                if len(set(rest)) == 1:
                    others = str(rest[0])
                else:
                    others = next(filter(None, (self._fit(rest, other, plain=True) for other in self.powers)), "")
                if others:
                    return " * ".join(([] if others == "1" else [f"({others})"]) + [factor] * times)
        return ""

    def _monomial(self, sizes: Sizes, power: tuple[int, ...]) -> int:
        value = 1
        for name, exponent in zip(self.names, power, strict=True):
            value *= sizes[name] ** exponent
        return value

    def _text(self, power: tuple[int, ...], slope: Fraction, rest: int) -> str:
        factors = [name for name, exponent in zip(self.names, power, strict=True) for _ in range(exponent)]
        if slope.numerator != 1:
            factors.insert(0, str(slope.numerator))
        text = " * ".join(factors)
        if slope.denominator != 1:
            text = f"({text}) // {slope.denominator}" if len(factors) > 1 else f"{text} // {slope.denominator}"
        return text if rest == 0 else f"{text} {'+' if rest > 0 else '-'} {abs(rest)}"

    def _listed(self) -> str:
        return "; ".join(", ".join(f"{name} {size}" for name, size in sizes.items()) for sizes in self.sizes)


@dataclass(frozen=True)
class Settled:
    """Graphs of one form, at ``sizes`` of the symbols.

    Parameters
    ----------
    fixed : symbols that became constants, with the reason.
    beyond : symbols with the given size 1, at which the network takes other steps; the graphs are of 2 and more.
    """

    sizes: list[Sizes]
    graphs: list[Graph]
    fixed: Mapping[str, str]
    beyond: Mapping[str, str] = field(default_factory=dict)

    def notes(self, sizes: Sizes) -> list[str]:
        """Notes for the reader of the network."""
        said = [f"{name} is fixed at {sizes[name]}: {reason}" for name, reason in self.fixed.items()]
        return said + [
            f"at {name}=1 the model takes other steps ({reason}); the network file describes {name} of 2 and more"
            for name, reason in self.beyond.items()
        ]


def settle(sizes: Sizes, graph_at: Callable[[Sizes], Graph]) -> Settled:
    """Graphs of a network at several sizes.

    Parameters
    ----------
    graph_at : traces the network at these sizes; an error at a size other than the first makes the symbol a constant.
    """
    found = _settle(sizes, graph_at)
    for name in [name for name in found.fixed if sizes[name] == 1]:
        reason = found.fixed[name]
        try:
            other = _settle({**sizes, **dict.fromkeys(found.beyond, 2), name: 2}, graph_at)
        except UsageError:
            continue
        if other.fixed.keys() < found.fixed.keys():
            found = replace(other, beyond={**found.beyond, name: reason})
    return found


def _settle(sizes: Sizes, graph_at: Callable[[Sizes], Graph]) -> Settled:
    base = graph_at(sizes)
    fixed: dict[str, str] = {}
    alone: dict[str, Graph] = {}
    for name in sizes:
        changed = {**sizes, name: _other(name, sizes[name])}
        try:
            alone[name] = graph_at(changed)
            _numbers_follow([{name: sizes[name]}, {name: changed[name]}], [base, alone[name]])
        except (Differs, UsageError) as error:
            fixed[name] = str(error).splitlines()[0]
    while free := {name: size for name, size in sizes.items() if name not in fixed}:
        every: list[Sizes] = [free, *other_sizes(free)]
        try:
            graphs = [base, *(alone[name] for name in free), graph_at({**sizes, **every[-1]})]
            _numbers_follow(every, graphs)
            return Settled(every, graphs, fixed)
        except (Differs, UsageError) as error:
            fixed[list(free)[-1]] = str(error).splitlines()[0]
    return Settled([{}], [base], fixed)


def _numbers_follow(sizes: Sequence[Sizes], graphs: Sequence[Graph]) -> None:
    rule = Rule(sizes)
    for graph in graphs[1:]:
        same_form(graphs[0], graph)
    for entries in zip(*(graph.entries for graph in graphs), strict=True):
        for key, value in entries[0].attributes.items():
            columns = [entry.attributes[key] for entry in entries]
            if isinstance(value, bool | str):
                if any(column != value for column in columns):
                    raise Differs(f"{key} of {entries[0].name} changes with the size")
                continue
            rows = [column if isinstance(column, tuple) else (column,) for column in columns]
            if len({len(row) for row in rows}) > 1:
                raise Differs(f"{key} of {entries[0].name} changes with the size")
            for numbers in zip(*rows, strict=True):
                rule.expression([int(number) for number in numbers], f"{key} of {entries[0].name}")
