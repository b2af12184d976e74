"""What may the fields of a record be? One table for every type but ``measurement``, which checks itself.

A reader takes for granted what is checked here: types, finite numbers, ranges that any machine stays in. Fields that
are not in the table are free; docs/measurements.md is the contract.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from roofline.core.measurement import LONGEST_S
from roofline.errors import DataError

Check = Callable[[Any], str]
"""What was expected, of a value that is wrong; empty for one that is right."""

LARGEST_COUNT = 10**9
LARGEST_FACT = 1e18
"""Largest number in an environment: bytes, kHz and uW of any machine are below."""
LATEST_S = 4e9
"""Latest time of day in seconds since 1970 [s]: the year 2096."""
DEEPEST = 8
"""Levels of an environment that are read."""


def _number(low: float, high: float, what: str) -> Check:
    def check(value: Any) -> str:
        fine = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
        return "" if fine else what

    return check


def _whole(value: Any) -> str:
    fine = type(value) is int and 0 <= value <= LARGEST_COUNT
    return "" if fine else f"a whole number from 0 to {LARGEST_COUNT:,}"


def _time(value: Any) -> str:
    fine = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < LONGEST_S
    return "" if fine else f"a time above 0 and below {LONGEST_S:g} s"


def _text(value: Any) -> str:
    return "" if isinstance(value, str) and value.isprintable() else "text without control characters"


def _filled(value: Any) -> str:
    return _text(value) if value else "text that is not empty"


def _flag(value: Any) -> str:
    return "" if isinstance(value, bool) else "true or false"


def _maybe(check: Check) -> Check:
    return lambda value: "" if value is None else check(value)


def _list(check: Check) -> Check:
    def each(value: Any) -> str:
        if not isinstance(value, list):
            return "a list"
        return next((f"a list, each {said}" for item in value if (said := check(item))), "")

    return each


def _table(check: Check) -> Check:
    def each(value: Any) -> str:
        if not isinstance(value, dict):
            return "an object"
        return next((f"an object; {name[:40]}: {said}" for name, item in value.items() if (said := check(item))), "")

    return each


def _facts(value: Any, depth: int = 0) -> str:
    """Plain data that can be shown and compared."""
    if depth > DEEPEST:
        return f"at most {DEEPEST} levels"
    if isinstance(value, dict | list):
        items = [*value, *value.values()] if isinstance(value, dict) else value
        return next((said for item in items if (said := _facts(item, depth + 1))), "")
    if isinstance(value, str):
        return "" if not any(ord(letter) < 32 and letter not in "\n\t" for letter in value) else _text(value)
    fine = value is None or (math.isfinite(value) and abs(value) <= LARGEST_FACT)
    return "" if fine else f"numbers up to {LARGEST_FACT:g}"


def _about(value: Any) -> str:
    return _facts(value) if isinstance(value, dict) else "an object"


_SHARE = _number(0.0, 1.0, "a share from 0 to 1")
_SECONDS = _number(0.0, LATEST_S, f"seconds from 0 to {LATEST_S:g}")
_CHANGE = _number(-50.0, 50.0, "a logarithm from -50 to 50")
_FLAGS = _maybe(_list(_filled))
_SAMPLE: Mapping[str, Check] = {
    "key": _filled,
    "round": _whole,
    "seconds": _time,
    "blocks": _maybe(_list(_time)),
    "flags": _FLAGS,
    "environment": _maybe(_text),
    "visit": _maybe(_whole),
}
_GROUP: Mapping[str, Check] = {
    "cache": _filled,
    "threads": _whole,
    "rows": _whole,
    "median": _CHANGE,
    "p90": _CHANGE,
    "shift": _CHANGE,
}


def _group(value: Any) -> str:
    if not isinstance(value, dict):
        return "an object"
    wrong = ((name, check(value.get(name))) for name, check in _GROUP.items())
    return next((f"an object; {name}: {said}" for name, said in wrong if said), "")


FIELDS: Mapping[str, Mapping[str, Check]] = {
    "header": {
        "format": _maybe(_text),
        "date": _maybe(_text),
        "roofline": _maybe(_text),
        "chip": _filled,
        "machine": _maybe(_text),
        "identity": _maybe(_table(_text)),
        "device": _maybe(_text),
        "dtype": _maybe(_text),
        "threads": _maybe(_list(_whole)),
        "stack": _maybe(_about),
        "allocator_pinned": _maybe(_flag),
        "plan": _maybe(_about),
        "families": _maybe(_table(_whole)),
        "questions": _maybe(_text),
        "checksum": _maybe(_text),
    },
    "environment": {
        "id": _filled,
        "date": _maybe(_text),
        "device": _maybe(_text),
        **dict.fromkeys(("roofline", "python", "numpy"), _maybe(_text)),
        **dict.fromkeys(("torch", "system", "cpu", "memory", "variables", "gpu"), _maybe(_about)),
        "load": _maybe(_list(_number(0.0, 1e6, "a load from 0 to 1e6"))),
    },
    "sample": _SAMPLE,
    "repeat": _SAMPLE,
    "reference": {
        "visit": _whole,
        "round": _maybe(_whole),
        "threads": _maybe(_whole),
        "unix_s": _maybe(_SECONDS),
        "seconds": _table(_time),
        "share": _maybe(_SHARE),
        "steal_s": _maybe(_number(0.0, 1e12, "seconds from 0 to 1e12")),
        "others_s": _maybe(_number(0.0, 1e12, "seconds from 0 to 1e12")),
        "processors": _maybe(_number(0.0, 1e6, "a number from 0 to 1e6")),
        "throttled": _maybe(_number(0.0, LARGEST_FACT, "a number that is not negative")),
        "flags": _FLAGS,
    },
    "repeatability": {"groups": _list(_group)},
    "skipped": {"key": _filled, "label": _maybe(_text), "why": _maybe(_text)},
}
"""The check of each field, by type of record; a field that may be absent may also be null."""


def check_fields(record: Mapping[str, Any], where: str) -> None:
    """Check every field of a record that has a type of :data:`FIELDS`.

    Raises
    ------
    DataError : names ``where``, the field, what was expected and what was there.
    """
    kind = record["record"]
    for name, check in FIELDS[kind].items():
        if expected := check(record.get(name)):
            there = "it is missing" if name not in record else f"got {record[name]!r:.60}"
            raise DataError(f"{where}: {name} of a {kind} record: expected {expected}; {there}")
    if kind == "environment" and _facts(dict(record)):
        raise DataError(f"{where}: {kind}: expected {_facts(dict(record))}")
