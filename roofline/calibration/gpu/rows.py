"""How do measured calls of GPUs become columns? One part for each GPU, set of measurements, precision and family.

A latency includes the launch, and in some sets host time. That floor belongs to the machine it was measured on. It is
fitted for each part, or given for each call where it drifts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roofline.calibration.intervals import LIGHT_TOLERANCE
from roofline.core.chip import Chip
from roofline.core.dtype import precision as parse_precision
from roofline.core.measurement import Measurement
from roofline.core.schedule import Kernel, Schedule
from roofline.devices import ceiling
from roofline.devices.gpu import model as gpu
from roofline.devices.gpu.parameters import Parameters
from roofline.errors import RooflineError
from roofline.measurements.kernels import kernels_of

Floats = NDArray[np.float64]
Key = tuple[str, str, str, str]
"""Chip, set, precision, family."""

DRIFTING = ("neusight/conv",)
"""Sets whose latencies include host time that drifts in the order of collection."""
RESTS = {"neusight/linear": 0.01, "neusight/bmm": 0.01}
"""Seconds that a GPU rests before each call of a set: NeuSight's collector prepares every shape anew."""
NEIGHBOURS = 100
"""Measurements before and after one that show the host time at that moment."""
HOST_BOUND = 2.0
"""Drifting measurements below this many times their floor are host time: they are not scored, and those near it weigh
less.
"""


@dataclass(frozen=True)
class Part:
    """Calls of one GPU under the same conditions. Call i took ``seconds[i]`` [s] and launched the kernels of
    ``schedule`` from ``first[i]`` on. ``floor`` [s] is known for each call where it drifts, else None.
    """

    chip: Chip
    key: Key
    measurements: tuple[Measurement, ...]
    schedule: Schedule
    first: NDArray[np.int64]
    seconds: Floats
    floor: Floats | None = None

    def __len__(self) -> int:
        return len(self.seconds)

    @property
    def family(self) -> str:
        return self.key[3]

    @property
    def operators(self) -> set[str]:
        """The operators of the calls."""
        return {self.schedule.op_names[code] for code in np.unique(self.schedule.op)}

    @property
    def scored(self) -> NDArray[np.bool_]:
        """Mask of the calls that measure the device and not the host."""
        if self.floor is None:
            return np.ones(len(self), dtype=bool)
        return self.seconds > HOST_BOUND * self.floor

    @property
    def least(self) -> float:
        """The floor [s] that the fastest calls show."""
        return 0.95 * float(np.percentile(self.seconds, 3))

    def select(self, calls: NDArray[Any]) -> Part:
        """Some of the calls (a mask or indices)."""
        index = np.flatnonzero(calls) if calls.dtype == bool else calls
        stop = np.append(self.first[1:], len(self.schedule))
        kernels = [np.arange(self.first[i], stop[i]) for i in index]
        counts = [len(rows) for rows in kernels]
        return replace(
            self,
            measurements=tuple(self.measurements[i] for i in index),
            schedule=self.schedule.select(np.concatenate(kernels) if kernels else np.zeros(0, dtype=np.int64)),
            first=np.cumsum([0, *counts[:-1]]).astype(np.int64) if counts else np.zeros(0, dtype=np.int64),
            seconds=self.seconds[index],
            floor=None if self.floor is None else self.floor[index],
        )

    def per_call(self, kernels: Floats) -> Floats:
        """The sum over the launches of every call of a quantity of each kernel: ``sum of value * repeats`` [its unit].

        Parameters
        ----------
        kernels : the quantity, by kernel.
        """
        return np.add.reduceat(kernels * self.schedule.repeats, self.first)

    def predicted(self, parameters: Parameters, floor: float | Floats | None = None) -> Floats:
        """Seconds of every call, with a floor under its first kernel [s]; by
        :func:`roofline.devices.gpu.model.gpu_times`.

        Parameters
        ----------
        parameters : fitted parameters.
        floor : launch floor [s]; by default the launch time of the chip.
        """
        launch = self.chip.launch.value if self.chip.launch else 0.0
        floors = np.full(len(self.schedule), launch)
        if floor is not None:
            floors[self.first] = floor
        stack = self.measurements[0].stack
        rested = replace(parameters, rest=RESTS.get(self.key[1], 0.0))
        return self.per_call(gpu.gpu_times(self.schedule, self.chip, rested, stack, floor=floors).total)

    def plain(self) -> Floats:
        """Seconds of every call by the plain roofline [s]."""
        return self.per_call(ceiling.ceiling_times(self.schedule, self.chip).total)


