"""How does a long verb show that it is alive? A bar on a terminal, nothing anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Report = Callable[[int, int, str], None]


@contextmanager
def progress_bar() -> Iterator[Report | None]:
    """A function to be called with (done, in all, what), or None where nobody is looking."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from roofline.render.terminal import console

    columns = (
        BarColumn(30),
        TextColumn("{task.completed:,} of {task.total:,}"),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.description}", markup=True),
    )
    with Progress(*columns, console=console(sys.stderr), transient=True) as bar:
        task = bar.add_task("", total=1)

        def report(done: int, total: int, what: str) -> None:
            # a label in brackets would be taken for a style
            bar.update(task, completed=done, total=total, description=what[:40].replace("[", "("))

        yield report
