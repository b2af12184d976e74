"""How do graphs of a network at several sizes become one :class:`~roofline.core.network.Network` with symbols?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from roofline.core.expression import parse_expression
from roofline.core.network import Layer, Network, Source, Term
from roofline.frontends.pytorch.graph import Entry
from roofline.frontends.pytorch.symbols import Differs, Rule, Settled
from roofline.operators import OPERATORS


def assemble(name: str, title: str, source: str, settled: Settled, defaults: Mapping[str, int]) -> Network:
    """The network of these graphs, with the given sizes as ``defaults`` of its symbols.

    Raises
    ------
    Differs : a number that follows no simple rule.
    """
    graphs = settled.graphs
    rule = Rule(settled.sizes)
    inputs = tuple(
        Source(
            key,
            tuple(
                rule.expression([graph.sources[key].shape[index] for graph in graphs], f"size of {key}")
                for index in range(len(tensor.shape))
            ),
            "" if tensor.dtype == graphs[0].storage else tensor.dtype.name,
        )
        for key, tensor in graphs[0].sources.items()
    )
    layers = []
    previous = next(iter(graphs[0].sources), "")
    for entries in zip(*(graph.entries for graph in graphs), strict=True):
        layers.append(_layer(entries, rule, previous))
        previous = entries[0].name
    used = {name for part in inputs for size in part.shape for name in size.names}
    used |= {name for layer in layers for term in layer.terms.values() for name in _names(term)}
    symbols = {key: parse_expression(defaults[key]) for key in settled.sizes[0] if key in used}
    outputs = tuple(graphs[0].outputs)
    return Network(name, title, source, symbols, inputs, tuple(layers), outputs=outputs)


def _names(term: Term) -> frozenset[str]:
    if isinstance(term, bool):
        return frozenset()
    return frozenset().union(*(one.names for one in (term if isinstance(term, tuple) else (term,))))


def _layer(entries: Sequence[Entry], rule: Rule, previous: str) -> Layer:
    entry = entries[0]
    terms: dict[str, Term] = {}
    known = {parameter.name: parameter for parameter in OPERATORS[entry.op].parameters}
    for key, value in entry.attributes.items():
        where = f"{key} of {entry.name}"
        columns = [one.attributes[key] for one in entries]
        if known[key].default is not None:
            usual = known[key].check(known[key].default)
            if all(known[key].check(column) == usual for column in columns):
                continue
        if isinstance(value, bool | str):
            if any(column != value for column in columns):
                raise Differs(f"{where} changes with the size")
            terms[key] = bool(value)
        elif isinstance(value, tuple):
            rows = [column if isinstance(column, tuple) else () for column in columns]
            if len({len(row) for row in rows}) != 1:
                raise Differs(f"{where} changes with the size")
            terms[key] = tuple(rule.expression(numbers, where) for numbers in zip(*rows, strict=True))
        else:
            terms[key] = rule.expression([int(column) for column in columns], where)  # type: ignore[arg-type]
    follows = OPERATORS[entry.op].inputs == (0, 0) or entry.inputs == (previous,)
    return Layer(entry.name, op=entry.op, terms=terms, inputs=() if follows else entry.inputs, tied=entry.tied)
