"""Symbol arithmetic computes what Python's integers do, and nothing else ever runs."""

from __future__ import annotations

import builtins
import warnings

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from roofline.core.expression import parse_expression
from roofline.errors import UsageError

SYMBOLS = {"batch": 3, "seq": 128, "hidden": 768}

atoms = st.one_of(st.integers(0, 4096).map(str), st.sampled_from(sorted(SYMBOLS)))
trees = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "//", "%"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        inner.map(lambda text: f"-{text}"),
        st.tuples(st.sampled_from(["min", "max"]), inner, inner).map(lambda t: f"{t[0]}({t[1]}, {t[2]})"),
    ),
    max_leaves=5,
)


@given(trees)
def test_agrees_with_python(text: str):
    assume(len(text) <= 200)
    try:
        expected = eval(text, {"__builtins__": {"min": min, "max": max}}, dict(SYMBOLS))
    except ZeroDivisionError:
        with pytest.raises(UsageError, match="divides by zero"):
            parse_expression(text).evaluate(SYMBOLS)
        return
    assert parse_expression(text).evaluate(SYMBOLS) == expected


fragments = st.sampled_from(
    [
        "__import__('os')",
        "open",
        "(",
        ")",
        ".",
        "[0]",
        "lambda:",
        "**",
        "1e9",
        "'x'",
        "\0",
        ":=",
        "if",
        " or ",
        "f''",
        "x",
        "2",
    ]
)


@given(st.one_of(st.text(max_size=60), st.lists(fragments, max_size=8).map("".join)))
def test_any_text_is_arithmetic_or_refused_and_never_run(text: str):
    kept = {name: getattr(builtins, name) for name in ("eval", "exec", "open")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python's parser warns of odd escapes
        try:
            vars(builtins).update(dict.fromkeys(kept, _never))
            value: object = parse_expression(text).evaluate({"x": 2})
        except UsageError:
            value = 0
        finally:
            vars(builtins).update(kept)
    assert isinstance(value, int)


def _never(*args: object, **kwargs: object) -> None:
    raise AssertionError("something was run")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image / 2", "write // instead of /"),
        ("hidden.bit_length()", "only names, integers"),
        ("2 ** 80", "only names, integers"),
        ("1.5", "only names, integers"),
        ("min(1, 2, 3)", "only names, integers"),
        ("4 *", "is not integer arithmetic"),
        ("1 + " * 100 + "1", "is not integer arithmetic"),
        (True, "is not integer arithmetic"),
    ],
)
def test_refused(text: str, message: str):
    with pytest.raises(UsageError) as caught:
        parse_expression(text)
    assert message in str(caught.value)


def test_values():
    assert parse_expression("ceildiv(seq, 100) * 4").evaluate(SYMBOLS) == 8
    assert parse_expression(7).evaluate({}) == 7
    assert parse_expression("4 * hidden + batch").names == {"hidden", "batch"}
    with pytest.raises(UsageError, match="bind it with --bind image=N"):
        parse_expression("image").evaluate(SYMBOLS)
    for huge in ("9" * 30, "4611686018427387904 * 2"):
        with pytest.raises(UsageError, match="larger than"):
            parse_expression(huge).evaluate({})
