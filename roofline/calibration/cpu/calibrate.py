"""What do measured rows teach about this CPU? Fit every plan of the device model, and say how well.

What is reported is held out: rows are grouped by operator and octave of
work, groups are dealt into five folds, and a row is only ever scored by a fit that saw none of its
group. The residuals of those predictions make the intervals (split conformal: Lei et al., JASA 113,
2018).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roofline.calibration.cpu.fit import fit_machine
from roofline.calibration.cpu.prior import fit_plans
from roofline.calibration.intervals import LEVELS, quantile, residual_spread
from roofline.core.calibration import Calibration, FamilyFit
from roofline.core.chip import Chip
from roofline.core.dtype import precision as parse_precision
from roofline.core.measurement import Measurement
from roofline.core.schedule import FAMILIES, Kernel, Schedule
from roofline.core.stack import Stack
from roofline.devices import ceiling
from roofline.devices.cpu import model as cpu
from roofline.devices.cpu import plans as cpu_plans
from roofline.devices.cpu.transfer import Fit, Lent, borrowed_interval, lent_to, unmeasured
from roofline.devices.cpu.units import Core
from roofline.errors import DataError, RooflineError
from roofline.measurements.kernels import kernel_of

Floats = NDArray[np.float64]

FOLDS = 5
LIGHT_TOLERANCE = 0.03
"""Rows this much faster than light are kept out of fits and counted."""
MIN_ROWS = 4
"""A plan with fewer rows has no errors of its own, and no fit where nobody lends numbers: the pull of physics carries
small ones, but not none."""


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


@dataclass(frozen=True)
class HeldOut:
    """Predictions of rows by fits that did not see them; NaN where a plan could not be fitted."""

    predicted: Floats
    low: Floats
    high: Floats


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
    lent = None if alone else lent_to(chip, dtype, stack)
    rows = Rows(tuple(kept), schedule, seconds, shape_groups(schedule), stack, left_out, asked, lent)
    impossible = seconds < (1.0 - LIGHT_TOLERANCE) * ceiling.light(schedule, chip.with_units(stack.threads))
    left_out["faster than light"] = int(impossible.sum())
    if impossible.all():
        raise DataError(f"{chip.name}: no row is left to use: {left_out}")
    return rows.select(~impossible)


def questions_of(measurements: Sequence[Measurement]) -> str:
    """A digest of what was asked, not of what was answered: equal for two campaigns over the same shapes."""
    keys = sorted({m.key for m in measurements if m.kind == "operator" and m.cache != "warm"})
    return hashlib.sha256("".join(keys).encode()).hexdigest()[:16]


def shape_groups(schedule: Schedule) -> tuple[str, ...]:
    """Operator family, operator and octave of work: rows of a group resemble each other."""
    work = np.maximum(np.maximum(schedule.flops, schedule.elements), 1.0)
    octave = np.round(np.log2(work)).astype(int)
    return tuple(
        f"{FAMILIES[family]}/{schedule.op_names[op]}/{size}"
        for family, op, size in zip(schedule.family, schedule.op, octave, strict=True)
    )


def calibrate(rows: Rows, chip: Chip, *, data: Mapping[str, Any] | None = None) -> Calibration:
    """Fit every plan the rows cover, with held-out errors and residual quantiles.

    data : what the rows are (file name, sha256...), kept with the calibration.
    """
    ceilings = _machine(rows)
    held, places = cross_validate(rows), rows.plans
    families = {
        plan: _family(plan, fit, rows.select(places[plan]), held.predicted[places[plan]])
        if plan in places
        else unmeasured(plan, fit)
        for plan, fit in _fits(rows, ceilings).items()
    }
    if rows.lent is None:
        families = {plan: fit for plan, fit in families.items() if fit.spread is not None}
    if not any(fit.spread for fit in families.values()):
        raise DataError(
            f"{chip.name}: {len(rows.seconds)} rows are too few to fit anything; 'roofline measure --quick' makes 600"
        )
    return Calibration(
        chip=chip.name,
        architecture=chip.architecture,
        model="cpu",
        dtype=rows.measurements[0].dtype,
        stack=rows.stack.to_dict(),
        families=families,
        ceilings=asdict(ceilings),
        data={
            **(data or {}),
            "questions": rows.questions,
            "rows": len(rows.seconds),
            "left_out": {k: v for k, v in rows.left_out.items() if v},
            "core": Core.of(chip).to_dict(),
            "lenders": list(rows.lent.lenders) if rows.lent else [],
        },
    )


def _family(plan: str, fit: Fit, part: Rows, predicted: Floats) -> FamilyFit:
    """The fit of a plan on its rows, and how far off predictions were that had not seen them."""
    residual = np.log(part.seconds / predicted)  # NaN where no fit saw enough other groups
    spread = residual_spread(part.schedule, predicted, residual)
    if spread is None:
        return replace(unmeasured(plan, fit), points=len(part.seconds))
    error = np.abs(predicted / part.seconds - 1.0)
    return FamilyFit(
        parameters=fit.parameters,
        uncertainty=fit.uncertainty,
        quantiles={f"{level:g}": quantile(residual, level) for level in LEVELS},
        points=len(part.seconds),
        range={
            "flops": (float(part.schedule.flops.min()), float(part.schedule.flops.max())),
            "bytes": (float(part.schedule.bytes.min()), float(part.schedule.bytes.max())),
        },
        median_error=float(np.nanmedian(error)),
        p90_error=float(np.nanquantile(error, 0.9)),
        spread=spread,
        borrowed=fit.borrowed,
    )


def cross_validate(rows: Rows) -> HeldOut:
    """Predict every row from the folds it is not in, with intervals from the other folds' residuals."""
    fold = rows.fold
    predicted = np.full(len(rows.seconds), np.nan)
    for number in range(FOLDS):
        train, test = fold != number, np.flatnonzero(fold == number)
        if len(test) and train.any():
            predicted[test] = fit_and_predict(rows.select(train), rows.schedule.select(test))
    low, high = np.full_like(predicted, np.nan), np.full_like(predicted, np.nan)
    residual = np.log(rows.seconds / predicted)
    for plan, places in rows.plans.items():
        for number in range(FOLDS):
            mine, others = places[fold[places] == number], places[fold[places] != number]
            spread = residual_spread(rows.schedule.select(others), predicted[others], residual[others])
            if spread is not None and len(mine):
                factors = spread.interval(cpu.difficulty(rows.schedule.select(mine), predicted[mine]))
                low[mine], high[mine] = predicted[mine] * factors[0], predicted[mine] * factors[1]
            elif rows.lent is not None:
                low[mine], high[mine] = (predicted[mine] * factor for factor in borrowed_interval(plan))
    return HeldOut(predicted, low, high)


