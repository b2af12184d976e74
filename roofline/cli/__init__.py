"""The command line: parse, run a command, render. No physics.

``main`` is the entry point. Every command lives in a module of its own that is imported when it is used,
so that ``roofline predict`` loads neither matplotlib nor torch.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program; ends with its exit status: 0 good, 1 a finding, 2 usage, 3 a part is missing."""
    from roofline.cli.app import cli

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal without Unicode shows '?', never a traceback
            stream.reconfigure(errors="replace")
    cli.main(args=list(arguments) if arguments is not None else None, prog_name="roofline")
