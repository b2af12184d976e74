"""The plain roofline and the limit of light, by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from synthetic import chip, fact

from roofline import specs
from roofline.core.chip import MemoryLevel
from roofline.core.dtype import precision
from roofline.core.schedule import Kernel, Schedule
from roofline.devices.ceiling import ceiling_times, dram_bytes, engine_and_rate, light, on_chip_capacity, ridges
from roofline.devices.timing import time_schedule
from roofline.errors import Unsupported


def product(flops: float, moved: float, dtype: str = "fp32", weights: float = 0.0) -> Kernel:
    return Kernel("linear", "linear", "matmul", precision=dtype, flops=flops, reads=moved, weights=weights)


def stream(flops: float, moved: float, dtype: str = "fp32") -> Kernel:
    return Kernel("elementwise", "relu", precision=dtype, flops=flops, reads=moved / 2, writes=moved / 2)


def test_the_longer_of_arithmetic_and_bytes_and_never_less_than_a_launch() -> None:
    gtx = specs.load_chip("gtx-980")
    schedule = Schedule.of([product(4.980736e12, 1e9), stream(1e9, 224e9), stream(1.0, 8.0)])
    times = ceiling_times(schedule, gtx)
    np.testing.assert_allclose(times.total, [1.0, 1.0, 5e-6])
    np.testing.assert_allclose(times.resources["CUDA cores"][0], 1.0)
    np.testing.assert_allclose(times.resources["DRAM"][:2], [1e9 / 224e9, 1.0])
    assert list(times.bound()) == ["CUDA cores", "DRAM", "launch"]


def test_products_go_to_tensor_cores_and_the_rest_does_not() -> None:
    rtx = specs.load_chip("rtx-2070")
    fp16 = precision("fp16")
    matrix, matrix_rate = engine_and_rate(rtx, fp16, matrix=True)
    vector, vector_rate = engine_and_rate(rtx, fp16, matrix=False)
    assert matrix is not None
    assert vector is not None
    assert (matrix.name, vector.name) == ("tensor cores", "CUDA cores")
    assert matrix_rate == matrix.peak(fp16)
    assert vector_rate < matrix_rate
    assert engine_and_rate(rtx, precision("fp32"), matrix=True)[0] == vector


def test_light_is_the_top_clock_and_the_nearest_level_that_holds_the_operands() -> None:
    part = chip()  # 4 cores x 64 x 2 at 4.2 GHz; L3 32 MiB at 200 GB/s, DRAM at 60 GB/s
    schedule = Schedule.of([product(1e12, 8.0), stream(1.0, 2.0**25), stream(1.0, 2.0**25 + 8), stream(1.0, 2.0**20)])
    expected = [1e12 / (4 * 64 * 2 * 4.2e9), 2.0**25 / 2e11, (2.0**25 + 8) / 6e10, 1 / (4 * 64 * 2 * 4.2e9)]
    np.testing.assert_allclose(light(schedule, part), expected)  # the last: nothing is known of L2


def test_without_a_bandwidth_there_is_no_roof() -> None:
    dark = replace(chip(), memory=(MemoryLevel("DRAM", capacity=fact(1e9)),))
    schedule = Schedule.of([stream(1.0, 8.0)])
    with pytest.raises(Unsupported, match="bandwidth of DRAM is unknown; measure it"):
        ceiling_times(schedule, dark)
    assert light(schedule, dark) == pytest.approx([1 / (4 * 64 * 2 * 4.2e9)])


def test_a_precision_it_lacks_is_refused() -> None:
    with pytest.raises(Unsupported, match="does not compute in bf16"):
        ceiling_times(Schedule.of([product(1.0, 8.0, "bf16")]), chip())


def test_without_vector_units_elementwise_work_is_bytes() -> None:
    engine = replace(chip().engines[0], kind="matrix")
    bare = replace(chip(), engines=(engine,))
    times = ceiling_times(Schedule.of([stream(1e12, 6e10)]), bare)
    assert times.total == pytest.approx([1.0])
    assert engine_and_rate(bare, precision("fp32"), matrix=False) == (None, np.inf)


def test_an_array_keeps_on_the_chip_what_fits() -> None:
    part = replace(chip(), kind="array")
    room = 2.0**25
    assert on_chip_capacity(part) == room
    small = Schedule.of([product(1.0, 1000.0, weights=5000.0), stream(1.0, 2 * room)])
    np.testing.assert_array_equal(dram_bytes(small, chip()), [6000.0, 2 * room])
    np.testing.assert_array_equal(dram_bytes(small, part), [5000.0, 2 * room])  # activations as large as the room
    np.testing.assert_array_equal(dram_bytes(Schedule.of([small.kernel(0)]), part), [0.0])
    secret = replace(part, memory=part.memory[-1:])
    assert on_chip_capacity(secret) == np.inf
    np.testing.assert_array_equal(dram_bytes(small, secret), [0.0, 0.0])


@pytest.mark.parametrize("kind", ["cpu", "gpu", "array"])
def test_weights_that_fit_on_the_chip_are_read_once_for_all_steps_of_a_recurrence(kind: str) -> None:
    """Ten launches with 32 MiB of weights in a cache of 32 MiB read them once; 8 bytes more, in every launch."""
    part, room = replace(chip(), kind=kind), 2.0**25
    streaming = [stream(1.0, 2 * room)] if kind == "array" else []  # else an array keeps them from run to run
    for weights, read in ((room, room / 10), (room + 8, room + 8)):
        step = replace(product(1.0, 1000.0, weights=weights), repeats=10)
        moved = dram_bytes(Schedule.of([step, *streaming]), part)[0]
        assert moved == read + (0.0 if kind == "array" else 1000.0)
    times = ceiling_times(Schedule.of([replace(product(1.0, 0.0, weights=room), repeats=10)]), chip())
    np.testing.assert_allclose(times.resources["DRAM"], [room / 10 / 6e10])


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
def test_a_training_step_reads_them_in_every_launch(kind: str) -> None:
    step = replace(product(1.0, 1000.0, weights=5000.0), repeats=10)
    both = Schedule.of([step, replace(step, phase="backward")])
    np.testing.assert_array_equal(dram_bytes(both, replace(chip(), kind=kind)), [6000.0, 6000.0])


@pytest.mark.parametrize(
    ("kind", "status", "bound"),
    [
        ("cpu", "measured", True),
        ("cpu", "datasheet", True),
        ("gpu", "datasheet", True),
        ("gpu", "derived", True),
        ("gpu", "measured", False),
        ("gpu", "unverified", False),
    ],
)
def test_the_best_that_a_benchmark_saw_of_a_cache_of_a_gpu_bounds_nothing(kind: str, status: str, bound: bool) -> None:
    """Another program may be faster there; DRAM bounds whatever is said of it."""
    level = chip().memory[1]
    assert level.bandwidth is not None
    cache = replace(level, bandwidth=replace(level.bandwidth, status=status))
    part = replace(chip(), kind=kind, memory=(cache, replace(chip().dram, bandwidth=fact(6e10))))
    inside, outside = light(Schedule.of([stream(1.0, 2.0**24), stream(1.0, 2.0**26)]), part)
    assert inside == pytest.approx(2.0**24 / 2e11 if bound else 1 / (4 * 64 * 2 * 4.2e9))
    assert outside == pytest.approx(2.0**26 / 6e10)


def test_whole_numbers_run_at_their_own_rate_where_there_is_one() -> None:
    """Half as many int32 lanes as fp32 lanes."""
    engine, whole = chip().engines[0], precision("int32")
    own = replace(chip(), engines=(replace(engine, rates={**engine.rates, whole: fact(32.0)}),))
    assert engine_and_rate(own, whole, matrix=False)[1] == 4 * 32 * 2 * 4e9
    assert engine_and_rate(chip(), whole, matrix=False)[1] == 4 * 64 * 2 * 4e9


def test_the_speed_of_light_bound_of_a_kernel_is_that_of_all_its_launches() -> None:
    once = Schedule.of([product(1e9, 1e6), stream(1e6, 1e7)])
    often = Schedule.of([replace(kernel, repeats=7) for kernel in once])
    one, seven = time_schedule(once, chip()), time_schedule(often, chip())
    for column in ("light", "ceiling", "total", "low", "high"):
        np.testing.assert_allclose(getattr(seven, column), 7 * getattr(one, column))
    for name, seconds in one.resources.items():
        np.testing.assert_allclose(seven.resources[name], 7 * seconds)


def test_ridges_are_where_roofs_meet_slopes() -> None:
    found = {(ridge.precision, ridge.level): ridge for ridge in ridges(chip())}
    assert found.keys() == {(p, level) for p in ("fp32", "fp64") for level in ("L3", "DRAM")}
    peak = 4 * 64 * 2 * 4e9
    assert found["fp32", "DRAM"].rate == peak
    assert found["fp32", "DRAM"].intensity == pytest.approx(peak / 6e10)
    assert found["fp64", "L3"].intensity == pytest.approx(peak / 2 / 2e11)


def test_nothing_to_do_takes_no_time() -> None:
    empty = Schedule.of([])
    assert len(ceiling_times(empty, chip()).total) == 0
    assert len(light(empty, chip())) == 0
