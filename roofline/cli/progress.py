"""How does a long command show its progress? A bar on a terminal, nothing anywhere else."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Report = Callable[[int, int, str], None]
PAUSE_S = 0.25


@contextmanager
def progress_bar() -> Iterator[Report | None]:
    """A function to be called with (done, in all, what), or None where there is no terminal.

    The bar is drawn in those calls alone: a thread of its own would disturb what is being measured.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from roofline.render.terminal import console

    columns = (
        BarColumn(30),
        TextColumn("{task.completed:,} of {task.total:,}"),
        TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False, style="dim"),
    )
    with Progress(*columns, console=console(sys.stderr), transient=True, auto_refresh=False) as bar:
        task = bar.add_task("", total=1, visible=False)
        drawn_s = time.monotonic()

        def report(done: int, total: int, what: str) -> None:
            nonlocal drawn_s
            if time.monotonic() - drawn_s < PAUSE_S and done < total:
                return
            drawn_s = time.monotonic()
            # gone when all is done, so that what is said next starts on a line of its own
            bar.update(task, completed=done, total=total, description=what[:40], visible=done < total, refresh=True)

        yield report
