"""How long do kernels take on a GPU? Tiles in waves, streams and rows, with a dozen fitted numbers.

A product is cut into tiles of TM x TN, one block each, and the multiprocessors work through them in waves:

    blocks  = ceil(m/TM) * ceil(n/TN) * batch * S                 S cuts of k
    border  = (1 + edge * (1/TM + 1/TN)) / (1 + edge/64)          1 for a tile of 128 x 128
    compute = TM*TN * (8*ceil(k/(8*S)) + prologue) * border / rate * ceil(blocks / multiprocessors)      [s]
    rate    = FMA per clock of a multiprocessor * efficiency * boost clock * sustained
    memory  = (bytes + panels read again + cuts) / (fraction * bandwidth) + paging     [s], see tile_seconds
    time    = (compute^p + memory^p)^(1/p) + launch               [s], the fastest tile and cut

A convolution takes one of several plans (:mod:`roofline.devices.gpu.convolution_plans`). Tensor cores have equations
of their own (:mod:`roofline.devices.gpu.tensor_cores`). Streams and rows move bytes
(:mod:`roofline.devices.gpu.streams`):

    stream  = max(launch, early * launch + bytes / (fraction * bandwidth))

``sustained`` is what of its boost clock a card holds in long fp32 products: see :mod:`roofline.devices.gpu.power`.
Which numbers are fitted, on what and how well: docs/gpu.md.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from roofline.core.chip import Chip
from roofline.core.dtype import precision as parse_precision
from roofline.core.schedule import FAMILIES, KINDS, Schedule
from roofline.core.stack import Stack
from roofline.core.times import Times
from roofline.devices.gpu.convolutions import convolutions, depthwise, fills_tensor_cores
from roofline.devices.gpu.parameters import Parameters, vector_engine
from roofline.devices.gpu.products import products
from roofline.devices.gpu.streams import ROWS, STREAMS, rows, streams
from roofline.devices.gpu.tensor_cores import JOIN
from roofline.devices.gpu.tensor_cores import products as tensor_products

Floats = NDArray[np.float64]
Names = NDArray[np.str_]

FORMULA = "(compute^p + memory^p)^(1/p) + launch"
MOVING = "max(launch, part of it + max(memory, work))"
"""How streams and rows join, see :mod:`roofline.devices.gpu.streams`."""
STAGES = "every kernel of the plan with its launch"

PRODUCTS: tuple[str, ...] = ("linear", "bmm", "attention")
CONVOLUTIONS: tuple[str, ...] = ("conv", "conv1x1")
WIDER = 1.5
"""Families nobody measured borrow the interval of another, this much wider on its logarithm: a guess."""

SCORES: dict[str, tuple[str, float]] = {
    **{name: (name, 1.0) for name in ("linear", "bmm", "conv", "conv1x1", "elementwise", "softmax", "norm")},
    **{name: (name, 1.0) for name in ("tensor", "tensor-other", "tensor-odd")},
    "attention": ("bmm", WIDER),
    "copy": ("elementwise", 1.0),
    "reduction": ("norm", WIDER),
    "pool": ("norm", WIDER),
    "embedding": ("softmax", WIDER),
    "depthwise": ("norm", WIDER),
}
"""Which held-out errors speak for a family, and how much wider; backward kernels count as their family. Of those with
tensor cores at hand, ``odd`` are convolutions whose channels do not fill them, which run on the vector lanes."""


def plan_labels(schedule: Schedule, chip: Chip, parameters: Parameters, stack: Stack | None = None) -> Names:
    """How each convolution is done, ``""`` for other kernels."""
    labels = np.full(len(schedule), "", dtype="<U24")
    for code, name in enumerate(schedule.precision_names):
        mine = np.flatnonzero((schedule.precision == code) & schedule.in_family(*CONVOLUTIONS))
        if len(mine):
            labels[mine] = convolutions(schedule.select(mine), chip, name, parameters, stack or Stack())[1]
    return labels


def on_lanes(schedule: Schedule, chip: Chip) -> NDArray[np.bool_]:
    """Which kernels are products that run on vector lanes."""
    found = schedule.kind == KINDS.index("matmul")
    for code, name in enumerate(schedule.precision_names):
        if chip.engine_for(parse_precision(name), matrix=True).kind == "matrix":
            found = found & (schedule.precision != code)
    return np.asarray(found)


def scored_as(schedule: Schedule, chip: Chip) -> NDArray[np.str_]:
    """Key into :data:`SCORES` of every kernel: its family, or that of tensor cores."""
    names = np.array((*FAMILIES, "tensor", "tensor-other", "tensor-odd"))
    found = names[schedule.family]
    tensor = (schedule.kind == KINDS.index("matmul")) & ~schedule.in_family("depthwise") & ~on_lanes(schedule, chip)
    found[tensor] = np.where(schedule.in_family("linear")[tensor], "tensor", "tensor-other")
    odd = tensor & schedule.in_family(*CONVOLUTIONS)
    odd[odd] = ~fills_tensor_cores(schedule.select(np.flatnonzero(odd)))
    found[odd] = "tensor-odd"
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
        for families in (PRODUCTS, CONVOLUTIONS):
            mine = np.flatnonzero(multiplied & (schedule.precision == code) & schedule.in_family(*families))
            if not len(mine):
                continue
            some, engine = schedule.select(mine), chip.engine_for(parse_precision(name), matrix=True)
            if families is PRODUCTS:
                plan, p = (tensor_products, JOIN) if engine.kind == "matrix" else (products, parameters.sharpness)
                compute, memory, done = plan(some, chip, name, parameters, stack or Stack())
                total[mine] = (compute**p + memory**p) ** (1 / p) + launch[mine]
            else:
                cost, _ = convolutions(some, chip, name, parameters, stack or Stack())
                compute, memory, done = cost.compute, cost.memory, cost.flops
                total[mine] = cost.total + launch[mine]
            resources.setdefault(engine.name, np.zeros(count))[mine] = compute
            resources[chip.dram.name][mine], flops[mine] = memory, done
    for moved, move in ((STREAMS, streams), (ROWS, rows)):
        mine = np.flatnonzero(schedule.in_family(*moved))
        total[mine], resources[chip.dram.name][mine] = move(schedule.select(mine), chip, parameters, launch[mine])
    mine = np.flatnonzero(schedule.in_family("depthwise"))
    if len(mine):
        cost = depthwise(schedule.select(mine), chip, parameters, stack or Stack())
        total[mine] = cost.total + launch[mine]
        resources[vector_engine(chip).name][mine], resources[chip.dram.name][mine] = cost.compute, cost.memory
    resources["launch"] = launch
    return Times(resources, total, FORMULA), flops
