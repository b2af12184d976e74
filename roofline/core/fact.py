"""What is a figure? A number, its source, and how reliable it is."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any, Literal

from roofline.core import checks
from roofline.errors import UsageError

Status = Literal["datasheet", "derived", "measured", "unverified"]
STATUSES: tuple[Status, ...] = ("datasheet", "derived", "measured", "unverified")


LEAST, MOST = 1e-15, 1e24
"""Range of all figures of a chip in SI units: 1 fs and 10^24 FLOP/s are both out of reach."""
ABSURD = f"no figure of a chip is below {LEAST:g} or above {MOST:g} in SI units"


@dataclass(frozen=True)
class Fact:
    """A number in SI units (``value``), its source, and how reliable it is (``status``)."""

    value: float
    source: str
    status: Status = "datasheet"
    note: str = ""

    def __post_init__(self) -> None:
        if not checks.is_number(self.value) or not 0 <= self.value < inf:
            source = f" (from {checks.shown(self.source)})" if self.source else ""
            given = checks.shown(self.value)
            raise UsageError(f"a figure of {given}{source}: it must be a finite number not below zero")
        if self.value and not LEAST <= self.value <= MOST:
            raise UsageError(f"a figure of {checks.shown(self.value)}: {ABSURD}")
        checks.text("source of a figure", self.source)
        checks.word("status of a figure", self.status, STATUSES)
        checks.text("note of a figure", self.note)


def check_figure(what: str, fact: Any, *, optional: bool = False) -> None:
    """Refuse a figure that is no :class:`Fact` above zero; None is accepted where it is ``optional``.

    Raises
    ------
    UsageError : it is something else.
    """
    if optional and fact is None:
        return
    checks.instance(what, fact, Fact)
    if fact.value <= 0:
        raise UsageError(f"{what}: a figure of {fact.value}; it must be above zero")
