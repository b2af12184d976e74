"""Which attributes does an operator take, and which values do they hold after the checks?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from roofline.core.workload import Attribute
from roofline.errors import UsageError

ParameterKind = Literal["whole", "flag", "pair", "sizes"]


@dataclass(frozen=True)
class Parameter:
    """One attribute of an operator.

    Parameters
    ----------
    name : as in workload files.
    kind : ``whole`` (an integer), ``flag`` (true or false), ``pair`` (height and width, or one integer for both),
        ``sizes`` (a list of integers).
    meaning : one phrase for the reference page.
    default : value if not given; ``None`` makes it required unless ``optional``.
    low : the smallest integer allowed (``None``: any).
    optional : may be absent without a default.
    """

    name: str
    kind: ParameterKind
    meaning: str
    default: Attribute | None = None
    low: int | None = 1
    optional: bool = False

    def check(self, value: object) -> Attribute:
        """``value`` in its normal form (a pair is always two integers).

        Raises
        ------
        UsageError : not of this kind, or below ``low``.
        """
        if self.kind == "flag":
            if not isinstance(value, int) or value not in (0, 1):  # a block's parameter is a number
                raise UsageError(f"{self.name} is {_shown(value)}; write true or false")
            return bool(value)
        if self.kind == "whole":
            return self._integer(value)
        given: Sequence[object] = value if isinstance(value, tuple | list) else (value,)
        items = tuple(self._integer(item) for item in given)
        if self.kind == "pair":
            if len(items) > 2 or not items:
                raise UsageError(f"{self.name} is {_shown(value)}; write one integer or [height, width]")
            return (items[0], items[-1])
        return items

    def _integer(self, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise UsageError(f"{self.name} is {_shown(value)}; it must be an integer")
        if self.low is not None and value < self.low:
            raise UsageError(f"{self.name} is {value}; it must be at least {self.low}")
        return value


@dataclass(frozen=True)
class Attributes:
    """Checked attributes, complete with defaults, read by the kind of their parameter."""

    values: Mapping[str, Attribute]

    def whole(self, name: str) -> int:
        value = self.values[name]
        assert isinstance(value, int)
        return value

    def flag(self, name: str) -> bool:
        return bool(self.values.get(name, False))

    def sizes(self, name: str) -> tuple[int, ...]:
        value = self.values[name]
        assert isinstance(value, tuple)
        return value

    def pair(self, name: str) -> tuple[int, int]:
        height, width = self.sizes(name)
        return height, width

    def has(self, name: str) -> bool:
        return name in self.values


def flag(name: str, default: bool, meaning: str) -> Parameter:
    """A parameter that is true or false."""
    return Parameter(name, "flag", meaning, default)


def _shown(value: object) -> str:
    return str(list(value)) if isinstance(value, tuple) else repr(value)
