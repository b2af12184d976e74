"""The chips that are not NVIDIA's against arithmetic of their own: units x multiply-adds x 2 x clock.

Nothing here is read from a spec: every product is spelt out anew from data sheets, papers and manuals.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from roofline import specs
from roofline.core.chip import Chip
from roofline.core.dtype import precision
from roofline.errors import Unsupported
from roofline.prediction.predict import predict

FOLDER = Path(__file__).parents[2] / "hw_specs"
KiB, MiB, GiB = 2.0**10, 2.0**20, 2.0**30

NEURON_V2 = {
    "bf16": 2 * 128 * 128 * 2 * 2.8e9,
    "fp16": 2 * 128 * 128 * 2 * 2.8e9,
    "tf32": 2 * 128 * 128 * 2 * 2.8e9,
    "fp8_e4m3": 2 * 128 * 128 * 2 * 2.8e9,
    "fp8_e5m2": 2 * 128 * 128 * 2 * 2.8e9,
    "fp32": 2 * 128 * 128 / 4 * 2 * 2.8e9,
}

# chip: {precision: dense peak of the fastest engine in op/s}, DRAM B/s, DRAM bytes, watts
CHIPS: dict[str, tuple[dict[str, float], float, float, float | None]] = {
    "tesla-fsd-npu": ({"int8": 96 * 96 * 2 * 2e9}, 4266e6 * 128 / 8, 8 * GiB, 7.5),
    "tesla-fsd": ({"int8": 2 * 96 * 96 * 2 * 2e9}, 4266e6 * 128 / 8, 8 * GiB, 36),
    "inferentia": ({"bf16": 4 * 128 * 64 * 2 * 1e9, "fp16": 4 * 128 * 64 * 2 * 1e9}, 50 * GiB, 8 * GiB, None),
    "inferentia2": (NEURON_V2, 820e9, 32 * GiB, None),
    "trainium": (NEURON_V2, 820e9, 32 * GiB, None),
    "trainium2": (
        {
            "bf16": 8 * 128 * 128 * 2 * 2.4e9,
            "fp16": 8 * 128 * 128 * 2 * 2.4e9,
            "tf32": 8 * 128 * 128 * 2 * 2.4e9,
            "fp8_e4m3": 8 * 2 * 128 * 128 * 2 * 2.4e9,
            "fp8_e5m2": 8 * 2 * 128 * 128 * 2 * 2.4e9,
            "fp32": 8 * 128 * 128 / 4 * 2 * 2.4e9,
        },
        2.9e12,
        96 * GiB,
        None,
    ),
    "nnp-t-1300": ({"bf16": 22 * 4096 * 0.95e9}, 4 * 1024 * 2.4e9 / 8, 32 * GiB, 300),
    "nnp-t-1400": ({"bf16": 24 * 4096 * 1.1e9}, 4 * 1024 * 2.4e9 / 8, 32 * GiB, 375),
    "nnp-i-1000": ({"int8": 92e12}, 4200e6 * 128 / 8, 32 * GiB, 50),
    "nnp-i-1000-10w": ({"int8": 48e12}, 4200e6 * 128 / 8, 32 * GiB, 10),
    "nnp-i-1100": ({"int8": 50e12}, 4200e6 * 128 / 8, 16 * GiB, 12),
    "nnp-i-1300": ({"int8": 170e12 / 2}, 4200e6 * 128 / 8, 32 * GiB, 75 / 2),
    "tpu-v1": ({"int8": 256 * 256 * 2 * 0.7e9, "int16": 256 * 256 / 4 * 2 * 0.7e9}, 34e9, 8 * GiB, 75),
    "tpu-v2": ({"bf16": 2 * 128 * 128 * 2 * 0.7e9}, 2 * 1024 * 2.8e9 / 8, 16 * GiB, 280),
    "tpu-v3": ({"bf16": 2 * 2 * 128 * 128 * 2 * 0.94e9}, 900e9, 32 * GiB, 262),
    "tpu-v4": (
        {"bf16": 2 * 4 * 128 * 128 * 2 * 1.05e9, "int8": 2 * 4 * 128 * 128 * 2 * 1.05e9},
        1200e9,
        32 * GiB,
        192,
    ),
    "tpu-v5e": ({"bf16": 197e12, "int8": 393e12, "int4": 2 * 393e12}, 819e9, 16e9, None),
    "tpu-v5p": ({"bf16": 459e12, "int8": 918e12, "int4": 2 * 918e12}, 2765e9, 95e9, None),
    "mi210": (
        {
            "fp16": 104 * 4 * 128 * 2 * 1.7e9,
            "bf16": 104 * 4 * 128 * 2 * 1.7e9,
            "int8": 104 * 4 * 128 * 2 * 1.7e9,
            "fp32": 104 * 128 * 2 * 1.7e9,
            "fp64": 104 * 128 * 2 * 1.7e9,
        },
        4096 * 3.2e9 / 8,
        64 * GiB,
        300,
    ),
    "mi300x": (
        {
            "fp16": 304 * 4 * 256 * 2 * 2.1e9,
            "bf16": 304 * 4 * 256 * 2 * 2.1e9,
            "fp8_e4m3": 304 * 4 * 512 * 2 * 2.1e9,
            "fp8_e5m2": 304 * 4 * 512 * 2 * 2.1e9,
            "int8": 304 * 4 * 512 * 2 * 2.1e9,
            "tf32": 304 * 4 * 128 * 2 * 2.1e9,
            "fp32": 304 * 128 * 2 * 2.1e9,
            "fp64": 304 * 128 * 2 * 2.1e9,
        },
        5.3e12,
        192 * GiB,
        750,
    ),
    "apple-m1": (
        {"fp32": 8 * 128 * 2 * 1.278e9, "fp16": 8 * 128 * 2 * 1.278e9, "fp16/fp16": 8 * 128 * 2 * 1.278e9},
        4266e6 * 128 / 8,
        16 * GiB,
        None,
    ),
    "apple-m1-max": ({"fp32": 32 * 128 * 2 * 1.296e9, "fp16": 32 * 128 * 2 * 1.296e9}, 400e9, 64 * GiB, None),
    "apple-m2-max": ({"fp32": 38 * 128 * 2 * 1.398e9, "fp16": 38 * 128 * 2 * 1.398e9}, 400e9, 96 * GiB, None),
    "epyc-9654": (
        {
            "fp32": 96 * 2 * 256 / 32 * 2 * 3.7e9,
            "fp64": 96 * 2 * 256 / 64 * 2 * 3.7e9,
            "bf16": 96 * 512 / 16 * 2 * 3.7e9,
            "int8": 96 * 512 / 8 * 2 * 3.7e9,
        },
        12 * 4800e6 * 8,
        12 * 64 * GiB,
        360,
    ),
    "xeon-8480": (
        {
            "fp32": 56 * 2 * 512 / 32 * 2 * 3.8e9,
            "fp64": 56 * 2 * 512 / 64 * 2 * 3.8e9,
            "fp16/fp16": 56 * 2 * 512 / 16 * 2 * 3.8e9,
            "bf16": 56 * 16 * 16 * 32 / 16 * 2 * 3.8e9,
            "int8": 56 * 16 * 16 * 64 / 16 * 2 * 3.8e9,
        },
        8 * 4800e6 * 8,
        8 * 64 * GiB,
        350,
    ),
    "gaudi2": ({"bf16": 2 * 256 * 256 * 2 * 1.65e9, "fp8_e4m3": 2 * 2 * 256 * 256 * 2 * 1.65e9}, 2.46e12, 96e9, 600),
    "gaudi3": ({"bf16": 8 * 256 * 256 * 2 * 1.6e9, "fp8_e4m3": 8 * 256 * 256 * 2 * 1.6e9}, 3.67e12, 128e9, 900),
}

PACKAGES = {
    "tesla-fsd-npu": {"chip": 2, "board": 4},
    "tesla-fsd": {"board": 2},
    "inferentia": {"inf1.xlarge": 1, "inf1.2xlarge": 1, "inf1.6xlarge": 4, "inf1.24xlarge": 16},
    "inferentia2": {"inf2.xlarge": 1, "inf2.8xlarge": 1, "inf2.24xlarge": 6, "inf2.48xlarge": 12},
    "trainium": {"trn1.2xlarge": 1, "trn1.32xlarge": 16, "trn1n.32xlarge": 16},
    "trainium2": {"trn2.48xlarge": 16},
    "nnp-i-1300": {"card": 2},
    "tpu-v2": {"v2-8": 4},
    "tpu-v3": {"v3-8": 4},
    "tpu-v4": {"v4-8": 4},
    "tpu-v5e": {"host": 8},
    "tpu-v5p": {"host": 4},
}

# chip and level: bytes of the whole chip
ON_CHIP = {
    ("tesla-fsd", "SRAM"): 2 * 32 * MiB,
    ("inferentia2", "SBUF"): 2 * 128 * 192 * KiB,
    ("inferentia2", "PSUM"): 2 * 128 * 16 * KiB,
    ("trainium2", "SBUF"): 8 * 128 * 224 * KiB,
    ("nnp-t-1300", "scratchpad"): 22 * 2.5 * MiB,
    ("nnp-t-1400", "scratchpad"): 24 * 2.5 * MiB,
    ("nnp-i-1000", "TCM"): 12 * 256 * KiB,
    ("nnp-i-1000", "deep SRAM"): 12 * 4 * MiB,
    ("nnp-i-1000-10w", "LLC"): 8 * 3 * MiB,
    ("tpu-v1", "accumulators"): 4096 * 256 * 4,
    ("tpu-v1", "unified buffer"): 24 * MiB,
    ("tpu-v2", "VMEM"): 2 * 16 * MiB,
    ("tpu-v4", "CMEM"): 128 * MiB,
    ("mi210", "L2"): 8 * MiB,
    ("mi210", "LDS"): 104 * 64 * KiB,
    ("mi300x", "L2"): 8 * 4 * MiB,
    ("mi300x", "Infinity Cache"): 256 * MiB,
    ("mi300x", "registers"): 304 * 512 * KiB,
    ("apple-m1", "shared memory"): 8 * 64 * KiB,
    ("epyc-9654", "L2"): 96 * MiB,
    ("epyc-9654", "L3"): 12 * 32 * MiB,
    ("xeon-8480", "L2"): 56 * 2 * MiB,
    ("gaudi3", "SRAM"): 96e6,
}

# chip: {precision: by how much the vendor's own figure is off the arithmetic}
MARKETING = {
    "inferentia": {"bf16": 64 / 65.536, "fp16": 64 / 65.536},
    "inferentia2": dict.fromkeys(("bf16", "fp16", "tf32", "fp8"), 190 / 183.5) | {"fp32": 47.5 / 45.875},
    "trainium": dict.fromkeys(("bf16", "fp16", "tf32", "fp8"), 190 / 183.5) | {"fp32": 47.5 / 45.875},
    "trainium2": dict.fromkeys(("bf16", "fp16", "tf32"), 667 / 629.1) | {"fp8": 1299 / 1258.3, "fp32": 181 / 157.3},
    "nnp-t-1300": {"bf16": 93.39 / 85.6},
    "nnp-t-1400": {"bf16": 119 / 108.1},
    "gaudi3": {"bf16": 1835 / 1677.7, "fp8": 1835 / 1677.7},
}


def chip(name: str) -> Chip:
    return specs.load_chip(FOLDER / f"{name}.yaml")


def test_the_table_covers_every_chip_that_is_not_nvidias() -> None:
    others = {path.stem for path in FOLDER.glob("*.yaml") if chip(path.stem).vendor != "NVIDIA"}
    assert others == set(CHIPS)


@pytest.mark.parametrize(("name", "key"), [(name, key) for name, row in CHIPS.items() for key in row[0]])
def test_peaks(name: str, key: str) -> None:
    wanted = precision(key)
    engine = chip(name).engine_for(wanted, matrix=True)
    assert engine.peak(wanted) == pytest.approx(CHIPS[name][0][key], rel=3e-3)


@pytest.mark.parametrize("name", CHIPS)
def test_memory_and_power(name: str) -> None:
    part = chip(name)
    _, bandwidth, capacity, watts = CHIPS[name]
    assert part.dram.total_bandwidth == pytest.approx(bandwidth, rel=2e-3)
    assert part.dram.total_capacity == capacity
    assert (part.power.value if part.power else None) == watts


@pytest.mark.parametrize(("name", "level"), ON_CHIP)
def test_memory_on_the_chip(name: str, level: str) -> None:
    found = chip(name).level(level)
    assert found is not None
    assert found.capacity is not None
    assert found.capacity.value == ON_CHIP[name, level]


@pytest.mark.parametrize("name", CHIPS)
def test_packages(name: str) -> None:
    assert {package.name: package.count.value for package in chip(name).packages} == PACKAGES.get(name, {})


@pytest.mark.parametrize("name", CHIPS)
def test_a_rate_fills_its_array(name: str) -> None:
    for engine in chip(name).engines:
        if engine.array is not None:
            size = engine.array.rows * engine.array.cols * engine.array.depth
            assert max(rate.value for rate in engine.rates.values()) in (size, 2 * size, 4 * size)
            assert size in {rate.value for rate in engine.rates.values()}


@pytest.mark.parametrize("name", CHIPS)
def test_which_stated_peaks_are_not_the_arithmetic(name: str) -> None:
    part = chip(name)
    off = {
        str(wanted): stated.fact.value / engine.peak(wanted)
        for engine in part.engines
        if engine.array is not None or engine.kind == "matrix"
        for wanted, stated in engine.stated_peaks.items()
        if stated.disagrees_because
    }
    expected = {str(precision(key)): ratio for key, ratio in MARKETING.get(name, {}).items()}
    assert off == pytest.approx(expected, rel=2e-3)


def test_rent_is_of_an_instance_and_shared_by_its_chips() -> None:
    rates = {price.per: price.each for price in chip("inferentia").price if price.status != "unverified"}
    assert rates == pytest.approx(
        {"inf1.xlarge": 0.110, "inf1.2xlarge": 0.174, "inf1.6xlarge": 0.567 / 4, "inf1.24xlarge": 2.269 / 16}
    )
    reserved, *_, on_demand = [price for price in chip("inferentia2").price if price.per == "inf2.48xlarge"]
    assert (reserved.each, on_demand.each) == pytest.approx((5.608 / 12, 12.981 / 12))
    for name in ("inferentia", "inferentia2", "trainium", "tpu-v2", "tpu-v3"):
        assert {price.every for price in chip(name).price} == {"hour"}
        assert all(price.per in PACKAGES[name] for price in chip(name).price)


def test_gib_and_gb_are_not_mixed_up() -> None:
    assert chip("inferentia").dram.total_bandwidth == 53.6870912e9  # 50 GiB/s
    assert chip("inferentia2").dram.total_bandwidth == 820e9  # not 880
    assert chip("tpu-v5e").dram.total_bandwidth == 819e9  # not 859


def test_vector_engines_of_neuron_cores_count_lanes() -> None:
    """The 2.3 and 2.9 TFLOP/s of the documentation are no rate of 128 lanes."""
    for name in ("inferentia2", "trainium"):
        _, vector, scalar = chip(name).engines
        assert vector.peak(precision("fp32")) == 2 * 128 * 2 * 1.12e9
        assert scalar.peak(precision("fp32")) == 2 * 128 * 2 * 1.4e9
    _, vector, scalar = chip("trainium2").engines
    assert vector.peak(precision("bf16")) == 8 * 512 * 2 * 0.96e9
    assert vector.peak(precision("fp32")) == 8 * 256 * 2 * 0.96e9
    assert scalar.peak(precision("fp32")) == 8 * 128 * 2 * 1.2e9


@pytest.mark.parametrize("name", ["inferentia", "inferentia2", "trainium", "trainium2"])
def test_neuron_compilers_take_no_int8(name: str) -> None:
    with pytest.raises(Unsupported):
        chip(name).resolve(precision("int8"))


@pytest.mark.parametrize("name", ["tpu-v2", "tpu-v3", "tpu-v4", "tpu-v5e", "tpu-v5p", "inferentia"])
def test_fp32_is_rounded_to_bf16(name: str) -> None:
    assert chip(name).resolve(precision("fp32"))[0] == precision("bf16")


def test_a_power_mode_is_the_same_chip_at_another_clock() -> None:
    whole = chip("nnp-i-1000")
    for name in ("nnp-i-1000-10w", "nnp-i-1100", "nnp-i-1300"):
        part = chip(name)
        assert [engine.count.value for engine in part.engines] == [12, 12]
        assert [engine.rates for engine in part.engines] == [engine.rates for engine in whole.engines]
        assert part.memory[:-1] == whole.memory[:-1]
        for engine in part.engines:
            assert engine.clock.hz("top") == engine.clock.hz() < whole.engines[0].clock.hz()
        assert len(part.links) == 1
    assert chip("nnp-i-1000-10w").engines[0].clock.hz() == pytest.approx(48e12 / (12 * 8192), rel=1e-3)


def test_the_ports_of_the_fsd_memory() -> None:
    npu, both = chip("tesla-fsd-npu").level("SRAM"), chip("tesla-fsd").level("SRAM")
    assert npu is not None
    assert both is not None
    assert npu.total_bandwidth == (256 + 128 + 128) * 2e9
    assert both.total_bandwidth == 2 * (256 + 128 + 128) * 2e9
    assert chip("tesla-fsd").dram.total_bandwidth == chip("tesla-fsd-npu").dram.total_bandwidth
    assert chip("tesla-fsd-npu").dram.shared_with == ("the other NPU", *chip("tesla-fsd").dram.shared_with)


def test_the_row_of_the_mi300x_in_databases_is_wrong() -> None:
    part = chip("mi300x")
    assert part.dram.total_bandwidth == 5.3e12  # not 10.3
    vector, _ = part.engines
    assert vector.peak(precision("fp32")) == pytest.approx(163.4e12, rel=1e-3)  # not 81.7
    assert vector.peak(precision("fp64")) == pytest.approx(81.7e12, rel=1e-3)


def test_ridge_of_the_first_tpu() -> None:
    """1350 multiply-adds for each byte of weights, as its paper says."""
    part = chip("tpu-v1")
    assert part.dram.total_bandwidth is not None
    ridge = part.engines[0].peak(precision("int8")) / 2 / part.dram.total_bandwidth
    assert ridge == pytest.approx(1350, rel=1e-3)


def test_cpus_look_like_those_of_this_machine() -> None:
    """As ``detect`` describes a CPU, so that a fit made on one can be found for the other."""
    genoa, rapids = chip("epyc-9654"), chip("xeon-8480")
    assert (genoa.kind, genoa.architecture) == ("cpu", "zen4")
    assert (rapids.kind, rapids.architecture) == ("cpu", "intel-amx")
    assert [engine.name for engine in (*genoa.engines, *rapids.engines)] == ["cores", "cores", "tiles"]
    for part in (genoa, rapids):
        assert [level.name for level in part.memory] == ["L1", "L2", "L3", "DRAM"]
        assert [level.private for level in part.memory] == [True, True, False, False]
        assert part.resolve(precision("fp16"))[0] == precision("fp32")
    one = rapids.with_units(1)
    assert one.engine_for(precision("bf16"), matrix=True).peak(precision("bf16")) == 1024 * 3.8e9


# chip: DRAM bandwidth that somebody measured, B/s
STREAMED = {
    "mi210": 1399e9,
    "mi300x": 3499e9,
    "apple-m1": 58.8e9,
    "apple-m1-max": 362e9,
    "apple-m2-max": 368e9,
    "epyc-9654": 472e9 / 2,
    "xeon-8480": 331e9 / 2,
}


@pytest.mark.parametrize("name", STREAMED)
def test_nobody_streamed_faster_than_the_bandwidth(name: str) -> None:
    bandwidth = chip(name).dram.total_bandwidth
    assert bandwidth is not None
    assert 0.5 < STREAMED[name] / bandwidth < 1


@pytest.mark.parametrize(
    ("name", "key", "measured"),
    [("mi210", "fp16", 121.6e12), ("mi300x", "bf16", 668e12), ("tpu-v1", "int8", 86.0e12)],
)
def test_nobody_multiplied_faster_than_the_peak(name: str, key: str, measured: float) -> None:
    wanted = precision(key)
    assert 0.5 < measured / chip(name).engine_for(wanted, matrix=True).peak(wanted) < 1


@pytest.mark.parametrize(
    ("name", "net", "symbols", "key", "per_s"),
    [
        # MLPerf Inference v0.5, Offline, one of two chips
        ("nnp-i-1000", "resnet50", {"batch": 32}, "int8", 5290),
        # github.com/aws-neuron/aws-neuron-sdk, benchmarks; one chip each
        ("inferentia", "resnet50", {"batch": 10}, "fp16", 2207),
        ("inferentia", "bert-base", {"batch": 6, "seq": 128}, "bf16", 1180.7),
        ("inferentia2", "resnet50", {"batch": 8}, "bf16", 4216.1),
        ("inferentia2", "resnet18", {"batch": 8}, "bf16", 6574.8),
        ("inferentia2", "vgg16", {"batch": 8}, "bf16", 2104.9),
        ("inferentia2", "bert-base", {"batch": 8, "seq": 128}, "bf16", 2674.2),
    ],
)
def test_nobody_measured_a_net_faster_than_predicted(
    name: str, net: str, symbols: dict[str, int], key: str, per_s: float
) -> None:
    bound = predict(chip(name), net, bind=symbols, dtype=key, calibration="none")
    assert bound.tier == "datasheet"
    assert per_s < symbols["batch"] / bound.seconds.middle
