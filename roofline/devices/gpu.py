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
from roofline.devices.gpu_convolutions import convolutions
from roofline.devices.gpu_parameters import Parameters, vector_engine
from roofline.devices.gpu_products import products
from roofline.devices.gpu_streams import ROWS, STREAMS, rows, streams

Floats = NDArray[np.float64]

FORMULA = "(compute^p + memory^p)^(1/p) + launch"

PRODUCTS: tuple[str, ...] = ("linear", "bmm", "conv1x1", "attention")
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
    resources = {name: np.zeros(count) for name in (vector_engine(chip).name, chip.dram.name)}
    total, flops = np.full(count, np.nan), schedule.flops.copy()
    multiplied = schedule.kind == KINDS.index("matmul")
    for code, name in enumerate(schedule.precision_names):
        for families, plan in ((PRODUCTS, products), (("conv",), convolutions)):
            mine = np.flatnonzero(multiplied & (schedule.precision == code) & schedule.in_family(*families))
            if not len(mine):
                continue
            engine = chip.engine_for(parse_precision(name), matrix=True).name
            compute, memory, done = plan(schedule.select(mine), chip, name, parameters, stack or Stack())
            p = parameters.sharpness
            total[mine] = (compute**p + memory**p) ** (1 / p) + launch[mine]
            resources.setdefault(engine, np.zeros(count))[mine] = compute
            resources[chip.dram.name][mine], flops[mine] = memory, done
    for moved, move in ((STREAMS, streams), (ROWS, rows)):
        mine = np.flatnonzero(schedule.in_family(*moved))
        total[mine], resources[chip.dram.name][mine] = move(schedule.select(mine), chip, parameters, launch[mine])
    resources["launch"] = launch
    return Times(resources, total, FORMULA), flops
