"""Which tensors share memory, and what does each hold after one of them was written into?

Tensors of one storage are views of its first one, the root. A write into any of them gives the root a new value; the
others are derived from it again when they are next read. So a network without writes says what writes did, and every
gradient finds its way back.
"""

# mypy: disable-error-code="misc"

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from roofline.frontends.pytorch.calls import storage_of

Tensor = Any


class Aliases:
    """Tensors by storage. Whoever uses it keeps the tensors themselves alive."""

    def __init__(self) -> None:
        self.roots: dict[int, Tensor] = {}
        self._writes: dict[int, int] = {}
        self._seen: dict[int, int] = {}
        self._views: dict[int, Callable[[], Any]] = {}

    def bound(self, tensor: Tensor) -> None:
        """``tensor`` now has a name for what its storage holds."""
        storage = storage_of(tensor)
        self.roots.setdefault(storage, tensor)
        self._seen[id(tensor)] = self._writes.get(storage, 0)

    def viewed(self, tensor: Tensor, again: Callable[[], Any]) -> None:
        """``again`` derives a view from the tensor that it is a view of."""
        if self.root(tensor) is not tensor:
            self._views[id(tensor)] = again

    def root(self, tensor: Tensor) -> Tensor:
        return self.roots.get(storage_of(tensor), tensor)

    def written(self, tensor: Tensor) -> None:
        """The storage has new contents, of which the root and ``tensor`` already have the names."""
        storage = storage_of(tensor)
        self._writes[storage] = self._writes.get(storage, 0) + 1
        for one in (self.root(tensor), tensor):
            self._seen[id(one)] = self._writes[storage]

    def refresh(self, tensor: Tensor) -> None:
        """Derive a view again if something was written into its storage since it got its name."""
        if self._seen.get(id(tensor), 0) < self._writes.get(storage_of(tensor), 0) and id(tensor) in self._views:
            self._seen[id(tensor)] = self._writes[storage_of(tensor)]
            self._views[id(tensor)]()


def whole(part: Tensor, root: Tensor) -> bool:
    """Whether a view has all elements of the root in the root's order."""
    return bool(
        part.numel() == root.numel()
        and part.is_contiguous()
        and root.is_contiguous()
        and part.storage_offset() == root.storage_offset()
    )
