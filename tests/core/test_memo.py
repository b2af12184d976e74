"""Does a table of results stay within its bounds, and does it never mix up two questions?"""

from __future__ import annotations

from roofline.core.memo import Memo, Same


def test_once() -> None:
    memo: Memo[int] = Memo(100)
    calls: list[int] = []

    def make() -> int:
        calls.append(1)
        return 7

    assert [memo.once("a", make), memo.once("a", make), memo.once("b", make)] == [7, 7, 7]
    assert len(calls) == 2


def test_the_oldest_unused_goes_first() -> None:
    memo: Memo[str] = Memo(4)
    for key in "abcd":
        memo.put(key, key)
    assert memo.get("a") == "a"  # used: now b is the oldest
    memo.put("e", "e")
    assert (memo.get("b"), memo.get("a"), len(memo)) == (None, "a", 4)


def test_weights_bound_it() -> None:
    memo: Memo[str] = Memo(100)
    memo.put("heavy", "h", 26)
    assert memo.get("heavy") is None  # more than a quarter
    for key in range(10):
        memo.put(key, "x", 25)
    assert len(memo) == 4
    memo.put(9, "y", 1)  # put again: its old weight is gone
    assert len(memo) == 4
    memo.clear()
    assert len(memo) == 0


def test_what_has_no_hash_is_not_kept() -> None:
    memo: Memo[int] = Memo(10)
    assert memo.put(["list"], 3) == 3
    assert memo.get(["list"]) is None


def test_same_is_identity() -> None:
    one, other = [1], [1]
    assert Same(one) == Same(one)
    assert Same(one) != Same(other)
    assert hash(Same(one)) == hash(Same(one))
