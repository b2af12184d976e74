"""How is a key of a file described: its type, its meaning, and whether it is required?

The readers (:mod:`roofline.specs.chipfile`, :mod:`roofline.specs.netfile`) are written by hand. The tables
(:mod:`roofline.specs.chipkeys`, :mod:`roofline.specs.netkeys`) are for the reference page; a test checks that both name
the same keys.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Key:
    """One key. ``of`` names the section that describes the mapping below it."""

    name: str
    kind: str
    meaning: str
    required: bool = False
    default: str = ""
    of: str = ""


@dataclass(frozen=True)
class Section:
    """The keys of one mapping. ``free`` describes its keys where every name is allowed."""

    title: str
    about: str
    keys: tuple[Key, ...] = ()
    free: str = ""
    of: str = ""


def figure(name: str, unit: str, meaning: str, *, required: bool = False, of: str = "figure") -> Key:
    """A key for a figure of the hardware; without ``unit``: a count."""
    return Key(name, f"figure, {unit}" if unit else "figure", meaning, required, of=of)


def text(name: str, meaning: str, *, required: bool = False, default: str = "") -> Key:
    """A key for a text."""
    return Key(name, "text", meaning, required, default)
