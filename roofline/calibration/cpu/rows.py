"""Which measured operators can a CPU be fitted on? One kernel each, cold, of one precision and one stack."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roofline import specs
from roofline.calibration.intervals import LIGHT_TOLERANCE
from roofline.calibration.left_out import said
from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.dtype import precision as parse_precision
from roofline.core.measurement import Measurement
from roofline.core.schedule import FAMILIES, Kernel, Schedule
from roofline.core.stack import Stack
from roofline.devices import ceiling
from roofline.devices.cpu import plans as cpu_plans
from roofline.devices.cpu.transfer import Lent, lent_to
from roofline.errors import DataError, RooflineError
from roofline.measurements.kernels import kernel_of
from roofline.measurements.questions import questions_of

Floats = NDArray[np.float64]

FOLDS = 5


@dataclass(frozen=True)
class Rows:
    """Measured operators as one schedule: kernel i took ``seconds[i]`` [s].

    ``group`` is the shape group of each measurement, ``left_out`` counts the unused ones by reason. ``questions`` is
    the digest of :func:`questions_of` over all measurements. ``lent`` are the parameters of other machines for this
    one; None starts from physics only.
    """

    measurements: tuple[Measurement, ...]
    schedule: Schedule
    seconds: Floats
    group: tuple[str, ...]
    stack: Stack
    left_out: Mapping[str, int]
    questions: str = ""
    lent: Lent | None = None

    def select(self, rows: NDArray[Any]) -> Rows:
        index = np.flatnonzero(rows) if rows.dtype == bool else rows
        return replace(
            self,
            measurements=tuple(self.measurements[i] for i in index),
            schedule=self.schedule.select(index),
            seconds=self.seconds[index],
            group=tuple(self.group[i] for i in index),
        )

    @property
    def plans(self) -> dict[str, NDArray[np.int64]]:
        """The measurements of each plan."""
        codes = cpu_plans.plans(self.schedule, self.stack)
        return {cpu_plans.PLAN_NAMES[code]: np.flatnonzero(codes == code) for code in np.unique(codes) if code >= 0}

    @property
    def fold(self) -> NDArray[np.int64]:
        """The fold of each measurement's group; a group always gets the same fold."""
        dealt = {g: int(hashlib.sha256(g.encode()).hexdigest(), 16) % FOLDS for g in set(self.group)}
        return np.array([dealt[g] for g in self.group], dtype=np.int64)


def operator_rows(
    measurements: Sequence[Measurement], chip: Chip, *, dtype: str = "fp32", cache: str = "cold", alone: bool = False
) -> Rows:
    """The measurements of a file that a calibration of ``chip`` can be fitted on.

    Parameters
    ----------
    alone : without parameters of other machines (:mod:`roofline.devices.cpu.transfer`).

    Raises
    ------
    DataError : none of that chip, dtype and cache state; the message lists what exists.
    """
    of_chip = [m for m in measurements if m.kind == "operator" and m.chip == chip.name]
    if not of_chip:
        others = sorted({m.chip for m in measurements if m.kind == "operator"})
        raise DataError(
            f"no operator measurements of {chip.name}: "
            + (f"they are of {', '.join(others)}" if others else "the file has none; to measure some: roofline measure")
        )
    wanted = [m for m in of_chip if m.dtype == dtype and (m.cache == "warm") == (cache == "warm")]
    if not wanted:
        have = ", ".join(sorted({f"{m.dtype} {m.cache}" for m in of_chip}))
        raise DataError(
            f"{chip.name}: no {cache} operator measurement in {dtype}; the file has {have}; choose with --dtype"
        )
    stack = wanted[0].stack
    left_out: dict[str, int] = {"another stack": sum(m.stack != stack for m in wanted)}
    kept: list[Measurement] = []
    kernels: list[Kernel] = []
    for row in wanted:
        if row.stack != stack:
            continue
        try:
            kernels.append(replace(kernel_of(row), layer=len(kernels)))
        except RooflineError:
            left_out["not one known kernel"] = left_out.get("not one known kernel", 0) + 1
            continue
        kept.append(row)
    schedule = Schedule.of(kernels)
    seconds = np.array([row.seconds for row in kept]) / schedule.repeats
    asked = questions_of([m for m in wanted if m.stack == stack])
    lent = None if alone else lent_to(chip, _others(chip), dtype, stack)
    rows = Rows(tuple(kept), schedule, seconds, shape_groups(schedule), stack, left_out, asked, lent)
    impossible = seconds < (1.0 - LIGHT_TOLERANCE) * ceiling.light(schedule, chip.with_units(stack.threads))
    left_out["faster than light"] = int(impossible.sum())
    if impossible.all():
        raise DataError(f"{chip.name}: no measurement is left to fit: {said(left_out)}")
    return rows.select(~impossible)


def _others(chip: Chip) -> list[Calibration]:
    """Calibrations of machines of other architectures, so that held-out measurements of this one stay held out."""
    return [fit for fit in specs.load_lenders("cpu") if fit.architecture != chip.architecture]


def shape_groups(schedule: Schedule) -> tuple[str, ...]:
    """Operator family, operator and octave of work, ``round(log2(work))``; the measurements of a group are similar.

    Parameters
    ----------
    schedule : N kernels; ``work = max(flops, elements)``.
    """
    work = np.maximum(np.maximum(schedule.flops, schedule.elements), 1.0)
    octave = np.round(np.log2(work)).astype(int)
    return tuple(
        f"{FAMILIES[family]}/{schedule.op_names[op]}/{size}"
        for family, op, size in zip(schedule.family, schedule.op, octave, strict=True)
    )


def machine_ceilings(rows: Rows, chip: Chip) -> dict[str, float]:
    """The highest rates measured on one core: ``bandwidth:<level>`` [B/s], and ``clock_hz`` [Hz] where the measured
    arithmetic needs a higher clock than the machine reports::

        bandwidth = max(bytes / seconds) of kernels whose bytes fit in this level and not in the one before
        clock     = max(flops / seconds) / (2 * FMA per clock * threads)

    Used by :func:`roofline.specs.detect_cpu`.

    Parameters
    ----------
    rows : the measurements.
    chip : the CPU.
    """
    seen: dict[str, float] = {}
    schedule, rate = rows.schedule, rows.schedule.bytes / rows.seconds
    below = 0.0
    for level in chip.memory:
        if level.capacity is None and level is not chip.dram:
            continue
        above = level.capacity.value if level.capacity and level is not chip.dram else np.inf
        # just above the last cache much still comes from it, not from DRAM
        fits = (schedule.bytes > below * (2.0 if level is chip.dram else 1.0)) & (schedule.bytes <= above)
        if level is chip.dram and not fits.any():  # the last cache is larger than the campaign: use the largest streams
            fits = schedule.bytes >= np.quantile(schedule.bytes, 0.99)
        if fits.any() and not level.private:
            seen[f"bandwidth:{level.name}"] = float(rate[fits].max())
        below = above
    engine = chip.engine_for(parse_precision(rows.measurements[0].dtype), matrix=True)
    fma = engine.rates[chip.resolve(parse_precision(rows.measurements[0].dtype))[0]].value
    clock = float((schedule.flops / rows.seconds).max()) / (2.0 * fma * rows.stack.threads)
    if clock > engine.clock.hz("boost"):
        seen["clock_hz"] = clock
    return seen
