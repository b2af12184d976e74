"""What is one question of a campaign, and how are its sizes drawn?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")

MAX_FLOPS = 3.2e9
MAX_ELEMENTS = 12_000_000
MAX_WEIGHTS = 16_000_000


@dataclass(frozen=True)
class Question:
    """One direction of one operator to measure: its name, attributes and input shapes, and its family."""

    family: str
    op: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[tuple[int, ...], ...] = ()
    part: str = "forward"


class Point:
    """A point of the unit cube that gives sizes and choices, one coordinate after the other.

    Points that cover the cube evenly cover the shapes of a family evenly, in every prefix of their order.
    """

    def __init__(self, coordinates: Iterable[float]) -> None:
        self._rest = iter(coordinates)

    def chance(self, share: float) -> bool:
        return next(self._rest) < share

    def choose(self, options: Sequence[T], weights: Sequence[float] = ()) -> T:
        """One of ``options``, equally likely without ``weights``."""
        place = next(self._rest)
        if not weights:
            return options[min(int(place * len(options)), len(options) - 1)]
        for option, weight in zip(options, weights, strict=True):
            place -= weight
            if place < 0.0:
                return option
        return options[-1]

    def log_size(self, low: float, high: float) -> int:
        """A size, evenly distributed in its logarithm."""
        value: float = low * (high / low) ** next(self._rest)
        return round(value)

    def size(self, low: float, high: float) -> int:
        """A size as in networks: mostly a multiple of 16 or 64, sometimes any number, or one above a multiple."""
        value = self.log_size(low, high)
        multiple, past = self.choose(_MULTIPLES, _SHARES)
        return max(1, round(value / multiple) * multiple + past) if value >= multiple else value


_MULTIPLES = ((1, 0), (8, 0), (16, 0), (64, 0), (64, 1), (64, -1))
_SHARES = (0.15, 0.15, 0.28, 0.34, 0.04, 0.04)
"""Tiles and blocks of libraries are powers of two: one element more costs a whole tile."""
