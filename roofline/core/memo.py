"""What was worked out already? A bounded table of results, of which the one unused for longest goes first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Memo(Generic[T]):
    """Results by key.

    Parameters
    ----------
    most : the sum of weights that is kept; a result heavier than a quarter of it is not kept.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._kept: OrderedDict[Hashable, tuple[T, int]] = OrderedDict()
        self._weight = 0

    def get(self, key: Hashable) -> T | None:
        """The result of a key, or None; also where the key has no hash."""
        try:
            found = self._kept.get(key)
            if found is None:
                return None
            self._kept.move_to_end(key)
        except (TypeError, KeyError):  # no hash, or dropped by another thread
            return None
        return found[0]

    def put(self, key: Hashable, value: T, weight: int = 1) -> T:
        """Keep a result, and return it."""
        if 4 * weight > self.most:
            return value
        try:
            self._weight += weight - self._kept.pop(key, (value, 0))[1]
            self._kept[key] = (value, weight)
        except TypeError:
            return value
        while self._weight > self.most:
            self._weight -= self._kept.popitem(last=False)[1][1]
        return value

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """The result of a key, made where it is not there."""
        found = self.get(key)
        return self.put(key, make()) if found is None else found

    def clear(self) -> None:
        """Keep nothing."""
        self._kept.clear()
        self._weight = 0

    def __len__(self) -> int:
        return len(self._kept)


class Same(Generic[T]):
    """A key that equals itself alone, for values that have no hash or a slow one. It keeps the value alive."""

    __slots__ = ("value",)

    def __init__(self, value: T) -> None:
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.value is self.value
