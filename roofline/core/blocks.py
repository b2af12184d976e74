"""What are the parts of a network file? Inputs, layers, blocks, and the steps that they unroll to."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

from roofline.core.expression import Expression
from roofline.core.lazy import lazy
from roofline.core.workload import Attribute

Term = Expression | bool | tuple[Expression, ...]

MAX_STEPS = 1_000_000
MAX_DEPTH = 8
INDEX = "index"
"""Symbol with the number of the copy, from 0, inside a layer or block with ``repeat``."""


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

    terms : attributes of the operator, or values of the block's parameters. inputs : names it reads; empty: the output
    of the layer before it. repeat : number of copies in a row; ``None`` is one, without a number in its name. first :
    terms that differ in the first copy. when : omitted where this is 0. tied : name of a layer whose first weight this
    layer shares (all weights where it is the same layer again; its output where it has no weights).
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
    """Layers that are used several times. ``parameters`` maps names to defaults (``None``: required)."""

    name: str
    parameters: Mapping[str, Expression | None]
    layers: tuple[Layer, ...]


@dataclass(frozen=True)
class Step:
    """A layer after unrolling: every number is known except shapes. ``inputs`` name steps or sources."""

    name: str
    template: str
    op: str
    inputs: tuple[str, ...]
    attributes: Mapping[str, Attribute]
    tied: str = ""
    line: int | None = None

    @lazy
    def key(self) -> Hashable:
        """What steps have in common that do the same with inputs of the same shapes."""
        values = tuple(self.attributes.values())
        twice = len(set(self.inputs)) < len(self.inputs)
        places = tuple(map(self.inputs.index, self.inputs)) if twice else ()
        return self.op, tuple(self.attributes), values, tuple(map(type, values)), places  # True is not 1
