"""How many rows does a calibration need? Fits on the first rows of a campaign, scored on the others.

A campaign asks what tells most first, so its first rows are what a shorter one would have measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from roofline.calibrate import Rows, fit_and_predict

COUNTS = (75, 150, 300, 600, 1200)


@dataclass(frozen=True)
class Lesson:
    """What a fit on so many rows knows of the shape groups it has not seen.

    median, p90 : of |predicted / measured - 1| over ``tested`` rows. fitted : share of them whose plan had enough rows.
    """

    rows: int
    tested: int
    median: float
    p90: float
    fitted: float


def learning_curve(rows: Rows, counts: Sequence[int] = COUNTS) -> list[Lesson]:
    """Errors by the number of rows fitted on; numbers that leave no tenth of the rows to test on are left out."""
    place = _turns(rows)
    groups, lessons = np.array(rows.group), []
    for count in counts:
        seen = place < count
        test = ~seen & ~np.isin(groups, groups[seen])
        if test.sum() < 0.1 * len(place):
            continue
        predicted = fit_and_predict(rows.select(seen), rows.schedule.select(np.flatnonzero(test)))
        error = np.abs(predicted / rows.seconds[test] - 1.0)
        known = ~np.isnan(error)
        if known.any():
            median, p90 = np.quantile(error[known], (0.5, 0.9))
            lessons.append(Lesson(count, int(test.sum()), float(median), float(p90), float(known.mean())))
    return lessons


def _turns(rows: Rows) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The place of each row if the ladder of streams, which is measured whole, took its turns among the others."""
    ladder = np.array([len(row.inputs[0]) == 1 for row in rows.measurements])
    share = np.zeros(len(ladder))
    for mine in (ladder, ~ladder):
        share[mine] = (np.arange(mine.sum()) + 0.5) / max(1, mine.sum())
    return np.argsort(np.argsort(share, kind="stable"), kind="stable")
