"""Bursts on a clock the test turns: what is kept, what is dropped, and that no time is ever negative."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import repeat

import pytest

from roofline.campaign.timer_cpu import BACKWARDS, PATIENCE, Burst, burst_cold, burst_warm
from roofline.errors import DataError


class Clock:
    """A clock that the calls advance; ``jumps`` are added to it at these calls, by number."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, jumps: dict[int, float] | None = None) -> None:
        self.now, self.calls, self.jumps = 1000.0, 0, jumps or {}
        monkeypatch.setattr(time, "perf_counter", lambda: self.now)
        monkeypatch.setattr(time, "thread_time", lambda: 1.0)

    def call(self) -> str:
        self.calls += 1
        self.now += 1e-3 + self.jumps.get(self.calls, 0.0)
        return "result"

    def all(self) -> Iterator[Callable[[], str]]:
        return repeat(self.call)


@pytest.mark.parametrize("jump", [-1e-3, -0.5, -1e6])
def test_a_sample_in_which_the_clock_went_backwards_is_dropped(monkeypatch: pytest.MonkeyPatch, jump: float) -> None:
    clock = Clock(monkeypatch, {3: jump, 5: jump})
    burst = burst_cold(clock.all(), lambda: None, seconds=0.01)
    assert burst.flags == (BACKWARDS,)
    assert burst.seconds == pytest.approx([1e-3] * len(burst.seconds))
    assert burst.typical == pytest.approx(1e-3)
    assert clock.calls < 30  # set back by days, it does not go on for days


def test_a_warm_burst_drops_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, {1: -5.0, 4: -5.0})
    burst = burst_warm(clock.all(), seconds=0.005)
    assert burst.flags == (BACKWARDS,)
    assert all(seconds == pytest.approx(1e-3) for seconds in burst.seconds)
    assert burst.output == "result"


@pytest.mark.parametrize("take", [lambda calls: burst_cold(calls, lambda: None), burst_warm])
def test_a_clock_that_stands_still_is_an_error(monkeypatch: pytest.MonkeyPatch, take: Callable[..., Burst]) -> None:
    clock = Clock(monkeypatch)
    monkeypatch.setattr(time, "perf_counter", lambda: 7.0)
    with pytest.raises(DataError, match="clock did not advance"):
        take(clock.all())
    assert clock.calls <= PATIENCE + 2


def test_an_undisturbed_clock_leaves_no_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    burst = burst_cold(clock.all(), lambda: None, seconds=0.01)
    assert burst.flags == ()
    assert burst.output == "result"


def test_without_a_clean_sample_the_thread_clock_stands_in_unless_it_is_too_coarse() -> None:
    assert Burst((3.0, 4.0), (2.5, 2.0), (False, False)).typical == 2.0
    assert Burst((3.0, 4.0), (0.0, 2.0), (False, False)).typical == 2.0
    coarse = Burst((3.0, 4.0), (0.0, 0.0), (False, False), notes=("throttled",))
    assert coarse.typical == 3.0
    assert coarse.flags == ("throttled", "contended")
