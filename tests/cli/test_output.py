"""Is what leaves the program as JSON strict JSON, whatever a result holds?"""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from roofline.cli.output import clean, emit


def refused(name: str) -> Any:
    raise AssertionError(f"{name} is not JSON")


def printed(value: Any, capsys: pytest.CaptureFixture[str]) -> Any:
    emit("json", lambda: value, pytest.fail, pytest.fail)
    return json.loads(capsys.readouterr().out, parse_constant=refused)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float64("nan"), np.float64("inf")])
def test_what_is_no_finite_number_leaves_as_null(value: float, capsys: pytest.CaptureFixture[str]) -> None:
    told = printed({"a": value, "b": [1.5, value, {"c": value}], "d": (value,), "e": [[value]]}, capsys)
    assert told == {"a": None, "b": [1.5, None, {"c": None}], "d": [None], "e": [[None]]}


@pytest.mark.parametrize("value", [0.0, -0.0, 5e-324, 1.7e308, 3, True, None, "nan", "", "µs"])
def test_everything_else_leaves_as_it_is(value: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert clean(value) is value
    assert printed({"a": value, "b": [value]}, capsys) == {"a": value, "b": [value]}


def test_names_become_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed({1: 2, None: 3}, capsys) == {"1": 2, "None": 3}
