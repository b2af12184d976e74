"""How do layers and blocks become steps? Blocks are unrolled, names resolved, expressions evaluated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from roofline.core.blocks import INDEX, MAX_DEPTH, MAX_STEPS, Block, Layer, Source, Step, Term
from roofline.core.expression import Expression
from roofline.errors import RooflineError, SpecError, UnknownName, UsageError


@dataclass(frozen=True)
class _Scope:
    """One list of layers being unrolled.

    prefix, template : what names made here start with.
    own : values of the names that its expressions may use beside the symbols of the network.
    names : what layer and input names stand for so far: names of steps and sources.
    """

    prefix: str
    template: str
    own: Mapping[str, int]
    names: dict[str, str]
    depth: int


@dataclass(frozen=True)
class _Open:
    """A step whose attributes depend on symbols of the network: its place, their names, what it is computed from.

    ``own`` are values of other names: parameters of its block, the number of the copy.
    """

    place: int
    names: frozenset[str]
    layer: Layer
    terms: Mapping[str, Term]
    own: Mapping[str, int]


def names_of(term: Term) -> frozenset[str]:
    """The names that a term uses."""
    parts = term if isinstance(term, tuple) else (term,)
    return frozenset().union(*(part.names for part in parts if isinstance(part, Expression)))


Fail = Callable[[int | None, str, RooflineError | str], SpecError]
"""(line, path, what is wrong) -> the error at that place of the file."""


class Expansion:
    """Unrolls one network; the steps grow in order.

    Parameters
    ----------
    sources, layers, blocks, outputs : of the network. outputs_line : where they are written.
    fault : makes the errors.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        layers: tuple[Layer, ...],
        blocks: Mapping[str, Block],
        outputs: Sequence[str],
        outputs_line: int | None,
        fault: Fail,
    ) -> None:
        self.layers, self.blocks, self.outputs, self.outputs_line = layers, blocks, outputs, outputs_line
        self.fault = fault
        self.steps: list[Step] = []
        self.open: list[_Open] = []
        self.visited = 0
        self.sources = {source.name: source.name for source in sources}
        self.bound: Mapping[str, int] = {}

    def run(self, bound: Mapping[str, int]) -> tuple[tuple[Step, ...], tuple[str, ...]]:
        self.bound = bound
        given = list(self.sources)
        scope = _Scope("", "", {}, self._entry(given), 0)
        last = self._layers(self.layers, scope, given[0])
        outputs = [self._resolve(name, scope, None) for name in self.outputs] or [last]
        return tuple(self.steps), tuple(outputs)

    def again(self, bound: Mapping[str, int], before: Mapping[str, int]) -> tuple[Step, ...]:
        """The same steps with other values of symbols that attributes of operators alone depend on.

        ``bound`` are the symbols, ``before`` their values in the steps as they are now.
        """
        changed = {name for name, value in before.items() if bound[name] != value}
        steps = list(self.steps)
        for one in self.open:
            if not changed.isdisjoint(one.names):
                symbols = {**bound, **one.own}
                attributes = {key: self._term(term, symbols, one.layer) for key, term in one.terms.items()}
                steps[one.place] = replace(steps[one.place], attributes=attributes)
        self.steps = steps
        return tuple(steps)

    def _entry(self, given: list[str]) -> dict[str, str]:
        """The meaning of names at the start of a list of layers with these inputs."""
        numbered = {f"input{index}": name for index, name in enumerate(given[1:], start=2)}
        return {**self.sources, "input": given[0], **numbered}

    def _layers(self, layers: tuple[Layer, ...], scope: _Scope, current: str) -> str:
        """Unroll a list of layers; returns the name of its output."""
        for layer in layers:
            self._count(layer)
            inputs = [self._resolve(name, scope, layer) for name in layer.inputs] or [current]
            if layer.when is None or self._value(layer.when, {**self.bound, **scope.own}, layer):
                current = self._layer(layer, scope, inputs)
            else:
                current = inputs[0]
            scope.names[layer.name] = current
        return current

    def _layer(self, layer: Layer, scope: _Scope, inputs: list[str]) -> str:
        """One entry with all its copies, each with the output of the one before as input."""
        if layer.repeat is None:
            return self._copy(layer, scope, inputs, (layer.name, layer.name), scope.own, layer.terms)
        count = self._value(layer.repeat, {**self.bound, **scope.own}, layer)
        self._count(layer, max(0, count))
        for index in range(count):
            names = (f"{layer.name}.{index}", f"{layer.name}.*")
            terms = layer.terms if index else {**layer.terms, **layer.first}
            output = self._copy(layer, scope, inputs, names, {**scope.own, INDEX: index}, terms)
            inputs = [output, *inputs[1:]]
        return inputs[0]

    def _copy(
        self,
        layer: Layer,
        scope: _Scope,
        inputs: list[str],
        names: tuple[str, str],
        own: Mapping[str, int],
        terms: Mapping[str, Term],
    ) -> str:
        """One copy of an operator or block; ``names`` are its name and template within the scope."""
        symbols = {**self.bound, **own}
        local, template = names
        name, template = scope.prefix + local, scope.template + template
        if layer.op:
            attributes = {key: self._term(term, symbols, layer) for key, term in terms.items()}
            used = frozenset().union(*map(names_of, terms.values())) - own.keys()
            if used:
                self.open.append(_Open(len(self.steps), used, layer, terms, own))
            tied = self._resolve(layer.tied, scope, layer) if layer.tied else ""
            self.steps.append(Step(name, template, layer.op, tuple(inputs), attributes, tied, layer.line))
            scope.names[local] = name
            return name
        block = self._block(layer, scope)
        values = self._parameters(block, layer, terms, symbols)
        entry = self._entry(inputs)
        inner = _Scope(
            f"{name}.", f"{template}.", {INDEX: symbols.get(INDEX, 0), **values}, dict(entry), scope.depth + 1
        )
        output = self._layers(block.layers, inner, inputs[0])
        made = {f"{local}.{key}": value for key, value in inner.names.items() if key not in entry}
        scope.names.update(made)
        scope.names[local] = output
        return output

    def _block(self, layer: Layer, scope: _Scope) -> Block:
        blocks = self.blocks
        if layer.block not in blocks:
            raise self._fault(layer, UnknownName("block", layer.block, blocks))
        if scope.depth >= MAX_DEPTH:
            raise self._fault(layer, f"blocks nested more than {MAX_DEPTH} deep; does a block contain itself?")
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
            raise self._fault(layer, f"unrolls to more than {MAX_STEPS:,} layers")

    def _resolve(self, name: str, scope: _Scope, layer: Layer | None) -> str:
        if name in scope.names:
            return scope.names[name]
        error = UnknownName("earlier layer or input", name, scope.names)
        raise (self._fault(layer, error) if layer else self.fault(self.outputs_line, "outputs", error))

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
        return self.fault(layer.line, layer.name, error)
