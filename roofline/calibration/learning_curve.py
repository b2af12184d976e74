"""How many rows does a calibration need? Fits on the first rows of a campaign, scored on the others.

A campaign asks what tells most first, so its first rows are what a shorter one would have measured.
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
"""Seconds of kernels by a fit on rows, NaN where it knows none."""


@dataclass(frozen=True)
class Lesson:
    """How well fits on a campaign of so many ``rows`` know shape groups that they have not seen.

    median, p90 : of |predicted / measured - 1| over all rows; one whose plan had too few rows to be fitted counts as
        worse than any other. fitted : share of the rows that were predicted.
    """

    rows: int
    median: float
    p90: float
    fitted: float


def learning_curve(
    rows: Rows, counts: Sequence[int] = COUNTS, *, predict: Fit = fit_and_predict, ladder: bool = True
) -> list[Lesson]:
    """Errors by the number of rows measured; numbers that the campaign does not reach are left out.

    Every row of the campaign is predicted, by a fit on the first rows without those of the fold it is in
    (:attr:`roofline.calibration.cpu.rows.Rows.fold`): the rows tested are the same for all numbers, the groups
    never those fitted.
    predict : the fit; that of :mod:`roofline.calibration.cpu.calibrate` unless another is to be compared with it.
    ladder : the ladder of streams is measured whole beside so many rows, as ``roofline measure --rows`` does; otherwise
        it takes its turns among them and counts.
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
    """The place of each row in its campaign; streams of the ladder in front of all, or where their turn would be."""
    ladder = np.array([len(row.inputs[0]) == 1 for row in rows.measurements], dtype=bool)
    if whole:
        return np.where(ladder, -1, np.cumsum(~ladder) - 1)
    share = np.zeros(len(ladder))
    for mine in (ladder, ~ladder):
        share[mine] = (np.arange(mine.sum()) + 0.5) / max(1, mine.sum())
    return np.argsort(np.argsort(share, kind="stable"), kind="stable")
