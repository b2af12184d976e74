"""How is a workload file read? ``workloads/<net>.yaml`` -> :class:`~roofline.core.network.Network`.

::

    title: ResNet-18
    source: who described it
    symbols: {batch: 32, image: 224}       # defaults; may use earlier symbols: 4 * hidden
    inputs:
      image: [batch, 3, image, image]      # or {shape: [batch, seq], dtype: int64}
    blocks:
      basic:
        parameters: {width: required, stride: 1, project: false}
        layers:
          - conv1: {op: conv2d, out: width, kernel: 3, stride: stride, padding: 1, bias: false}
          - bn1: batch_norm
          - shortcut: {op: conv2d, from: input, out: width, kernel: 1, when: project}
          - add: {op: add, from: [bn1, shortcut]}
    layers:
      - layer1: {block: basic, repeat: 2, width: 64, first: {project: true}}
    outputs: [layer1]                      # the last layer if not given

A network that differs from another only in sizes builds on it: ``extends: gpt2``, ``symbols: {layers: 24}`` and its
own title. It has all symbols of the other, these with new defaults, and its inputs and layers.

A layer reads the output of the one before it unless ``from`` names something else. Operators, their attributes and
shapes are not known here: :func:`roofline.lowering.build.check` checks those.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from keyword import iskeyword
from pathlib import Path
from typing import Any

from roofline.core.dtype import dtype
from roofline.core.expression import Expression, parse_expression
from roofline.core.network import INDEX, Block, Layer, Network, Source, Term
from roofline.errors import Fault, SpecError, UnknownName, UsageError
from roofline.specs.extends import KEY, extended
from roofline.specs.fields import Fields, Reading
from roofline.specs.yamlio import Document, KeyPath, load_document

_LAYER_NAME = re.compile(r"\w[\w.-]*")
_TAKEN = re.compile(r"input\d*")
_SYMBOL_NAME = re.compile(r"[A-Za-z_]\w*")
_FUNCTIONS = ("min", "max", "ceildiv")
_RECIPE = ("inputs", "blocks", "layers", "outputs")
"""Keys that a network takes from the one it extends."""
_OWN_KEYS = ("op", "block", "from", "repeat", "first", "when", "tied")


def load_network(path: str | Path) -> Network:
    """Read a workload file; the network has the name of the file.

    Raises
    ------
    SpecError : all faults of the file, each with its line.
    """
    file = Path(path)
    reading = Reading(_whole(load_document(file)))
    network = _File(reading).network(file)
    reading.check()
    return network


def check_network(path: str | Path) -> list[Fault]:
    """All faults of a file except those of shapes: its form, its names, its unrolled blocks."""
    try:
        network = load_network(path)
        network.expand(network.bind({}))
    except SpecError as error:
        return list(error.faults)
    except UsageError as error:
        return [Fault(str(path), None, "symbols", str(error))]
    return []


def _whole(document: Document) -> Document:
    """A file with everything it extends; raises :class:`SpecError` if it changes more than it may."""
    whole = extended(document, "workload")
    if len(whole.files) == 1:
        return whole
    base = whole.files[-1]
    more = [key for key in _RECIPE if key in whole.data and whole.place((key,)).file != base]
    if more:
        text = f"{{}} of {Path(base).stem} cannot be changed by extending it; write title, source and symbols only"
        raise SpecError([whole.fault((key,), text.format(key)) for key in more])
    return whole


class _File:
    """Reads one document. ``uses`` collects the names in expressions, with their places."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.uses: list[tuple[KeyPath, Expression]] = []

    def network(self, file: Path) -> Network:
        root = self.reading.root("a network")
        files = self.reading.document.files
        root.text(KEY)
        symbols = self._symbols(root.mapping("symbols"))
        inputs = tuple(self._inputs(root.mapping("inputs", required="the inputs with their shapes")))
        self._check_uses(symbols)
        blocks = self._blocks(root.mapping("blocks"), symbols)
        self.uses.clear()
        layers = self._layers(root, blocks, [source.name for source in inputs])
        self._check_uses([*symbols, INDEX])
        network = Network(
            name=file.stem,
            title=root.text("title", required="a title"),
            source=root.text("source", required="who described this network, and where"),
            symbols=symbols,
            inputs=inputs,
            layers=layers,
            blocks=blocks,
            outputs=root.texts("outputs"),
            file=str(file),
            outputs_line=self.reading.document.line(("outputs",)),
            recipe=files[-1] if len(files) > 1 else "",
        )
        root.finish()
        self._unused(root, network)
        return network

    def _symbols(self, fields: Fields | None) -> dict[str, Expression]:
        symbols: dict[str, Expression] = {}
        for name in fields.each() if fields else ():
            assert fields
            expression = self._expression(fields, fields.data[name], name)
            self._check_uses(symbols)
            if not _is_symbol(name):
                fields.note("is not a name for a symbol; write letters, digits and _", name)
            elif expression:
                symbols[name] = expression
        return symbols

    def _inputs(self, fields: Fields | None) -> Iterator[Source]:
        if fields and not fields.data:
            fields.note("is empty; write the inputs with their shapes")
        for name in fields.each() if fields else ():
            assert fields
            if not _LAYER_NAME.fullmatch(name):
                fields.note("is not a name; write letters, digits, _ and .", name)
            value = fields.data[name]
            inner = fields.mapping(name) if isinstance(value, dict) else Fields(fields.reading, fields.path, {})
            key = "shape" if isinstance(value, dict) else name
            holder = inner if inner is not None and key == "shape" else fields
            shape = holder.raw(key, required="a shape, such as [batch, seq]")
            if shape is not None and not isinstance(shape, list):
                holder.note("expected a list of sizes, such as [batch, seq]", key)
            sizes = self._list(holder, shape, key) if isinstance(shape, list) else ()
            kind = inner.text("dtype") if inner else ""
            if kind and inner:
                inner.attempt(lambda kind=kind: dtype(kind), "dtype")  # type: ignore[misc]
                inner.finish()
            yield Source(name, sizes, kind, fields.reading.document.line((*fields.path, name)))

    def _blocks(self, fields: Fields | None, symbols: Mapping[str, Expression]) -> dict[str, Block]:
        blocks: dict[str, Block] = {}
        known = list(fields.data) if fields else []
        for name in fields.each() if fields else ():
            assert fields
            block = fields.mapping(name, required="layers")
            if block is None:
                continue
            self.uses.clear()
            parameters: dict[str, Expression | None] = {}
            declared = block.mapping("parameters")
            for key in declared.each() if declared else ():
                assert declared
                if not _is_symbol(key) or key in symbols:
                    declared.note("is the name of a symbol, or no name at all; choose another", key)
                value = declared.data[key]
                parameters[key] = None if value == "required" else self._expression(declared, value, key)
            layers = self._layers(block, dict.fromkeys(known), [])
            self._check_uses([*symbols, *parameters, INDEX])
            block.finish()
            blocks[name] = Block(name, parameters, layers)
        return blocks

    def _layers(self, owner: Fields, blocks: Mapping[str, Any], taken: list[str]) -> tuple[Layer, ...]:
        layers: list[Layer] = []
        names = set(taken)
        for entry in owner.items("layers", required="the layers, each '- name: operator'"):
            if len(entry.data) != 1:
                entry.note("expected '- name: operator' or '- name: {op: operator, ...}'")
                continue
            name = next(entry.each())
            if not _LAYER_NAME.fullmatch(name) or _TAKEN.fullmatch(name):
                entry.note("is not a name for a layer", name)
            elif name in names:
                entry.note("is the name of another layer or input of this list; choose another", name)
            names.add(name)
            layer = self._layer(entry, name, blocks)
            if layer:
                layers.append(layer)
        return tuple(layers)

    def _layer(self, entry: Fields, name: str, blocks: Mapping[str, Any]) -> Layer | None:
        line = self.reading.document.line((*entry.path, name))
        if isinstance(entry.data[name], str):
            return Layer(name, op=entry.data[name], line=line)
        fields = entry.mapping(name, required="an operator, or {op: operator, ...}")
        if fields is None:
            return None
        op, block = fields.text("op"), fields.text("block")
        if bool(op) == bool(block):
            fields.note("needs either op: or block:")
        elif block and block not in blocks:
            fields.note(str(UnknownName("block", block, blocks)), "block")
        repeat = self._optional(fields, "repeat")
        first = fields.mapping("first")
        if first is not None and repeat is None:
            fields.note("applies to the first of several copies; add repeat", "first")
        tied = fields.text("tied")
        if tied and block:
            fields.note("applies to an operator, not to a block; remove it", "tied")
        return Layer(
            name=name,
            op=op,
            block=block,
            terms=self._terms(fields),
            inputs=fields.texts("from"),
            repeat=repeat,
            first=self._terms(first) if first else {},
            when=self._optional(fields, "when"),
            tied=tied,
            line=line,
        )

    def _terms(self, fields: Fields) -> dict[str, Term]:
        terms: dict[str, Term] = {}
        for key, value in fields.data.items():
            if key in _OWN_KEYS:
                continue
            if isinstance(value, bool):
                terms[key] = value
            elif isinstance(value, list):
                terms[key] = self._list(fields, value, key)
            else:
                expression = self._expression(fields, value, key)
                if expression:
                    terms[key] = expression
        return terms

    def _list(self, fields: Fields, values: list[Any], key: str) -> tuple[Expression, ...]:
        parsed = [self._expression(fields, value, key, index) for index, value in enumerate(values)]
        return tuple(expression for expression in parsed if expression)

    def _optional(self, fields: Fields, key: str) -> Expression | None:
        value = fields.raw(key)
        return None if value is None else self._expression(fields, value, key)

    def _expression(self, fields: Fields, value: Any, *keys: str | int) -> Expression | None:
        if value is None or isinstance(value, dict | list):
            fields.note("expected a number or arithmetic such as 4 * hidden", *keys)
            return None
        text = int(value) if isinstance(value, bool) else value
        expression = fields.attempt(lambda: parse_expression(text), *keys)
        if expression:
            self.uses.append(((*fields.path, *keys), expression))
        return expression

    def _check_uses(self, known: Mapping[str, Any] | list[str]) -> None:
        """Report every undeclared name in the expressions read since the last call."""
        for path, expression in self.uses:
            for name in sorted(expression.names - set(known)):
                self.reading.note(path, str(UnknownName("symbol", name, known)))
        self.uses.clear()

    def _unused(self, root: Fields, network: Network) -> None:
        used = {name for expression in _expressions(network) for name in expression.names}
        for name in network.symbols:
            if name not in used:
                root.note("is never used; use it in a shape or remove it", "symbols", name)


def _is_symbol(name: str) -> bool:
    return bool(_SYMBOL_NAME.fullmatch(name)) and not iskeyword(name) and name not in (*_FUNCTIONS, INDEX)


def _expressions(network: Network) -> Iterator[Expression]:
    """Every expression of a network."""
    yield from network.symbols.values()
    for source in network.inputs:
        yield from source.shape
    for block in network.blocks.values():
        yield from (default for default in block.parameters.values() if default)
    for layer in network.all_layers():
        yield from (term for term in (layer.repeat, layer.when) if term)
        for term in (*layer.terms.values(), *layer.first.values()):
            if isinstance(term, tuple):
                yield from term
            elif isinstance(term, Expression):
                yield term
