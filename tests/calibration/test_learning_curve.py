"""More rows, better fits: what the first rows of a campaign teach about the others."""

import numpy as np
from synthetic import Synthetic

from roofline.calibration.cpu.held_out import cross_validate
from roofline.calibration.cpu.rows import Rows, operator_rows, shape_groups
from roofline.calibration.learning_curve import learning_curve
from roofline.core.schedule import Schedule


def test_errors_fall_with_the_rows(cpu: Synthetic) -> None:
    whole = operator_rows(cpu.rows, cpu.chip)
    fast = ("linear", "elementwise", "softmax", "norm", "pool", "copy")  # convolutions take ten times as long to fit
    rows = whole.select(whole.schedule.in_family(*fast))
    lessons = learning_curve(rows, (75, 225, 10**6))
    assert [lesson.rows for lesson in lessons] == [75, 225]
    assert lessons[-1].median < lessons[0].median
    assert lessons[0].fitted < lessons[-1].fitted <= 1.0
    assert all(0.0 < lesson.median <= lesson.p90 for lesson in lessons)


def test_all_rows_are_as_good_as_cross_validation(cpu: Synthetic) -> None:
    whole = operator_rows(cpu.rows, cpu.chip)
    rows = whole.select(whole.schedule.in_family("elementwise", "softmax"))
    (lesson,) = learning_curve(rows, (len(rows.seconds),), ladder=False)
    error = np.abs(cross_validate(rows).predicted / rows.seconds - 1.0)
    assert lesson.median == np.quantile(np.nan_to_num(error, nan=np.inf), 0.5, method="higher")


def test_another_fit_sees_no_group_that_it_is_scored_on(cpu: Synthetic) -> None:
    rows = operator_rows(cpu.rows, cpu.chip)
    asked: list[tuple[int, int]] = []

    def predict(train: Rows, test: Schedule) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        groups = set(shape_groups(test))
        assert not groups & set(train.group)
        asked.append((len(train.seconds), len(test)))
        return np.full(len(test), 1.0)

    streams = sum(len(row.inputs[0]) == 1 for row in rows.measurements)
    for ladder, most in ((False, 150), (True, 150 + streams)):
        asked.clear()
        (lesson,) = learning_curve(rows, (150,), predict=predict, ladder=ladder)
        assert sum(tested for _, tested in asked) == len(rows.seconds)
        assert 100 < max(seen for seen, _ in asked) <= most
        assert lesson.fitted == 1.0


def test_a_campaign_without_rows_teaches_nothing(cpu: Synthetic) -> None:
    rows = operator_rows(cpu.rows, cpu.chip)
    assert learning_curve(rows.select(np.zeros(0, dtype=np.int64))) == []
