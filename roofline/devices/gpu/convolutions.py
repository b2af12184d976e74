"""How long does a convolution take on a GPU, and which way of doing it does the library take?

The plans are those of :mod:`roofline.devices.gpu.convolution_plans`. Which of them may run is a rule of the software
(:func:`allowed`); of those, the fastest by model does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

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
from roofline.devices.gpu.streams import streamed
from roofline.devices.gpu.tensor_cores import TILES as TENSOR_TILES

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Names = NDArray[np.str_]

FORWARD, DATA, WEIGHT = "forward", "data", "weight"
PLANS = ("implicit", "strided", "split", "winograd", "winograd in stages", "fourier")

BANDWIDTH = 0.75
"""Share of the DRAM bandwidth that convolutions reach; the rows do not tell it apart from 0.6 or 1."""

TENSOR_CHANNELS = 8
"""Tensor cores take channels in multiples of this; other convolutions run on the fp32 lanes."""

RULE_CHANNELS = 32
"""Channels from which cuDNN 5 and 6 take Winograd by rule: right in 94 to 96 % of DeepBench's rows of a Titan X."""

FOURIER_TAPS = (9, 25, 49)
"""Windows of 3, 5 and 7 across, unstrided, that cuDNN transforms in patches of 32 x 32."""


def passes(schedule: Schedule) -> Names:
    """Which pass each convolution is: forward, or the gradient for the data or the weights."""
    ends = {"_backward_data": DATA, "_backward_weight": WEIGHT}
    names = [next((of for end, of in ends.items() if name.endswith(end)), FORWARD) for name in schedule.op_names]
    return np.array(names)[schedule.op]


