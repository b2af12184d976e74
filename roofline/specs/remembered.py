"""Which files were read already and have not changed since? Their values are kept, so that nothing is read twice.

A value is used again while every file that was opened or looked for to make it has the time and the size it had then:
its own, those that it extends, and those that would hide one of them if they existed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from roofline.core.memo import Memo

T = TypeVar("T")
Stamp = tuple[int, int, int] | None
MOST = 1_000
"""Values kept."""
SETTLED_NS = 100_000_000
"""A file younger than this [ns] is read again: its next change could have the same time and size."""

_watching: list[dict[str, Stamp]] = []


@dataclass(frozen=True)
class _Kept:
    value: Any
    files: tuple[tuple[str, Stamp], ...]


_kept: Memo[_Kept] = Memo(MOST)


def stamp(path: str | Path) -> Stamp:
    """Inode, time of the last change [ns] and size of a file [B]; None where there is none."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def note(path: str | Path) -> None:
    """Tell the values being made that they depend on this file, before it is opened or looked for."""
    if _watching:
        absolute = os.path.abspath(path)
        now = stamp(absolute)
        for seen in _watching:
            seen.setdefault(absolute, now)


@contextmanager
def _watched() -> Iterator[dict[str, Stamp]]:
    seen: dict[str, Stamp] = {}
    _watching.append(seen)
    try:
        yield seen
    finally:
        _watching.pop()


def remembered(what: str, path: str | Path, read: Callable[[Path], T]) -> T:
    """``read(path)``, or what it returned when the same files were the same.

    ``what`` names the kind of value. Paths are taken from the current folder, and names from the folders of this user.
    Errors are not kept.
    """
    key = (what, str(path), os.getcwd(), os.environ.get("XDG_CONFIG_HOME"), os.environ.get("HOME"))
    found = _kept.get(key)
    if found is not None and all(stamp(file) == was for file, was in found.files):
        for file, was in found.files:  # a value that is being made of this one depends on the same files
            for seen in _watching:
                seen.setdefault(file, was)
        value: T = found.value
        return value
    with _watched() as seen:
        value = read(Path(path))
    latest = max((was[1] for was in seen.values() if was), default=0)
    if latest > time.time_ns() - SETTLED_NS:  # it may change again within one tick of the clock of the file system
        return value
    _kept.put(key, _Kept(value, tuple(seen.items())))
    return value


def forget() -> None:
    """Keep nothing."""
    _kept.clear()
