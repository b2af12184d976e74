"""How do timed kernels become layers? Sums over the kernels of each, its longest kernel, its worst tier."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from roofline.core.labels import Labels
from roofline.core.layers import Layers
from roofline.core.tiers import TIERS
from roofline.devices.timed import Floats, Timing
from roofline.lowering.layout import Layout
from roofline.lowering.program import Program


def layers_of(program: Program, timing: Timing) -> Layers:
    """The layers of a timed program, a layer of the backward pass by itself; views have none::

        seconds = sum over its kernels, for the low end, the middle and the high end    [s]

    The bound of a layer is that of its longest kernel, its tier the worst of its kernels.
    """
    layout = program.layout
    low, middle, high = (layout.sums(part) for part in (timing.low, timing.total, timing.high))
    return Layers(
        names=layout.names,
        ops=layout.ops,
        shapes=layout.shapes,
        templates=layout.templates,
        phases=layout.phases,
        flops=layout.flops,
        bytes=layout.bytes,
        low=low,
        middle=middle,
        high=high,
        bound=timing.bound.select(layout.longest(timing.total)),
        tier=Labels(layout.worst(timing.tiers.ranks(TIERS)), TIERS),
        covered=layout.covered,
        resources=_Sums(layout, timing.resources),
    )


class _Sums(Mapping[str, Floats]):
    """Seconds of resources, summed over the kernels of each layer when they are read."""

    def __init__(self, layout: Layout, resources: Mapping[str, Floats]) -> None:
        self.layout, self.resources = layout, resources

    def __getitem__(self, name: str) -> Floats:
        return self.layout.sums(self.resources[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.resources)

    def __len__(self) -> int:
        return len(self.resources)
