"""The model of matrix arrays: cycles counted by hand for every dataflow, what cores share, laws, tiers, intervals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small import SMALL

from roofline import specs
from roofline.core.chip import ArrayGeometry, Chip, Fact
from roofline.core.schedule import Kernel, Schedule
from roofline.core.stack import SERVING, Stack
from roofline.devices.array import model as array
from roofline.devices.array import uncertainty as array_fit
from roofline.devices.array.cycles import product_cycles
from roofline.devices.array.parameters import Parameters
from roofline.errors import Unsupported, UsageError
from roofline.prediction.predict import predict

SHEET = "the sheet"
STATIONARY = ArrayGeometry(
    4, 4, issue=Fact(3, SHEET), moving=Fact(8, SHEET), load=Fact(4, SHEET), accumulators=Fact(16, SHEET)
)
OUTPUTS = ArrayGeometry(4, 4, dataflow="output-stationary", drain=Fact(4, SHEET))
GRID = ArrayGeometry(4, 4, 2, dataflow="dot-product")


def product(m: int, n: int, k: int, **more: Any) -> Schedule:
    flops = 2.0 * more.get("batch", 1) * m * n * k
    return Schedule.of([Kernel("linear", "linear", "matmul", m=m, n=n, k=k, flops=flops, **more)])


def convolution(family: str = "conv", **more: Any) -> Schedule:
    return Schedule.of([Kernel(family, "conv2d", "matmul", **more)])


@pytest.mark.parametrize(
    ("m", "n", "k", "cycles"),
    [
        (10, 5, 6, 4 * 10 + 8),  # 2 x 2 tiles, ten rows past each, four steps in and four out
        (10, 4, 4, 1 * 10 + 8),
        (10, 1, 1, 1 * 10 + 8),  # a tile is a tile
        (1, 5, 6, 4 * 4 + 8),  # loading takes longer than the one row
        (9, 4, 4, 1 * 9 + 8),  # two products of at most eight rows, three cycles apart at least
        (17, 4, 4, 1 * 17 + 8),  # sums for sixteen rows: weights twice, 8 cycles
    ],
)
def test_weights_stay(m: int, n: int, k: int, cycles: int) -> None:
    assert product_cycles(product(m, n, k), STATIONARY) == pytest.approx([cycles])


def test_what_products_wait_for() -> None:
    """Five rows: issued 6 cycles apart where a product takes 1 row; loads of 7 behind 5 rows, or in front of them."""
    five = product(5, 4, 4)
    assert product_cycles(five, replace(STATIONARY, moving=Fact(1, SHEET))) == pytest.approx([15 + 8])
    slow = replace(STATIONARY, load=Fact(7, SHEET))
    assert product_cycles(five, slow) == pytest.approx([7 + 8])
    assert product_cycles(five, replace(slow, load_exposed=True)) == pytest.approx([5 + 7 + 8])
    assert product_cycles(five, replace(slow, accumulators=Fact(2, SHEET))) == pytest.approx([3 * 7 + 8])
    assert product_cycles(five, ArrayGeometry(4, 4)) == pytest.approx([5 + 8])  # as many cycles as rows, if nobody says


@pytest.mark.parametrize(("m", "n", "k", "cycles"), [(10, 5, 6, 3 * 2 * 6 + 4), (10, 5, 2, 3 * 2 * 4 + 4)])
def test_outputs_stay(m: int, n: int, k: int, cycles: int) -> None:
    """Sums of 4 x 4 results take k steps, but never fewer than it takes to move them out."""
    assert product_cycles(product(m, n, k), OUTPUTS) == pytest.approx([cycles])


def test_a_grid_of_dot_products() -> None:
    """Four long, four columns, two rows of activations: 2 x 2 x 5 cycles."""
    assert product_cycles(product(10, 5, 6), GRID) == pytest.approx([2 * 2 * 5])


@pytest.mark.parametrize(("lowering", "steps"), [("row-packed", 6), ("im2col", 5), ("per-tap", 9)])
def test_how_a_convolution_becomes_products(lowering: str, steps: int) -> None:
    """3 x 3 taps of 2 channels on 4 rows: 3 x ceil(6/4), ceil(18/4), 9 x 1."""
    taps = {"m": 20, "n": 4, "k": 18, "taps": 9, "taps_high": 3}
    assert product_cycles(convolution(**taps), STATIONARY, lowering) == pytest.approx([steps * 20 + 8])
    assert product_cycles(convolution(**taps), replace(STATIONARY, lowering=lowering)) == pytest.approx(
        [steps * 20 + 8]
    )


def test_a_flat_window_packs_its_one_row() -> None:
    """1 x 7 taps of 2 channels are one row of 14, 7 x 1 taps are seven rows of 2."""
    flat = {"m": 20, "n": 4, "k": 14, "taps": 7}
    assert product_cycles(convolution(**flat, taps_high=1), STATIONARY) == pytest.approx([4 * 20 + 8])
    assert product_cycles(convolution(**flat, taps_high=7), STATIONARY) == pytest.approx([7 * 20 + 8])


def test_depthwise_uses_the_diagonal() -> None:
    """32 rows hold 9 taps of 3 channels: 7 channels take 3 tiles. Elsewhere a channel has a column for itself."""
    seven = convolution("depthwise", batch=7, m=50, n=1, k=9, taps=9, taps_high=3)
    assert product_cycles(seven, ArrayGeometry(32, 32)) == pytest.approx([3 * 50 + 64])
    assert product_cycles(seven, OUTPUTS) == pytest.approx([7 * 13 * 9 + 4])
    assert product_cycles(seven, GRID) == pytest.approx([7 * 3 * 25])


def test_attention_is_two_products() -> None:
    """6 heads of 10 queries, 6 keys, 4 wide: scores in 2 tiles, values in 2 tiles."""
    heads = Schedule.of([Kernel("attention", "attention", "matmul", batch=6, m=10, n=6, k=4)])
    assert product_cycles(heads, STATIONARY) == pytest.approx([6 * 2 * 10 + 8 + 6 * 2 * 10 + 8])


# ---------------------------------------------------------------- seconds


def npu() -> Chip:
    return specs.load_chip("inferentia2")


EXACT = Parameters()
MLP = {"batch": 64, "dtype": "bf16"}


def seconds_of(chip: Chip, schedule: Schedule, parameters: Parameters = EXACT, **how: Any) -> float:
    return float(array.array_times(schedule, chip, parameters, **how).total.sum())


def bf16(schedule: Schedule) -> Schedule:
    return replace(schedule, precision_names=("bf16",), elements=np.array([0]))


def test_cycles_over_the_clock_of_one_core_and_all_of_them() -> None:
    """2048 x 1024 x 256 on 128 x 128 at 2.8 GHz: 16 tiles of 2048 rows; two cores have two such products."""
    work = bf16(product(2048, 256, 1024))
    alone = (16 * 2048 + 256) / 2.8e9
    assert seconds_of(npu(), work, serving="latency") == pytest.approx(alone)
    assert seconds_of(npu(), work) == pytest.approx(alone / 2)
    assert seconds_of(npu(), work, Parameters(efficiency=0.5)) == pytest.approx(alone)
    assert seconds_of(npu(), work, Parameters(layer=1e-6)) == pytest.approx(alone / 2 + 0.5e-6)


def test_a_slower_precision_takes_more_cycles() -> None:
    """fp32 runs at a quarter of the rate of bf16."""
    work = replace(bf16(product(2048, 256, 1024)), precision_names=("fp32",))
    assert seconds_of(npu(), work, serving="latency") == pytest.approx(4 * (16 * 2048 + 256) / 2.8e9)


def test_results_pass_the_vector_engine() -> None:
    """1,280,000 results on 128 lanes at 1.12 GHz follow the product; in line they pass beside it."""
    work = replace(bf16(product(2048, 256, 1024)), elements=np.array([1_280_000]))
    product_s, results_s = (16 * 2048 + 256) / 2.8e9, 1_280_000 / (128 * 1.12e9)
    assert seconds_of(npu(), work, serving="latency") == pytest.approx(product_s + results_s)
    engines = tuple(replace(engine, inline=not engine.array) for engine in npu().engines)
    passed = seconds_of(replace(npu(), engines=engines), work, serving="latency")
    assert passed == pytest.approx(max(product_s, results_s))


def test_weights_in_whole_tiles() -> None:
    """600 x 600 one-byte weights fill 3 x 3 tiles of 64 KiB on a TPU v1, 1.64 times as many bytes."""
    work = replace(product(1, 600, 600), precision_names=("int8",), weights=np.array([600.0 * 600]))
    assert array.stored_weights(work, specs.load_chip("tpu-v1")) == pytest.approx([9 * 65536])
    assert array.stored_weights(work, npu()) == pytest.approx([360_000])


def test_weights_stream_where_they_never_stay() -> None:
    """MLP0's 20 MB would fit beside its activations: padded to 21 MB they take 617 us at 34 GB/s all the same."""
    made = predict("tpu-v1", "tpu-v1-mlp0", dtype="int8", calibration=specs.load_unfitted())
    assert made.seconds.middle == pytest.approx(5 * 64 * 65536 / 34e9, rel=0.03)
    chip = specs.load_chip("tpu-v1")
    held = replace(chip.engines[0].array, streamed_weights=False)  # type: ignore[type-var]
    kept = replace(chip, engines=(replace(chip.engines[0], array=held), *chip.engines[1:]))
    assert predict(kept, "tpu-v1-mlp0", dtype="int8", calibration=specs.load_unfitted()).seconds.middle < 2e-4


