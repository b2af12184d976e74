"""Are codes and words always the same labels?"""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from roofline.core.labels import Labels

words = st.lists(st.sampled_from(["DRAM", "CUDA cores", "launch", "host"]), max_size=20)


@given(words)
def test_there_and_back(given_words: list[str]) -> None:
    labels = Labels.of(given_words)
    assert list(labels) == given_words
    assert [labels[index] for index in range(len(labels))] == given_words
    assert Labels.of(labels) is labels


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("ab"), st.sampled_from("bc")), max_size=20))
def test_where(rows: list[tuple[bool, str, str]]) -> None:
    mask = np.array([row[0] for row in rows], dtype=bool)
    found = Labels.where(mask, Labels.of([row[1] for row in rows]), Labels.of([row[2] for row in rows]))
    assert list(found) == [first if ok else second for ok, first, second in rows]
    assert list(Labels.where(mask, "x", found)) == ["x" if ok else word for ok, word in zip(mask, found, strict=True)]


def test_ranks() -> None:
    assert Labels.of(["b", "a", "c", "a"]).ranks(("a", "b", "c")).tolist() == [1, 0, 2, 0]
    assert Labels.all("a", 3).ranks(("a",)).tolist() == [0, 0, 0]