def extrapolate(rows: Rows, share: float = 0.3) -> tuple[NDArray[np.int64], Floats]:
    """Fit on the smaller shapes of every plan, predict the largest ``share``: their indices and seconds."""
    codes = cpu_plans.plans(rows.schedule, rows.stack)
    size = np.maximum(rows.schedule.flops, rows.schedule.bytes)
    large = np.zeros(len(size), dtype=bool)
    for code in np.unique(codes):
        mine = codes == code
        large |= mine & (size >= np.quantile(size[mine], 1.0 - share))
    index = np.flatnonzero(large)
    return index, fit_and_predict(rows.select(~large), rows.schedule.select(index))


def fit_and_predict(train: Rows, test: Schedule) -> Floats:
    """Seconds of ``test`` by a fit on ``train`` alone; NaN where a plan has too few rows and nobody lends numbers."""
    ceilings = _machine(train)
    parameters = {plan: fit.parameters for plan, fit in _fits(train, ceilings).items()}
    return cpu.cpu_times(test, parameters, ceilings, train.stack).total


def _machine(rows: Rows) -> cpu.Ceilings:
    """Bandwidths and registers as the rows tell, pulled to what other machines lend."""
    return fit_machine(rows.schedule, rows.seconds, rows.stack, rows.lent.ceilings if rows.lent else None)


def _fits(rows: Rows, ceilings: cpu.Ceilings) -> dict[str, Fit]:
    """Every plan that rows or other machines say something about."""
    parts = {plan: (rows.schedule.select(mine), rows.seconds[mine]) for plan, mine in rows.plans.items()}
    return fit_plans(parts, ceilings, rows.lent, MIN_ROWS)


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