def test_a_memory_for_all_cores_reads_weights_once() -> None:
    """Engines of an NNP-I share a last-level cache; without it each of twelve reads its weights by itself."""
    chip = specs.load_chip("nnp-i-1000")
    alone = replace(chip, memory=tuple(level for level in chip.memory if level.name != "LLC"))
    shared, own = (predict(c, "vgg16", batch=1, dtype="int8").seconds.middle for c in (chip, alone))
    assert shared < own


def test_what_serving_means() -> None:
    """Two cores side by side, or one of them alone, which waits for the runtime too."""
    busy, alone = (predict("inferentia2", "bert-base", dtype="fp16", stack=Stack(serving=s)) for s in SERVING[:2])
    assert alone.layers[-1].name == "request"
    assert alone.seconds.middle > 1.5 * busy.seconds.middle
    assert "request" not in {layer.name for layer in busy.layers}


# ---------------------------------------------------------------- laws

CHIPS = {name: chip for name in specs.list_chips() if (chip := specs.load_chip(name)).kind == "array"}
NPUS = tuple(CHIPS)
NETS = {name: {"batch": 2} for name in ("resnet18", "mobilenetv2", "googlenet")}
NETS["bert-base"] = {"batch": 2, "seq": 64}


def better(chip: Chip, *, bandwidth: float = 1.0, clock: float = 1.0, cores: int = 1) -> Chip:
    def times(fact: Fact | None, factor: float) -> Any:
        return replace(fact, value=fact.value * factor) if fact else None

    engines = tuple(
        replace(
            engine,
            count=times(engine.count, cores),
            clock=replace(
                engine.clock, boost=times(engine.clock.boost, clock), top=times(engine.clock.top, clock), base=None
            ),
        )
        for engine in chip.engines
    )
    levels = []
    for level in chip.memory:
        inner = level is not chip.dram
        ports = {p: times(getattr(level, p), bandwidth * (cores if inner else 1)) for p in PORTS}
        levels.append(replace(level, **ports, capacity=times(level.capacity, cores if inner else 1)))
    count = replace(chip.cores or Fact(1, SHEET), value=chip.core_count * cores)
    return replace(chip, engines=engines, memory=tuple(levels), cores=count)


