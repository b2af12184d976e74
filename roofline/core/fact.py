"""What is a figure? A number, where it comes from, and how far to trust it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["datasheet", "derived", "measured", "unverified"]
STATUSES: tuple[Status, ...] = ("datasheet", "derived", "measured", "unverified")


@dataclass(frozen=True)
class Fact:
    """A number, where it comes from, and how far to trust it. ``value`` is in SI units."""

    value: float
    source: str
    status: Status = "datasheet"
    note: str = ""
