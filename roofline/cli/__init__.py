"""The command line: parse, run a command, render. No physics.

``main`` is the entry point. Every command lives in a module of its own that is imported when it is used,
so that ``roofline predict`` loads neither matplotlib nor torch.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program; ends with its exit status: 0 good, 1 a finding, 2 usage, 3 a part is missing."""
    from roofline.cli.app import cli

    _open_closed_streams()
    with suppress(ValueError):  # not in the main thread
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, _interrupt)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal without Unicode shows '?', never a traceback
            stream.reconfigure(errors="replace")
    cli.main(args=list(arguments) if arguments is not None else None, prog_name="roofline")


def _open_closed_streams() -> None:
    """Streams that the caller closed lead nowhere; a file opened later must not get their numbers."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - open as long as the program


def _interrupt(*_: Any) -> None:
    """A request to end is answered as Ctrl-C is: what was measured is kept, and the status is 130."""
    raise KeyboardInterrupt
