"""What can go wrong, and with which exit status the command line answers.

RooflineError
├── UsageError           2   the request is wrong (batch 0, unknown format)
│   ├── UnknownName      2   no chip, network, layer or dtype of that name; suggests near ones
│   ├── Unsupported      2   this chip cannot do that (a dtype it lacks, a kind without model)
│   ├── OutputError      2   the answer cannot be written where it was asked for
│   └── Unreadable       2   a path that is no file to read: absent, a pipe, a folder, too large, damaged
├── SpecError            1   a YAML file is wrong; carries every fault with file and line
├── DataError            1   a measurement file is empty, truncated or of another chip
│   └── DeviceLost       1   the device under test went away, or is another one now
└── MissingExtra         3   an optional part is not installed; names the command that does
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from os import PathLike


class RooflineError(Exception):
    """Base of every error a user can cause; its text is a whole message."""

    exit_code = 2


class UsageError(RooflineError):
    """The request itself is wrong."""


class UnknownName(UsageError):
    """A name that stands for nothing, with the nearest ones that do.

    Parameters
    ----------
    what : kind of thing looked for, such as ``"chip"``.
    name : what was asked.
    known : the names that exist.
    """

    def __init__(self, what: str, name: str, known: Iterable[str], hint: str = "") -> None:
        names = sorted(set(known))
        near = get_close_matches(name.lower(), names, n=3, cutoff=0.5)
        text = f"no {what} named {name!r}"
        if near:
            text += f"; did you mean {' or '.join(near)}?"
        elif 0 < len(names) <= 24:
            text += f"; there are {', '.join(names)}"
        super().__init__(text + (f" ({hint})" if hint else ""))


class Unsupported(UsageError):
    """The chip, the dtype or the operator exists, but not in this combination."""


class OutputError(UsageError):
    """A result could not be written."""


class Unreadable(UsageError):
    """A file that cannot be read: absent, no regular file, too large, or damaged.

    Parameters
    ----------
    path : as the user wrote it.
    reason : what is wrong, without the path.
    missing : there is no such file.
    """

    def __init__(self, path: str | PathLike[str], reason: str, *, missing: bool = False) -> None:
        self.path, self.reason, self.missing = str(path), reason, missing
        super().__init__(f"{path}: {reason}")


@dataclass(frozen=True)
class Fault:
    """One fault in one file: where it is, what is wrong, what to write instead."""

    file: str
    line: int | None
    path: str
    message: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return ": ".join(part for part in (place, self.path, self.message) if part)


class SpecError(RooflineError):
    """A YAML file is wrong. ``faults`` lists everything found, not just the first."""

    exit_code = 1

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


class DataError(RooflineError):
    """Measured data that cannot be used as they are."""

    exit_code = 1


class DeviceLost(DataError):
    """The device that is measured stopped answering, or is another one now: no later row can be measured either."""


class MissingExtra(RooflineError):
    """An optional dependency is not there."""

    exit_code = 3

    def __init__(self, need: str, extra: str) -> None:
        super().__init__(f"{need} needs an optional package: pip install 'roofline[{extra}]'")
