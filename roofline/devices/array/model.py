"""How long does each kernel take on a chip of matrix arrays: TPU, Neuron, NNP, FSD?

Each core runs a network by itself, on requests of its own::

    array   = cycles / (clock * arrays of a core)              [s], cycles: :mod:`.array.cycles`
    vector  = passes * elements / (lanes * clock)              [s]
    memory  = (weights + spilled activations) / (share * DRAM bandwidth of a core)      [s]
    kernel  = max((array + vector) / efficiency, memory) + layer                        [s]

An inline vector engine works on results on their way out of the array; a GEMM then takes max(array, vector). Only
weights that do not stay on the chip count (:mod:`.array.memory`). DRAM overlaps with the engines within a kernel only.

``serving`` of the stack says what the time is. ``throughput``: every core has its own request; the time of one is
divided by the cores. ``latency``: one request on one core. ``sharded``: one request split over all cores, which add
their partial sums (:mod:`.array.sharding`). Each core reads its own weights, unless the cores share a memory.

Form: this project's own; evidence: docs/evidence-arrays.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roofline.core.attention import unmasked
from roofline.core.chip import Chip, Engine, Fact, MemoryLevel
from roofline.core.dtype import Precision
from roofline.core.dtype import precision as parse_precision
from roofline.core.parts import Parts
from roofline.core.schedule import KINDS, Schedule
from roofline.core.times import Times
from roofline.devices import ceiling
from roofline.devices.array.cycles import product_cycles
from roofline.devices.array.memory import Traffic, traffic
from roofline.devices.array.parameters import Parameters
from roofline.devices.array.sharding import COLLECTIVE, collective_seconds, sharded

Floats = NDArray[np.float64]

FORMULA = "max((array + vector) / efficiency, memory) + layer"
LAYER = "start of a layer"

WALKED = ("elementwise", "copy", "reduction", "pool", "norm", "softmax", "embedding")
PASSES = {
    **dict.fromkeys(("layer_norm", "batch_norm_train", "layer_norm_backward", "batch_norm_backward"), 4.0),
    **dict.fromkeys(("softmax", "softmax_backward"), 4.0),
    **dict.fromkeys(("add", "sub", "mul", "div"), 2.0),
    "concat": 0.0,
}
"""Passes of the vector engine over each element, by operator; others take 1. Two operands take 2; the parts of a
concatenation are written in place.
"""

SCORE_PASSES = 4.0
"""Passes over each attention score: those of a softmax."""


@dataclass(frozen=True)
class Moved:
    """DRAM traffic of one core [B]. ``common``: one read of the weights serves all cores."""

    traffic: Traffic
    common: bool = False


def array_times(
    schedule: Schedule,
    chip: Chip,
    parameters: Parameters,
    *,
    parts: Parts | None = None,
    network: bool = True,
    serving: str = "throughput",
    moved: Moved | None = None,
) -> Times:
    """Seconds of one launch of every kernel (:data:`FORMULA`); NaN where the model does not cover it.

    Parameters
    ----------
    schedule : N kernels.
    chip : the chip.
    parameters : constants of the software stack.
    parts : the programs that the kernels belong to, each one request of a batch; one of one sample if None.
    network : True if the kernels are a network, whose activations may stay in a core's memory.
    serving : see :class:`~roofline.core.stack.Stack`.
    moved : result of :func:`moved_bytes`, if already known.

    Returns
    -------
    times : seconds of each resource and of the kernel [s], shape (N,).
    """
    parts = parts or Parts.one(len(schedule))
    cores = chip.core_count
    busy = 1.0 if serving == "latency" else cores  # cores that use DRAM at once
    done = busy if serving == "throughput" else 1.0  # requests completed in the time of one
    joins = np.zeros(len(schedule))
    schedule = unmasked(schedule)  # compilers of arrays add the mask to all scores; see docs/arrays.md
    if serving == "sharded":
        joins = collective_seconds(schedule, chip, parameters)
        schedule = sharded(schedule, int(cores))
    arrays, results = np.zeros(len(schedule)), np.zeros(len(schedule))
    known = np.zeros(len(schedule), dtype=bool)
    products = schedule.kind == KINDS.index("matmul")
    resources: dict[str, Floats] = {}
    for code, name in enumerate(schedule.precision_names):
        rows = np.flatnonzero(products & (schedule.precision == code))
        if not len(rows):
            continue
        wanted = parse_precision(name)
        engine = _array_for(chip, wanted)
        if engine is None or engine.array is None:
            continue
        rate = engine.rates[chip.resolve(wanted)[0]].value
        size = engine.array.rows * engine.array.cols * engine.array.depth
        cycles = product_cycles(schedule.select(rows), engine.array, parameters.lowering) * (size / rate)
        arrays[rows] = cycles / (engine.clock.hz() * engine.count.value / cores)
        known[rows] = True
        resources.setdefault(engine.name, np.zeros(len(schedule)))[rows] = arrays[rows] / parameters.efficiency
    vector = vector_engine(chip)
    known |= schedule.in_family(*WALKED) & ~products
    walks = passes(schedule, inline=vector is not None and vector.inline)
    if vector is not None:
        results = walks * schedule.elements / lane_rate(vector, chip, parameters)
        resources[vector.name] = results / parameters.efficiency
    inline = vector is not None and vector.inline
    engines = np.where(products & inline, np.maximum(arrays, results), arrays + results) / parameters.efficiency
    moved = moved or moved_bytes(schedule, chip, parameters, parts=parts, network=network)
    memory = _dram_seconds(moved, chip, parameters, float(parts.footprint.max(initial=0.0)), busy)
    resources[chip.dram.name] = memory
    resources[LAYER] = np.where(products, parameters.layer, 0.0)
    ports = np.where(products | (walks > 0), _sram_seconds(schedule, chip), 0.0)
    resources[COLLECTIVE] = joins
    total = np.maximum(engines, np.maximum(memory, ports)) + resources[LAYER] + joins
    shared = {name: seconds / done for name, seconds in resources.items() if seconds.any()}
    return Times(shared or {chip.dram.name: memory}, np.where(known, total / done, np.nan), FORMULA)


def passes(schedule: Schedule, *, inline: bool) -> Floats:
    """Passes of the vector engine over the elements of every kernel [1], by :data:`PASSES`; shape (N,).

    A GEMM writes its results in one pass, with bias, norm and activation applied. An activation after an addition is
    part of that pass too. A norm with stored statistics is folded into the GEMM. A pool has ``passes = min(taps, 2
    sqrt(taps))``, or 1 behind an inline engine.

    Parameters
    ----------
    schedule : N kernels.
    inline : whether the vector engine is inline.
    """
    table = np.array([PASSES.get(name, 1.0) for name in schedule.op_names] or [1.0])
    count = table[schedule.op]
    count = np.where(schedule.in_family("elementwise") & (count == 1.0) & _applied(schedule), 0.0, count)
    count = np.where(
        schedule.in_family("elementwise") & (schedule.phase > 0), 2.0, count
    )  # the gradient, and the saved tensor
    folded = np.array([name == "batch_norm" for name in schedule.op_names] or [False])[schedule.op]
    count = np.where(schedule.in_family("norm") & folded, 0.0, count)
    window = np.minimum(schedule.taps, 2.0 * np.sqrt(schedule.taps))  # along rows, then along columns
    count = np.where(schedule.in_family("pool"), 1.0 if inline else window, count)
    scores = SCORE_PASSES + (0.0 if inline else 1.0)
    out = schedule.batch * schedule.m * schedule.k / np.maximum(schedule.elements, 1)
    count = np.where(schedule.in_family("attention"), scores + out, count)
    return np.where(schedule.in_family("embedding"), 0.0, count)


def applied(schedule: Schedule, chip: Chip) -> NDArray[np.bool_]:
    """Mask of the kernels without vector work of their own: ``passes = 0``, and pools with an inline engine; shape
    (N,).

    ``schedule`` has N kernels. An inline engine is followed by a separate pooling unit.
    """
    vector = vector_engine(chip)
    inline = vector is not None and vector.inline
    free = (passes(schedule, inline=inline) == 0) & ~schedule.in_family("embedding")
    return np.asarray((free | (schedule.in_family("pool") & inline)) & schedule.in_family(*WALKED))


def _applied(schedule: Schedule) -> NDArray[np.bool_]:
    """Forward kernels that read the result of the kernel before them: functions applied as it passes."""
    before = np.concatenate([[-2], schedule.target[:-1]]) if len(schedule) else schedule.target
    return np.asarray((schedule.source == before) & (schedule.source >= 0) & (schedule.phase == 0))


def _array_for(chip: Chip, wanted: Precision) -> Engine | None:
    """The fastest array that multiplies in a precision, or in the precision that emulates it."""
    actual = chip.resolve(wanted)[0]
    able = [engine for engine in chip.engines if engine.array and actual in engine.rates]
    return max(able, key=lambda engine: engine.peak(actual), default=None)


def vector_engine(chip: Chip) -> Engine | None:
    """The engine that processes results: the first vector engine of the file."""
    return next((engine for engine in chip.engines if engine.kind == "vector"), None)


def lane_rate(engine: Engine, chip: Chip, parameters: Parameters) -> float:
    """Rate of one core's vector engine at its fastest precision::

        rate = lanes / cores * clock * (vector, if the lanes are unverified)    [elements/s]

    engine : the vector engine. chip : the chip. parameters : constants of the software stack.
    """
    rate = max(engine.rates.values(), key=lambda fact: fact.value)
    sure = 1.0 if rate.status != "unverified" else parameters.vector
    return engine.count.value / chip.core_count * rate.value * engine.clock.hz() * sure


def stored_weights(schedule: Schedule, chip: Chip) -> Floats:
    """Bytes of weights as stored: ``ceil(k/rows) * ceil(n/cols)`` whole tiles where the array needs them [B], shape
    (N,).

    schedule : N kernels. chip : the chip.
    """
    stored = np.where(schedule.in_family("embedding"), 0.0, schedule.weights)
    engine = next((engine for engine in chip.engines if engine.array), None)
    if engine is None or engine.array is None or not engine.array.padded_weights:
        return np.asarray(stored)
    rows, cols = engine.array.rows, engine.array.cols
    tiles = schedule.batch * np.ceil(schedule.k / rows) * np.ceil(schedule.n / cols)
    each = schedule.weights / np.maximum(schedule.batch * schedule.k * schedule.n, 1)
    held = (schedule.kind == KINDS.index("matmul")) & (schedule.weights > 0)
    return np.where(held, tiles * rows * cols * each, stored)


def rooms(chip: Chip, parameters: Parameters) -> tuple[float, float]:
    """Memory of one core, ``largest level / cores``, and of shared levels that keep weights [B]; ``parameters.sram`` if
    unknown.
    """
    inner = [level for level in chip.memory[:-1] if level.capacity]
    own = [level for level in inner if level.private] or inner
    if not own:
        return parameters.sram, 0.0
    largest = max(_bytes(level.capacity) for level in own)
    shared = sum(_bytes(level.capacity) for level in inner if not level.private and level not in own)
    return largest / chip.core_count, shared


def _dram_seconds(moved: Moved, chip: Chip, parameters: Parameters, footprint: float, busy: float) -> Floats:
    """Seconds each core waits for DRAM, which ``busy`` cores share."""
    bandwidth = ceiling.dram_bandwidth(chip, footprint)
    if bandwidth is None:
        return np.zeros(len(moved.traffic.weights))
    rate = bandwidth * (parameters.share if chip.dram.shared_with else 1.0) / busy
    weights = moved.traffic.weights / (busy if moved.common else 1.0)
    return np.asarray((moved.traffic.activations + weights) / rate)


def moved_bytes(
    s: Schedule,
    chip: Chip,
    parameters: Parameters,
    *,
    parts: Parts | None = None,
    network: bool = True,
) -> Moved:
    """DRAM traffic of one core for one launch of every kernel, by :func:`.memory.traffic` [B], shape (N,).

    s : N kernels. chip, parameters, parts, network : as in :func:`array_times`.
    """
    parts = parts or Parts.one(len(s))
    room, weight_room = rooms(chip, parameters)
    if (s.phase > 0).any():
        return Moved(Traffic(np.zeros(len(s)), ceiling.dram_bytes(s, chip, parts)))
    stored, rows = stored_weights(s, chip), np.where(s.in_family("embedding"), s.writes, 0.0)
    engine = next((engine for engine in chip.engines if engine.array), None)
    keep = engine is None or engine.array is None or not engine.array.streamed_weights
    if not network:
        activations = np.where(s.reads + s.writes <= room, 0.0, s.reads + s.writes)
        return Moved(Traffic(stored, activations + rows))
    found = traffic(s, stored, room, parts, weight_room=weight_room, keep=keep)
    again = np.where(keep & (stored <= room), s.repeats, 1)  # the steps of a recurrence reuse them
    return Moved(Traffic(found.weights / again, found.activations / s.repeats + rows), weight_room > 0)


def _sram_seconds(s: Schedule, chip: Chip) -> Floats:
    """Seconds of the ports of a core's memory for operands and results, each once."""
    known = [level for level in chip.memory[:-1] if level.capacity and level.total_bandwidth]
    if not known:
        return np.zeros(len(s))
    level = max(known, key=lambda level: _bytes(level.capacity))
    ports = _ports(level)
    if ports is None:
        return np.asarray((s.reads + s.writes) * chip.core_count / (level.total_bandwidth or np.inf))
    return np.asarray(np.maximum(s.reads / ports[0], s.writes / ports[1]) * chip.core_count)


def _ports(level: MemoryLevel) -> tuple[float, float] | None:
    if level.read_bandwidth is None or level.write_bandwidth is None:
        return None
    return level.read_bandwidth.value, level.write_bandwidth.value


def _bytes(fact: Fact | None) -> float:
    return fact.value if fact else 0.0
