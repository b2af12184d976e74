"""Visits to the reference kernels: when they are made, and what is noted of each."""

from __future__ import annotations

from typing import Any

import pytest
from campaigns import burst

from roofline.campaign import watch as watch_module
from roofline.campaign.watch import Watch, visit
from roofline.core.measurement import Measurement
from roofline.measurements.health import flags_between, health_of


def test_a_visit_takes_the_best_of_two_products_and_what_the_bench_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "steal_s", lambda: 1 / 0)
    lengths = iter([3e-4, 1e-4, 5e-3])
    record = visit(lambda row: burst(next(lengths), notes=("throttled", "nan"), facts={"sm_clock_mhz": 1500}), 7, 1, 2)
    assert record["seconds"] == {"compute": 1e-4, "memory": 5e-3}
    assert (record["visit"], record["round"], record["threads"]) == (7, 1, 2)
    assert record["flags"] == ["throttled"]
    assert record["sm_clock_mhz"] == 1500
    assert record["steal_s"] is None


def test_a_device_without_the_kernels_gives_visits_without_seconds() -> None:
    def refuse(row: Measurement) -> Any:
        raise RuntimeError("not implemented")

    record = visit(refuse, 0, 0, 1)
    assert record["seconds"] == {}
    assert record["share"] is None
    assert health_of([record] * 9).spread == {}
    assert not any("unstable clock" in flags for flags in flags_between([record] * 9))


def test_the_watch_visits_once_a_period_and_speaks_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(watch_module.time, "monotonic", lambda: now)
    monkeypatch.setattr(watch_module, "others_s", lambda: 0.0)
    written: list[Any] = []
    slow = 1.0
    watch = Watch(lambda row: burst(1e-3 * slow), written.append, [])
    for _ in range(12):
        watch.look(0, 1)
        now += 0.6
    assert 6 <= len(written) <= 7
    assert watch.state == ""
    slow = 1.3
    assert watch.look(0, 1, now=True) == len(written) - 1
    assert watch.state == "unstable clock"
    now = 3.0  # the clock was set back
    before = len(written)
    watch.look(0, 1)
    assert len(written) == before + 1