def allowed(plan: str, schedule: Schedule, stack: Stack) -> NDArray[np.bool_]:
    """Which convolutions the stack's library may do by a plan.

    Products always. Winograd is for unstrided 3x3 (5x5 in stages) without groups, since cuDNN 5: there by rule,
    forward and for the data from 32 channels on; from 7 on, and wherever the library tries all plans, whichever is
    fastest, gradients of weights too. Fourier transforms need so much memory that only trying finds them.
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
    schedule: Schedule, chip: Chip, precision: str, parameters: Parameters, stack: Stack
) -> tuple[Cost, Names]:
    """What every convolution takes behind its launch, and by which plan; a bias is added by a kernel of its own."""
    best = Cost(*(np.full(len(schedule), np.inf) for _ in range(4)))
    chosen = np.full(len(schedule), PLANS[0], dtype=f"<U{max(map(len, PLANS))}")
    able = chip.engine_for(parse_precision(precision), matrix=True).kind == "matrix"
    for tensor in (False, True):
        mine = np.flatnonzero(able & fills_tensor_cores(schedule) == tensor)
        if not len(mine):
            continue
        machine = machine_of(chip, "fp32" if able and not tensor else precision, parameters, tensor=tensor)
        for plan, rows, cost in _costs(schedule.select(mine), machine, chip, parameters, stack, tensor=tensor):
            better = cost.total < best.total[mine[rows]]
            won = mine[rows][better]
            for name in ("total", "compute", "memory", "flops"):
                getattr(best, name)[won] = getattr(cost, name)[better]
            chosen[won] = plan
    adding = _bias_seconds(schedule, chip, parameters, stack)
    return replace(best, total=best.total + adding, memory=best.memory + adding), chosen


def _costs(
    schedule: Schedule, machine: Machine, chip: Chip, parameters: Parameters, stack: Stack, *, tensor: bool
) -> Iterator[tuple[str, Rows, Cost]]:
    """Every plan with the rows that may take it and their cost."""
    start, filters = parameters.conv_start, parameters.filters
    around = {"transform": parameters.transform, "filters": filters, "start": start}
    tiles = TENSOR_TILES if tensor else IMPLICIT_TILES
    between = machine.at(parameters.staged)
    weights = passes(schedule) == WEIGHT
    for plan in PLANS[:3] if tensor else PLANS:
        can = allowed(plan, schedule, stack)
        for gradient, taps in {(bool(g), int(t)) for g, t in zip(weights[can], schedule.taps[can], strict=True)}:
            rows = np.flatnonzero(can & (weights == gradient) & (schedule.taps == taps))
            x = Images.of(schedule.select(rows), weights=gradient)
            single = parameters.pointwise if taps == 1 else 1.0
            if plan == "implicit":
                cost = implicit(x, machine.at(single), tiles, start)
            elif plan == "strided":
                cost = strided(x, machine.at(parameters.strided), tiles, start)
            elif plan == "split":
                cost = split(
                    x, machine.at(parameters.weight * single), tiles[:1] if taps == 1 and not tensor else tiles
                )
            elif plan == "winograd":
                patches = patches_of(chip.architecture, stack.cudnn)
                hotter = held(chip, parameters, 1.0) / held(chip, parameters, parameters.cool)
                cost = fused(x, machine.at(parameters.winograd * hotter), patches, filters, start)
            else:
                by = fourier(taps) if plan == "fourier" else WINOGRAD[taps]
                cost = staged(x, between, by, gradient=gradient, **around)
            yield plan, rows, cost


def machine_of(chip: Chip, precision: str, parameters: Parameters, *, tensor: bool) -> Machine:
    """Multiprocessors at the rate that convolutions reach on them."""
    engine, peak = ceiling.engine_and_rate(chip, parse_precision(precision), matrix=True)
    assert engine is not None
    wide = lanes(chip) / vector_engine(chip).count.value > 64
    beside = 1.0 + parameters.integers if shares_lanes(chip) else 1.0
    reached = parameters.conv_tensor if tensor else parameters.conv / beside * held(chip, parameters, parameters.cool)
    bandwidth = BANDWIDTH * (chip.dram.total_bandwidth or np.inf)
    launch = chip.launch.value if chip.launch else 0.0
    return Machine(engine.count.value, peak / 2 / engine.count.value * reached, bandwidth, launch, wide)


def shares_lanes(chip: Chip) -> bool:
    """Whether addresses are worked out by the lanes that multiply: not on Volta, Turing and the large chips since.

    Volta has lanes of their own for whole numbers; multiprocessors of 128 lanes since Ampere do them on half of their
    lanes (NVIDIA's white papers of the Tesla V100 and of GA102; unverified: from memory).
    """
    return chip.architecture in ("maxwell", "pascal") or lanes(chip) / vector_engine(chip).count.value > 64


def held(chip: Chip, parameters: Parameters, draw: float) -> float:
    """What of its boost clock a card holds in kernels that draw ``draw`` of the power of plain products.

    Implicit products and those between transforms draw ``cool`` of it, Winograd in one kernel all. A clock found on
    plain products says little here: a T4 holds 0.55 of its boost in those and 0.77 in implicit products.
    """
    return sustained_share(chip, replace(parameters, watts=parameters.watts * draw, sustained=0.0))


def fills_tensor_cores(schedule: Schedule) -> NDArray[np.bool_]:
    """Whether channels in and out come in multiples that tensor cores take."""
    role, taps = passes(schedule), schedule.taps
    inner = np.where(role == WEIGHT, schedule.m, schedule.k) // taps
    whole = np.round(schedule.weights / (schedule.itemsize * schedule.batch * schedule.n * taps)).astype(np.int64)
    inner = np.where(role == DATA, whole, inner)  # behind a stride k counts the taps that reach a pixel
    return np.asarray((schedule.n % TENSOR_CHANNELS == 0) & (inner % TENSOR_CHANNELS == 0))


def _bias_seconds(schedule: Schedule, chip: Chip, parameters: Parameters, stack: Stack) -> Floats:
    """Reading and writing the result once more, where weights hold more than the products need.

    cuDNN has a call of its own for it, as have PyTorch and TensorFlow; compilers merge it into what follows.
    """
    bare = schedule.batch * schedule.k * schedule.n * schedule.itemsize
    biased = (passes(schedule) == FORWARD) & (schedule.weights > bare) & (stack.mode != "compiled")
    seconds = 2.0 * schedule.writes / streamed(chip, parameters)
    return np.where(biased, seconds + (chip.launch.value if chip.launch else 0.0), 0.0)


DEPTHWISE_STEPS = 8.0
"""Instructions of a lane for each tap of a result: two loads, an address, a test for the border, a multiply-add."""

DEPTHWISE_L2 = 3.0
"""Bandwidth of the L2 over that of DRAM, where nothing says it; 2.4 on a V100, 4.0 on a T4."""


def depthwise(schedule: Schedule, chip: Chip, parameters: Parameters, stack: Stack) -> Cost:
    """Convolutions of one channel each, by kernels that walk over the result; nobody's rows stand behind it.

        compute = results * taps * 8 instructions / (lanes * clock)
        memory  = bytes / (what rows reach of the bandwidth)

    The gradient of weights sums over all pixels for every tap by itself (PyTorch's and TensorFlow's kernels do), so
    its operands come from the L2 once for each tap.
    """
    taps, weights = schedule.taps.astype(np.float64), passes(schedule) == WEIGHT
    rate = lanes(chip) * vector_engine(chip).clock.hz() * held(chip, parameters, parameters.cool)
    bandwidth = parameters.row * streamed(chip, parameters)
    compute = schedule.flops / 2.0 * DEPTHWISE_STEPS / rate
    again = np.where(weights, (taps - 1.0) / DEPTHWISE_L2, 0.0)
    memory = schedule.bytes * (1.0 + again) / bandwidth + _bias_seconds(schedule, chip, parameters, stack)
    return Cost(joined(compute, memory), compute, memory, schedule.flops)
