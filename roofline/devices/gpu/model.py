"""How long does each kernel take on a GPU? One set of equations per kind of kernel, with a few dozen fitted parameters.

A matrix multiplication (GEMM) is computed in tiles of TM x TN, one block each, with wave quantization::

    blocks   = ceil(m/TM) * ceil(n/TN) * batch * S                S parts of k (split-k)
    overhead = (1 + edge * (1/TM + 1/TN)) / (1 + edge/64)         tile edge overhead, 1 for a tile of 128 x 128
    compute  = TM*TN * (8*ceil(k/(8*S)) + prologue) * overhead / rate * ceil(blocks / multiprocessors)    [s]
    rate     = FMA per clock of a multiprocessor * efficiency * boost clock * sustained                   [FMA/s]
    memory   = (bytes + operand panels read again + split-k results) / (fraction * bandwidth) + paging    [s]
    time     = (compute^p + memory^p)^(1/p) + launch              [s], the fastest tile and split of k

:func:`~roofline.devices.gpu.products.tile_seconds` has the details. ``sustained`` is the share of the boost clock that
a GPU holds in long fp32 GEMMs (:mod:`roofline.devices.gpu.power`). Tensor cores have their own equations
(:mod:`roofline.devices.gpu.tensor_cores`). A convolution takes one of several plans
(:mod:`roofline.devices.gpu.convolution_plans`). Other kernels are memory-bound (:mod:`roofline.devices.gpu.streams`)::

    time = max(launch, early * launch + bytes / (fraction * bandwidth))    [s]

Form: this project's own; evidence, and which parameters are fitted on what: docs/evidence-gpu.md.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from roofline.core.chip import Chip
from roofline.core.dtype import precision as parse_precision
from roofline.core.schedule import FAMILIES, KINDS, Schedule
from roofline.core.stack import Stack
from roofline.core.times import Times
from roofline.devices.gpu.attention import attention_seconds
from roofline.devices.gpu.convolutions import convolutions, depthwise, fills_tensor_cores
from roofline.devices.gpu.parameters import Parameters, vector_engine
from roofline.devices.gpu.products import products
from roofline.devices.gpu.streams import ROWS, STREAMS, rows, streams
from roofline.devices.gpu.tensor_cores import JOIN
from roofline.devices.gpu.tensor_cores import products as tensor_products

Floats = NDArray[np.float64]
Names = NDArray[np.str_]

FORMULA = "(compute^p + memory^p)^(1/p) + launch"
MOVING = "max(launch, part of launch + max(memory, work))"
"""How memory-bound kernels join their resources, see :mod:`roofline.devices.gpu.streams`."""
TILED = "(compute^p + memory^p)^(1/p) + launch, with combining split keys and writing a paged cache"
"""How fused attention joins its resources, see :mod:`roofline.devices.gpu.attention`."""
STAGES = "sum over the kernels of the plan, each with its launch"

PRODUCTS: tuple[str, ...] = ("linear", "bmm")
FUSED: tuple[str, ...] = ("attention",)
CONVOLUTIONS: tuple[str, ...] = ("conv", "conv1x1")
WIDER = 1.5
"""Factor on the (logarithmic) interval of a family that was not measured, relative to the family it uses. A guess."""

SCORES: dict[str, tuple[str, float]] = {
    **{name: (name, 1.0) for name in ("linear", "bmm", "conv", "conv1x1", "elementwise", "softmax", "norm")},
    **{name: (name, 1.0) for name in ("tensor", "tensor-other", "tensor-odd")},
    "attention": ("attention", 1.0),
    "attention-lanes": ("bmm", WIDER),
    "copy": ("elementwise", 1.0),
    "reduction": ("norm", WIDER),
    "pool": ("norm", WIDER),
    "embedding": ("softmax", WIDER),
    "depthwise": ("norm", WIDER),
}
"""The held-out errors that apply to each family, and the factor on their width. A backward kernel counts as its family.
Fused attention on tensor cores has errors of its own (:mod:`.attention_errors`) where a calibration has none. Where the
GPU has tensor cores, ``tensor-odd`` are convolutions whose channels do not fill them: they run on vector
lanes.
"""


def plan_labels(schedule: Schedule, chip: Chip, parameters: Parameters, stack: Stack | None = None) -> Names:
    """The plan of each convolution, by :func:`.convolutions.convolutions`; ``""`` for other kernels.

    Parameters
    ----------
    schedule : N kernels.
    chip, parameters, stack : as in :func:`gpu_times`.

    Returns
    -------
    labels : text, shape (N,).
    """
    labels = np.full(len(schedule), "", dtype="<U24")
    for code, name in enumerate(schedule.precision_names):
        mine = np.flatnonzero((schedule.precision == code) & schedule.in_family(*CONVOLUTIONS))
        if len(mine):
            labels[mine] = convolutions(schedule.select(mine), chip, name, parameters, stack or Stack())[1]
    return labels


def on_lanes(schedule: Schedule, chip: Chip) -> NDArray[np.bool_]:
    """Mask of the GEMMs and convolutions that run on vector lanes, by ``chip.engine_for``; shape (N,).

    Parameters
    ----------
    schedule : N kernels.
    chip : the GPU.
    """
    found = schedule.kind == KINDS.index("matmul")
    for code, name in enumerate(schedule.precision_names):
        if chip.engine_for(parse_precision(name), matrix=True).kind == "matrix":
            found = found & (schedule.precision != code)
    return np.asarray(found)


def scored_as(schedule: Schedule, chip: Chip) -> NDArray[np.str_]:
    """Key into :data:`SCORES` for every kernel, shape (N,): its family, or that of tensor cores (:func:`on_lanes`).

    Parameters
    ----------
    schedule : N kernels.
    chip : the GPU.
    """
    return np.array(SCORED)[score_codes(schedule, chip)]


SCORED = (*FAMILIES, "tensor", "tensor-other", "tensor-odd", "attention-lanes")
"""The keys of :data:`SCORES`, by code."""


def score_codes(schedule: Schedule, chip: Chip) -> NDArray[np.int64]:
    """As :func:`scored_as`, as codes into :data:`SCORED` [1], shape (N,).

    Parameters
    ----------
    schedule : N kernels.
    chip : the GPU.
    """
    found, lanes = schedule.family.copy(), on_lanes(schedule, chip)
    plain, other, unfilled, on = (SCORED.index(name) for name in SCORED[len(FAMILIES) :])
    found[schedule.in_family("attention") & lanes] = on
    tensor = (schedule.kind == KINDS.index("matmul")) & ~schedule.in_family("depthwise", "attention") & ~lanes
    found[tensor] = np.where(schedule.in_family("linear")[tensor], plain, other)
    odd = tensor & schedule.in_family(*CONVOLUTIONS)
    if odd.any():
        odd[odd] = ~fills_tensor_cores(schedule.select(np.flatnonzero(odd)))
        found[odd] = unfilled
    return found


def gpu_times(
    schedule: Schedule,
    chip: Chip,
    parameters: Parameters,
    stack: Stack | None = None,
    *,
    floor: Floats | None = None,
) -> Times:
    """Seconds of one launch of every kernel, NaN where no plan covers it; calls :func:`planned`.

    Parameters
    ----------
    schedule : N kernels.
    chip : the GPU.
    parameters : fitted parameters.
    stack : software stack; the default if None.
    floor : launch time of each kernel [s], shape (N,), where it is not that of the chip.

    Returns
    -------
    times : seconds of each resource and of the kernel [s], shape (N,).
    """
    return planned(schedule, chip, parameters, stack, floor=floor)[0]


def planned(
    schedule: Schedule,
    chip: Chip,
    parameters: Parameters,
    stack: Stack | None = None,
    *,
    floor: Floats | None = None,
    activity: Floats | None = None,
) -> tuple[Times, Floats]:
    """Seconds and executed operations of one launch of every kernel::

        GEMM         (compute^p + memory^p)^(1/p) + launch    p = 3 on tensor cores, else sharpness    [s]
        convolution  Cost.total of the fastest plan + launch                                           [s]
        others       max(launch, early * launch + max(memory, work))                                   [s]

    It calls :func:`.products.products`, :func:`.tensor_cores.products`, :func:`.convolutions.convolutions`,
    :func:`.convolutions.depthwise`, :func:`.streams.streams` and :func:`.streams.rows`.

    Parameters
    ----------
    schedule, chip, parameters, stack, floor : as in :func:`gpu_times`.
    activity : mean power of the program of each kernel over that of its GEMMs [1], shape (N,); 1 if None.

    Returns
    -------
    times : as :func:`gpu_times` [s].
    flops : operations of the chosen plan [FLOP], shape (N,); Winograd does fewer than the convolution has.
    """
    count = len(schedule)
    launch = np.full(count, chip.launch.value if chip.launch else 0.0) if floor is None else floor
    resources = {name: np.zeros(count) for name in (vector_engine(chip).name, chip.dram.name)}
    total, flops = np.full(count, np.nan), schedule.flops.copy()
    drawn = np.ones(count) if activity is None else activity
    multiplied = schedule.kind == KINDS.index("matmul")
    for code, name in enumerate(schedule.precision_names):
        for families in (PRODUCTS, CONVOLUTIONS, FUSED):
            mine = np.flatnonzero(multiplied & (schedule.precision == code) & schedule.in_family(*families))
            if not len(mine):
                continue
            some, engine = schedule.select(mine), chip.engine_for(parse_precision(name), matrix=True)
            if families is PRODUCTS:
                plan, p = (tensor_products, JOIN) if engine.kind == "matrix" else (products, parameters.sharpness)
                compute, memory, done = plan(some, chip, name, parameters, stack or Stack(), drawn[mine])
                total[mine] = (compute**p + memory**p) ** (1 / p) + launch[mine]
            elif families is FUSED:
                timed = attention_seconds(some, chip, name, parameters, stack or Stack(), launch[mine], drawn[mine])
                compute, memory, total[mine] = timed
                done = some.flops
            else:
                cost, _ = convolutions(some, chip, name, parameters, stack or Stack(), drawn[mine])
                compute, memory, done = cost.compute, cost.memory, cost.flops
                total[mine] = cost.total + launch[mine]
            resources.setdefault(engine.name, np.zeros(count))[mine] = compute
            resources[chip.dram.name][mine], flops[mine] = memory, done
    for moved, move in ((STREAMS, streams), (ROWS, rows)):
        mine = np.flatnonzero(schedule.in_family(*moved))
        total[mine], resources[chip.dram.name][mine] = move(schedule.select(mine), chip, parameters, launch[mine])
    mine = np.flatnonzero(schedule.in_family("depthwise"))
    if len(mine):
        cost = depthwise(schedule.select(mine), chip, parameters, stack or Stack(), drawn[mine])
        total[mine] = cost.total + launch[mine]
        resources[vector_engine(chip).name][mine], resources[chip.dram.name][mine] = cost.compute, cost.memory
    resources["launch"] = launch
    return Times(resources, total, FORMULA), flops
