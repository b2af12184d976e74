"""The model of GPUs: tiles and waves counted by hand, laws, tiers and intervals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from operator_cases import Question, questions

from roofline import specs
from roofline.core.chip import Chip, TileList
from roofline.core.dtype import precision
from roofline.core.run import Run
from roofline.core.schedule import Schedule
from roofline.core.stack import Stack
from roofline.devices import ceiling
from roofline.devices.gpu import model as gpu
from roofline.devices.gpu.parameters import Parameters
from roofline.devices.gpu.products import LEAST_CUT, Grid, Sizes, product_seconds, tile_seconds
from roofline.devices.timing import time_schedule
from roofline.errors import UsageError
from roofline.lowering import lower, single
from roofline.prediction.predict import predict
from roofline.prediction.select import resolve_calibration

BARE = Parameters(edge=0.0, prologue=0.0, split=1.0, reach=1e12, sharpness=64.0)
NO_HOST = Run(host_dispatch=0.0)


def sizes(batch: int, m: int, n: int, k: int) -> Sizes:
    one = (np.array([float(value)]) for value in (batch, m, n, k, 0))
    return Sizes(*one, 4.0)


def schedule_of(op: str, attributes: dict[str, object], *shapes: tuple[int, ...], dtype: str = "fp32") -> Schedule:
    return lower(single(op, attributes, list(shapes), precision(dtype)))


@pytest.mark.parametrize(
    ("batch", "m", "n", "waves"),
    [
        (1, 128, 64, 1),  # one block
        (1, 129, 64, 1),  # two blocks side by side
        (1, 1280, 64, 1),  # ten blocks on ten multiprocessors
        (1, 1281, 64, 2),  # an eleventh
        (10, 1, 1, 1),
        (11, 1, 1, 2),
        (3, 300, 65, 2),  # 3 x 3 x 2 = 18 blocks
    ],
)
def test_blocks_run_in_whole_waves(batch: int, m: int, n: int, waves: int) -> None:
    """A tile of 128 x 64 with k = 9 makes 16 steps (of 8) of 8192 multiply-adds, at 1e9 a second."""
    grid = Grid(units=10, rate=1e9, bandwidth=1e12, cache=1e30, tiles=())
    compute, _ = tile_seconds(sizes(batch, m, n, 9), grid, 128, 64, 1, BARE)
    assert compute == pytest.approx([waves * 16 * 8192 / 1e9])


def test_a_cut_of_k_shares_the_steps_and_writes_its_parts() -> None:
    grid = Grid(units=10, rate=1e9, bandwidth=1e12, cache=1e30, tiles=())
    whole, cut = (tile_seconds(sizes(1, 128, 64, 4096), grid, 128, 64, cuts, BARE) for cuts in (1, 4))
    assert cut[0] == pytest.approx(whole[0] / 4)
    assert cut[1] - whole[1] == pytest.approx([4 * 128 * 64 * 4 / 1e12])


@pytest.mark.parametrize(("k", "cuts"), [(2 * LEAST_CUT - 1, 1), (2 * LEAST_CUT, 2), (4 * LEAST_CUT - 8, 3)])
def test_k_is_split_into_parts_of_a_least_length(k: int, cuts: int) -> None:
    """One block on ten multiprocessors, no cost of adding: as many parts as the length allows."""
    grid = Grid(units=10, rate=1e9, bandwidth=1e30, cache=1e30, tiles=((128, 64),))
    compute, _ = product_seconds(sizes(1, 128, 64, k), grid, BARE)
    assert compute == pytest.approx(tile_seconds(sizes(1, 128, 64, k), grid, 128, 64, cuts, BARE)[0])


def test_panels_that_miss_are_read_again_by_the_next_blocks() -> None:
    """20 x 2 tiles of 128 x 128, k = 1000, on 10 multiprocessors: 20 blocks at once are one row of tiles, so the
    operand along n is read once for each of the 2 rows of tiles, and that along m once."""
    grid = Grid(units=10, rate=1e9, bandwidth=1e9, cache=1e-9, tiles=())
    _, memory = tile_seconds(sizes(1, 256, 20 * 128, 1000), grid, 128, 128, 1, BARE)
    assert memory == pytest.approx([1000 * 20 * 128 * 4 / 1e9])
    _, sectors = tile_seconds(sizes(1, 256, 20 * 128, 1000), replace(grid, scatter=0.25), 128, 128, 1, BARE)
    assert sectors == pytest.approx(4 * memory)


def test_what_the_cache_holds_is_not_read_again() -> None:
    grid = Grid(units=10, rate=1e9, bandwidth=1e9, cache=1e30, tiles=(), scatter=0.25)
    _, memory = tile_seconds(sizes(1, 256, 20 * 128, 1000), grid, 128, 128, 1, BARE)
    assert memory == pytest.approx([0.0])


def test_rows_that_span_more_pages_than_the_table_has() -> None:
    """One block reads (128 + 128) * 4 bytes * 1000 = its pages: half of that misses, at 1 GB/s of ten."""
    span = 256 * 4 * 1000
    grid = Grid(units=10, rate=1e9, bandwidth=1e30, cache=1e30, tiles=(), pages=span, paged=1e9)
    _, memory = tile_seconds(sizes(1, 128, 128, 1000), grid, 128, 128, 1, BARE)
    assert memory == pytest.approx([span / 2 / (10 * 1e9)])


def test_only_what_leaves_multiprocessors_idle_is_cut() -> None:
    """One block on ten multiprocessors is cut in eight; twenty blocks are not."""
    grid = Grid(units=10, rate=1e9, bandwidth=1e15, cache=1e30, tiles=((128, 128),))
    one, many = (product_seconds(sizes(1, 128, 128 * blocks, 8192), grid, BARE)[0] for blocks in (1, 20))
    assert one == pytest.approx([128 * 128 * 8192 / 8 / 1e9])
    assert many == pytest.approx([2 * 128 * 128 * 8192 / 1e9])


def test_long_rows_cost_older_chips_more() -> None:
    """Forward layers alone: the gradient for the data reads its weights along the other side."""
    chip, parameters = specs.load_chip("tesla-p100-pcie"), Parameters()
    spared = replace(parameters, scatter=1.0, paged=1e9)
    layer = schedule_of("linear", {"out": 4096, "bias": False}, (4096, 20000))
    product = schedule_of("matmul", {}, (4096, 20000), (20000, 4096))
    slow, plain, other = (
        gpu.gpu_times(work, chip, numbers).total[0]
        for work, numbers in ((layer, parameters), (layer, spared), (product, parameters))
    )
    assert slow > 1.5 * plain
    assert other == pytest.approx(plain)


def test_products_take_the_tiles_of_the_chip() -> None:
    """A product of 32 rows on a chip whose library has but tiles of 128 x 128 does four times the work."""
    chip = specs.load_chip("tesla-v100-pcie-32gb")
    work, flat = schedule_of("linear", {"out": 80 * 128}, (32, 4096)), Parameters(edge=0.0, prologue=0.0, product=1e6)
    wide, tall = (
        replace(chip, tiles={"linear": TileList((shape,), "test", "measured")}, launch=None)
        for shape in ((32, 128), (128, 128))
    )
    assert gpu.gpu_times(work, tall, flat).total == pytest.approx(4 * gpu.gpu_times(work, wide, flat).total)


def test_winograd_does_less_than_direct_work() -> None:
    schedule = schedule_of("conv2d", {"out": 256, "kernel": 3, "padding": 1}, (32, 256, 28, 28))
    _, flops = gpu.planned(schedule, specs.load_chip("titan-x-maxwell"), Parameters())
    assert 0.2 < flops[0] / schedule.flops[0] < 0.5
    strided = schedule_of("conv2d", {"out": 256, "kernel": 3, "padding": 1, "stride": 2}, (32, 256, 28, 28))
    assert gpu.planned(strided, specs.load_chip("titan-x-maxwell"), Parameters())[1] == strided.flops


CARDS = ("gtx-980", "rtx-2070", "tesla-t4", "a100-pcie-40gb", "rtx-4090", "mi300x")


@given(questions(), st.sampled_from(CARDS), st.sampled_from(("fp32", "fp16")))
def test_never_faster_than_light(question: Question, name: str, dtype: str) -> None:
    """Bytes at the nearest level and the work of the plan chosen at the top clock."""
    assume(not question[1].get("integer"))  # not every card says how fast its whole numbers are
    chip, schedule = specs.load_chip(name), schedule_of(question[0], question[1], *question[2], dtype=dtype)
    fit = resolve_calibration(chip, precision(dtype), None)
    assert fit is not None
    timing = time_schedule(schedule, chip, calibration=fit)
    _, flops = gpu.planned(schedule, chip, Parameters.of(fit.ceilings))
    assert (timing.total >= ceiling.light(replace(schedule, flops=flops), chip)).all()
    assert (timing.low <= timing.total).all()
    assert (timing.total <= timing.high).all()


def wider_memory(chip: Chip, factor: float) -> Chip:
    dram = chip.dram
    assert dram.bandwidth is not None
    faster = replace(dram, bandwidth=replace(dram.bandwidth, value=dram.bandwidth.value * factor))
    return replace(chip, memory=(*chip.memory[:-1], faster))


@given(questions(), st.sampled_from(CARDS), st.floats(1, 20))
def test_more_bandwidth_never_slows(question: Question, name: str, factor: float) -> None:
    chip, schedule = specs.load_chip(name), schedule_of(question[0], question[1], *question[2])
    slow, fast = (
        np.nan_to_num(gpu.gpu_times(schedule, part, Parameters()).total) for part in (chip, wider_memory(chip, factor))
    )
    assert (fast <= slow * (1 + 1e-9)).all()


def test_borrowed_is_wider_than_calibrated() -> None:
    own, other = (predict(name, "mlp", run=NO_HOST) for name in ("tesla-v100-pcie-32gb", "tesla-v100-sxm2"))
    assert (own.tier, other.tier) == ("calibrated", "borrowed")
    assert other.seconds.high / other.seconds.low > own.seconds.high / own.seconds.low
    assert any("fitted on 7 other GPUs" in said for said in other.warnings)
    assert not any("borrowed" in said for said in own.warnings)


def test_none_still_gives_the_plain_roofline_and_other_kinds_refuse() -> None:
    assert predict("rtx-2070", "mlp", calibration="none").tier == "datasheet"
    shared = specs.calibrations_for("rtx-2070", "turing", "gpu")[-1]
    assert predict("rtx-2070", "mlp", calibration=shared).tier == "borrowed"
    with pytest.raises(UsageError, match="any GPU"):
        predict("xeon-8480", "mlp", calibration=shared)


def test_other_makers_are_told_whose_cards_were_fitted() -> None:
    assert any("all from NVIDIA; mi300x is not" in said for said in predict("mi300x", "mlp").warnings)


def test_an_rtx_2070_stays_below_its_tensor_peak() -> None:
    prediction = predict("rtx-2070", "resnet50", batch=64, dtype="fp16", run=NO_HOST)
    assert prediction.flops / prediction.seconds.middle < 29.9e12


def test_a_library_without_winograd_does_every_multiplication() -> None:
    with_it, without = (
        predict("gtx-980", "vgg16", batch=16, stack=Stack(winograd=allowed)).layers for allowed in (True, False)
    )
    convolutions = [(a, b) for a, b in zip(with_it, without, strict=True) if a.op == "conv2d"]
    assert all(b.seconds.middle >= a.seconds.middle for a, b in convolutions)
    assert any(b.seconds.middle > 1.5 * a.seconds.middle for a, b in convolutions)
    peak = specs.load_chip("gtx-980").engines[0].peak(precision("fp32"), "top")
    assert all(b.seconds.middle >= b.flops / peak for _, b in convolutions)
    assert any(a.seconds.middle < a.flops / peak for a, _ in convolutions)


@pytest.mark.parametrize(
    ("op", "tier"),
    [
        ("relu", "calibrated"),
        ("softmax", "calibrated"),
        ("sort", "borrowed"),
        ("running_sum", "borrowed"),
        ("silu", "borrowed"),
    ],
)
def test_the_tier_is_that_of_the_operator_and_not_of_its_family(op: str, tier: str, tmp_path: Path) -> None:
    """The sets that a T4 is fitted on have relu and softmax; whatever else runs as they do, nobody measured."""
    (tmp_path / "net.yaml").write_text(
        "title: one operator\nsource: a test\nsymbols: {batch: 4096}\n"
        f"inputs: {{x: [batch, 4096]}}\nlayers:\n  - it: {op}\n"
    )
    made = predict("tesla-t4", tmp_path / "net.yaml", run=NO_HOST)
    assert made.tier == tier
    if tier == "borrowed":
        assert any("operators not measured on this card" in said for said in made.warnings)


def test_an_operator_that_nobody_measured_has_a_wider_interval() -> None:
    """Silu is a stream as relu is, and twice as unsure in logarithms wherever the upper end is the device's own."""
    schedule = lower(single("relu", {}, [(4096, 4096)], precision("fp32")))
    other = replace(schedule, op_names=("silu",))
    chip = specs.load_chip("tesla-t4")
    fit = specs.load_calibration(specs.calibrations_for("tesla-t4", "turing", "gpu")[0])
    seen, unseen = (time_schedule(one, chip, calibration=fit) for one in (schedule, other))
    assert unseen.total == seen.total
    for end in ("low", "high"):
        wide = np.log(getattr(unseen, end) / unseen.total) / np.log(getattr(seen, end) / seen.total)
        assert wide == pytest.approx(gpu.WIDER)