PORTS = ("bandwidth", "read_bandwidth", "write_bandwidth")


READ = {net: specs.load_network(net) for net in NETS}
"""Files are read once, not for every example."""


@settings(max_examples=30)
@given(
    st.sampled_from(NPUS),
    st.sampled_from(sorted(NETS)),
    st.floats(1.0, 8.0),
    st.floats(1.0, 8.0),
    st.integers(1, 4),
    st.sampled_from(SERVING[:2]),  # a batch cut over more cores may take longer: they wait for each other
)
def test_more_never_slows_an_array(
    name: str, net: str, bandwidth: float, clock: float, cores: int, serving: str
) -> None:
    chip, stack, read = CHIPS[name], Stack(serving=serving), READ[net]
    dtype = str(chip.precisions()[0])
    before = predict(chip, read, bind=NETS[net], dtype=dtype, stack=stack).seconds.middle
    for more in ({"bandwidth": bandwidth}, {"clock": clock}, {"cores": cores}):
        after = predict(better(chip, **more), read, bind=NETS[net], dtype=dtype, stack=stack)
        assert after.seconds.middle <= before * (1 + 1e-9), more


PAIRS = [(name, "small") for name in NPUS] + [
    (NPUS[(5 * index + turn) % len(NPUS)], net) for index, net in enumerate(sorted(READ)) for turn in range(3)
]
"""Every array with a small net of many kinds of layers, and every net with three arrays."""


