"""How do timed kernels become layers? Sums over the kernels of each, its longest kernel, its worst tier."""

from __future__ import annotations

from roofline.core.labels import Labels
from roofline.core.layers import Layers
from roofline.core.tiers import TIERS
from roofline.devices.timed import Timing
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
        resources={name: layout.sums(values) for name, values in timing.resources.items()},
    )
