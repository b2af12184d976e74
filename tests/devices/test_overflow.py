"""A memory with a slower last part: fast until it is full, then the mean of both by what lies where."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import chip as make_chip
from synthetic import fact

from roofline.core.chip import Chip, Overflow
from roofline.core.parts import Parts
from roofline.core.schedule import Schedule
from roofline.devices.ceiling import ceiling_times, dram_bandwidth, light
from roofline.lowering import lower, single

FAST, SLOW = 196e9, 28e9
ROOM, REST = 3.5e9, 0.5e9


def chip(overflow: bool = True) -> Chip:
    plain = make_chip()
    dram = replace(plain.dram, capacity=fact(ROOM), bandwidth=fact(FAST))
    if overflow:
        dram = replace(dram, overflow=Overflow(fact(REST), fact(SLOW)))
    return replace(plain, memory=(dram,))


def schedule() -> Schedule:
    return lower(single("relu", {}, ((1 << 20,),)))


@pytest.mark.parametrize(
    ("footprint", "seconds_per_byte"),
    [
        (0.0, 1 / FAST),
        (ROOM, 1 / FAST),
        (ROOM + REST, (ROOM / FAST + REST / SLOW) / (ROOM + REST)),
        (3.75e9, (ROOM / FAST + 0.25e9 / SLOW) / 3.75e9),
        (1e12, (ROOM / FAST + REST / SLOW) / (ROOM + REST)),  # it does not fit at all
    ],
)
def test_by_hand(footprint: float, seconds_per_byte: float) -> None:
    assert dram_bandwidth(chip(), footprint) == pytest.approx(1 / seconds_per_byte)
    times = ceiling_times(schedule(), chip(), Parts.one(len(schedule()), footprint=footprint))
    moved = schedule().bytes
    np.testing.assert_allclose(times.resources["DRAM"], moved * seconds_per_byte)


@given(st.floats(0, 1e11), st.floats(0, 1e11))
def test_a_larger_net_is_never_faster(one: float, two: float) -> None:
    small, large = sorted((one, two))
    first, second = dram_bandwidth(chip(), small), dram_bandwidth(chip(), large)
    assert first is not None
    assert second is not None
    assert SLOW <= second <= first * (1 + 1e-12) <= FAST * (1 + 1e-9)


@given(st.floats(0, 1e11))
def test_without_a_slow_part_the_footprint_is_no_matter(footprint: float) -> None:
    assert dram_bandwidth(chip(overflow=False), footprint) == FAST


@given(st.floats(0, 1e11))
def test_nothing_beats_light(footprint: float) -> None:
    """Light moves every byte at the fast rate."""
    np.testing.assert_array_equal(light(schedule(), chip()), light(schedule(), chip(overflow=False)))
    times = ceiling_times(schedule(), chip(), Parts.one(len(schedule()), footprint=footprint))
    assert (times.total >= light(schedule(), chip()) * (1 - 1e-12)).all()


def test_unknown_stays_unknown() -> None:
    plain = chip(overflow=False)
    assert dram_bandwidth(replace(plain, memory=(replace(plain.dram, bandwidth=None),)), 1e9) is None
