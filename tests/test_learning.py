"""More rows, better fits: what the first rows of a campaign teach about the others."""

from synthetic import Synthetic

from roofline.calibrate import operator_rows
from roofline.learning import learning_curve


def test_errors_fall_with_the_rows_and_are_of_groups_not_seen(cpu: Synthetic) -> None:
    rows = operator_rows(cpu.rows, cpu.chip)
    lessons = learning_curve(rows, (75, 150, 300, 10**6))
    assert [lesson.rows for lesson in lessons] == [75, 150, 300]
    assert lessons[0].tested < len(rows.seconds) - 75  # rows of groups that were fitted on are no test
    assert lessons[-1].median < lessons[0].median
    assert lessons[0].fitted <= lessons[-1].fitted <= 1.0
    assert all(0.0 < lesson.median < lesson.p90 for lesson in lessons)
