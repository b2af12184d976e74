"""How do timed kernels become layers? Sums over the kernels of each, its longest kernel, its worst tier."""

from __future__ import annotations

from roofline.core.prediction import TIERS, Interval, LayerPrediction
from roofline.devices.timed import Timing
from roofline.lowering.program import Program


def layers_of(program: Program, timing: Timing) -> list[LayerPrediction]:
    """The layers of a timed program, a layer of the backward pass by itself; views have none::

        seconds = sum over its kernels, for the low end, the middle and the high end    [s]

    The bound of a layer is that of its longest kernel, its tier the worst of its kernels.
    """
    layout = program.layout
    low, middle, high = (layout.sums(part).tolist() for part in (timing.low, timing.total, timing.high))
    resources = {name: layout.sums(values).tolist() for name, values in timing.resources.items()}
    bounds = timing.bound.codes[layout.longest(timing.total)].tolist()
    tiers = layout.worst(timing.tiers.ranks(TIERS)).tolist()
    flops, moved, covered = layout.flops.tolist(), layout.bytes.tolist(), layout.covered.tolist()
    return [
        LayerPrediction(
            name=layout.names[i],
            op=layout.ops[i],
            shapes=layout.shapes[i],
            flops=flops[i],
            bytes=moved[i],
            seconds=Interval(low[i], middle[i], high[i]),
            bound=timing.bound.words[bounds[i]],
            tier=TIERS[tiers[i]],
            resources={name: seconds[i] for name, seconds in resources.items() if seconds[i]},
            covered=covered[i],
            template=layout.templates[i],
            phase=layout.phases[i],
        )
        for i in range(len(layout))
    ]
