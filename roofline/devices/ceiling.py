"""What speed does the spec sheet allow, and which bound can no kernel beat?

The plain roofline of a kernel is an upper bound on speed, not a prediction::

    time = max(operations / peak, compulsory bytes / DRAM bandwidth, launch)    [s]

``light`` is the speed-of-light bound, which every prediction respects. It takes the top clock that the chip reaches,
and the bandwidth of the nearest memory level that can hold the operands.

Source: Williams, Waterman, Patterson, CACM 52(4), 2009. N is the number of kernels of a schedule.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from roofline.core.chip import Chip, ClockName, Engine, MemoryLevel
from roofline.core.dtype import Precision
from roofline.core.dtype import precision as parse_precision
from roofline.core.parts import Parts
from roofline.core.schedule import KINDS, Schedule
from roofline.core.times import Times
from roofline.errors import Unsupported

Floats = NDArray[np.float64]
FORMULA = "max(operations / peak, bytes / bandwidth, launch)"


@dataclass(frozen=True)
class Ridge:
    """Machine balance (ridge point) of one engine and one memory level: ``intensity`` [FLOP/B], ``rate`` [FLOP/s]."""

    engine: str
    precision: str
    level: str
    intensity: float
    rate: float


def engine_and_rate(
    chip: Chip, wanted: Precision, *, matrix: bool, clock: ClockName = "boost"
) -> tuple[Engine | None, float]:
    """The engine that runs a kernel, and its peak rate::

        peak = units * 2 * FMA per clock * clock    [FLOP/s]

    A matrix multiplication takes the fastest engine of its precision, or of the precision that emulates it. Other work
    takes a vector engine at its own precision, or at fp32 where that has no rate. Without a vector engine the rate is
    infinite, so only bytes count. int32 without a rate of its own takes the rate of fp32: GPUs have at most as many
    int32 lanes, and a three-operand instruction counts as two operations, like an FMA.

    Parameters
    ----------
    chip : the chip; its file has units [1], FMA per clock [1] and clocks [Hz].
    wanted : precision of the kernel.
    matrix : True for a matrix multiplication.
    clock : which clock of the engine to use.

    Returns
    -------
    engine, rate : the engine (None where there is none) and its peak [FLOP/s].

    Raises
    ------
    Unsupported : int32 work, and the chip has no vector engine; or the chip lacks the precision.
    """
    if matrix:
        actual, _ = chip.resolve(wanted)
        engine = chip.engine_for(wanted, matrix=True)
        return engine, engine.peak(actual, clock)
    best: tuple[Engine | None, float] = (None, np.inf)
    for engine in chip.engines:
        if engine.kind != "vector":
            continue
        own = [p for p in engine.rates if p.compute == wanted.compute == "int32"]
        able = own or [p for p in engine.rates if p.compute in (wanted.compute, "fp32")] or list(engine.rates)
        rate = max(engine.peak(p, clock) for p in able)
        if best[0] is None or rate > best[1]:
            best = (engine, rate)
    if best[0] is None and wanted.compute == "int32":
        raise Unsupported(f"the file of {chip.name} has no engine for 32-bit integers; add a vector engine to it")
    return best


def ceiling_times(schedule: Schedule, chip: Chip, parts: Parts | None = None) -> Times:
    """The plain roofline of every kernel (:data:`FORMULA`), with the seconds of each engine, memory and the launch::

        compute = flops / peak,  memory = dram_bytes / dram_bandwidth
        time = max(compute, memory, launch)    [s]

    On arrays, bytes that stay on the chip divided by the on-chip bandwidth also bound the time. Source: Williams et al.
    (module).

    Parameters
    ----------
    schedule : N kernels: operations [FLOP] and compulsory bytes [B] of one launch.
    chip : the chip, with clocks [Hz], bandwidths [B/s] and launch time [s].
    parts : the programs that they belong to (see :func:`dram_bytes`); one program that keeps nothing if None.

    Returns
    -------
    times : seconds of each resource and of the whole kernel [s], shape (N,).

    Raises
    ------
    Unsupported : the chip lacks a precision of the schedule, or the bandwidth of its DRAM is unknown.
    """
    parts = parts or Parts.one(len(schedule))
    bandwidth = dram_bandwidth(chip, float(parts.footprint.max(initial=0.0)))
    if bandwidth is None:
        raise Unsupported(
            f"{chip.name}: the bandwidth of {chip.dram.name} is unknown; "
            f"measure it ('roofline specs detect --measure') or add it to the chip file"
        )
    resources, compute = _compute(schedule, chip, "boost")
    outside = dram_bytes(schedule, chip, parts)
    resources[chip.dram.name] = outside / bandwidth
    memory = resources[chip.dram.name]
    inside = largest_on_chip(chip)
    if inside is not None and inside.total_bandwidth is not None:
        resources[inside.name] = (schedule.bytes - outside) / inside.total_bandwidth
        memory = np.maximum(memory, resources[inside.name])
    launch = np.full(len(schedule), chip.launch.value if chip.launch else 0.0)
    if chip.launch:
        resources["launch"] = launch
    total = np.maximum(np.maximum(compute, memory), launch)
    return Times(resources, total, FORMULA)


def dram_bandwidth(chip: Chip, footprint: float = 0.0) -> float | None:
    """Bandwidth of DRAM for a network that keeps ``footprint`` bytes there; None where it is unknown.

    A footprint above the capacity of the fast part is spread evenly over both parts. With the share ``f`` in the fast
    part::

        1 / bandwidth = f / fast + (1 - f) / slow    [s/B]

    Parameters
    ----------
    chip : the chip; its DRAM may have a slower last part.
    footprint : bytes the network keeps in memory [B].

    Returns
    -------
    bandwidth : reads and writes together [B/s], or None.
    """
    level = chip.dram
    fast, slow = level.total_bandwidth, level.overflow
    if fast is None or slow is None or level.capacity is None or footprint <= level.capacity.value:
        return fast
    share = level.capacity.value / min(footprint, level.capacity.value + slow.capacity.value)
    return 1.0 / (share / fast + (1.0 - share) / slow.bandwidth.value)


def at_footprint(chip: Chip, footprint: float) -> Chip:
    """The chip with the DRAM bandwidth of a network of ``footprint`` bytes [B], by :func:`dram_bandwidth` [B/s]."""
    level, bandwidth = chip.dram, dram_bandwidth(chip, footprint)
    if level.overflow is None or level.bandwidth is None or bandwidth is None:
        return chip
    whole = replace(level, bandwidth=replace(level.bandwidth, value=bandwidth), overflow=None)
    return replace(chip, memory=(*chip.memory[:-1], whole))


def dram_bytes(schedule: Schedule, chip: Chip, parts: Parts | None = None) -> Floats:
    """Least bytes that one launch of each kernel moves to and from DRAM.

    All operands count, but weights that fit on the chip are read once for all launches of a recurrence::

        bytes = reads + writes + weights / (repeats, if they fit)    [B]

    Arrays with software-managed memory move less. A batch is split into one piece for each sample; activations stay on
    the chip where one piece fits, and weights where all of them fit beside the largest activation. An NNP-I runs
    ResNet-50 six times faster than its DRAM could deliver every activation. The ``footprint`` of a training step (saved
    tensors, gradients and states) stays on the chip as a whole or not at all. Form: this project's own; evidence:
    docs/evidence.md.

    Parameters
    ----------
    schedule : N kernels.
    chip : the chip, with memory capacities [B].
    parts : the programs that they belong to, with samples [1] and footprint [B]; one program if None.

    Returns
    -------
    bytes : DRAM traffic of one launch [B], shape (N,).
    """
    parts = parts or Parts.one(len(schedule), footprint=np.inf)
    training = (parts.largest(schedule.phase) > 0)[parts.index]
    again = np.where(training, 1, schedule.repeats)
    if chip.kind != "array":
        inner = chip.memory[-2].capacity if len(chip.memory) > 1 else None
        stays = schedule.weights <= (inner.value if inner else 0.0)
        return schedule.reads + schedule.writes + np.where(stays, schedule.weights / again, schedule.weights)
    room = on_chip_capacity(chip)
    activations = schedule.reads + schedule.writes
    largest = parts.largest(activations) / parts.samples
    all_stay = (parts.sums(schedule.weights) + np.minimum(largest, room) <= room)[parts.index]
    weights = schedule.weights
    if not _streams_weights(chip):
        weights = np.where(all_stay, 0.0, np.where(weights <= room, weights / again, weights))
    moved = np.where(activations / parts.samples[parts.index] <= room, 0.0, activations) + weights
    return np.where(training, np.where((parts.footprint <= room)[parts.index], 0.0, schedule.bytes), moved)


def _streams_weights(chip: Chip) -> bool:
    """Whether weights come from DRAM for every use, as on a TPU v1."""
    return any(engine.array.streamed_weights for engine in chip.engines if engine.array)


def on_chip_capacity(chip: Chip) -> float:
    """Capacity of :func:`largest_on_chip` for the given chip [B]; infinite where it is not published."""
    level = largest_on_chip(chip)
    return level.capacity.value if level is not None and level.capacity else np.inf


def largest_on_chip(chip: Chip) -> MemoryLevel | None:
    """The software-managed memory of an array: the largest level in front of DRAM. None for other chips."""
    known = [level for level in chip.memory[:-1] if level.capacity]
    if chip.kind != "array" or not known:
        return None
    return max(known, key=lambda level: level.capacity.value if level.capacity else 0.0)


def light(schedule: Schedule, chip: Chip, parts: Parts | None = None) -> Floats:
    """The speed-of-light bound: operations at the top clock, bytes at the nearest level that can hold them::

        light = max(flops / peak at the top clock, bytes / bandwidth of the nearest level that fits)    [s]

    A level of unknown bandwidth sets no bound. Neither does a GPU cache whose bandwidth is the best of a benchmark,
    because another program may reach more. Form: this project's own; evidence: docs/evidence.md.

    Parameters
    ----------
    schedule : N kernels.
    chip : the chip.
    parts : the programs that they belong to, whose batch an array may process sample by sample; one sample if None.

    Returns
    -------
    seconds : lower bound of the time of one launch [s], shape (N,).
    """
    _, compute = _compute(schedule, chip, "top")
    memory = np.zeros(len(schedule))
    pending = np.ones(len(schedule), dtype=bool)
    if chip.kind == "array" and np.isinf(on_chip_capacity(chip)):
        return compute  # on-chip capacity is not published
    held = schedule.bytes
    if chip.kind == "array" and parts is not None:
        held = held / parts.samples[parts.index]
    for level in chip.memory:
        last = level is chip.dram
        if level.capacity is None and not last:
            continue
        holds = pending if last else pending & (held <= level.capacity.value)  # type: ignore[union-attr]
        stated = level.bandwidth is None or level.bandwidth.status in ("datasheet", "derived")
        sure = last or chip.kind != "gpu" or stated
        if level.total_bandwidth is not None and sure:
            # total_bandwidth already adds separate read and write ports
            memory[holds] = schedule.bytes[holds] / level.total_bandwidth
        pending = pending & ~holds
    return np.maximum(compute, memory)


def _compute(schedule: Schedule, chip: Chip, clock: ClockName) -> tuple[dict[str, Floats], Floats]:
    products = schedule.kind == KINDS.index("matmul")
    seconds: dict[str, Floats] = {}
    total = np.zeros(len(schedule))
    for code, name in enumerate(schedule.precision_names):
        for matrix in (True, False):
            rows = (schedule.precision == code) & (products == matrix)
            if not rows.any():
                continue
            engine, rate = engine_and_rate(chip, parse_precision(name), matrix=matrix, clock=clock)
            total[rows] = schedule.flops[rows] / rate
            label = engine.name if engine else "vector work (no engine described)"
            seconds.setdefault(label, np.zeros(len(schedule)))[rows] = total[rows]
    return seconds, total


def ridges(chip: Chip) -> list[Ridge]:
    """Every ridge point of a chip, ``intensity = peak / bandwidth`` [FLOP/B]: each precision with each memory level."""
    return [
        Ridge(engine.name, str(precision), level.name, engine.peak(precision) / bandwidth, engine.peak(precision))
        for engine in chip.engines
        for precision in engine.rates
        for level in chip.memory
        if (bandwidth := level.total_bandwidth) is not None
    ]
