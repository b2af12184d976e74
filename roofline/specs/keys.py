"""What is said of a key that a file takes: what stands behind it, what does it mean, may it be left out?

The readers (:mod:`roofline.specs.chipfile`, :mod:`roofline.specs.netfile`) are written by hand; the tables
(:mod:`roofline.specs.chipkeys`, :mod:`roofline.specs.netkeys`) are what a person reads, and a test asserts that
both name the same keys.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Key:
    """One key. ``of`` names the section that describes what stands below it."""

    name: str
    kind: str
    meaning: str
    required: bool = False
    default: str = ""
    of: str = ""


@dataclass(frozen=True)
class Section:
    """The keys of one mapping. ``free`` says what its keys are where every name is allowed."""

    title: str
    about: str
    keys: tuple[Key, ...] = ()
    free: str = ""
    of: str = ""


def figure(name: str, unit: str, meaning: str, *, required: bool = False, of: str = "figure") -> Key:
    """A key for a number of the hardware; no ``unit``: a count."""
    return Key(name, f"figure, {unit}" if unit else "figure", meaning, required, of=of)


def text(name: str, meaning: str, *, required: bool = False, default: str = "") -> Key:
    """A key for words."""
    return Key(name, "text", meaning, required, default)
