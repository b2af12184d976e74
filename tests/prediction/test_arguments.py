"""Arguments that nobody can mean are refused by name; what is plainly meant is taken."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from roofline.core.run import Recipe, Run
from roofline.core.stack import Stack
from roofline.errors import RooflineError
from roofline.prediction.predict import predict


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"dtype": None}, "dtype: expected a word"),
        ({"batch": float("nan")}, "batch is nan; it must be a whole number"),
        ({"batch": "4"}, "batch: expected a whole number of at least 1, or 'max', got '4'"),
        ({"bind": ["batch"]}, "bind: expected names and values"),
        ({"calibration": 3}, "calibration: expected a file, a Calibration or 'none', got 3"),
        ({"stack": "compield"}, "did you mean compiled"),
        ({"stack": 3}, "stack: expected one of eager, compiled"),
        ({"run": ["training"]}, "run: expected one of inference, training"),
    ],
)
def test_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(RooflineError, match=said.replace("(", "[(]")):
        predict("rtx-3090", "mlp", **wrong)


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ({"stack": "compiled"}, {"stack": Stack(mode="compiled")}),
        ({"stack": "latency"}, {"stack": Stack(serving="latency")}),
        ({"run": "training"}, {"run": Run("training")}),
        ({"run": Run("training", "adamw")}, {"run": Run("training", Recipe("adamw"))}),  # type: ignore[arg-type]
        ({"batch": np.int64(2)}, {"batch": 2}),
        ({"stack": Stack(threads=np.int64(1))}, {"stack": Stack()}),
    ],
)
def test_understood(word: dict[str, Any], value: dict[str, Any]) -> None:
    assert predict("rtx-3090", "mlp", **word).to_dict() == predict("rtx-3090", "mlp", **value).to_dict()
