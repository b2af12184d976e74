"""How long do kernels take on a GPU? Tiles in waves, streams and rows, with a dozen fitted numbers.

A product is cut into tiles of TM x TN, one block each, and the multiprocessors work through them in waves:

    blocks  = ceil(m/TM) * ceil(n/TN) * batch * S                 S cuts of k
    compute = TM*TN * (8*ceil(k/(8*S)) + prologue) * (1 + edge * (1/TM + 1/TN)) / rate
              * ceil(blocks / multiprocessors)                    [s]
    rate    = FMA per clock of a multiprocessor * efficiency * clock * sustained
    memory  = (bytes + cuts) / (fraction * bandwidth)             [s]
    time    = (compute^p + memory^p)^(1/p) + launch               [s], the fastest tile and cut

A convolution is that product with m = images x pixels; unstrided 3x3 in fp32 may also run as Winograd
(Lavin, Gray, arXiv:1509.09308) in whichever form is faster by model. Streams and rows move bytes:

    stream  = (launch^q + (bytes / (fraction * bandwidth))^q)^(1/q)
    row     = launch + (bytes + again * reads) / (fraction * bandwidth)      again: norms read a row twice

``sustained`` is what of its boost clock a card holds in long fp32 products: see :func:`sustained_share`.
Which numbers are fitted, on what and how well: docs/model.md, "The GPU model".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from roofline.core.chip import Chip
from roofline.core.dtype import precision as parse_precision
from roofline.core.schedule import FAMILIES, KINDS, Schedule
from roofline.core.stack import Stack
from roofline.core.times import Times
from roofline.devices.gpu_parameters import Parameters, vector_engine
from roofline.devices.gpu_products import products as product_times

Floats = NDArray[np.float64]

FORMULA = "(compute^p + memory^p)^(1/p) + launch"

PRODUCTS = ("linear", "bmm", "conv1x1", "conv", "attention")
STREAMS = ("elementwise", "copy")
ROWS = ("softmax", "norm", "reduction", "pool", "embedding", "depthwise")
"""What walks over its operands; depthwise convolutions too, which have too few products to fill tiles."""


WIDER = 1.5
"""Families nobody measured borrow the interval of another, this much wider on its logarithm: a guess."""

SCORES: dict[str, tuple[str, float]] = {
    **{name: (name, 1.0) for name in ("linear", "bmm", "conv", "elementwise", "softmax", "norm", "tensor")},
    "conv1x1": ("linear", 1.0),
    "attention": ("bmm", WIDER),
    "tensor-other": ("tensor", WIDER),
    "copy": ("elementwise", 1.0),
    "reduction": ("norm", WIDER),
    "pool": ("norm", WIDER),
    "embedding": ("softmax", WIDER),
    "depthwise": ("norm", WIDER),
}
"""Which held-out errors speak for a family, and how much wider; backward kernels count as their family."""


def scored_as(schedule: Schedule, chip: Chip) -> NDArray[np.str_]:
    """Key into :data:`SCORES` of every kernel: its family, or that of tensor cores."""
    names = np.array((*FAMILIES, "tensor", "tensor-other"))
    found = names[schedule.family]
    products = (schedule.kind == KINDS.index("matmul")) & ~schedule.in_family("depthwise")
    for code, precision in enumerate(schedule.precision_names):
        rows = products & (schedule.precision == code)
        if rows.any() and chip.engine_for(parse_precision(precision), matrix=True).kind == "matrix":
            found[rows] = np.where(schedule.in_family("linear")[rows], "tensor", "tensor-other")
    return found


def gpu_times(
    schedule: Schedule,
    chip: Chip,
    parameters: Parameters,
    stack: Stack | None = None,
    *,
    floor: Floats | None = None,
) -> Times:
    """Seconds of every kernel; NaN where no plan describes it.

    floor : seconds of the launch of every row, where it is not the chip's.
    """
    return planned(schedule, chip, parameters, stack, floor=floor)[0]


def planned(
    schedule: Schedule,
    chip: Chip,
    parameters: Parameters,
    stack: Stack | None = None,
    *,
    floor: Floats | None = None,
) -> tuple[Times, Floats]:
    """As :func:`gpu_times`, with the operations the chosen plan really does: Winograd does fewer."""
    count = len(schedule)
    launch = np.full(count, chip.launch.value if chip.launch else 0.0) if floor is None else floor
    vector = vector_engine(chip).name
    resources = {name: np.zeros(count) for name in (vector, chip.dram.name)}
    total, flops = np.full(count, np.nan), schedule.flops.copy()
    products = schedule.in_family(*PRODUCTS) & (schedule.kind == KINDS.index("matmul"))
    for code, name in enumerate(schedule.precision_names):
        rows = np.flatnonzero(products & (schedule.precision == code))
        if len(rows):
            engine = chip.engine_for(parse_precision(name), matrix=True).name
            compute, memory, done = product_times(
                schedule.select(rows), chip, name, parameters, winograd=stack is None or stack.winograd
            )
            p = parameters.sharpness
            total[rows] = (compute**p + memory**p) ** (1 / p) + launch[rows]
            resources.setdefault(engine, np.zeros(count))[rows] = compute
            resources[chip.dram.name][rows], flops[rows] = memory, done
    bandwidth = chip.dram.total_bandwidth or np.inf
    streams, along = schedule.in_family(*STREAMS) & ~products, schedule.in_family(*ROWS) & ~products
    moving = schedule.bytes / (parameters.stream * bandwidth)
    q = parameters.joint
    total = np.where(streams, (moving**q + launch**q) ** (1 / q), total)
    again = np.where(schedule.in_family("norm") & (schedule.passes > 1), parameters.again * schedule.reads, 0.0)
    walking = (schedule.bytes + again) / (parameters.row * bandwidth)
    total = np.where(along, walking + launch, total)
    memory = resources[chip.dram.name]
    resources[chip.dram.name] = np.where(streams, moving, np.where(along, walking, memory))
    resources["launch"] = launch
    return Times(resources, total, FORMULA), flops
