"""How long does a convolution take on a GPU, and which plan does the library choose?

The plans are those of :mod:`roofline.devices.gpu.convolution_plans`. A rule of the software says which plans may run
(:func:`allowed`); the model takes the fastest of them. Form: this project's own; evidence: docs/evidence-gpu.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from roofline.core.chip import Chip
from roofline.core.dtype import precision as parse_precision
from roofline.core.schedule import Schedule
from roofline.core.stack import Stack
from roofline.devices import ceiling
from roofline.devices.gpu.convolution_plans import (
    IMPLICIT_TILES,
    WINOGRAD,
    Cost,
    Images,
    Machine,
    fourier,
    fused,
    implicit,
    joined,
    patches_of,
    split,
    staged,
    strided,
)
from roofline.devices.gpu.parameters import Parameters, lanes, vector_engine
from roofline.devices.gpu.power import sustained_share
from roofline.devices.gpu.products import at
from roofline.devices.gpu.streams import streamed
from roofline.devices.gpu.tensor_cores import TILES as TENSOR_TILES

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Names = NDArray[np.str_]

FORWARD, DATA, WEIGHT = "forward", "data", "weight"
PLANS = ("implicit", "strided", "split", "winograd", "winograd in stages", "fourier")

BANDWIDTH = 0.75
"""Share of the DRAM bandwidth that convolutions reach; the measurements do not distinguish it from 0.6 or 1."""

TENSOR_CHANNELS = 8
"""Tensor cores need channels in multiples of this; other convolutions run on the fp32 lanes."""

RULE_CHANNELS = 32
"""Channels from which cuDNN 5 and 6 choose Winograd; agrees with 94 to 96 % of DeepBench's measurements of
a Titan X.
"""

FOURIER_TAPS = (9, 25, 49)
"""Taps of unstrided windows of 3, 5 and 7 across, which cuDNN can transform in patches of 32 x 32."""


def passes(schedule: Schedule) -> Names:
    """The pass of each of N kernels of a ``schedule``, by its operator's name: forward, gradient of the data or of the
    weights; text, shape (N,).
    """
    return _passes_named(schedule.op_names)[schedule.op]


@lru_cache(maxsize=1_000)
def _passes_named(operators: tuple[str, ...]) -> Names:
    ends = {"_backward_data": DATA, "_backward_weight": WEIGHT}
    return np.array([next((of for end, of in ends.items() if name.endswith(end)), FORWARD) for name in operators])


def allowed(plan: str, schedule: Schedule, stack: Stack) -> NDArray[np.bool_]:
    """Mask of the convolutions that the library of the stack may run by a plan, shape (N,).

    GEMM plans are always allowed. Winograd is for unstrided 3x3 windows (5x5 in stages) without groups, since cuDNN 5.
    cuDNN 5 and 6 take it from 32 channels on, forward and for data gradients. Since cuDNN 7, and with autotuning, the
    fastest plan runs, also for weight gradients. Fourier transforms need so much memory that only autotuning chooses
    them.

    Parameters
    ----------
    plan : one of :data:`PLANS`.
    schedule : N kernels.
    stack : software stack.
    """
    role, taps = passes(schedule), schedule.taps
    if plan in ("implicit", "strided", "split"):
        behind = (role == DATA) & (schedule.stride > 1)
        return np.asarray({"split": role == WEIGHT, "strided": behind, "implicit": (role != WEIGHT) & ~behind}[plan])
    plain = (schedule.stride == 1) & (schedule.batch == 1)
    if plan == "fourier":
        return np.asarray(plain & np.isin(taps, FOURIER_TAPS) & stack.autotuned)
    if not stack.winograd or stack.cudnn < 5:
        return np.zeros(len(schedule), dtype=np.bool_)
    free = stack.autotuned or stack.cudnn >= 7
    if plan == "winograd":
        plain = plain & (taps == 9) & (role != WEIGHT)
    else:
        plain = plain & np.isin(taps, tuple(WINOGRAD) if free else (9,)) & ((role != WEIGHT) | free)
    return np.asarray(plain if free else plain & (schedule.k >= taps * RULE_CHANNELS))


def convolutions(
    schedule: Schedule, chip: Chip, precision: str, parameters: Parameters, stack: Stack, activity: float | Floats = 1.0
) -> tuple[Cost, Names]:
    """Time of every convolution without its first launch, and its plan: the fastest that is allowed::

        total = min over allowed plans of Cost.total + bias    [s]
        bias  = 2 * result / stream bandwidth + launch         [s], a kernel of its own unless compiled

    Parameters
    ----------
    schedule : N kernels that are convolutions.
    chip : the GPU.
    precision : number format.
    parameters : fitted parameters.
    stack : software stack.
    activity : see :func:`.power.sustained_share` [1].

    Returns
    -------
    cost, plans : seconds [s] and operations [FLOP], and the names of the plans, shape (N,) each.
    """
    best = Cost(*(np.full(len(schedule), np.inf) for _ in range(4)))
    chosen = np.full(len(schedule), PLANS[0], dtype=f"<U{max(map(len, PLANS))}")
    able = chip.engine_for(parse_precision(precision), matrix=True).kind == "matrix"
    for tensor in (False, True):
        mine = np.flatnonzero(able & fills_tensor_cores(schedule) == tensor)
        if not len(mine):
            continue
        machine = machine_of(chip, "fp32" if able and not tensor else precision, parameters, tensor=tensor)
        some, drawn = schedule.select(mine), at(activity, mine)
        for plan, rows, cost in _costs(some, machine, chip, parameters, stack, drawn, tensor=tensor):
            better = cost.total < best.total[mine[rows]]
            won = mine[rows][better]
            for name in ("total", "compute", "memory", "flops"):
                getattr(best, name)[won] = getattr(cost, name)[better]
            chosen[won] = plan
    adding = _bias_seconds(schedule, chip, parameters, stack)
    return replace(best, total=best.total + adding, memory=best.memory + adding), chosen


def _costs(
    schedule: Schedule,
    machine: Machine,
    chip: Chip,
    parameters: Parameters,
    stack: Stack,
    activity: float | Floats,
    *,
    tensor: bool,
) -> Iterator[tuple[str, Rows, Cost]]:
    """Every plan, the convolutions that may take it, and their cost."""
    start, filters = parameters.conv_start, parameters.filters
    around = {"transform": parameters.transform, "filters": filters, "start": start}
    tiles = TENSOR_TILES if tensor else IMPLICIT_TILES
    between = machine.at(parameters.staged)
    weights = passes(schedule) == WEIGHT
    cool, hot = (1.0 if tensor else held(chip, parameters, draw, activity) for draw in (parameters.cool, 1.0))
    for plan in PLANS[:3] if tensor else PLANS:
        can = allowed(plan, schedule, stack)
        for kind in np.unique(2 * schedule.taps[can] + weights[can]).tolist():
            taps, gradient = kind // 2, bool(kind % 2)
            rows = np.flatnonzero(can & (weights == gradient) & (schedule.taps == taps))
            clock = at(hot if plan == "winograd" else cool, rows)
            x = Images.of(schedule.select(rows), weights=gradient, clock=clock)
            single = parameters.pointwise if taps == 1 else 1.0
            if plan == "implicit":
                cost = implicit(x, machine.at(single), tiles, start)
            elif plan == "strided":
                cost = strided(x, machine.at(parameters.strided), tiles, start)
            elif plan == "split":
                few = tiles[:1] if taps == 1 and not tensor else tiles
                cost = split(x, machine.at(parameters.weight * single), few)
            elif plan == "winograd":
                patches = patches_of(chip.architecture, stack.cudnn)
                cost = fused(x, machine.at(parameters.winograd), patches, filters, start)
            else:
                by = fourier(taps) if plan == "fourier" else WINOGRAD[taps]
                cost = staged(x, between, by, gradient=gradient, **around)
            yield plan, rows, cost


def machine_of(chip: Chip, precision: str, parameters: Parameters, *, tensor: bool) -> Machine:
    """The multiprocessors at the rate that convolutions reach on them::

        rate      = peak / 2 / multiprocessors * conv / (1 + integers, on shared lanes)           [FMA/s]
        rate      = peak / 2 / multiprocessors * conv_tensor                         on tensor cores
        bandwidth = BANDWIDTH * DRAM bandwidth                                                    [B/s]

    Parameters
    ----------
    chip : the GPU.
    precision : number format.
    parameters : fitted parameters.
    tensor : True for tensor cores.
    """
    engine, peak = ceiling.engine_and_rate(chip, parse_precision(precision), matrix=True)
    assert engine is not None
    wide = lanes(chip) / vector_engine(chip).count.value > 64
    beside = 1.0 + parameters.integers if shares_lanes(chip) else 1.0
    reached = parameters.conv_tensor if tensor else parameters.conv / beside
    bandwidth = BANDWIDTH * (chip.dram.total_bandwidth or np.inf)
    launch = chip.launch.value if chip.launch else 0.0
    return Machine(engine.count.value, peak / 2 / engine.count.value * reached, bandwidth, launch, wide)


def shares_lanes(chip: Chip) -> bool:
    """Whether the multiplying lanes also compute addresses: not on Volta, Turing and large chips since Ampere.

    Volta has separate integer lanes. Multiprocessors of 128 lanes since Ampere compute integers on half of their lanes
    (NVIDIA's white papers of the Tesla V100 and of GA102; unverified: from memory).
    """
    return chip.architecture in ("maxwell", "pascal") or lanes(chip) / vector_engine(chip).count.value > 64


def held(chip: Chip, parameters: Parameters, draw: float, activity: float | Floats = 1.0) -> Floats:
    """Share of the boost clock in kernels of power ``draw * power of a plain GEMM``, by :func:`.power.sustained_share`
    [1].

    Implicit GEMMs and GEMMs between transforms draw ``cool`` of it, fused Winograd all of it. A clock measured in plain
    GEMMs does not apply: a T4 holds 0.55 of its boost clock in those and 0.77 in implicit GEMMs.

    chip, parameters, activity : see :func:`.power.sustained_share` [1]. draw : power over that of a plain GEMM [1].
    """
    return sustained_share(chip, replace(parameters, watts=parameters.watts * draw, sustained=0.0), activity)


def fills_tensor_cores(schedule: Schedule) -> NDArray[np.bool_]:
    """Mask of the convolutions with ``channels % 8 = 0`` in and out, as tensor cores need, shape (N,).

    Parameters
    ----------
    schedule : N kernels that are convolutions.
    """
    role, taps = passes(schedule), schedule.taps
    inner = np.where(role == WEIGHT, schedule.m, schedule.k) // taps
    whole = np.round(schedule.weights / (schedule.itemsize * schedule.batch * schedule.n * taps)).astype(np.int64)
    inner = np.where(role == DATA, whole, inner)  # with a stride, k counts the taps that reach a pixel
    return np.asarray((schedule.n % TENSOR_CHANNELS == 0) & (inner % TENSOR_CHANNELS == 0))


def _bias_seconds(schedule: Schedule, chip: Chip, parameters: Parameters, stack: Stack) -> Floats:
    """Seconds of a bias kernel: the result is read and written once more. Applies where the weights include a bias.

    cuDNN, PyTorch and TensorFlow launch a separate kernel for it; compilers fuse it into the next kernel.
    """
    bare = schedule.batch * schedule.k * schedule.n * schedule.itemsize
    biased = (passes(schedule) == FORWARD) & (schedule.weights > bare) & (stack.mode != "compiled")
    seconds = 2.0 * schedule.writes / streamed(chip, parameters)
    return np.where(biased, seconds + (chip.launch.value if chip.launch else 0.0), 0.0)


DEPTHWISE_STEPS = 8.0
"""Instructions of a lane for each tap of a result: two loads, an address, a bounds check, a multiply-add."""

DEPTHWISE_L2 = 3.0
"""Bandwidth of the L2 over that of DRAM, where it is not known; 2.4 on a V100, 4.0 on a T4."""


def depthwise(
    schedule: Schedule, chip: Chip, parameters: Parameters, stack: Stack, activity: float | Floats = 1.0
) -> Cost:
    """Depthwise convolutions, in kernels that walk over the result. No measurement validates this::

        compute = results * taps * 8 instructions / (lanes * clock * held)           [s]
        memory  = bytes * (1 + again) / (row * stream bandwidth) + bias              [s]
        again   = (taps - 1) / 3 for weight gradients, else 0                        [1]
        time    = (compute^4 + memory^4)^(1/4)                                       [s]

    A weight gradient sums over all pixels separately for each tap (as in PyTorch's and TensorFlow's kernels), so its
    operands come from the L2 once for each tap. Form: this project's own; not validated.

    Parameters
    ----------
    schedule : N kernels that are depthwise convolutions.
    chip : the GPU.
    parameters : fitted parameters.
    stack : software stack.
    activity : see :func:`.power.sustained_share` [1].

    Returns
    -------
    cost : seconds without the launch [s] and operations [FLOP], shape (N,).
    """
    taps, weights = schedule.taps.astype(np.float64), passes(schedule) == WEIGHT
    rate = lanes(chip) * vector_engine(chip).clock.hz() * held(chip, parameters, parameters.cool, activity)
    bandwidth = parameters.row * streamed(chip, parameters)
    compute = schedule.flops / 2.0 * DEPTHWISE_STEPS / rate
    again = np.where(weights, (taps - 1.0) / DEPTHWISE_L2, 0.0)
    memory = schedule.bytes * (1.0 + again) / bandwidth + _bias_seconds(schedule, chip, parameters, stack)
    return Cost(joined(compute, memory), compute, memory, schedule.flops)
