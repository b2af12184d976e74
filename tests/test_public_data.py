"""Are the shipped datasheet ranges what the public measurements say? Needs them: ROOFLINE_DATA."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

from roofline import specs

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "datasheet_spread.py"


@pytest.mark.slow
def test_datasheet_ranges_are_reproduced() -> None:
    data = os.environ.get("ROOFLINE_DATA")
    if not data or not (Path(data) / "neusight").is_dir():
        pytest.skip("ROOFLINE_DATA does not name a folder with the public data sets")
    spec = importlib.util.spec_from_file_location("datasheet_spread", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    ratios, counts = script.spread(Path(data))
    shipped = specs.load_datasheet_spread()
    assert dict(shipped.data["rows"]) == counts
    assert set(shipped.families) == set(ratios)
    for family, fit in shipped.families.items():
        found = script.pooled(ratios[family])
        assert {level: pytest.approx(value, abs=1e-4) for level, value in found.items()} == dict(fit.quantiles)
