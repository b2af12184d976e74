"""What does a workload file say, before batch and sizes are known? A recipe with blocks and symbols.

A :class:`Network` holds expressions where a :class:`~roofline.core.workload.Workload` holds numbers.
``expand`` binds the symbols and unrolls the blocks into steps; shapes are the business of the
operators and come later.

A name inside a block means an earlier layer of the block (or of a block unrolled in it before:
``down1.conv2``), one of the block's inputs ``input``, ``input2``..., or an input of the network. A
layer left out by ``when`` passes its first input on, so its name keeps a meaning. Expressions inside a
block see the network's symbols, the block's own parameters and ``index``, nothing of their caller.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from roofline.core import checks
from roofline.core.expression import Expression
from roofline.core.workload import Attribute
from roofline.errors import Fault, RooflineError, SpecError, UnknownName, UsageError

Term = Expression | bool | tuple[Expression, ...]

MAX_STEPS = 20_000
MAX_DEPTH = 8
INDEX = "index"
"""Symbol with the number of the copy, from 0, inside anything that has ``repeat``."""


@dataclass(frozen=True)
class Source:
    """An input of the network. ``dtype`` ``""`` is the storage format of the chosen precision."""

    name: str
    shape: tuple[Expression, ...]
    dtype: str = ""
    line: int | None = None


@dataclass(frozen=True)
class Layer:
    """One entry of a list of layers: an operator (``op``) or a block to unroll (``block``).

    terms : attributes of the operator, or values for the block's parameters.
    inputs : names it reads; empty: the output of the layer before it.
    repeat : how many copies in a row; ``None`` is one, without a number in its name.
    first : terms that differ in the first copy.
    when : left out where this is 0.
    tied : name of a layer whose first weight this layer uses too (all where it is that layer again, and what it
        computes where it has no weights).
    """

    name: str
    op: str = ""
    block: str = ""
    terms: Mapping[str, Term] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    repeat: Expression | None = None
    first: Mapping[str, Term] = field(default_factory=dict)
    when: Expression | None = None
    tied: str = ""
    line: int | None = None


@dataclass(frozen=True)
class Block:
    """Layers to be used several times. ``parameters`` maps names to defaults (``None``: required)."""

    name: str
    parameters: Mapping[str, Expression | None]
    layers: tuple[Layer, ...]


@dataclass(frozen=True)
class Step:
    """A layer after unrolling: every number known but shapes. ``inputs`` name steps or sources."""

    name: str
    template: str
    op: str
    inputs: tuple[str, ...]
    attributes: Mapping[str, Attribute]
    tied: str = ""
    line: int | None = None


@dataclass(frozen=True)
class Network:
    """A recipe: ``symbols`` with their defaults, in the order in which they may use each other."""

    name: str
    title: str
    source: str
    symbols: Mapping[str, Expression]
    inputs: tuple[Source, ...]
    layers: tuple[Layer, ...]
    blocks: Mapping[str, Block] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    file: str = ""
    outputs_line: int | None = None
    recipe: str = ""
    """The file with inputs and layers, which lines are of, where ``file`` only extends it."""

    def bind(self, symbols: Mapping[str, int]) -> dict[str, int]:
        """Every symbol with its value: as given, or its default worked out from those before it.

        Raises
        ------
        UnknownName : a symbol this network does not have.
        UsageError : a value below 0, or below 1 for ``batch``.
        """
        for name in symbols:
            if name not in self.symbols:
                raise UnknownName(f"symbol of {self.name}", name, self.symbols)
        bound: dict[str, int] = {}
        for name, default in self.symbols.items():
            value = symbols[name] if name in symbols else default.evaluate(bound)
            least = 1 if name == "batch" else 0
            if not checks.is_whole(value) or value < least:
                raise UsageError(f"{name} is {checks.shown(value)}; it must be a whole number of at least {least}")
            bound[name] = int(value)
        return bound

    def expand(self, bound: Mapping[str, int]) -> tuple[tuple[Step, ...], tuple[str, ...]]:
        """The steps in order and the names of the outputs, every symbol bound.

        Raises
        ------
        SpecError : a name that means nothing, a block that contains itself, too many steps.
        """
        return _Expansion(self).run(bound)

    def fault(self, line: int | None, path: str, error: RooflineError | str) -> SpecError:
        """An error at a place of this network's file, or of the one it extends."""
        extends = f" (as {self.name} extends it)" if self.recipe else ""
        return SpecError([Fault(self.place, line, path, f"{error}{extends}")])

    @property
    def place(self) -> str:
        """The file that lines are of."""
        return self.recipe or self.file or self.name

    def all_layers(self) -> Iterator[Layer]:
        """Every layer as written, of the network and of its blocks."""
        yield from self.layers
        for block in self.blocks.values():
            yield from block.layers


@dataclass(frozen=True)
class _Scope:
    """One list of layers being unrolled.

    prefix, template : what names made here start with.
    symbols : values of the names its expressions may use.
    names : what layer and input names stand for so far: names of steps and sources.
    """

    prefix: str
    template: str
    symbols: Mapping[str, int]
    names: dict[str, str]
    depth: int