@dataclass(frozen=True)
class Parts:
    """All parts, and the calls left out, counted by reason."""

    parts: Mapping[Key, Part]
    left_out: Mapping[str, int]

    @property
    def chips(self) -> list[str]:
        return sorted({key[0] for key in self.parts})

    @property
    def operators(self) -> set[str]:
        """The operators of the calls."""
        return {name for part in self.parts.values() for name in part.operators}

    def where(self, *, chips: Iterable[str] | None = None, families: Iterable[str] | None = None) -> dict[Key, Part]:
        """The parts of these chips and families."""
        return {
            key: part
            for key, part in self.parts.items()
            if (chips is None or key[0] in set(chips)) and (families is None or key[3] in set(families))
        }


def parts_of(
    measurements: Iterable[Measurement], chips: Mapping[str, Chip], *, around: Iterable[Measurement] | None = None
) -> Parts:
    """Measured operators as parts; measurements of other chips, or without a plan, are counted.

    Measurements faster than the speed-of-light bound are left out, and warm ones, which the model does not predict.

    Parameters
    ----------
    around : all measurements of the sets that drift, where ``measurements`` is a sample of them: they show the host
        time.
    """
    measurements = list(measurements)
    floors = _floors(measurements if around is None else around)
    found: dict[Key, list[tuple[Measurement, tuple[Kernel, ...]]]] = {}
    left_out: dict[str, int] = {}

    def leave(why: str, count: int = 1) -> None:
        left_out[why] = left_out.get(why, 0) + count

    for row in measurements:
        chip = chips.get(row.chip)
        if row.kind != "operator" or chip is None or row.cache == "warm":
            leave("other chips, whole nets, warm calls")
            continue
        try:
            kernels = kernels_of(row)
            family = family_of(kernels, chip)
        except RooflineError as error:
            leave(str(error))
            continue
        if family:
            found.setdefault((row.chip, row.set, row.dtype, family), []).append((row, kernels))
        else:
            leave("nothing launched")
    parts = {}
    for key, calls in found.items():
        part = _part(chips[key[0]], key, calls, floors)
        slow = part.seconds >= (1.0 - LIGHT_TOLERANCE) * light(part)
        if not slow.all():
            leave("faster than light", int((~slow).sum()))
        if slow.any():
            parts[key] = part.select(slow)
    return Parts(parts, left_out)


def family_of(kernels: tuple[Kernel, ...], chip: Chip) -> str:
    """The family that a call counts for: that of its kernel with the most work; empty where it launches none."""
    if not kernels:
        return ""
    schedule = Schedule.of(kernels)
    main = int(np.argmax(schedule.flops + schedule.bytes))
    for kernel in kernels:  # refuses a precision that the chip lacks
        ceiling.engine_and_rate(chip, parse_precision(kernel.precision), matrix=kernel.kind == "matmul")
    return str(gpu.scored_as(schedule, chip)[main])


def light(part: Part) -> Floats:
    """Speed-of-light bound of every call [s], by :func:`roofline.devices.ceiling.light`, with the operations of the
    chosen plan.

    Parameters
    ----------
    part : N calls.
    """
    stack = part.measurements[0].stack
    _, flops = gpu.planned(part.schedule, part.chip, Parameters(), stack)
    return part.per_call(ceiling.light(replace(part.schedule, flops=flops), part.chip))


def _part(
    chip: Chip,
    key: Key,
    calls: list[tuple[Measurement, tuple[Kernel, ...]]],
    floors: Mapping[tuple[str, str, int], float],
) -> Part:
    rows = tuple(row for row, _ in calls)
    counts = [len(kernels) for _, kernels in calls]
    drifting = key[1] in DRIFTING
    return Part(
        chip,
        key,
        rows,
        Schedule.of(kernel for _, kernels in calls for kernel in kernels),
        np.cumsum([0, *counts[:-1]]).astype(np.int64),
        np.array([row.seconds for row in rows]),
        np.array([floors[row.chip, row.set, row.order or 0] for row in rows]) if drifting else None,
    )


def _floors(measurements: Iterable[Measurement]) -> dict[tuple[str, str, int], float]:
    """By chip, set and order: ``0.9 * smallest latency`` of the measurements around each one of a set that drifts."""
    found: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for row in measurements:
        if row.set in DRIFTING:
            found.setdefault((row.chip, row.set), []).append((row.order or 0, row.seconds))
    floors = {}
    for (chip, of), rows in found.items():
        seconds = np.array([taken for _, taken in sorted(rows)])
        for place, (order, _) in enumerate(sorted(rows)):
            floors[chip, of, order] = 0.9 * float(seconds[max(0, place - NEIGHBOURS) : place + NEIGHBOURS + 1].min())
    return floors
