"""What an array moves to DRAM: small nets counted by hand, and one core of several that share a net."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roofline import specs
from roofline.core.parts import Parts
from roofline.core.run import Run
from roofline.core.schedule import Kernel, Schedule
from roofline.core.stack import Stack
from roofline.devices.array.memory import traffic
from roofline.devices.array.model import moved_bytes, rooms
from roofline.devices.array.parameters import Parameters
from roofline.devices.array.sharding import collective_seconds, joined, sharded
from roofline.errors import UsageError
from roofline.prediction.largest_batch import largest_batch
from roofline.prediction.predict import predict


def chain(*sizes: float, weights: float = 0.0) -> Schedule:
    """A net of products one after the other over tensors of these bytes."""
    return Schedule.of(
        Kernel("linear", "linear", "matmul", source=i, target=i + 1, reads=read, writes=write, weights=weights)
        for i, (read, write) in enumerate(pairwise(sizes))
    )


def moved(schedule: Schedule, room: float, samples: int = 1, **how: object) -> tuple[list[float], list[float]]:
    found = traffic(schedule, schedule.weights, room, Parts.one(len(schedule), samples), **how)  # type: ignore[arg-type]
    return found.activations.tolist(), found.weights.tolist()


def test_only_inputs_and_results_of_a_net_that_fits() -> None:
    assert moved(chain(10, 20, 30, 5), 100)[0] == [10, 0, 5]


def test_what_does_not_fit_goes_out_and_comes_back() -> None:
    """A tensor of 120 in a room of 100 overwrites the 60 it is made from; 20 of it are written and read again."""
    assert moved(chain(10, 60, 120, 1), 100)[0] == [10, 20, 20 + 1]
    assert moved(chain(10, 60, 100, 1), 100)[0] == [10, 0, 1]


def test_what_is_needed_last_goes_first() -> None:
    """A residual of 50 waits while 40 and 40 are worked on in 100: 30 of it go out and come back for the sum."""
    kernels = [
        Kernel("linear", "linear", "matmul", source=0, target=1, reads=50, writes=40),
        Kernel("linear", "linear", "matmul", source=1, target=2, reads=40, writes=40),
        Kernel("elementwise", "add", source=2, source2=0, target=3, reads=90, writes=10),
    ]
    first, second, last = moved(Schedule.of(kernels), 100)[0]
    assert (first, second, last) == (50, 0, 30 + 10)  # an input of the net lies in DRAM already


def test_weights_stay_where_all_of_them_find_room() -> None:
    """Two layers of 40 bytes of weights beside at most 60 of activations: 140 bytes hold both, 139 none."""
    net = chain(30, 30, 30, weights=40)
    assert moved(net, 139)[1] == [40, 40]
    assert moved(net, 140)[1] == [0, 0]
    assert moved(net, 140, keep=False)[1] == [40, 40]
    assert moved(net, 100, weight_room=40)[1] == [0, 0]


def test_a_batch_in_pieces_reads_weights_again() -> None:
    """Whole, 4 x 50 bytes would spill; in two pieces nothing does, and 30 bytes of weights are read twice."""
    activations, weights = moved(chain(90, 150, 150, 90, weights=10), 100, samples=2, keep=False)
    assert sum(weights) == 60
    assert sum(activations) == 90 + 90


def test_steps_of_a_recurrence_read_weights_once_where_they_fit() -> None:
    """Ten launches on a core of an Inferentia2, 24 MiB: its weights are spread over them unless they do not fit."""
    chip, parameters = specs.load_chip("inferentia2"), Parameters()
    room, _ = rooms(chip, parameters)
    for weights, launches in ((room, 10), (room + 8, 1)):
        step = replace(chain(64, 64, weights=weights).kernel(0), repeats=10)
        filler = replace(step, repeats=1, weights=2 * room)  # so that not all weights stay from request to request
        found = moved_bytes(Schedule.of([step, filler]), chip, parameters).traffic.weights
        assert found.tolist() == [weights / launches, 2 * room]


@given(st.lists(st.floats(1, 1e6), min_size=2, max_size=6), st.floats(10, 1e6), st.floats(1.0, 4.0))
def test_more_room_never_moves_more(sizes: list[float], room: float, more: float) -> None:
    net = chain(*sizes, weights=100.0)
    few, many = (traffic(net, net.weights, size, Parts.one(len(net))).total for size in (room * more, room))
    assert few <= many * (1 + 1e-9)


def test_a_cache_is_read_from_dram() -> None:
    """899 tokens more in twelve caches of 2 x 768 bf16 numbers move 33 MB more at 820 GB/s."""
    fit = specs.load_unfitted()
    short, long = (
        predict("inferentia2", "gpt2", bind={"seq": 1, "context": context}, dtype="bf16", calibration=fit)
        for context in (1, 900)
    )
    dram = [sum(layer.resources.get("DRAM", 0.0) for layer in made.layers) for made in (short, long)]
    assert dram[1] - dram[0] == pytest.approx(899 * 12 * 2 * 768 * 2 / 820e9, rel=0.01)


# ---------------------------------------------------------------- a batch cut over cores

BLOCK = Schedule.of(
    [
        Kernel(
            "linear", "linear", "matmul", m=8, n=100, k=64, source=0, target=1, reads=1e3, weights=6.4e3, writes=8e2
        ),
        Kernel("elementwise", "gelu", elements=800, source=1, target=1, reads=8e2, writes=8e2),
        Kernel(
            "linear", "linear", "matmul", m=8, n=64, k=100, source=1, target=2, reads=8e2, weights=6.4e3, writes=5e2
        ),
        Kernel("elementwise", "add", elements=512, source=2, source2=0, target=2, reads=1e3, writes=512),
        Kernel("norm", "layer_norm", m=8, k=64, elements=512, source=2, target=3, reads=5e2, writes=5e2),
    ]
)


def test_each_core_has_some_columns() -> None:
    one = sharded(BLOCK, 8)
    assert one.n.tolist() == [13, 1, 8, 1, 1]
    assert one.weights.tolist() == [800, 0, 800, 0, 0]
    assert one.elements.tolist() == [0, 100, 0, 512, 512]


def test_cores_join_where_a_product_is_added() -> None:
    """25 us, and 2 x 11/12 of 512 bytes over a link of 192 GiB/s, for twelve cores of six chips."""
    assert joined(BLOCK).tolist() == [False, False, False, True, False]
    chip = specs.load_chip("inferentia2").together(6)
    seconds = collective_seconds(BLOCK, chip, Parameters(collective=25e-6))
    moved_s = 2 * 11 / 12 * 512 / (192 * 2**30)
    assert seconds == pytest.approx([0, 0, 0, 25e-6 + moved_s, 0])
    assert not collective_seconds(BLOCK, specs.load_chip("tesla-fsd-npu"), Parameters()).any()


def test_more_chips_answer_sooner_but_not_in_proportion() -> None:
    token = {"seq": 1, "context": 512}
    times = [
        predict(
            "inferentia2", "llama-3-8b", bind=token, dtype="bf16", stack=Stack(serving="sharded", chips=chips)
        ).seconds.middle
        for chips in (1, 3, 6, 12)
    ]
    assert (np.diff(times) < 0).all()
    assert times[0] / times[3] < 12 * 0.7
    made = predict("inferentia2", "llama-3-8b", bind=token, dtype="bf16", stack=Stack(serving="sharded", chips=12))
    assert made.bounds["collectives"] > 0.3
    assert made.tier == "borrowed"


def test_the_largest_batch_of_several_chips() -> None:
    one, two = (largest_batch("inferentia2", "gpt2", dtype="bf16", stack=Stack(chips=chips)) for chips in (1, 2))
    assert two > 1.9 * one


def test_several_chips_are_for_arrays() -> None:
    with pytest.raises(UsageError, match="for NPUs and TPUs only, and rtx-2070 is a GPU"):
        predict("rtx-2070", "mlp", stack=Stack(chips=2))


def test_chips_together_hold_and_cost_more() -> None:
    one, six = specs.load_chip("inferentia2"), specs.load_chip("inferentia2").together(6)
    assert six.dram.total_capacity == 6 * (one.dram.total_capacity or 0)
    assert six.price[0].each == pytest.approx(6 * one.price[0].each)
    assert six.core_count == 12
    assert predict(six, "llama-3-8b", bind={"seq": 1}, dtype="bf16", run=Run()).fits
