"""What do other installed packages bring along? Operators, sets of measurements, kinds of devices.

A package names what it brings as an entry point, in its ``pyproject.toml``::

    [project.entry-points."roofline.operators"]
    swish = "my_package:SWISH"

What ships stands in plain tables. These are asked first, so that nothing is searched or loaded as long as nobody
names what they lack, and what ships cannot be replaced.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from roofline.errors import UsageError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


def names(group: str) -> tuple[str, ...]:
    """What is brought in a group, such as ``roofline.operators``, by name; nothing is loaded."""
    return tuple(_brought(group))


def named(group: str, name: str) -> Any | None:
    """What is brought under that name; ``None`` where nothing is.

    Raises
    ------
    UsageError : it cannot be loaded, or two packages bring different things under that name.
    """
    found = _brought(group).get(name, ())
    if len(found) > 1:
        both = " and ".join(_origin(group, name, entry) for entry in found)
        raise UsageError(f"{both} have the same name; uninstall one of them")
    for entry in found:
        try:
            return entry.load()
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
            raise UsageError(f"{_origin(group, name, entry)} cannot be loaded: {what}") from error
    return None


def wrong(group: str, name: str, what: str) -> UsageError:
    """The error of something brought that is not what the group is for: ``what`` says so."""
    (entry,) = _brought(group)[name]
    return UsageError(f"{_origin(group, name, entry)} {what}")


def _origin(group: str, name: str, entry: EntryPoint) -> str:
    """``entry point 'swish' of roofline.operators (my_package:SWISH, from my-package 0.1)``."""
    dist = entry.dist
    package = f", from {dist.name} {dist.version}" if dist else ""
    return f"entry point {name!r} of {group} ({entry.value}{package})"


@cache
def _brought(group: str) -> Mapping[str, tuple[EntryPoint, ...]]:
    """Entry points by name; several of a name only where they mean different things."""
    from importlib.metadata import entry_points  # takes longer than the start of the program

    found: dict[str, dict[str, EntryPoint]] = {}
    for entry in entry_points(group=group):
        found.setdefault(entry.name, {}).setdefault(entry.value, entry)
    return {name: tuple(by_value.values()) for name, by_value in sorted(found.items())}