class _Expansion:
    """Unrolls one network; the steps grow in order."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.steps: list[Step] = []
        self.visited = 0
        self.sources = {source.name: source.name for source in network.inputs}
        self.bound: Mapping[str, int] = {}

    def run(self, bound: Mapping[str, int]) -> tuple[tuple[Step, ...], tuple[str, ...]]:
        self.bound = bound
        given = list(self.sources)
        scope = _Scope("", "", bound, self._entry(given), 0)
        last = self._layers(self.network.layers, scope, given[0])
        outputs = [self._resolve(name, scope, None) for name in self.network.outputs] or [last]
        return tuple(self.steps), tuple(outputs)

    def _entry(self, given: list[str]) -> dict[str, str]:
        """What names mean at the start of a list of layers that is given these inputs."""
        numbered = {f"input{index}": name for index, name in enumerate(given[1:], start=2)}
        return {**self.sources, "input": given[0], **numbered}

    def _layers(self, layers: tuple[Layer, ...], scope: _Scope, current: str) -> str:
        """Unroll a list of layers; returns the name of its output."""
        for layer in layers:
            self._count(layer)
            inputs = [self._resolve(name, scope, layer) for name in layer.inputs] or [current]
            if layer.when is None or self._value(layer.when, scope.symbols, layer):
                current = self._layer(layer, scope, inputs)
            else:
                current = inputs[0]
            scope.names[layer.name] = current
        return current

    def _layer(self, layer: Layer, scope: _Scope, inputs: list[str]) -> str:
        """One entry with all its copies, each fed by the one before."""
        if layer.repeat is None:
            return self._copy(layer, scope, inputs, (layer.name, layer.name), scope.symbols, layer.terms)
        count = self._value(layer.repeat, scope.symbols, layer)
        self._count(layer, max(0, count))
        for index in range(count):
            names = (f"{layer.name}.{index}", f"{layer.name}.*")
            terms = layer.terms if index else {**layer.terms, **layer.first}
            output = self._copy(layer, scope, inputs, names, {**scope.symbols, INDEX: index}, terms)
            inputs = [output, *inputs[1:]]
        return inputs[0]

    def _copy(
        self,
        layer: Layer,
        scope: _Scope,
        inputs: list[str],
        names: tuple[str, str],
        symbols: Mapping[str, int],
        terms: Mapping[str, Term],
    ) -> str:
        """One copy of an operator or block; ``names`` are its name and template within the scope."""
        local, template = names
        name, template = scope.prefix + local, scope.template + template
        if layer.op:
            attributes = {key: self._term(term, symbols, layer) for key, term in terms.items()}
            tied = self._resolve(layer.tied, scope, layer) if layer.tied else ""
            self.steps.append(Step(name, template, layer.op, tuple(inputs), attributes, tied, layer.line))
            scope.names[local] = name
            return name
        block = self._block(layer, scope)
        values = self._parameters(block, layer, terms, symbols)
        inner_symbols = {**self.bound, INDEX: symbols.get(INDEX, 0), **values}
        entry = self._entry(inputs)
        inner = _Scope(f"{name}.", f"{template}.", inner_symbols, dict(entry), scope.depth + 1)
        output = self._layers(block.layers, inner, inputs[0])
        made = {f"{local}.{key}": value for key, value in inner.names.items() if key not in entry}
        scope.names.update(made)
        scope.names[local] = output
        return output

    def _block(self, layer: Layer, scope: _Scope) -> Block:
        blocks = self.network.blocks
        if layer.block not in blocks:
            raise self._fault(layer, UnknownName("block", layer.block, blocks))
        if scope.depth >= MAX_DEPTH:
            raise self._fault(layer, f"blocks nested more than {MAX_DEPTH} deep; does one contain itself?")
        return blocks[layer.block]

    def _parameters(
        self, block: Block, layer: Layer, terms: Mapping[str, Term], symbols: Mapping[str, int]
    ) -> dict[str, int]:
        """Values of a block's parameters: as given by ``layer``, else defaults in order."""
        for key in terms:
            if key not in block.parameters:
                raise self._fault(layer, UnknownName(f"parameter of block {block.name}", key, block.parameters))
        values: dict[str, int] = {}
        for key, default in block.parameters.items():
            if key in terms:
                value = self._term(terms[key], symbols, layer)
                if isinstance(value, tuple):
                    raise self._fault(layer, f"{key} is a list; a parameter of a block is one number")
                values[key] = int(value)
            elif default is not None:
                values[key] = self._value(default, {**self.bound, **values}, layer)
            else:
                raise self._fault(layer, f"block {block.name} needs {key}")
        return values

    def _count(self, layer: Layer, layers: int = 1) -> None:
        self.visited += layers
        if self.visited > MAX_STEPS:
            raise self._fault(layer, f"unrolls to more than {MAX_STEPS} layers")

    def _resolve(self, name: str, scope: _Scope, layer: Layer | None) -> str:
        if name in scope.names:
            return scope.names[name]
        error = UnknownName("earlier layer or input", name, scope.names)
        raise (self._fault(layer, error) if layer else self.network.fault(self.network.outputs_line, "outputs", error))

    def _value(self, expression: Expression, symbols: Mapping[str, int], layer: Layer) -> int:
        try:
            return expression.evaluate(symbols)
        except UsageError as error:
            raise self._fault(layer, error) from None

    def _term(self, term: Term, symbols: Mapping[str, int], layer: Layer) -> bool | int | tuple[int, ...]:
        if isinstance(term, bool):
            return term
        if isinstance(term, tuple):
            return tuple(self._value(item, symbols, layer) for item in term)
        return self._value(term, symbols, layer)

    def _fault(self, layer: Layer, error: RooflineError | str) -> SpecError:
        return self.network.fault(layer.line, layer.name, error)
