"""Is what leaves the program as JSON strict JSON, and is every warning said, and said once?"""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from roofline.analysis.compare import compare
from roofline.cli.app import cli
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


def test_a_warning_is_said_once_and_all_of_a_comparison_are_said() -> None:
    """``compare`` says what ``predict`` says of each chip, each text once."""
    alone = CliRunner().invoke(cli, ["predict", "apple-m1", "-w", "mlp"]).stderr
    both = CliRunner().invoke(cli, ["compare", "apple-m1", "rtx-2070", "-w", "mlp", "--dtype", "fp32"]).stderr
    assert "no launch time is known" in alone
    assert "warning: apple-m1: no launch time is known" in both
    assert len(both.splitlines()) == len(set(both.splitlines()))
    assert "no launch time is known" in str(compare(["apple-m1", "rtx-2070"], "mlp", dtypes=["fp32"]))


def test_a_slow_loader_is_no_gap_in_a_calibration() -> None:
    said = CliRunner().invoke(cli, ["predict", "rtx-2070", "-w", "resnet50", "--loader-rate", "100"]).stderr
    assert "calibration does not cover" not in said
