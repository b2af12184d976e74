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

from roofline.core.calibration import Calibration, FamilyFit, Spread
from roofline.core.chip import Chip
from roofline.core.dtype import precision as parse_precision
from roofline.core.measurement import Measurement
from roofline.core.schedule import FAMILIES, Kernel, Schedule
from roofline.core.stack import Stack
from roofline.devices import ceiling, cpu, cpu_plans
from roofline.errors import DataError, RooflineError
from roofline.fitting import fit_machine, fit_plan
from roofline.measure.lowering import kernel_of

Floats = NDArray[np.float64]

FOLDS = 5
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
LIGHT_TOLERANCE = 0.03
"""Rows this much faster than light are kept out of fits and counted."""
FEW_ROWS = 60
RIDGE, FLOOR = 5.0, 0.02
"""Of the residual scale: pull of its coefficients to zero, and the error nothing is better than."""
MIN_ROWS = 4
"""A plan with fewer rows is not fitted: the pull of physics carries small ones, but not none."""


@dataclass(frozen=True)
class Rows:
    """Measured operators as one schedule: kernel i took ``seconds[i]``.

    ``group`` is the shape group of each row, ``left_out`` counts what was not used, by reason.
    ``questions`` is the digest of :func:`questions_of` over all rows there were.
    """

    measurements: tuple[Measurement, ...]
    schedule: Schedule
    seconds: Floats
    group: tuple[str, ...]
    stack: Stack
    left_out: Mapping[str, int]
    questions: str = ""

    def select(self, rows: NDArray[Any]) -> Rows:
        index = np.flatnonzero(rows) if rows.dtype == bool else rows
        return Rows(
            tuple(self.measurements[i] for i in index),
            self.schedule.select(index),
            self.seconds[index],
            tuple(self.group[i] for i in index),
            self.stack,
            self.left_out,
            self.questions,
        )

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


def operator_rows(measurements: Sequence[Measurement], chip: Chip, *, dtype: str = "fp32", cache: str = "cold") -> Rows:
    """The rows of a file that a calibration of ``chip`` can be fitted on.

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
    rows = Rows(tuple(kept), schedule, seconds, shape_groups(schedule), stack, left_out, asked)
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
    ceilings = fit_machine(rows.schedule, rows.seconds, rows.stack)
    held = cross_validate(rows)
    codes = cpu_plans.plans(rows.schedule, rows.stack)
    families = {}
    for code in np.unique(codes):
        mine = np.flatnonzero(codes == code)
        if code < 0 or np.isfinite(held.predicted[mine]).sum() < MIN_ROWS:
            continue
        name, part = cpu_plans.PLAN_NAMES[code], rows.select(mine)
        parameters, uncertainty = fit_plan(name, part.schedule, part.seconds, ceilings)
        error = np.abs(held.predicted[mine] / part.seconds - 1.0)
        residual = np.log(part.seconds / held.predicted[mine])  # NaN where no fit saw enough other groups
        families[name] = FamilyFit(
            parameters=parameters,
            uncertainty=uncertainty,
            quantiles={f"{level:g}": quantile(residual, level) for level in LEVELS},
            points=len(mine),
            range={
                "flops": (float(part.schedule.flops.min()), float(part.schedule.flops.max())),
                "bytes": (float(part.schedule.bytes.min()), float(part.schedule.bytes.max())),
            },
            median_error=float(np.nanmedian(error)),
            p90_error=float(np.nanquantile(error, 0.9)),
            spread=residual_spread(part.schedule, held.predicted[mine], residual),
        )
    if not families:
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
        },
    )


def cross_validate(rows: Rows) -> HeldOut:
    """Predict every row from the folds it is not in, with intervals from the other folds' residuals."""
    fold = rows.fold
    codes = cpu_plans.plans(rows.schedule, rows.stack)
    predicted = np.full(len(rows.seconds), np.nan)
    for number in range(FOLDS):
        train, test = fold != number, np.flatnonzero(fold == number)
        if len(test) and train.any():
            predicted[test] = fit_and_predict(rows.select(train), rows.schedule.select(test))
    low, high = np.full_like(predicted, np.nan), np.full_like(predicted, np.nan)
    residual = np.log(rows.seconds / predicted)
    for code in np.unique(codes):
        for number in range(FOLDS):
            mine, others = (codes == code) & (fold == number), (codes == code) & (fold != number)
            spread = residual_spread(rows.schedule.select(others), predicted[others], residual[others])
            if spread is not None and mine.any():
                factors = spread.interval(cpu.difficulty(rows.schedule.select(mine), predicted[mine]))
                low[mine], high[mine] = predicted[mine] * factors[0], predicted[mine] * factors[1]
    return HeldOut(predicted, low, high)


def residual_spread(kernels: Schedule, predicted: Floats, residual: Floats) -> Spread | None:
    """The scale of held-out residuals as a function of :func:`roofline.devices.cpu.difficulty`.

    A ridge regression of log(|residual| + FLOOR), then the 5 % and 95 % quantiles of what is left.
    """
    known = ~np.isnan(residual)
    if known.sum() < MIN_ROWS:
        return None
    features = cpu.difficulty(kernels.select(known), predicted[known])
    left = residual[known]
    if len(left) < FEW_ROWS:
        features[:, 2:] = 0.0  # few rows tell the size of errors, not what they depend on
    centre, width = features.mean(axis=0), features.std(axis=0)
    centre[0], width[width < 1e-9] = 0.0, 1.0
    scaled = (features - centre) / width
    scaled[:, 1:] *= features[:, 1:].std(axis=0) > 1e-9
    pull = RIDGE * np.diag([0.0, *np.ones(features.shape[1] - 1)])
    weights = np.linalg.solve(scaled.T @ scaled + pull, scaled.T @ np.log(np.abs(left) + FLOOR))
    weights = weights / width
    weights[0] -= float(weights[1:] @ centre[1:])
    scale = np.exp(features @ weights)
    return Spread(
        tuple(float(weight) for weight in weights),
        (float(scale.min()), float(scale.max())),
        quantile(left / scale, LEVELS[0]),
        quantile(left / scale, LEVELS[-1]),
    )


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
    """Seconds of ``test`` by a fit on ``train`` alone; NaN where a plan has too few rows."""
    ceilings = fit_machine(train.schedule, train.seconds, train.stack)
    codes = cpu_plans.plans(train.schedule, train.stack)
    parameters = {}
    for code in np.unique(codes):
        mine = np.flatnonzero(codes == code)
        if code >= 0 and len(mine) >= MIN_ROWS:
            name, part = cpu_plans.PLAN_NAMES[code], train.select(mine)
            parameters[name], _ = fit_plan(name, part.schedule, part.seconds, ceilings)
    return cpu.cpu_times(test, parameters, ceilings, train.stack).total


def quantile(residual: Floats, level: float) -> float:
    """Quantile with the finite-sample step of split conformal prediction: outward by one rank."""
    clean = np.sort(residual[~np.isnan(residual)])
    if len(clean) == 0:
        return float("nan")
    rank = np.ceil((len(clean) + 1) * level) if level >= 0.5 else np.floor((len(clean) + 1) * level)
    return float(clean[int(np.clip(rank - 1, 0, len(clean) - 1))])


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
