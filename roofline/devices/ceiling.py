"""What does the spec sheet promise, and what can no kernel beat?

The plain roofline (Williams, Waterman, Patterson, CACM 52(4), 2009): a kernel takes the longer of its
operations over the peak rate and its compulsory bytes over the DRAM bandwidth, and never less than one
launch. It is an upper bound on speed, not a prediction.

``light`` is the stricter bound that every model must respect: the top clock the part really reaches,
and the bandwidth of the nearest memory level that can hold the operands.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from roofline.core.chip import Chip, ClockName, Engine, MemoryLevel
from roofline.core.dtype import Precision
from roofline.core.dtype import precision as parse_precision
from roofline.core.schedule import KINDS, Schedule
from roofline.core.times import Times
from roofline.errors import Unsupported

Floats = NDArray[np.float64]
FORMULA = "max(operations / peak, bytes / bandwidth, launch)"


@dataclass(frozen=True)
class Ridge:
    """Where one roof meets one slope: ``intensity`` in op/B, ``rate`` in op/s."""

    engine: str
    precision: str
    level: str
    intensity: float
    rate: float


def engine_and_rate(
    chip: Chip, wanted: Precision, *, matrix: bool, clock: ClockName = "boost"
) -> tuple[Engine | None, float]:
    """The engine that runs a kernel and its peak in op/s.

    Products go to the fastest engine that multiplies in that precision (or the one that emulates it).
    Other work goes to a vector engine at the storage type, at fp32 where that has no rate of its own.
    Without any vector engine the rate is infinite: only bytes count, and the caller says so.

    32-bit whole numbers without a rate of their own run at the rate of fp32: GPUs have at most as many lanes for
    them, and a three-operand add or logic instruction does two operations, as a multiply-add does.

    Raises
    ------
    Unsupported : work on whole numbers, and no vector engine to do it.
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
        raise Unsupported(f"{chip.name} has no engine that works on 32-bit whole numbers, as far as its file says")
    return best


def ceiling_times(schedule: Schedule, chip: Chip, *, pieces: int = 1, footprint: float = 0.0) -> Times:
    """The plain roofline of every kernel: seconds of each engine, of DRAM and of the launch.

    pieces : samples a batch can be worked through by, one after the other (see :func:`dram_bytes`).
    footprint : bytes the net keeps in memory, for chips with a slower last part (see :func:`dram_bandwidth`).

    Raises
    ------
    Unsupported : the chip lacks a precision of the schedule, or has no DRAM bandwidth to divide by.
    """
    bandwidth = dram_bandwidth(chip, footprint)
    if bandwidth is None:
        raise Unsupported(
            f"{chip.name}: the bandwidth of {chip.dram.name} is unknown; "
            f"measure it ('roofline specs detect --measure') or write it into the spec"
        )
    resources, compute = _compute(schedule, chip, "boost")
    outside = dram_bytes(schedule, chip, pieces, footprint)
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
    """Bytes per second of DRAM for a net that keeps ``footprint`` bytes there; None where it is unknown.

    Up to the capacity of the fast part that part's bandwidth. Beyond it every byte is as likely to lie
    anywhere in the footprint, so with ``f`` of it in the fast part
    ``1 / bandwidth = f / fast bandwidth + (1 - f) / slow bandwidth``.
    """
    level = chip.dram
    fast, slow = level.total_bandwidth, level.overflow
    if fast is None or slow is None or level.capacity is None or footprint <= level.capacity.value:
        return fast
    share = level.capacity.value / min(footprint, level.capacity.value + slow.capacity.value)
    return 1.0 / (share / fast + (1.0 - share) / slow.bandwidth.value)


def at_footprint(chip: Chip, footprint: float) -> Chip:
    """The chip as a net of ``footprint`` bytes finds it: DRAM of one part, as fast as it is on the whole."""
    level, bandwidth = chip.dram, dram_bandwidth(chip, footprint)
    if level.overflow is None or level.bandwidth is None or bandwidth is None:
        return chip
    whole = replace(level, bandwidth=replace(level.bandwidth, value=bandwidth), overflow=None)
    return replace(chip, memory=(*chip.memory[:-1], whole))


