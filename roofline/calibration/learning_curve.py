"""How many measurements does a calibration need? Fits on the first ones of a campaign, scored on the others.

A campaign measures the most informative shapes first, so its first measurements are those of a shorter campaign.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roofline.calibration.cpu.held_out import fit_and_predict
from roofline.calibration.cpu.rows import Rows
from roofline.core.schedule import Schedule

COUNTS = (150, 300, 600, 1200)
Fit = Callable[[Rows, Schedule], NDArray[np.float64]]
"""Seconds of kernels by a fit on measurements [s], NaN where it has no plan."""


@dataclass(frozen=True)
class Lesson:
    """Errors of fits on so many measurements (``rows``), on shape groups that they did not see.

    Parameters
    ----------
    median, p90 : of |predicted / measured - 1| over all measurements [1]; one whose plan could not be fitted counts as
        infinite.
    fitted : share of the measurements that were predicted [1].
    """

    rows: int
    median: float
    p90: float
    fitted: float


def learning_curve(
    rows: Rows, counts: Sequence[int] = COUNTS, *, predict: Fit = fit_and_predict, ladder: bool = True
) -> list[Lesson]:
    """Errors by the number of measurements: quantiles of ``|predicted / measured - 1|`` [1].

    Every measurement is predicted by a fit on the first ``count`` ones outside its fold
    (:attr:`roofline.calibration.cpu.rows.Rows.fold`). So the tested measurements are the same for all counts, and their
    shape groups were never fitted.

    Parameters
    ----------
    rows : measurements of a campaign.
    counts : numbers of measurements [1]; those that the campaign does not reach are skipped.
    predict : the fit; by default that of :mod:`roofline.calibration.cpu.calibrate`.
    ladder : True measures the ladder of streams whole beside so many measurements, as ``roofline measure --rows`` does;
        False counts its streams among them.
    """
    place, fold, lessons = _turns(rows, ladder), rows.fold, []
    for count in (count for count in counts if count <= place.max(initial=-1) + 1):
        predicted = np.full(len(place), np.nan)
        for number in np.unique(fold):
            test = np.flatnonzero(fold == number)
            train = rows.select((place < count) & (fold != number))
            predicted[test] = predict(train, rows.schedule.select(test))
        error = np.abs(predicted / rows.seconds - 1.0)
        median, p90 = np.quantile(np.nan_to_num(error, nan=np.inf), (0.5, 0.9), method="higher")
        lessons.append(Lesson(count, float(median), float(p90), float(1.0 - np.isnan(error).mean())))
    return lessons


def _turns(rows: Rows, whole: bool) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The place of each measurement in its campaign; ladder streams before all others, or at their turn."""
    ladder = np.array([len(row.inputs[0]) == 1 for row in rows.measurements], dtype=bool)
    if whole:
        return np.where(ladder, -1, np.cumsum(~ladder) - 1)
    share = np.zeros(len(ladder))
    for mine in (ladder, ~ladder):
        share[mine] = (np.arange(mine.sum()) + 0.5) / max(1, mine.sum())
    return np.argsort(np.argsort(share, kind="stable"), kind="stable")
