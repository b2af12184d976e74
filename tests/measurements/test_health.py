"""Visits to the reference kernels: what they say of the samples between them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from roofline.measurements.health import flags_between, health_of, taken, worst_first


def visits(count: int = 40, **columns: Any) -> list[dict[str, Any]]:
    """Visits a second apart on a machine that does nothing else, with columns replaced; noise of one per cent."""
    noise = 1 + 0.01 * np.random.default_rng(0).standard_normal((2, count))
    compute = columns.pop("compute", np.ones(count)) * noise[0]
    memory = columns.pop("memory", np.ones(count)) * noise[1]
    made = []
    for index in range(count):
        one: dict[str, Any] = {
            "threads": 1,
            "unix_s": 1e9 + index,
            "seconds": {"compute": 1e-4 * compute[index], "memory": 3e-3 * memory[index]},
            "share": 1.0,
            "steal_s": 5.0,
            "others_s": 0.01 * index,
            "processors": 2,
            "throttled": 0,
            "flags": [],
        }
        made.append(one | {name: values[index] for name, values in columns.items()})
    return made


def flagged(found: list[tuple[str, ...]], flag: str) -> list[int]:
    return [index for index, flags in enumerate(found) if flag in flags]


def test_a_quiet_machine_has_no_flags() -> None:
    assert flags_between(visits()) == [()] * 40
    assert flags_between([]) == []
    assert flags_between(visits(1)) == [()]


def test_a_slow_product_is_an_unstable_clock_around_its_visit() -> None:
    compute = np.ones(40)
    compute[20] = 1.2
    assert flagged(flags_between(visits(compute=compute)), "unstable clock") == [19, 20]
    compute[20] = 0.85  # faster is another clock, too
    assert flagged(flags_between(visits(compute=compute)), "unstable clock") == [19, 20]


def test_time_that_others_took_is_contention_and_says_nothing_of_the_clock() -> None:
    compute = np.ones(40)
    compute[20] = 1.5
    found = flags_between(visits(compute=compute, steal_s=[5.0] * 20 + [5.1] * 20))
    assert flagged(found, "contended") == [19]
    assert flagged(found, "unstable clock") == [20]
    others = np.cumsum([0.0] * 10 + [0.8] * 3 + [0.0] * 27)
    assert flagged(flags_between(visits(others_s=others)), "contended") == [9, 10, 11]
    shares = [1.0] * 40
    shares[7] = 0.6
    assert flagged(flags_between(visits(share=shares)), "contended") == [6, 7]


def test_a_slow_change_is_drift_and_a_single_late_visit_is_not() -> None:
    memory = np.ones(40)
    memory[5] = 2.0
    assert not flagged(flags_between(visits(memory=memory)), "drift")
    memory[28:] = 1.3
    found = flagged(flags_between(visits(memory=memory)), "drift")
    assert found
    assert set(found) >= set(range(30, 40))
    assert min(found) > 20


def test_throttling_comes_from_the_counter_or_from_the_card() -> None:
    assert flagged(flags_between(visits(throttled=[0] * 9 + [3] * 31)), "throttled") == [8]
    said: list[list[str]] = [[] for _ in range(40)]
    said[4] = ["throttled"]
    assert flagged(flags_between(visits(flags=said)), "throttled") == [3, 4]


def test_levels_are_of_one_number_of_threads() -> None:
    threads = [1, 2] * 20
    compute = np.array([1.0, 0.5] * 20)
    assert flags_between(visits(compute=compute, threads=threads)) == [()] * 40


def test_a_tick_of_a_counter_is_nothing_in_a_short_interval() -> None:
    close = visits(4, unix_s=[0.0, 0.005, 0.01, 0.015], others_s=[0.0, 0.01, 0.03, 0.23])
    assert taken(close, "others_s")[:3].tolist() == [0.0, 0.0, pytest.approx(40.0)]


def test_a_boot_a_set_back_clock_and_silence_take_nothing() -> None:
    odd = visits(4)
    odd[1]["steal_s"] = 1.0  # counted anew after a boot
    odd[2]["unix_s"] = 0.0
    odd[3]["steal_s"] = None
    assert np.isnan(taken(odd, "steal_s")).all()
    assert flags_between(odd) == [()] * 4


def test_a_campaign_in_a_few_numbers() -> None:
    memory = np.concatenate([np.ones(20), np.full(20, 1.2)])
    found = health_of(visits(memory=memory, steal_s=0.1 * np.arange(40), others_s=0.2 * np.arange(40)))
    assert found.visits == 40
    assert found.drift["memory"] == pytest.approx(0.2 / 1.1, rel=0.2)
    assert found.drift["compute"] == pytest.approx(0.0, abs=0.02)
    assert found.stolen == pytest.approx(0.1)
    assert found.others == pytest.approx(0.2)
    assert found.share == 1.0
    assert set(found.to_dict()["spread"]) == {"compute", "memory"}


def test_flags_in_order() -> None:
    assert worst_first(["nan", "drift", "throttled", "drift"]) == ("throttled", "drift", "nan")
