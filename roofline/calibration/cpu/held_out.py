"""How large is the error of a CPU fit on measurements it did not see? Folds of shape groups, each predicted by the
others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roofline import specs
from roofline.calibration.cpu.fit import fit_machine
from roofline.calibration.cpu.prior import fit_plans
from roofline.calibration.cpu.rows import FOLDS, Rows
from roofline.calibration.intervals import residual_spread
from roofline.core.calibration import FamilyFit
from roofline.core.schedule import Schedule
from roofline.devices.cpu import model as cpu
from roofline.devices.cpu import plans as cpu_plans
from roofline.devices.cpu.transfer import Fit

Floats = NDArray[np.float64]

MIN_ROWS = 4
"""A plan with fewer measurements has no held-out errors, and no fit unless parameters are transferred: the pull alone
is not enough.
"""


@dataclass(frozen=True)
class HeldOut:
    """Predictions by fits that did not see the measurement [s]; NaN where a plan could not be fitted."""

    predicted: Floats
    low: Floats
    high: Floats


def cross_validate(rows: Rows) -> HeldOut:
    """Predict every measurement from the other folds, with intervals from the residuals of the other folds::

        low, high = predicted * exp(quantile * scale),   residual = log(measured / predicted)    [s]

    Source: normalized conformal prediction (Papadopoulos et al., ECML 2002; Lei et al., JASA 113, 2018).

    Parameters
    ----------
    rows : N measurements [s].

    Returns
    -------
    held : predicted, low and high [s], shape (N,) each.
    """
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
                low[mine], high[mine] = (predicted[mine] * factor for factor in _borrowed_interval(plan))
    return HeldOut(predicted, low, high)


def extrapolate(rows: Rows, share: float = 0.3) -> tuple[NDArray[np.int64], Floats]:
    """Fit on the smaller shapes of every plan, predict the largest: those with ``size >= quantile(1 - share)``.

    Parameters
    ----------
    rows : N measurements.
    share : of the shapes to predict [1].

    Returns
    -------
    index, seconds : indices, and predictions [s].
    """
    codes = cpu_plans.plans(rows.schedule, rows.stack)
    size = np.maximum(rows.schedule.flops, rows.schedule.bytes)
    large = np.zeros(len(size), dtype=bool)
    for code in np.unique(codes):
        mine = codes == code
        large |= mine & (size >= np.quantile(size[mine], 1.0 - share))
    index = np.flatnonzero(large)
    return index, fit_and_predict(rows.select(~large), rows.schedule.select(index))


def fit_and_predict(train: Rows, test: Schedule) -> Floats:
    """Seconds of ``test`` by a fit on ``train`` only [s]; NaN where a plan has too few measurements and nothing is
    transferred.

    Calls :func:`machine_of`, :func:`fits_of` and :func:`roofline.devices.cpu.model.cpu_times`.
    """
    ceilings = machine_of(train)
    parameters = {plan: fit.parameters for plan, fit in fits_of(train, ceilings).items()}
    return cpu.cpu_times(test, parameters, ceilings, train.stack).total


def machine_of(rows: Rows) -> cpu.Ceilings:
    """Bandwidths [B/s] and register width [1] from the measurements, by :func:`fit_machine`, pulled to
    other machines.
    """
    return fit_machine(rows.schedule, rows.seconds, rows.stack, rows.lent.ceilings if rows.lent else None)


def fits_of(rows: Rows, ceilings: cpu.Ceilings) -> dict[str, Fit]:
    """Every plan that has measurements, or parameters transferred from other machines."""
    parts = {plan: (rows.schedule.select(mine), rows.seconds[mine]) for plan, mine in rows.plans.items()}
    return fit_plans(parts, ceilings, rows.lent, MIN_ROWS)


def left_out_elsewhere(plan: str) -> FamilyFit | None:
    """Errors of a plan on machines left out; None where no machine has measurements of it."""
    spread = specs.load_borrowed_spread("cpu")
    return spread.families.get(plan) if spread else None


def _borrowed_interval(plan: str) -> tuple[float, float]:
    """Factors (low, high) on predictions of a plan without measurements; NaN where no machine has any."""
    spread = left_out_elsewhere(plan)
    low, high = (spread.quantiles[level] for level in ("0.05", "0.95")) if spread else (np.nan, np.nan)
    return float(np.exp(low)), float(np.exp(high))
