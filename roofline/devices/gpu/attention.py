"""How long does fused attention take on a GPU?

A block holds a tile of TM query rows and walks over the keys that its queries see, TN at a time. The queries of a group
of heads that share keys are rows of one tile where a query is alone, in some kernels always. Per score, two products
and one exponential::

    step    = TM*TN * (2*(D + Dv) / (efficiency * peak per clock) + 1/16) / clock           [s], 16 exponentials a clock
    seen    = keys of an average block, masked ones at the edge of a tile included          [1]
    full    = tiles * (seen/TN * step + parts * start/clock) / multiprocessors              [s]
    alone   = ceil(longest/TN/parts) * max(alone * step, tile bytes / port) + start/clock   [s]
    compute = (full^2 + alone^2)^(1/2)                                                      [s]
    memory  = bytes / (share * DRAM bandwidth)                                              [s]
    time    = (compute^3 + memory^3)^(1/3) + floor + combine + each * parts + turns + writing    [s]

Where the tiles leave multiprocessors idle, keys are split into parts and their results combined. A paged cache is
written first, by a kernel of its own. Kernels and their figures: :mod:`.attention_kernels`. On vector lanes the time is
that of two GEMMs over the executed scores. Form: this project's own; evidence: docs/evidence-gpu.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roofline.core.attention import value_width
from roofline.core.chip import Chip
from roofline.core.dtype import precision as parse_precision
from roofline.core.schedule import PHASES, Schedule
from roofline.core.stack import Stack
from roofline.devices import ceiling
from roofline.devices.gpu.attention_kernels import KERNELS, chosen
from roofline.devices.gpu.parameters import Parameters
from roofline.devices.gpu.products import products

Floats = NDArray[np.float64]

EXPONENTIALS = 16.0
"""Exponentials per clock of a multiprocessor: special function units, CUDA programming guide."""
SHARE = 0.83
"""Share of the DRAM bandwidth that attention reaches: that of GEMMs on tensor cores."""
PORT = 33.0
"""Bytes per clock that one block reads [B]; fitted."""
FLOOR_S = 3.9e-6
"""Seconds of the smallest attention beside the start of a block [s], launch included; with the write of
new keys 6.8 fitted."""
WRITE_S = 2.9e-6
"""Seconds of the smallest write of new keys and values into pages [s]."""
WRITE_SHARE = 0.50
"""Share of the DRAM bandwidth that this write reaches; fitted."""
QUANTIZE_S, QUANTIZE_BYTES = 1.3e-6, 9.1
"""fp8 caches quantize the queries: seconds, and bytes of traffic for a number [s], [B]; fitted on vLLM 0.24."""
TURNS, TURNS_ALONE = 2.5, 0.6
"""Times :attr:`.AttentionKernel.turns` is spent on several samples of several key heads, else; fitted together."""
MOST_PARTS = 128
"""Most parts that keys are split into, in FlashAttention-2 and -3."""
JOIN = 3.0
"""Exponent that joins compute and memory, as in GEMMs on tensor cores."""
LANE_ROWS = 64
"""Query rows of a tile on vector lanes. Unverified."""


@dataclass(frozen=True)
class Work:
    """Attentions as columns: tiles of their kernel, and the keys that these walk over.

    Parameters
    ----------
    tall, broad : query rows and keys of a tile [1].
    tiles : tiles of queries in all [1].
    seen, longest : keys that an average tile and the longest walk over [1].
    """

    tall: Floats
    broad: Floats
    tiles: Floats
    seen: Floats
    longest: Floats


def attention_seconds(
    schedule: Schedule,
    chip: Chip,
    precision: str,
    parameters: Parameters,
    stack: Stack,
    launch: Floats,
    activity: float | Floats = 1.0,
) -> tuple[Floats, Floats, Floats]:
    """Compute, memory and whole seconds of every fused attention, by the equations of the module and :func:`work_of`::

        total = (compute^3 + memory^3)^(1/3) + floor + writing + combining + copied    [s]

    Parameters
    ----------
    schedule : N attentions.
    chip : the GPU.
    precision : number format.
    parameters : fitted parameters of GEMMs, for vector lanes.
    stack : software stack: which kernel runs, and whether its cache is paged.
    launch : launch time [s], shape (N,).
    activity : see :func:`.power.sustained_share` [1]; for vector lanes.

    Returns
    -------
    compute, memory, total : [s], shape (N,) each.
    """
    engine = chip.engine_for(parse_precision(precision), matrix=True)
    if engine.kind != "matrix":
        return _on_lanes(schedule, chip, precision, parameters, stack, launch, activity)
    itemsize = parse_precision(precision).storage.bytes
    width = value_width(schedule)
    which = chosen(schedule, width, chip.architecture, itemsize, stack)
    _, peak = ceiling.engine_and_rate(chip, parse_precision(precision), matrix=True)
    units, clock = engine.count.value, engine.clock.hz()
    back = schedule.phase == PHASES.index("backward")
    stored = np.where(schedule.taps_high > 1, schedule.taps_high / 8.0, itemsize)

    def of(name: str) -> Floats:
        return np.array([getattr(kernel, name) for kernel in KERNELS], dtype=np.float64)[which]

    forward = np.array([k.others.get(chip.architecture, k.efficiency) for k in KERNELS])[which]
    backward = np.array([k.backward_others.get(chip.architecture, k.backward) for k in KERNELS])[which]
    work = work_of(schedule, which)
    alone = schedule.m == 1
    faster = np.where(alone & (stored < itemsize), itemsize / stored, 1.0)  # the query is quantized, too
    multiplied = np.where(back, 3.0 * schedule.k + 2.0 * width, schedule.k + width)
    per_score = 2.0 * multiplied / (np.where(back, backward, forward) * faster * peak / units)
    per_score += 1.0 / (EXPONENTIALS * clock)
    step = work.tall * work.broad * per_score
    parts = np.clip(np.floor(of("splits") * units / work.tiles), 1.0, np.ceil(schedule.n / work.broad))
    parts = np.where((alone | (of("prompts") > 0)) & ~back, np.minimum(parts, MOST_PARTS), 1.0)
    turns = np.ceil(work.longest / work.broad)
    used = np.minimum(parts, np.maximum(turns, 1.0))
    start = of("start") / clock
    full = work.tiles * (work.seen / work.broad * step + start * used) / units
    read = work.broad * (schedule.k + width) * stored / (PORT * clock)
    lone = np.ceil(turns / used) * np.maximum(of("alone") * step, read) + start
    compute = np.hypot(full, lone)

    bandwidth = chip.dram.total_bandwidth or np.inf
    new = schedule.batch / schedule.images * schedule.m * (schedule.k + width)
    paged = (stack.kv_cache == "paged") & ~back
    written = np.where(paged, new * stored, 0.0)
    sums = np.where(back, 8.0 * schedule.batch * schedule.m * schedule.k, 0.0)  # gradients of queries, in fp32
    memory = (schedule.bytes - written + sums) / (SHARE * bandwidth)
    writing = np.where(paged, WRITE_S + new * (itemsize + stored) / (WRITE_SHARE * bandwidth), 0.0)
    quantized = stored < itemsize
    numbers = schedule.batch * schedule.m * schedule.k
    writing += np.where(quantized, QUANTIZE_S + numbers * QUANTIZE_BYTES / bandwidth, 0.0)
    combining = np.where(parts > 1, of("combine") + of("each") * used, 0.0)
    many = (schedule.stride > 1) & (schedule.batch > schedule.images * schedule.stride)
    copied = np.where(alone & (schedule.images > 1) & ~back, of("turns") * np.where(many, TURNS, TURNS_ALONE), 0.0)
    more = np.where(alone, 0.0, of("prompt"))
    floor = np.maximum(launch, FLOOR_S) * np.where(back, 2.0, 1.0)
    total = (compute**JOIN + memory**JOIN) ** (1 / JOIN) + floor + writing + combining + copied + more
    return compute, memory, total


def work_of(schedule: Schedule, which: NDArray[np.int64]) -> Work:
    """Tiles and keys of every attention::

        seen    = min(n, elements / (batch * m) + rows of the mask's edge / 2)    [1], masked
        longest = n, within a window that of an average tile                      [1]

    Parameters
    ----------
    schedule : N attentions.
    which : their kernels, indices into :data:`.attention_kernels.KERNELS`, shape (N,).

    Returns
    -------
    work : columns of N.
    """
    alone = schedule.m == 1
    tall, broad = np.ones(len(schedule)), np.ones(len(schedule))
    free = np.ones(len(schedule), dtype=bool)
    for code, kernel in enumerate(KERNELS):
        for widest, rows, keys in kernel.tiles:
            mine = (which == code) & free & (schedule.k <= widest)
            tall[mine], broad[mine] = rows, keys
            free &= ~mine
    tall = np.where(alone, np.array([kernel.rows for kernel in KERNELS], dtype=np.float64)[which], tall)
    packs = np.array([kernel.packs for kernel in KERNELS], dtype=bool)[which]
    forward = schedule.phase == PHASES.index("forward")
    pack = np.where((alone | packs) & forward, schedule.images, 1)
    tiles = np.ceil(schedule.m * pack / tall) * schedule.batch / pack
    mean = schedule.elements / (schedule.batch * schedule.m)
    masked = mean < schedule.n
    edge = 0.5 * np.minimum(tall / pack, schedule.m)
    seen = np.where(masked, np.minimum(schedule.n, mean + edge + 0.5 * broad), np.ceil(schedule.n / broad) * broad)
    triangle = schedule.n - 0.5 * (schedule.m - 1)  # what a causal mask alone leaves of a row
    windowed = mean < np.maximum(triangle, 0.5 * schedule.n) - 1.0
    return Work(tall, broad, tiles, seen, np.where(windowed, np.minimum(mean + edge, schedule.n), schedule.n))


def _on_lanes(
    schedule: Schedule,
    chip: Chip,
    precision: str,
    parameters: Parameters,
    stack: Stack,
    launch: Floats,
    activity: float | Floats,
) -> tuple[Floats, Floats, Floats]:
    """Two GEMMs over the executed scores; whole tiles of masked ones are skipped."""
    compute, memory, _ = products(schedule, chip, precision, parameters, stack, activity)
    mean = schedule.elements / (schedule.batch * schedule.m)
    edge = 0.5 * np.minimum(LANE_ROWS, schedule.m)
    executed = np.where(mean < schedule.n, np.minimum(schedule.n, mean + edge), schedule.n) / schedule.n
    back = schedule.phase == PHASES.index("backward")
    compute = compute * executed * np.where(back, 2.5, 1.0)
    p = parameters.sharpness
    return compute, memory, (compute**p + memory**p) ** (1 / p) + launch
