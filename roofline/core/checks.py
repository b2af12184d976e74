"""Which values are possible? One check for each kind of field, which every value of this package asks when it is made.

A value made in Python and one read from YAML or JSON meet the same check in their ``__post_init__`` and are refused
with the same message: what the field is called, what is expected there, what was given.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import inf, isfinite
from numbers import Integral, Real
from typing import Any, NoReturn

from roofline.errors import UnknownName, UsageError

MOST = 10**6
"""More threads, chips or micro-batches than anybody has."""


def shown(value: Any) -> str:
    """What was given, on one short line."""
    try:
        text = repr(value)
    except ValueError:  # a whole number of thousands of digits
        return "a number too long to show"
    return text if len(text) <= 60 else f"{text[:57]}..."


def refuse(what: str, expected: str, value: Any) -> NoReturn:
    raise UsageError(f"{what}: expected {expected}, got {shown(value)}")


def word(what: str, value: Any, known: Collection[str], *, optional: bool = False) -> None:
    """One of a few words; also none, ``""``, where it is ``optional``."""
    if isinstance(value, str):
        if value in known or (optional and not value):
            return
        raise UnknownName(what, value, known)
    refuse(what, f"one of {', '.join(known)}", value)


def text(what: str, value: Any, *, filled: bool = False) -> None:
    """A text; where it must be ``filled``, not the empty one."""
    if not isinstance(value, str) or (filled and not value):
        refuse(what, "a text", value)


def texts(what: str, values: Any, *, filled: bool = False) -> None:
    for value in sequence(what, values):
        text(what, value, filled=filled)


def flag(what: str, value: Any) -> None:
    """True or false, and nothing that Python would take for one of them."""
    if not isinstance(value, bool):
        refuse(what, "true or false", value)


def count(what: str, value: Any, least: int = 1, most: int | None = None) -> None:
    """A whole number from ``least`` to ``most``."""
    if is_whole(value) and least <= value and (most is None or value <= most):
        return
    refuse(what, f"a whole number {f'of at least {least}' if most is None else f'from {least} to {most}'}", value)


def number(what: str, value: Any) -> None:
    """A finite number of any sign."""
    if not is_number(value) or not isfinite(value):
        refuse(what, "a finite number", value)


def numbers(what: str, values: Any) -> None:
    """Finite numbers by name."""
    for name, value in table(what, values).items():
        number(f"{what}, {name}", value)


def positive(what: str, value: Any) -> None:
    if not is_number(value) or not 0 < value < inf:
        refuse(what, "a finite number above zero", value)


def not_negative(what: str, value: Any) -> None:
    if not is_number(value) or not 0 <= value < inf:
        refuse(what, "a finite number not below zero", value)


def is_whole(value: Any) -> bool:
    """A whole number of Python or NumPy that is no truth value."""
    return type(value) is int or (isinstance(value, Integral) and not isinstance(value, bool))


def is_number(value: Any) -> bool:
    """A number of Python or NumPy, infinite or none at all included, that is no truth value and has a float."""
    if type(value) is float:
        return True
    if not isinstance(value, Real) or isinstance(value, bool):
        return False
    try:
        float(value)
    except OverflowError:
        return False
    return True


def sequence(what: str, values: Any, of: str = "") -> list[Any] | tuple[Any, ...]:
    """The values of a list or a tuple; a text, which Python would take for a list of letters, is none."""
    if not isinstance(values, list | tuple):
        refuse(what, f"a list of {of}" if of else "a list", values)
    return values


def each(what: str, values: Any, kind: type) -> None:
    """Values of one type."""
    for value in sequence(what, values, f"{kind.__name__} values"):
        instance(what, value, kind)


def table(what: str, values: Any) -> Mapping[Any, Any]:
    if not isinstance(values, Mapping):
        refuse(what, "names and values", values)
    return values


def entries(what: str, values: Any, key: type, kind: type) -> None:
    """A table from values of one type to values of another."""
    for name, value in table(what, values).items():
        instance(f"{what}: a key", name, key)
        instance(f"{what}, {name}", value, kind)


def instance(what: str, value: Any, kind: type, *, optional: bool = False) -> None:
    """A value of a type; also None where it is ``optional``."""
    if not isinstance(value, kind) and not (optional and value is None):
        refuse(what, f"a value of type {kind.__name__}", value)
