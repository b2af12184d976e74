"""What masks and shared heads save on CPUs and arrays: what the kernels there skip, and no more."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from roofline.core.attention import square, unmasked
from roofline.core.dtype import precision
from roofline.core.schedule import Schedule
from roofline.devices.cpu.attention import BLOCK, LEAST, executed_scores
from roofline.lowering import lower, single
from roofline.prediction.predict import predict


def work(queries: int, keys: int, **attributes: Any) -> Schedule:
    shapes = [(2, 4, queries, 64), (2, 2, keys, 64), (2, 2, keys, 64)]
    return lower(single("attention", attributes, shapes, precision("fp32")))


def executed(schedule: Schedule) -> float:
    """Scores that a CPU computes, over the full square."""
    return float((executed_scores(schedule) / square(schedule))[0])


def test_a_cpu_skips_blocks_of_long_causal_calls() -> None:
    assert executed(work(LEAST - 1, LEAST - 1, causal=True)) == 1.0
    for length in (1024, 2048, 8192):  # on average half, and half a block on either side of the diagonal
        assert executed(work(length, length, causal=True)) == pytest.approx(0.5 + (BLOCK + 0.5) / length)
    assert executed(work(2048, 2048, window=64)) == 1.0
    assert executed(work(1, 2048, causal=True)) == executed(work(2048, 2048)) == 1.0


def test_unmasked_work_is_the_full_square() -> None:
    masked, full = (work(300, 500, causal=causal) for causal in (True, False))
    grown = unmasked(masked)
    assert grown.elements.tolist() == full.elements.tolist()
    assert np.allclose(grown.flops, full.flops)
    assert unmasked(full) is full


def test_an_array_computes_masked_scores() -> None:
    shapes = [(1, 8, 2048, 128), (1, 8, 2048, 128), (1, 8, 2048, 128)]
    causal, full = (
        predict("tpu-v4", single("attention", {"causal": causal}, shapes, precision("bf16")), dtype="bf16")
        for causal in (True, False)
    )
    assert causal.seconds.middle == pytest.approx(full.seconds.middle)
    assert causal.flops < 0.51 * full.flops
