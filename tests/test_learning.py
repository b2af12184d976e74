"""More rows, better fits: what the first rows of a campaign teach about the others."""

import numpy as np
from synthetic import Synthetic

from roofline.calibrate import cross_validate, operator_rows
from roofline.learning import learning_curve


def test_errors_fall_with_the_rows(cpu: Synthetic) -> None:
    rows = operator_rows(cpu.rows, cpu.chip)
    lessons = learning_curve(rows, (75, 150, 300, 10**6))
    assert [lesson.rows for lesson in lessons] == [75, 150, 300]
    assert lessons[-1].median < lessons[0].median
    assert lessons[0].fitted < lessons[-1].fitted <= 1.0
    assert all(0.0 < lesson.median <= lesson.p90 for lesson in lessons)


def test_all_rows_are_as_good_as_cross_validation(cpu: Synthetic) -> None:
    rows = operator_rows(cpu.rows, cpu.chip)
    (lesson,) = learning_curve(rows, (len(rows.seconds),))
    error = np.abs(cross_validate(rows).predicted / rows.seconds - 1.0)
    assert lesson.median == np.quantile(np.nan_to_num(error, nan=np.inf), 0.5, method="higher")
