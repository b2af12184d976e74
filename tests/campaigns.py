"""A campaign without a clock: two operators and a net, on a machine whose speed the test decides."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from roofline.campaign import campaign, rounds, watch
from roofline.campaign.campaign import run_campaign
from roofline.campaign.question import Question
from roofline.campaign.timer_cpu import Burst
from roofline.core.measurement import Measurement
from roofline.measurements.plan import Plan

QUESTIONS = [Question("elementwise", "relu", {}, ((8, width),)) for width in (16, 32, 64)]
PLAN = Plan(rows=3, rounds=2, networks={"mlp": {"batch": 2}})
CHIP = "cpu-test"

Bench = Callable[[Measurement], Burst]


def burst(seconds: float = 1e-3, **more: Any) -> Burst:
    """Three samples of one length."""
    return Burst((seconds,) * 3, (seconds,) * 3, (True,) * 3, **more)


def length(row: Measurement) -> float:
    """A millisecond, less for rows of less work."""
    return 1e-3 if not row.inputs else 1e-6 * row.inputs[0][-1]


class Counting:
    """A bench that counts its bursts of rows, leaving out the reference kernels, and may fail at one of them."""

    def __init__(self, fail_at: int = -1, error: BaseException | None = None, make: Bench | None = None) -> None:
        self.rows: list[Measurement] = []
        self.fail_at, self.error = fail_at, error
        self.make = make or (lambda row: burst(length(row)))

    def __call__(self, row: Measurement) -> Burst:
        if row.chip == CHIP:
            self.rows.append(row)
            if len(self.rows) == self.fail_at + 1 and self.error is not None:
                raise self.error
        return self.make(row)


@pytest.fixture(name="run")
def run_made(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """``run(path, bench, plan=..., **options)`` of a campaign; what it said."""
    pytest.importorskip("torch")
    monkeypatch.setattr(campaign, "design", lambda rows, seed, training: QUESTIONS)
    monkeypatch.setattr(campaign, "ladder", list)
    monkeypatch.setattr(watch, "others_s", lambda: 0.0)  # what else the machine of the tests is doing
    monkeypatch.setattr(watch, "steal_s", lambda: 0.0)
    monkeypatch.setattr(rounds, "capture", lambda device: {"device": device, "cpu": {"model": "Test"}})

    def measure(path: Path, bench: Bench | None = None, plan: Plan = PLAN, **options: Any) -> list[str]:
        said: list[str] = []
        monkeypatch.setattr(campaign, "bench_of", lambda device, dtype: bench or Counting())
        run_campaign(path, options.pop("chip", CHIP), plan, say=said.append, **options)
        return said

    return measure
