"""Does every gradient find its way back? What the memory of tensors says, held against what the graph says.

The graph follows values; this follows storages alone: an operation reads some and writes some. A matrix multiplication
that the result depends on through memory must be one that the graph gives a gradient to. Integers, and tensors of
which only the shape is used, pass none on.
"""

# mypy: disable-error-code="misc"

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from roofline.frontends.pytorch.calls import storage_of
from roofline.frontends.pytorch.graph import Graph

Tensor = Any

PRODUCTS = frozenset(
    (
        *("linear", "matmul", "grouped_matmul", "attention", "lstm", "gru", "rnn"),
        *("conv2d", "conv3d", "conv_transpose2d", "conv_transpose3d"),
    )
)
"""Operators with matrix work."""
SHAPES_ONLY = ("zeros_like", "ones_like", "full_like", "empty_like", "rand_like", "randn_like", "randint_like")
_NEW = "new_"


@dataclass
class Audit:
    """What every operation read and wrote, in order, by storage; only floats."""

    steps: list[tuple[str, frozenset[int], frozenset[int]]] = field(default_factory=list)

    def note(self, name: str, layers: Iterable[str], read: Iterable[Tensor], wrote: Iterable[Tensor]) -> None:
        """An operation, and the layers it became (one step for each product among them, one if there is none)."""
        shapes_only = name in SHAPES_ONLY or name.startswith(_NEW)
        reads = frozenset() if shapes_only else _floats(read)
        writes = _floats(wrote)
        for layer in [*layers] or [""]:
            self.steps.append((layer, reads, writes))

    def lost(self, graph: Graph, outputs: Iterable[Tensor]) -> list[str]:
        """Products that the outputs depend on through memory, and in the graph do not."""
        live = set(_floats(outputs))
        reached: list[str] = []
        for layer, reads, writes in reversed(self.steps):
            if not live.isdisjoint(writes):
                live |= reads
                reached += [layer] if layer else []
        kept = set(graph.outputs)
        for entry in reversed(graph.entries):
            if entry.name in kept:
                kept.update(entry.inputs)
        present = {entry.name for entry in graph.entries}
        return [name for name in reversed(reached) if name in present and name not in kept]


def _floats(tensors: Iterable[Tensor]) -> frozenset[int]:
    return frozenset(storage_of(one) for one in tensors if one.is_floating_point() or one.is_complex())