def dram_bytes(schedule: Schedule, chip: Chip, pieces: int = 1, footprint: float = np.inf) -> Floats:
    """Bytes one launch of each kernel moves to and from DRAM at least.

    All of its operands, except that weights which fit on the chip are read once for all launches of a
    recurrence; and except on arrays with memory of their own that software fills. There a batch is
    worked through in ``pieces``, activations stay on the chip where those of one piece fit (or where
    nobody says how much fits), and weights too where all of them fit beside the largest activations.
    Otherwise a bound would not be one: an NNP-I runs ResNet-50 six times faster than its DRAM could
    deliver every activation. A training step keeps its ``footprint`` of saved tensors, gradients and
    states: it stays on the chip as a whole or not at all.
    """
    training = bool((schedule.phase > 0).any())
    again = schedule.repeats if not training else np.ones(len(schedule), dtype=np.int64)
    if chip.kind != "array":
        inner = chip.memory[-2].capacity if len(chip.memory) > 1 else None
        stays = schedule.weights <= (inner.value if inner else 0.0)
        return schedule.reads + schedule.writes + np.where(stays, schedule.weights / again, schedule.weights)
    room = on_chip_capacity(chip)
    if training:
        return np.zeros(len(schedule)) if footprint <= room else schedule.bytes
    activations = schedule.reads + schedule.writes
    largest = float(activations.max(initial=0.0)) / pieces
    all_stay = schedule.weights.sum() + min(largest, room) <= room and not _streams_weights(chip)
    weights = np.zeros(len(schedule)) if all_stay else schedule.weights
    if not _streams_weights(chip):
        weights = np.where(schedule.weights <= room, weights / again, weights)
    return np.where(activations / pieces <= room, 0.0, activations) + weights


def _streams_weights(chip: Chip) -> bool:
    """Whether weights come from DRAM every time, as the array of a TPU v1 takes them."""
    return any(engine.array.streamed_weights for engine in chip.engines if engine.array)


def on_chip_capacity(chip: Chip) -> float:
    """Bytes of the largest memory level in front of DRAM; infinite where its size is not published."""
    level = largest_on_chip(chip)
    return level.capacity.value if level is not None and level.capacity else np.inf


def largest_on_chip(chip: Chip) -> MemoryLevel | None:
    """The memory of an array that software fills: the largest level in front of DRAM."""
    known = [level for level in chip.memory[:-1] if level.capacity]
    if chip.kind != "array" or not known:
        return None
    return max(known, key=lambda level: level.capacity.value if level.capacity else 0.0)


def light(schedule: Schedule, chip: Chip, *, pieces: int = 1) -> Floats:
    """Seconds no kernel can beat: operations at the top clock, bytes at the nearest level that holds them.

    A level of unknown bandwidth sets no bound, nor does a cache of a GPU whose bandwidth is some benchmark's
    best: another program may get more out of it.
    """
    _, compute = _compute(schedule, chip, "top")
    memory = np.zeros(len(schedule))
    pending = np.ones(len(schedule), dtype=bool)
    if chip.kind == "array" and np.isinf(on_chip_capacity(chip)):
        return compute  # nobody says what fits on the chip
    for level in chip.memory:
        last = level is chip.dram
        if level.capacity is None and not last:
            continue
        held = schedule.bytes / (pieces if chip.kind == "array" else 1)
        holds = pending if last else pending & (held <= level.capacity.value)  # type: ignore[union-attr]
        stated = level.bandwidth is None or level.bandwidth.status in ("datasheet", "derived")
        sure = last or chip.kind != "gpu" or stated
        if level.total_bandwidth is not None and sure:
            # ports that read and write at once are already added up
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
    """Every ridge point: each engine and precision against each memory level of known bandwidth."""
    return [
        Ridge(engine.name, str(precision), level.name, engine.peak(precision) / bandwidth, engine.peak(precision))
        for engine in chip.engines
        for precision in engine.rates
        for level in chip.memory
        if (bandwidth := level.total_bandwidth) is not None
    ]
