"""How does each of a million kernels get a word, such as its bound or its tier? As a code into a list of words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Labels:
    """One word for each of N kernels: ``words[codes[i]]``.

    Parameters
    ----------
    codes : places in ``words``, shape (N,).
    words : the words, in any order.
    """

    codes: Ints
    words: tuple[str, ...]

    @classmethod
    def of(cls, labels: Labels | Sequence[str]) -> Labels:
        """Labels from a list of words."""
        if isinstance(labels, Labels):
            return labels
        words, codes = np.unique(np.asarray(list(labels), dtype=str), return_inverse=True)
        return cls(codes.astype(np.int64).reshape(-1), tuple(str(word) for word in words))

    @classmethod
    def all(cls, word: str, count: int) -> Labels:
        """The same word for every kernel."""
        return cls(np.zeros(count, dtype=np.int64), (word,))

    @classmethod
    def where(cls, mask: Mask, these: Labels | str, others: Labels | str) -> Labels:
        """``these`` where the mask is true, ``others`` where it is not."""
        first, second = (cls.all(one, len(mask)) if isinstance(one, str) else one for one in (these, others))
        words = tuple(dict.fromkeys((*first.words, *second.words)))
        place = {word: code for code, word in enumerate(words)}
        codes = [np.array([place[word] for word in one.words], dtype=np.int64)[one.codes] for one in (first, second)]
        return cls(np.where(mask, *codes), words)

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, index: int) -> str:
        return self.words[int(self.codes[index])]

    def __iter__(self) -> Iterator[str]:
        return (self.words[code] for code in self.codes)

    def select(self, rows: slice | Ints) -> Labels:
        """The labels at ``rows``."""
        return Labels(self.codes[rows], self.words)

    def any_of(self, rule: Callable[[str], bool]) -> Mask:
        """Mask of the places whose word satisfies a rule, shape (N,)."""
        return np.asarray(np.array([rule(word) for word in self.words], dtype=bool)[self.codes])

    def sums(self, values: Floats, *, largest_first: bool = True) -> dict[str, float]:
        """The sum of ``values`` by word, largest first (equal ones, and all otherwise, in the order they come)."""
        sums = np.bincount(self.codes, values, minlength=len(self.words)).tolist()
        order = list(dict.fromkeys(self.codes.tolist()))
        if largest_first:
            order = sorted(order, key=lambda code: -sums[code])
        return {self.words[code]: sums[code] for code in order}

    def ranks(self, order: Sequence[str]) -> Ints:
        """The place of every word in a given order, shape (N,)."""
        return np.array([order.index(word) for word in self.words], dtype=np.int64)[self.codes]
