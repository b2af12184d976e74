"""Files held against each other: what differs beyond noise, what cannot be compared, and the likely reasons."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roofline.core.measurement import Measurement
from roofline.core.stack import Stack
from roofline.measurements.difference import compare, noise_of, round_shifts, shared_error
from roofline.measurements.facts import KNOWN, differences, standing
from roofline.measurements.records import ReadResult, read_measurements
from roofline.measurements.summary import settings_of, summarize

ROOT = Path(__file__).parents[2]
FACTS: dict[str, Any] = {
    "record": "environment",
    "date": "2026-11-23T05:31:00+00:00",
    "device": "cpu",
    "torch": {"version": "2.13.0", "build": ["MKL 2024.2", "AVX2"]},
    "system": {"release": "6.1", "steal_s": 1.0},
    "cpu": {"model": "Test", "family_model_stepping": [1, 2, 3], "governor": "performance", "clock_mhz": 2400.0},
    "memory": {"transparent_huge_pages": "madvise", "available_kib": 5},
    "load": [0.1, 0.1, 0.1],
    "variables": {},
    "allocator_pinned": True,
}


def facts(**changes: Any) -> dict[str, Any]:
    """The facts with some changed; ``cpu=`` and so on are added to a table."""
    return FACTS | {
        name: FACTS[name] | value if isinstance(value, dict) and isinstance(FACTS.get(name), dict) else value
        for name, value in changes.items()
    }


def file(
    seed: int, *, faster: float = 1.0, shift: float = 0.0, noise: float = 0.01, record: Any = FACTS, **row: Any
) -> ReadResult:
    """A campaign of 120 operators and four rounds: each round off by ``shift`` (1 sigma), each sample by ``noise``."""
    rng = np.random.default_rng(seed)
    common = shift * rng.standard_normal(4)
    rows, samples = [], {}
    for index in range(120):
        op = ("relu", "softmax")[index % 2]
        true = 1e-5 * (1 + index) / faster
        taken = true * np.exp(common + noise * np.abs(rng.standard_normal(4)))
        one = Measurement(
            "operator", "chip", "fp32", float(taken.min()), op=op, inputs=((8, 16 + index),), cache="cold"
        )
        one = replace(one, samples=tuple(map(float, taken)), environment="e", **row)
        rows.append(one)
        samples |= {(one.key, number): {"seconds": float(taken[number])} for number in range(4)}
    environments = {} if record is None else {"e": record}
    return ReadResult(tuple(rows), environments, (), samples=samples)


def test_two_campaigns_of_one_machine_are_the_same() -> None:
    found = compare(file(1, shift=0.01), file(2, shift=0.01))
    assert found.verdict == "same"
    assert found.facts == ()
    assert {ratio.what for ratio in found.families} == {"elementwise", "softmax"}
    assert found.total[0].rows == 120


def test_how_often_equal_machines_are_called_different() -> None:
    wrong = sum(compare(file(2 * n, shift=0.02), file(2 * n + 1, shift=0.02)).verdict != "same" for n in range(40))
    assert wrong <= 4  # 1 of 20 by its own account


def test_a_difference_beyond_noise_is_found_and_sized() -> None:
    found = compare(file(1, shift=0.01), file(2, shift=0.01, faster=1.10))
    assert found.verdict == "different"
    (total,) = found.total
    assert total.low < 1 / 1.10 < total.high < 1.0
    found = compare(file(1, shift=0.05), file(2, shift=0.05, faster=1.05))
    assert found.verdict == "same"  # rounds that are off by 5 % cannot show it


def test_a_single_row_that_differs_is_named_and_noise_is_not() -> None:
    a, b = file(1), file(2)
    slow = replace(b.measurements[7], seconds=2 * b.measurements[7].seconds)
    slow = replace(slow, samples=tuple(2 * one for one in b.measurements[7].samples))
    rows = (*b.measurements[:7], slow, *b.measurements[8:])
    found = compare(a, replace(b, measurements=rows))
    assert found.worst[0].b == slow
    assert found.worst[0].ratio == pytest.approx(2.0, rel=0.1)
    assert sum(ratio.apart for ratio in found.families) == found.total[0].apart < 20
    assert found.verdict == "same"


def test_noise_of_a_row() -> None:
    row = file(1).measurements[0]
    assert noise_of(replace(row, seconds=1.0, samples=(1.0, 1.1, 1.2)), 0.2) == pytest.approx(np.log(1.1))
    assert noise_of(replace(row, samples=(1.0,)), 0.2) == 0.1


def test_what_a_whole_round_is_off() -> None:
    read = file(3, shift=0.05, noise=0.001)
    assert np.std(round_shifts(read)) > 0.01
    assert shared_error(read, read) > 2 * np.std(round_shifts(read))
    alone = replace(read, samples={key: one for key, one in read.samples.items() if key[1] == 0})
    assert shared_error(alone, alone) == 0.0


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"chip": "other"}, "chip: chip and other"),
        ({"dtype": "bf16"}, "dtype: fp32 and bf16"),
        ({"stack": Stack(version="2.14")}, "stack, version: not recorded and 2.14"),
        ({"stack": Stack(threads=2)}, "stack, threads: 1 and 2"),
    ],
)
def test_unlike_rows_are_refused_and_matched_all_the_same(row: dict[str, Any], says: str) -> None:
    found = compare(file(1), file(2, faster=2.0, **row))
    assert found.verdict == "not comparable"
    assert found.refusals == (says,)
    assert found.total[0].ratio == pytest.approx(0.5, rel=0.05)


@pytest.mark.parametrize(
    ("record", "says"),
    [
        (facts(allocator_pinned=False), "allocator_pinned: True and False"),
        (facts(variables={"LD_PRELOAD": "libjemalloc.so.2"}), "variables.LD_PRELOAD: not set and libjemalloc.so.2"),
        (facts(cpu={"family_model_stepping": [9, 9, 9]}), "though it may have the same name"),
        (None, "the second file records no environment"),
    ],
)
def test_another_allocator_or_machine_is_refused(record: Any, says: str) -> None:
    found = compare(file(1), file(2, record=record))
    assert found.verdict == "not comparable"
    (refusal,) = found.refusals
    assert says in refusal


def test_files_without_a_common_row_are_refused() -> None:
    a = file(1)
    other = replace(a, measurements=tuple(replace(row, inputs=((3, 3),)) for row in a.measurements[:1]))
    found = compare(a, other)
    assert found.verdict == "not comparable"
    assert found.refusals == ("they have no measurement in common",)
    assert (found.only_a, found.only_b) == (120, 1)


def test_facts_that_differ_are_ranked_and_passing_ones_left_out() -> None:
    other = facts(
        torch={"version": "2.14.0", "build": ["MKL 2025.0", "AVX2"]},
        cpu={"governor": "powersave", "clock_mhz": 2401.0, "quota": None},
        system={"release": "6.2", "steal_s": 900.0},
        memory={"available_kib": 9},
        load=[3.0, 1.0, 1.0],
        date="2027-01-01T00:00:00+00:00",
        shoes="blue",
    )
    found = differences([FACTS], [other | {"shoes": "red"}])
    assert [one.fact for one in found] == ["torch.version", "torch.build", "cpu.governor", "load", "system.release"]
    by_name = {one.fact: one for one in found}
    assert (by_name["torch.build"].a, by_name["torch.build"].b) == ("MKL 2024.2", "MKL 2025.0")
    assert (by_name["load"].a, by_name["load"].b) == ("0.1", "3")
    assert not any(one.refuses for one in found)
    assert differences([FACTS | {"shoes": "red"}], [other])[-1].why == "not known to matter"
    assert next(iter(KNOWN)) == "allocator_pinned"


def test_settings_are_told_apart_by_what_stands_still() -> None:
    later = facts(date="2026-11-23T06:00:00+00:00", load=[9.0, 1.0, 1.0]) | {"id": "b"}
    third = facts(allocator_pinned=False) | {"id": "c"}
    records = {"a": FACTS | {"id": "a"}, "b": later, "c": third}
    rows = tuple(replace(row, environment="abc"[i % 3]) for i, row in enumerate(file(1).measurements))
    first, second = settings_of(ReadResult(rows, records, ()))
    assert (first.rows, second.rows) == (80, 40)
    assert (first.first, first.last) == ("2026-11-23T05:31:00+00:00", "2026-11-23T06:00:00+00:00")
    assert first.comparable
    assert not second.comparable
    assert standing(FACTS) == standing(later) != standing(third)


def test_a_summary_counts_rows_flags_and_spread() -> None:
    read = file(1)
    rows = (replace(read.measurements[0], flags=("drift", "nan")), *read.measurements[1:])
    summary = summarize(replace(read, measurements=rows))
    assert [(group.family, group.rows, group.flagged) for group in summary.rows] == [
        ("elementwise", 60, 1),
        ("softmax", 60, 0),
    ]
    assert summary.flags == {"drift": 1, "nan": 1}
    assert 0.0 < summary.rows[0].spread < 0.02  # type: ignore[operator]
    assert summary.health is None
    assert summary.to_dict()["header"] is None


def test_the_committed_campaigns_are_read_and_agree_on_cold_operators() -> None:
    """Of two designs of shapes they share the streams and the nets."""
    a, b = (
        read_measurements(path) for path in sorted((ROOT / "reports/measurements/cpu-amd-epyc").glob("*-[ab].*.gz"))
    )
    assert a.header is not None
    found = compare(a, b)
    cold = next(ratio for ratio in found.total if (ratio.what, ratio.cache) == ("operators", "cold"))
    assert cold.rows == 93
    assert cold.ratio == pytest.approx(1.031, abs=0.001)
    assert cold.low < 1.0 < cold.high
