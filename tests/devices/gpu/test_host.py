"""What a device waits for the host: sums and running maxima against a loop that plays it launch by launch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from roofline import specs
from roofline.core.run import Recipe, Run
from roofline.core.schedule import PHASES, Kernel, Schedule
from roofline.core.stack import Stack
from roofline.devices.gpu.host import (
    DISPATCH,
    GRAPH_FLOOR,
    REPLAY_S,
    STEP_S,
    between_steps,
    dispatch_seconds,
    efforts,
    waiting,
)
from roofline.devices.timing import time_schedule
from roofline.errors import UsageError
from roofline.lowering import lower, lower_training, single, training_step
from roofline.prediction.predict import predict
from roofline.specs import load_calibration, load_chip
from roofline.specs.lookup import package_folder

US = 1e-6
Rows = list[tuple[int, float]]
rows = st.lists(st.tuples(st.integers(1, 6), st.floats(0, 100)), min_size=1, max_size=30)
times = st.floats(0, 100)


def waits(given_rows: Rows, dispatch: float, start: float = 0.0) -> NDArray[np.float64]:
    """Rows are (calls, microseconds of all of them); microseconds in and out."""
    schedule = Schedule.of(Kernel("elementwise", "relu", repeats=count, calls=count) for count, _ in given_rows)
    device = np.array([took for _, took in given_rows]) * US
    return waiting(schedule, device, dispatch * US, start * US) / US


def played(given_rows: Rows, dispatch: float, start: float = 0.0) -> list[float]:
    """The same, call by call: a kernel starts when the one before is done and the host has handed it over."""
    handed, finish, idle = start, 0.0, []
    for count, took in given_rows:
        before = finish
        for _ in range(count):
            finish = max(finish, handed) + took / count
            handed += dispatch
        idle.append(finish - before - took)
    return idle


def test_by_hand() -> None:
    # kernels of 1, 30, 1 and 1 us, handed over at 0, 10, 20 and 30 us: they end at 1, 40, 41 and 42
    assert waits([(1, 1.0), (1, 30.0), (1, 1.0), (1, 1.0)], 10.0) == pytest.approx([0, 9, 0, 0])
    # three calls of 2 us in one row, at 0, 10 and 20: the row ends at 22 after 6 us of work
    assert waits([(3, 6.0)], 10.0) == pytest.approx([16])
    # a graph starts after 10 us and then waits no more
    assert waits([(1, 1.0), (4, 8.0)], 0.0, start=10.0) == pytest.approx([10, 0])


def test_products_take_the_host_longer() -> None:
    schedule = Schedule.of(Kernel(family, family) for family in ("linear", "elementwise", "norm"))
    found = efforts(schedule, Stack())
    assert found == pytest.approx([2.5, 1.0, 2.0])
    # handed over at 0, 10 and 30 us: what the first one costs is over when the device begins
    assert waiting(schedule, np.ones(3) * US, 10 * US, effort=found) == pytest.approx(np.array([0, 9, 19]) * US)
    assert (efforts(schedule, Stack(mode="compiled")) == 1.0).all()
    back = Schedule.of([Kernel("linear", "linear_backward_data", phase="backward")])
    assert (efforts(back, Stack()) == 1.0).all()


@given(rows, times, times)
def test_it_is_what_a_loop_would_play(given_rows: Rows, dispatch: float, start: float) -> None:
    np.testing.assert_allclose(
        waits(given_rows, dispatch, start), played(given_rows, dispatch, start), rtol=1e-9, atol=1e-6
    )


@given(rows, times)
def test_nobody_waits_a_negative_time(given_rows: Rows, dispatch: float) -> None:
    assert (waits(given_rows, dispatch) >= -1e-6).all()


@given(rows)
def test_a_host_that_takes_no_time_is_never_waited_for(given_rows: Rows) -> None:
    np.testing.assert_allclose(waits(given_rows, 0.0), 0.0, atol=1e-9)


@given(st.lists(st.tuples(st.integers(1, 6), st.floats(1, 100)), min_size=1, max_size=30))
def test_a_host_faster_than_every_kernel_is_never_waited_for(given_rows: Rows) -> None:
    shortest = min(took / count for count, took in given_rows)
    np.testing.assert_allclose(waits(given_rows, shortest), 0.0, atol=1e-6)


@given(st.lists(st.integers(1, 6), min_size=1, max_size=30), st.floats(1, 100))
def test_a_device_that_takes_no_time_is_as_fast_as_the_host(counts: list[int], dispatch: float) -> None:
    # the first launch waits for nothing
    total = waits([(count, 0.0) for count in counts], dispatch).sum()
    assert total == pytest.approx(dispatch * (sum(counts) - 1))


@given(rows, times, times)
def test_a_slower_host_is_never_better(given_rows: Rows, one: float, two: float) -> None:
    fast, slow = sorted((one, two))
    assert waits(given_rows, fast).sum() <= waits(given_rows, slow).sum() + 1e-6


@given(rows, st.floats(0, 100))
def test_the_total_lies_between_the_larger_and_the_sum(given_rows: Rows, dispatch: float) -> None:
    work = sum(took for _, took in given_rows)
    host = dispatch * (sum(count for count, _ in given_rows) - 1)
    total = work + waits(given_rows, dispatch).sum()
    assert max(work, host) - 1e-6 <= total <= work + host + 1e-6


def test_launches_of_one_call_are_handed_over_at_once() -> None:
    # the steps of a recurrence: 50 launches, one call
    schedule = Schedule.of([Kernel("elementwise", "relu"), Kernel("elementwise", "lstm_gates", repeats=50)])
    assert waiting(schedule, np.array([1.0, 100.0]) * US, 10 * US) == pytest.approx([0, 9 * US])


@given(st.integers(1, 6), st.floats(0, 100), times)
def test_a_row_of_calls_is_as_many_rows(count: int, took: float, dispatch: float) -> None:
    whole = waits([(1, 5.0), (count, took), (1, 5.0)], dispatch).sum()
    apart = waits([(1, 5.0), *[(1, took / count)] * count, (1, 5.0)], dispatch).sum()
    assert whole == pytest.approx(apart, abs=1e-6)


def test_no_kernels_wait_for_nothing() -> None:
    assert len(waiting(Schedule.of([]), np.zeros(0), 1e-5)) == 0


def test_what_is_usual_and_what_is_known() -> None:
    for mode, (low, usual, high) in DISPATCH.items():
        assert 0 < low < usual < high
        assert dispatch_seconds(Stack(mode=mode)) == (low, usual, high)
        assert dispatch_seconds(Stack(mode=mode), 8e-6) == (8e-6,) * 3
    # nothing is handed over inside a graph, whatever a launch would cost
    assert dispatch_seconds(Stack(mode="graphs")) == dispatch_seconds(Stack(mode="graphs"), 8e-6) == (0, 0, 0)
    with pytest.raises(UsageError, match="expected seconds from 0"):
        Run(host_dispatch=-1e-6)
    with pytest.raises(UsageError):
        Run(host_dispatch=float("nan"))


def test_the_host_is_a_resource_of_nets_on_gpus_alone() -> None:
    schedule = Schedule.of([*lower(single("relu", {}, [(8, 8)]))] * 5)
    gpu, cpu = specs.load_chip("gtx-980"), specs.load_chip("epyc-9654")
    assert gpu.launch is not None
    timing = time_schedule(schedule, gpu, network=True, host_dispatch=20e-6)
    # launches of 5 us, handed over every 20: the first waits for nothing
    assert timing.resources["host"] == pytest.approx([0, *[20e-6 - gpu.launch.value] * 4])
    assert list(timing.bound) == ["launch", *["host"] * 4]
    assert timing.total == pytest.approx([gpu.launch.value, *[20e-6] * 4])
    assert "host" not in time_schedule(schedule, gpu, host_dispatch=20e-6).resources
    assert "host" not in time_schedule(schedule, cpu, network=True, host_dispatch=20e-6).resources


@pytest.mark.parametrize("kernels", [2, 5])
def test_a_graph_has_a_shorter_floor_and_is_no_shorter_than_its_start(kernels: int) -> None:
    schedule = Schedule.of([*lower(single("relu", {}, [(8, 8)]))] * kernels)
    gpu = specs.load_chip("gtx-980")
    assert gpu.launch is not None
    timing = time_schedule(schedule, gpu, stack=Stack(mode="graphs"), network=True)
    floor = gpu.launch.value * GRAPH_FLOOR
    assert timing.total[1:] == pytest.approx([floor] * (kernels - 1))
    assert timing.total.sum() == pytest.approx(max(kernels * floor, REPLAY_S))


def test_intervals_hold_their_middle() -> None:
    for run in (Run(), Run(host_dispatch=0.0), Run(host_dispatch=1e-3)):
        for layer in predict("gtx-980", "mlp", batch=1, run=run, calibration="none").layers:
            assert layer.seconds.low <= layer.seconds.middle <= layer.seconds.high


def test_steps_of_a_recurrence_wait_for_each_other_on_older_cards() -> None:
    net = single("lstm", {"hidden": 8}, [(4, 10, 8)])
    old, new = load_chip("titan-x-maxwell"), load_chip("tesla-v100-pcie-32gb")
    # ten launches of the state's product in one call, ten of the gates; the product of all inputs is one
    assert between_steps(lower(net), old) == pytest.approx([0, 9 * STEP_S, 9 * STEP_S])
    assert not between_steps(lower(net), new).any()
    twice = training_step(net, Recipe("sgd", accumulate=2), Stack(), cuda=True)
    schedule = lower_training(twice)
    waits = between_steps(schedule, old)
    gates = [index for index, op in enumerate(schedule.op_labels()) if op == "lstm_training_gates"]
    assert waits[gates] == pytest.approx([2 * 9 * STEP_S])
    assert not waits[schedule.phase == PHASES.index("optimizer")].any()
    shared = load_calibration(package_folder("hw_specs") / "calibrations/any-gpu/public.yaml")
    timing = time_schedule(lower(net), old, calibration=shared)
    assert list(timing.bound)[1:] == ["launch", "launch"]
    assert (timing.total[1:] > 9 * STEP_S).all()
