"""Is the open measurement file still the one that its name leads to, and who else has it?"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def changed(descriptor: int, path: Path, size: int) -> str:
    """What happened to an open file since it had ``size`` bytes [B], and where its contents are; empty for nothing.

    A file without a name ends with the process, so its contents are copied to a new file beside ``path``.
    """
    here, there = os.fstat(descriptor), None
    with suppress(OSError):
        there = os.stat(path)
    if there is None or (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino):
        what = "was deleted or renamed" if there is None else "was replaced by another file"
        kept = _named(descriptor) if here.st_nlink else _rescued(descriptor, path)
        return f"{what} during the campaign; {kept}"
    if here.st_size < size:
        return (
            f"was cut from {size:,} to {here.st_size:,} bytes during the campaign; the rest is kept; "
            f"'roofline measurements recover {path}' saves what can be read"
        )
    if here.st_size > size:
        return (
            "another program wrote to it during the campaign; everything is kept; "
            f"'roofline measurements show {path}' checks it"
        )
    return ""


def _named(descriptor: int) -> str:
    with suppress(OSError):
        return f"its measurements are kept in {os.readlink(f'/proc/self/fd/{descriptor}')}"
    return "its measurements are kept under its new name"


def _rescued(descriptor: int, path: Path) -> str:
    """Copy the open file, which no name leads to any more, to a new name; what became of it."""
    target = _free(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        os.lseek(descriptor, 0, os.SEEK_SET)
        with target.open("xb") as copy:
            while piece := os.read(descriptor, 1 << 20):
                copy.write(piece)
            copy.flush()
            os.fsync(copy.fileno())
    except OSError as error:
        return f"its measurements cannot be saved: {target}: {error.strerror}"
    return f"its measurements are saved in {target}"


def _free(path: Path) -> Path:
    """A name beside ``path`` that nothing has: ``rows.saved.jsonl``, ``rows.saved2.jsonl``..."""
    number = 1
    while (target := path.with_suffix(f".saved{number if number > 1 else ''}{path.suffix}")).exists():
        number += 1
    return target


def holder(descriptor: int) -> str:
    """The process that holds the lock on that file: its process id, where the system reports it."""
    inode = str(os.fstat(descriptor).st_ino)
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/locks").read_text().splitlines():
            words = line.split()
            if words[1] == "FLOCK" and words[5].rsplit(":", 1)[-1] == inode and int(words[4]) > 0:
                return f"process {words[4]}"
    return "another process"