@pytest.mark.parametrize(("name", "net"), PAIRS)
def test_never_faster_than_light(name: str, net: str) -> None:
    """No net is done before its products are, at the top clock and on all cores, whatever a stack may promise."""
    chip = CHIPS[name]
    dtype = str(chip.precisions()[0])
    for calibration in (None, specs.load_unfitted()):
        made = predict(chip, READ.get(net, SMALL), bind=NETS.get(net), dtype=dtype, calibration=calibration)
        products = sum(layer.flops for layer in made.layers if layer.op in ("conv2d", "linear", "attention", "matmul"))
        fastest = max(engine.peak(p, "top") for engine in chip.engines for p in engine.rates)
        assert products / fastest <= made.seconds.low <= made.seconds.middle <= made.seconds.high


# ---------------------------------------------------------------- constants and what is not known


def test_which_constants_describe_a_chip() -> None:
    tiers = {
        "inferentia2": "calibrated",
        "trainium": "borrowed",
        "inferentia": "borrowed",
        "tpu-v1": "calibrated",
        "nnp-i-1000-10w": "borrowed",
        "tpu-v3": "datasheet",
        "nnp-t-1400": "datasheet",
        "tesla-fsd": "datasheet",
    }
    for name, tier in tiers.items():
        dtype = str(specs.load_chip(name).precisions()[0])
        net = "tpu-v1-mlp0" if name == "tpu-v1" else "resnet18"  # whose operators its figures are of
        assert predict(name, net, batch=1, dtype=dtype).tier == tier, name


@pytest.mark.parametrize("name", ["inferentia2", "tpu-v1", "nnp-i-1000", "trainium", "tesla-fsd-npu"])
@pytest.mark.parametrize("op", ["relu", "gelu", "log_softmax", "sort", "running_sum"])
def test_an_operator_in_no_fitted_network_is_borrowed_and_no_interval_is_a_point(
    name: str, op: str, tmp_path: Path
) -> None:
    (tmp_path / "net.yaml").write_text(
        "title: one operator\nsource: a test\nsymbols: {batch: 4096}\n"
        f"inputs: {{x: [batch, 4096]}}\nlayers:\n  - it: {op}\n"
    )
    chip = specs.load_chip(name)
    made = predict(chip, tmp_path / "net.yaml", dtype=str(chip.precisions()[0]))
    fitted = {"inferentia2": ("relu", "gelu"), "tpu-v1": ("relu",)}
    assert (made.tier == "calibrated") == (op in fitted.get(name, ()))
    assert made.seconds.low < made.seconds.high


def test_what_nobody_published_widens_the_interval() -> None:
    """Of Inferentia's memory only a range is stated; with 16 MiB on its sheet the interval is narrower."""
    chip, fit = specs.load_chip("inferentia"), specs.load_unfitted()
    known = replace(chip.memory[0], name="SRAM", capacity=Fact(4 * EXACT.sram, SHEET), bandwidth=None, private=True)
    told = replace(chip, memory=(known, *chip.memory))
    vague, sure = (predict(c, "resnet50", batch=10, dtype="fp16", calibration=fit).seconds for c in (chip, told))
    assert vague.middle == pytest.approx(sure.middle)
    assert vague.high / vague.low > 1.2 * sure.high / sure.low


def test_a_range_is_its_fastest_and_its_slowest_end() -> None:
    fit = specs.load_unfitted()
    (fast, slow), *_ = Parameters.of(fit).varied("efficiency")
    assert (fast.efficiency, slow.efficiency) == (1.0, 0.4)
    (fast, slow), *_ = Parameters.of(fit).varied("layer")
    assert fast.layer < slow.layer
    assert array_fit.tier_of(fit, npu()) == "datasheet"


def test_a_dtype_without_an_array_names_the_file_and_the_line() -> None:
    with pytest.raises(Unsupported, match=r"tpu-v1 does not compute in fp16; it has int8, int16 \(.*tpu-v1.yaml:\d+\)"):
        predict("tpu-v1", "resnet18", dtype="fp16")


def test_a_calibration_of_another_chip_is_refused() -> None:
    fit = specs.load_calibration(specs.calibrations_for("tpu-v1", "tpu-v1")[0])
    with pytest.raises(UsageError, match="tpu-v1"):
        predict("tesla-fsd", "resnet18", dtype="int8", calibration=fit)


def test_training_moves_what_it_keeps() -> None:
    """A step is longer than three inferences and tells that its backward is borrowed."""
    from roofline.core.run import Run

    step = predict("trainium", "resnet18", batch=8, dtype="bf16", run=Run("training"))
    run = predict("trainium", "resnet18", batch=8, dtype="bf16")
    assert step.seconds.middle > 2.5 * run.seconds.middle
    assert step.tier == "borrowed"
