"""How long does each kernel take on a CPU core under eager PyTorch?

One equation serves every plan (docs/cpu.md explains the terms; docs/evidence-cpu.md says what each contributes)::

    compute = work / rate * (1 + sat_k / k) * (1 + remainder * bits(n) / tiles(n)) * (1 + idle * missing blocks)
              * (1 + guess / rarity) * wide * strided + short * elements + unfold * unfolded elements    [s]
    memory  = traffic / (activations * B(working set)) * unaligned + weights / weight_bandwidth          [s]
    time    = start + row * rows + compute + memory                                                      [s]
    B(w)    = dram + (cache - dram) / (1 + (w / knee)^2)     bandwidth for a working set of w bytes    [B/s]

A plan is the code path that the stack takes (:mod:`roofline.devices.cpu.plans`). It uses some of the terms; the others
are neutral. Form: this project's own; evidence: docs/evidence-cpu.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roofline.core.attention import unmasked
from roofline.core.calibration import FamilyFit
from roofline.core.parts import Parts
from roofline.core.schedule import Schedule
from roofline.core.stack import Stack
from roofline.core.times import Times
from roofline.devices.cpu.attention import executed_scores
from roofline.devices.cpu.convolutions import columns, copied_bytes, idle_blocks, input_bytes, tails, unfolded
from roofline.devices.cpu.plans import LANES, PLAN_NAMES, PLANS, Plan, plans
from roofline.devices.timed import ALIKE

Floats = NDArray[np.float64]
OUTPUT_BUFFERS = 3.0
"""Buffers that the outputs of an eager network rotate through: fresh memory was last used that many outputs ago."""

OPTIMIZER_ARRAYS = 4.0
"""Arrays that the passes over one parameter use: the parameter, its gradient, and two states of Adam."""

RESOURCES = ("compute", "memory", "dispatch")


@dataclass(frozen=True)
class Ceilings:
    """Bandwidth of one core over the working set: B(w) in the module.

    Parameters
    ----------
    cache, dram : bandwidth for a small and for a large working set [B/s].
    knee : working set in between [B].
    lanes : fp32 numbers in a register [1].
    fresh, fresh_dram : cost of a write to fresh memory in reads, in the caches and far outside of them [1]. Its lines
        are read before they are overwritten, and written back later. ``fresh_dram`` 0 means as ``fresh``.
    """

    cache: float
    dram: float
    knee: float
    lanes: float = LANES
    fresh: float = 2.0
    fresh_dram: float = 0.0

    def bandwidth(self, working_set: Floats) -> Floats:
        """``B(w) = dram + (cache - dram) / (1 + (w / knee)^2)`` [B/s] for a ``working_set`` of w bytes [B]."""
        return self._between(self.cache, self.dram, working_set)

    def fresh_bandwidth(self, working_set: Floats) -> Floats:
        """Bandwidth [B/s] of writes to fresh memory: B(``working_set`` [B]) with ``cache / fresh`` and ``dram /
        fresh_dram``.
        """
        return self._between(self.cache / self.fresh, self.dram / (self.fresh_dram or self.fresh), working_set)

    def _between(self, near: float, far: float, working_set: Floats) -> Floats:
        return far + (near - far) / (1.0 + (working_set / self.knee) ** 2)


def difficulty(schedule: Schedule, seconds: Floats) -> Floats:
    """Features that predict the error of a fit [1], shape (N, 10)::

        features = 1, log(seconds), n % 8 > 0, channels % 16 > 0, m % 4 > 0, stride > 1, log of m, n, k and taps

    schedule : N kernels. seconds : predicted time [s], shape (N,).
    """
    channels = np.where(schedule.batch > 1, schedule.batch, schedule.k / schedule.taps)
    columns = [
        np.ones(len(schedule)),
        np.log(np.maximum(seconds, 1e-9)),
        schedule.n % 8 != 0,
        channels % LANES != 0,
        schedule.m % 4 != 0,
        schedule.stride > 1,
        *(np.log(np.maximum(size, 1)) for size in (schedule.m, schedule.n, schedule.k, schedule.taps)),
    ]
    return np.stack([np.asarray(column, dtype=np.float64) for column in columns], axis=1)


def _remainder_kernels(size: NDArray[np.int64], tile: int) -> NDArray[np.int64]:
    """Narrower kernels, of tile/2, tile/4 ... 1 columns, that cover what whole tiles leave: the bits of size % tile."""
    rest, bits = size % tile, np.zeros_like(size)
    while tile > 1:
        tile //= 2
        bits += (rest // tile) % 2
    return bits


def recent_bytes(schedule: Schedule, parts: Parts | None = None) -> Floats:
    """Bytes of activations that pass through the caches before the buffer of an output is used again::

        recent[i] = sum of reads + writes of the kernels i - OUTPUT_BUFFERS to i    [B]

    In a network a fresh output takes memory that was freed a few kernels ago; inputs are assumed to be as far away.

    schedule : N kernels in order. parts : the programs; one if None. Returns recent : [B], shape (N,).
    """
    moved = schedule.reads + schedule.writes
    recent = moved.copy()
    for rows in (parts or Parts.one(len(schedule))).tables:
        for before in range(1, min(int(OUTPUT_BUFFERS), rows.shape[1] - 1) + 1):
            recent[rows[:, before:]] += moved[rows[:, :-before]]
    return recent


def fitted_ops(kernels: Schedule, fit: FamilyFit) -> NDArray[np.bool_]:
    """Mask of the ``kernels`` of one plan whose operators its ``fit`` has seen, also by :data:`ALIKE`; shape (N,)."""
    if not fit.points:
        return np.zeros(len(kernels), dtype=bool)
    own = {key.split(":", 1)[1] for key in fit.parameters if ":" in key} - set(fit.borrowed)
    seen = np.array(
        [name not in fit.borrowed and (not own or bool({name, ALIKE.get(name)} & own)) for name in kernels.op_names],
        dtype=bool,
    )
    return np.asarray(seen[kernels.op])


def joined(compute: Floats, memory: Floats) -> Floats:
    """``compute + memory`` [s], shape (N,): cold operands are fetched before they are used, so the two add.

    ``compute`` and ``memory`` are in [s]. A smooth maximum with a fitted exponent had no smaller held-out error
    (docs/evidence-cpu.md).
    """
    return compute + memory


def plan_times(
    name: str,
    kernels: Schedule,
    parameters: Mapping[str, float],
    ceilings: Ceilings,
    recent: Floats | None = None,
) -> Times:
    """Seconds of kernels of one plan: ``time = start + row * rows + compute + memory``, see the module.

    Parameters
    ----------
    name : of the plan.
    kernels : N kernels.
    parameters : fitted parameters of the plan. An operator that the fit has not seen takes the geometric mean of its
        kind.
    ceilings : bandwidth curve [B/s] and register width [1].
    recent : :func:`recent_bytes` of each kernel in its network [B], shape (N,); None for single operators.

    Returns
    -------
    times : compute, memory, dispatch and total [s], shape (N,) each.
    """
    plan = PLANS[name]
    ones = np.ones(len(kernels))
    present, place = np.unique(kernels.op, return_inverse=True)
    names = [kernels.op_names[code] for code in present]

    def value(parameter: str, neutral: float) -> Floats:
        if parameter in plan.free:
            return ones * parameters.get(parameter, neutral)
        if f"{parameter}:" not in plan.free:
            return ones * neutral
        known = {key.split(":", 1)[1]: v for key, v in parameters.items() if key.startswith(f"{parameter}:")}
        mean = float(np.exp(np.mean(np.log(list(known.values())))))
        own = [known.get(op, known.get(ALIKE.get(op, ""), mean)) for op in names]
        return np.array(own, dtype=np.float64)[place]

    compute, memory = _compute(plan, kernels, ceilings, value), _memory(name, kernels, ceilings, value, recent)
    dispatch = _dispatch(name, kernels, value)
    total = dispatch + joined(compute, memory)
    return Times({"compute": compute, "memory": memory, "dispatch": dispatch}, total, FORMULA)


Value = Callable[[str, float], Floats]
"""(name, neutral value) -> the parameter of each kernel, or the neutral value for a term that the plan does
not have.
"""


def _compute(plan: Plan, kernels: Schedule, ceilings: Ceilings, value: Value) -> Floats:
    """Seconds of arithmetic: work over its rate, with the terms of its shape."""
    compute = plan.work(kernels, ceilings.lanes) / value("rate", np.inf)
    compute = compute * (1.0 + value("sat_k", 0.0) / np.maximum(kernels.k, 1))
    if plan.has("idle"):
        compute = compute * (1.0 + value("idle", 0.0) * idle_blocks(kernels, ceilings.lanes))
    if plan.has("remainder"):
        across, tile = columns(kernels), plan.tile
        compute = compute * (1.0 + value("remainder", 0.0) * _remainder_kernels(across, tile) / np.ceil(across / tile))
    compute = compute * (1.0 + value("guess", 0.0) * np.where(kernels.k > 1, 1.0 / np.maximum(kernels.k, 1), 0.0))
    compute = compute * np.where(kernels.taps > 9, value("wide", 1.0), 1.0)
    compute = compute * np.where(kernels.stride > 1, value("strided", 1.0), 1.0)
    compute = compute + np.where(kernels.k < ceilings.lanes, value("short", 0.0), 0.0) * kernels.elements
    return compute + value("unfold", 0.0) * unfolded(kernels) if plan.has("unfold") else compute


def _memory(name: str, kernels: Schedule, ceilings: Ceilings, value: Value, recent: Floats | None) -> Floats:
    """Seconds of traffic: activations at the bandwidth of the working set, weights at their own."""
    plan = PLANS[name]
    inplace = (kernels.target == kernels.source) & (kernels.target >= 0)
    none = np.zeros(len(kernels))
    reads, copied = kernels.reads, none
    if plan.copies:
        reads, copied = input_bytes(kernels), copied_bytes(kernels, ceilings.lanes)
    copied_back = kernels.writes if plan.copies_back else none
    working_set = reads + copied + np.where(inplace, 0.0, OUTPUT_BUFFERS * kernels.writes + copied_back)
    if name == "optimizer":  # every pass uses the same arrays, in place
        inplace, working_set = np.ones_like(inplace), OPTIMIZER_ARRAYS * kernels.elements * kernels.itemsize
    if name == "recurrence":  # the states and gates of one step are small
        working_set, recent = none, None
    behind = working_set if recent is None else np.maximum(working_set, np.where(inplace, 0.0, recent))
    into = np.where(inplace, ceilings.bandwidth(behind), ceilings.fresh_bandwidth(behind))
    once = 1.0 / ceilings.bandwidth(behind)
    copy = once + 1.0 / ceilings.fresh_bandwidth(working_set)
    read, written = reads * once + copied * copy, kernels.writes / into + copied_back * copy
    if plan.has("unaligned"):
        empty, empty_back = tails(kernels, ceilings.lanes)
        read = read * np.where(empty, value("unaligned", 1.0), 1.0)
        written = written * np.where(empty_back, value("unaligned", 1.0), 1.0)
    memory = (read + written) / value("activations", 1.0)
    weights = kernels.weights
    if name == "recurrence":  # reordered once, then read in every step
        stored = weights / kernels.images
        memory = memory + weights / (ceilings.bandwidth(stored) * value("activations", 1.0))
        weights = stored / kernels.repeats
    if plan.has("weight_bandwidth"):
        return memory + weights / value("weight_bandwidth", 1.0)
    return memory + weights / ceilings.dram if plan.has("activations") else memory


def _dispatch(name: str, kernels: Schedule, value: Value) -> Floats:
    """Seconds to start: for a call, and for each row, matrix, image or step in it."""
    starts, rows = np.ones(len(kernels)), np.asarray(kernels.m, dtype=np.float64)
    if name in _BATCHED:
        rows = np.asarray(kernels.batch * (kernels.images if name == "conv-gemm" else 1.0), dtype=np.float64)
    if name == "optimizer":
        starts = np.asarray(kernels.passes, dtype=np.float64)
    if name == "recurrence":  # one call, counted at the kernel of its gates
        starts = np.where(kernels.in_family("elementwise"), 1.0 / kernels.repeats, 0.0)
        rows = np.asarray(kernels.passes, dtype=np.float64)
    return value("start", 0.0) * starts + value("row", 0.0) * rows


_BATCHED = ("bmm", "attention", "conv-gemm")
FORMULA = "start + row * rows + compute + memory"


def cpu_times(
    schedule: Schedule,
    parameters: Mapping[str, Mapping[str, float]],
    ceilings: Ceilings,
    stack: Stack = Stack(),  # noqa: B008 (a frozen value)
    *,
    network: bool = False,
    parts: Parts | None = None,
) -> Times:
    """Seconds of one launch of every kernel by :func:`plan_times`; NaN for a kernel whose plan has no fit.

    Parameters
    ----------
    schedule : N kernels.
    parameters : plan -> its fitted parameters.
    ceilings : bandwidth curve [B/s] and register width [1].
    stack : software stack.
    network : True if each kernel finds the caches as the kernels of its program before it left them.
    parts : the programs; one if None.

    Returns
    -------
    times : compute, memory, dispatch and total [s], shape (N,) each.
    """
    schedule = unmasked(schedule, executed_scores(schedule))
    recent = recent_bytes(schedule, parts) if network else None
    codes = plans(schedule, stack)
    total = np.full(len(schedule), np.nan)
    resources = {name: total.copy() for name in RESOURCES}
    for code in np.unique(codes):
        name = PLAN_NAMES[code] if code >= 0 else ""
        if name not in parameters:
            continue
        rows = np.flatnonzero(codes == code)
        waiting = None if recent is None else recent[rows]
        times = plan_times(name, schedule.select(rows), parameters[name], ceilings, waiting)
        total[rows] = times.total
        for resource in RESOURCES:
            resources[resource][rows] = times.resources[resource]
    return Times(resources, total, FORMULA)
