"""What does a workload file say before batch and sizes are known? A recipe with blocks and symbols.

A :class:`Network` holds expressions where a :class:`~roofline.core.workload.Workload` holds numbers. ``expand`` binds
the symbols and unrolls the blocks into steps; shapes are inferred later, by the operators.

A name inside a block means an earlier layer of the block (or of a block unrolled in it before: ``down1.conv2``), one of
the block's inputs ``input``, ``input2``..., or an input of the network. A layer omitted by ``when`` passes its first
input on, so its name stays valid. Expressions inside a block see the network's symbols, the block's own parameters and
``index``, nothing of their caller.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from roofline.core import checks
from roofline.core.blocks import INDEX as INDEX
from roofline.core.blocks import MAX_DEPTH as MAX_DEPTH
from roofline.core.blocks import MAX_STEPS as MAX_STEPS
from roofline.core.blocks import Block as Block
from roofline.core.blocks import Layer as Layer
from roofline.core.blocks import Source as Source
from roofline.core.blocks import Step as Step
from roofline.core.blocks import Term as Term
from roofline.core.expansion import Expansion, names_of
from roofline.core.expression import Expression
from roofline.core.shown import Shown
from roofline.errors import Fault, RooflineError, SpecError, UnknownName, UsageError


@dataclass(frozen=True, repr=False)
class Network(Shown):
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
    """The file with inputs and layers that line numbers refer to, where ``file`` only extends it."""
    notes: tuple[str, ...] = field(default=(), compare=False)
    """Notes of its reader or tracer, such as an operator without a formula."""

    def bind(self, symbols: Mapping[str, int]) -> dict[str, int]:
        """Every symbol with its value: as given, or its default computed from the symbols before it.

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
        """The steps in order and the names of the outputs, with every symbol bound.

        Raises
        ------
        SpecError : an unknown name, a block that contains itself, too many steps.
        """
        structural, others = self._unrolled_by
        shape, sizes = ({name: bound[name] for name in bound if name in names} for names in (structural, others))
        last = self._unrolled
        if last.get("shape") != shape:  # a loop over batches unrolls its blocks once
            last.clear()
            expansion = Expansion(self.inputs, self.layers, self.blocks, self.outputs, self.outputs_line, self.fault)
            steps, outputs = expansion.run(bound)
            last.update(expansion=expansion, steps=steps, outputs=outputs, sizes=sizes, shape=shape)
        elif last["sizes"] != sizes:
            last.update(steps=last["expansion"].again(bound, last["sizes"]), sizes=sizes)
        return last["steps"], last["outputs"]

    @cached_property
    def _unrolled(self) -> dict[str, Any]:
        """The steps that were unrolled last, and the symbols that they depend on with their values."""
        return {}

    @cached_property
    def _unrolled_by(self) -> tuple[frozenset[str], frozenset[str]]:
        """The names that decide which steps there are, and the names that only attributes of operators use."""
        structural, others = set[str](), set[str]()
        for layer in self.all_layers():
            for rule in filter(None, (layer.repeat, layer.when)):
                structural |= rule.names
            for term in (*layer.terms.values(), *layer.first.values()):
                (others if layer.op else structural).update(names_of(term))
        for block in self.blocks.values():
            structural = structural.union(*(default.names for default in block.parameters.values() if default))
        return frozenset(structural), frozenset(others - structural)

    def fault(self, line: int | None, path: str, error: RooflineError | str) -> SpecError:
        """An error at a place of this network's file, or of the one it extends."""
        extends = f" (as {self.name} extends it)" if self.recipe else ""
        return SpecError([Fault(self.place, line, path, f"{error}{extends}")])

    @property
    def place(self) -> str:
        """The file that line numbers refer to."""
        return self.recipe or self.file or self.name

    def all_layers(self) -> Iterator[Layer]:
        """Every layer as written, of the network and of its blocks."""
        yield from self.layers
        for block in self.blocks.values():
            yield from block.layers
