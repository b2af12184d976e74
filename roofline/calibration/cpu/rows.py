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
    """Measured operators as one schedule: kernel i took ``seconds[i]``.

    ``group`` is the shape group of each row, ``left_out`` counts what was not used, by reason.
    ``questions`` is the digest of :func:`questions_of` over all rows there were. ``lent`` is what is known of such
    a machine from others; None starts from physics alone.
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
        """The rows of each plan there is."""
        codes = cpu_plans.plans(self.schedule, self.stack)
        return {cpu_plans.PLAN_NAMES[code]: np.flatnonzero(codes == code) for code in np.unique(codes) if code >= 0}

    @property
    def fold(self) -> NDArray[np.int64]:
        """The fold each row's group was dealt into; the same group always gets the same fold."""
        dealt = {g: int(hashlib.sha256(g.encode()).hexdigest(), 16) % FOLDS for g in set(self.group)}
        return np.array([dealt[g] for g in self.group], dtype=np.int64)


def operator_rows(
    measurements: Sequence[Measurement], chip: Chip, *, dtype: str = "fp32", cache: str = "cold", alone: bool = False
) -> Rows:
    """The rows of a file that a calibration of ``chip`` can be fitted on.

    alone : without what other machines lend (:mod:`roofline.devices.cpu.transfer`).

    Raises
    ------
    DataError : none of that chip, dtype and cache state; the message says what there is.
    """
    of_chip = [m for m in measurements if m.kind == "operator" and m.chip == chip.name]
    if not of_chip:
        others = sorted({m.chip for m in measurements if m.kind == "operator"})
        raise DataError(
            f"no operator rows of {chip.name}: "
            + (f"they are of {', '.join(others)}" if others else "there are no operator rows at all")
        )
    wanted = [m for m in of_chip if m.dtype == dtype and (m.cache == "warm") == (cache == "warm")]
    if not wanted:
        raise DataError(f"{chip.name}: no {cache} {dtype} operator rows among {len(of_chip)}")
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
        raise DataError(f"{chip.name}: no row is left to use: {left_out}")
    return rows.select(~impossible)


def _others(chip: Chip) -> list[Calibration]:
    """What was fitted on machines of other architectures: what is held out of this one stays so."""
    return [fit for fit in specs.load_lenders("cpu") if fit.architecture != chip.architecture]


def shape_groups(schedule: Schedule) -> tuple[str, ...]:
    """Operator family, operator and octave of work: rows of a group resemble each other."""
    work = np.maximum(np.maximum(schedule.flops, schedule.elements), 1.0)
    octave = np.round(np.log2(work)).astype(int)
    return tuple(
        f"{FAMILIES[family]}/{schedule.op_names[op]}/{size}"
        for family, op, size in zip(schedule.family, schedule.op, octave, strict=True)
    )


def machine_ceilings(rows: Rows, chip: Chip) -> dict[str, float]:
    """The most one core was seen to do: ``bandwidth:<level>`` in B/s, and ``clock_hz`` where the
    arithmetic seen needs a higher clock than the machine shows. For :func:`roofline.specs.detect_cpu`.
    """
    seen: dict[str, float] = {}
    schedule, rate = rows.schedule, rows.schedule.bytes / rows.seconds
    below = 0.0
    for level in chip.memory:
        if level.capacity is None and level is not chip.dram:
            continue
        above = level.capacity.value if level.capacity and level is not chip.dram else np.inf
        # just above the last cache much still comes out of it, which is not what DRAM delivers
        fits = (schedule.bytes > below * (2.0 if level is chip.dram else 1.0)) & (schedule.bytes <= above)
        if level is chip.dram and not fits.any():  # a last cache larger than the campaign: its largest rows
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
