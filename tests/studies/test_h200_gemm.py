"""The comparison of products with the public ones, on rows made up."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from roofline import specs
from roofline.core.measurement import Measurement

sys.path.insert(0, str(Path(__file__).parents[2] / "studies"))
import h200_gemm as gemm

LARGE, WIDE, SMALL = (8192, 8192, 8192), (1, 65536, 16384), (64, 64, 64)


def row(shape: tuple[int, int, int], seconds: float, **more: object) -> Measurement:
    m, n, k = shape
    own = {"dtype": "bf16", "attributes": {"out": n, "bias": False}} | more
    return Measurement("operator", "h200-sxm", seconds=seconds, op="linear", inputs=((m, k),), **own)  # type: ignore[arg-type]


def test_products_are_compared_at_the_clock_that_was_recorded() -> None:
    ours = [row(LARGE, 2e-3), row(WIDE, 6e-4), row(SMALL, 9e-6), row((8, 8, 8), 1e-5), row(LARGE, 9.0, dtype="fp16")]
    theirs = [row(LARGE, 1.5e-3), row(WIDE, 5e-4), row(SMALL, 3e-6), row((16, 8, 8), 1e-5)]
    samples = {
        (ours[0].key, 0): {"seconds": 2e-3, "sm_clock_mhz": 1485.0},
        (ours[0].key, 1): {"seconds": 3e-3, "sm_clock_mhz": 990.0},
        (ours[1].key, 0): {"seconds": 6e-4, "sm_clock_mhz": 990.0},
    }
    found = gemm.pairs(ours, theirs, gemm.clocks(samples), specs.load_chip("h200-sxm"))
    off = {pair.shape: pair.off for pair in found}
    # arithmetic at three quarters of their clock is as fast as theirs; memory does not care for the clock
    assert off[LARGE] == pytest.approx(0.0, abs=1e-9)
    assert off[WIDE] == pytest.approx(0.2)
    assert set(off) == {LARGE, WIDE, SMALL}
    assert {pair.shape for pair in found if pair.judged} == {LARGE, WIDE}
    said = "\n".join(gemm.report(found))
    assert "3 shapes in both, 2 of them above 50 us" in said
    assert "50% agree within 15%" in said
    assert "1x65536x16384: 600.0 us here, 500.0 there, +20.0%" in said


def test_nothing_in_common_is_said() -> None:
    assert gemm.report([]) == ["0 shapes in both, 0 of them above 50 us"]
