"""The NVIDIA chips that ship, against tables typed from sheets and reviews apart from their YAML."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from roofline import specs
from roofline.core.chip import TOP_OVER_BOOST, Chip, ClockName
from roofline.core.dtype import precision
from roofline.errors import Unsupported

FOLDER = Path(__file__).parents[2] / "hw_specs"

# Multiply-adds per clock and multiprocessor, of the fastest engine for a product in that precision.
WIDE, NARROW = ("fp16/fp16", "fp16", "bf16"), ("fp8_e4m3", "fp8_e5m2", "int8")
TURING = {"fp32": 64, "fp64": 2, "fp16/fp16": 512, "fp16": 512, "int8": 1024, "int4": 2048}
GA10X = {"fp32": 128, "fp64": 2, **dict.fromkeys(WIDE, 512), "tf32": 256, "int8": 1024, "int4": 2048}
FP8 = dict.fromkeys(("fp8_e4m3", "fp8_e5m2", "fp8_e4m3/fp16", "fp8_e5m2/fp16"), 1024)
HALF = {"fp16": 256, "bf16": 256, "tf32": 128}
HALF_FP8 = {**FP8, "fp8_e4m3": 512, "fp8_e5m2": 512}
VOLTA = {"fp32": 64, "fp64": 32, "fp16/fp16": 512, "fp16": 512, "int8": 256}
PER_SM: dict[str, dict[str, int]] = {
    "5.2": {"fp32": 128, "fp64": 4},
    "6.0": {"fp32": 64, "fp64": 32, "fp16/fp16": 128, "fp16": 64},
    "6.1": {"fp32": 128, "fp64": 4, "fp16/fp16": 2, "int8": 512},
    "7.0": VOLTA,
    "7.2": {**VOLTA, "int8": 1024},
    "7.5": TURING,
    "7.5 geforce": {**TURING, "fp16": 256},
    "8.0": {"fp32": 64, "fp64": 64, **dict.fromkeys(WIDE, 1024), "tf32": 512, "int8": 2048, "int4": 4096},
    "8.6 geforce": {**GA10X, **HALF},
    "8.7": {"fp32": 128, "fp64": 2, **dict.fromkeys(WIDE, 1024), "tf32": 512, "int8": 2048, "int4": 4096},
    "8.9": {**GA10X, **FP8},
    "8.9 geforce": {**GA10X, **HALF, **HALF_FP8},
    "9.0": {"fp32": 128, "fp64": 128, **dict.fromkeys(WIDE, 2048), "tf32": 1024, **dict.fromkeys(NARROW, 4096)},
    "10.0": {"fp32": 128, "fp64": 64, **dict.fromkeys(WIDE, 4096), "tf32": 2048, **dict.fromkeys(NARROW, 8192)},
    "12.0 geforce": {key: rate for key, rate in {**GA10X, **HALF, **HALF_FP8}.items() if key != "int4"},
}


class Card(NamedTuple):
    """``tera``: dense peaks in TFLOP/s or TOP/s as sheets and reviews print them."""

    rates: str
    units: int
    mhz: float
    tera: dict[str, float]
    bandwidth: float
    capacity: float
    watts: float
    matrix_mhz: float = 0.0


A100 = {"fp32": 19.49, "fp64": 19.5, "tf32": 156, "fp16": 312, "bf16": 312, "int8": 624, "int4": 1248}
H100 = {"fp32": 66.9, "tf32": 494.7, "fp16": 989.4, "bf16": 989.4, "fp8": 1979, "int8": 1979}
CARDS = {
    "gtx-960": Card("5.2", 8, 1178, {"fp32": 2.41}, 112.2, 2, 120),
    "gtx-970": Card("5.2", 13, 1178, {"fp32": 3.92}, 196.3, 3.5, 145),
    "gtx-980": Card("5.2", 16, 1216, {"fp32": 4.981, "fp64": 0.1556}, 224, 4, 165),
    "gtx-980-ti": Card("5.2", 22, 1076, {"fp32": 6.06}, 336.6, 6, 250),
    "titan-x-maxwell": Card("5.2", 24, 1075, {"fp32": 6.60}, 336.6, 12, 250),
    "tesla-m40": Card("5.2", 24, 1112, {"fp32": 6.84}, 288.4, 12, 250),
    "tesla-m60": Card("5.2", 16, 1178, {"fp32": 4.83}, 160.4, 8, 150),
    "gtx-1070": Card("6.1", 15, 1683, {"fp32": 6.46}, 256.3, 8, 150),
    "gtx-1080": Card("6.1", 20, 1733, {"fp32": 8.87}, 320.3, 8, 180),
    "gtx-1080-ti": Card("6.1", 28, 1582, {"fp32": 11.34, "fp16/fp16": 0.177, "int8": 45.4}, 484.4, 11, 250),
    "tesla-p4": Card("6.1", 20, 1114, {"fp32": 5.70}, 192.3, 8, 75),
    "quadro-p4000": Card("6.1", 14, 1480, {"fp32": 5.30}, 243.3, 8, 105),
    "tesla-p100-pcie": Card("6.0", 56, 1329, {"fp32": 9.53}, 732.2, 16, 250),
    "tesla-p100-sxm2": Card("6.0", 56, 1480, {"fp32": 10.61, "fp64": 5.30, "fp16/fp16": 21.2}, 732.2, 16, 300),
    "tesla-v100-pcie-32gb": Card("7.0", 80, 1380, {"fp32": 14.13, "fp64": 7.066, "fp16": 113.05}, 897, 32, 250),
    "tesla-v100-sxm2": Card("7.0", 80, 1530, {"fp32": 15.67, "fp64": 7.83, "fp16": 125.3}, 897, 16, 300),
    "jetson-agx-xavier": Card("7.2", 8, 1377, {"fp16": 11.28, "int8": 22.56}, 136.5, 32, 30),
    "tesla-t4": Card("7.5", 40, 1590, {"fp32": 8.14, "fp16": 65.1, "int8": 130, "int4": 260}, 320, 16, 70),
    "rtx-2060-super": Card("7.5 geforce", 34, 1650, {"fp32": 7.18}, 448, 8, 175),
    "rtx-2070": Card("7.5 geforce", 36, 1620, {"fp32": 7.465, "fp16": 29.9, "int8": 119.4}, 448, 8, 175),
    "rtx-2070-fe": Card("7.5 geforce", 36, 1710, {"fp32": 7.88, "fp16": 31.5, "int4": 252.1}, 448, 8, 185),
    "rtx-2070-super": Card("7.5 geforce", 40, 1770, {"fp32": 9.06}, 448, 8, 215),
    "rtx-2080": Card("7.5 geforce", 46, 1710, {"fp32": 10.07}, 448, 8, 215),
    "rtx-2080-ti": Card(
        *("7.5 geforce", 68, 1545, {"fp32": 13.45, "fp16/fp16": 107.6, "fp16": 53.8, "int8": 215}, 616, 11, 250)
    ),
    "a100-pcie-40gb": Card("8.0", 108, 1410, A100, 1555, 40, 250),
    "a100-pcie-80gb": Card("8.0", 108, 1410, A100, 1935, 80, 300),
    "a100-sxm-80gb": Card("8.0", 108, 1410, A100, 2039, 80, 400),
    "rtx-3060": Card("8.6 geforce", 28, 1777, {"fp32": 12.74}, 360, 12, 170),
    "rtx-3090": Card(
        *("8.6 geforce", 82, 1695),
        {"fp32": 35.58, "fp16/fp16": 142, "fp16": 71, "bf16": 71, "tf32": 35.6, "int8": 284, "int4": 568},
        *(936.2, 24, 350),
    ),
    "jetson-agx-orin": Card("8.7", 16, 1300, {"fp32": 5.3, "int8": 85}, 204.8, 64, 60),
    "rtx-4060-ti": Card("8.9 geforce", 34, 2535, {"fp32": 22.06}, 288, 8, 160),
    "rtx-4090": Card(
        *("8.9 geforce", 128, 2520),
        {"fp32": 82.6, "fp16/fp16": 330, "fp16": 165, "bf16": 165, "tf32": 82.6, "fp8": 330, "int8": 661, "int4": 1321},
        *(1008, 24, 450),
    ),
    "l4": Card("8.9", 58, 2040, {"fp32": 30.3, "fp16": 121, "tf32": 60, "fp8": 242.5, "int8": 242.5}, 300.1, 24, 72),
    "l40s": Card("8.9", 142, 2520, {"fp32": 91.6, "fp16": 366.5, "tf32": 183, "fp8": 733}, 864, 48, 350),
    "h100-pcie": Card("9.0", 114, 1755, {"fp32": 51.2, "fp16": 756.5, "fp8": 1513}, 2039, 80, 350, 1620),
    "h100-sxm": Card("9.0", 132, 1980, H100, 3350, 80, 700, 1830),
    "h200-sxm": Card("9.0", 132, 1980, H100, 4800, 141, 700, 1830),
    "b200-sxm": Card(
        *("10.0", 148, 1965),
        {"fp32": 74.45, "fp16": 2250, "bf16": 2250, "tf32": 1125, "fp8": 4500, "int8": 4500},
        *(8000, 180, 1000, 1850),
    ),
    "rtx-5090": Card(
        *("12.0 geforce", 170, 2407),
        {"fp32": 104.8, "fp16/fp16": 419, "fp16": 209.5, "bf16": 209.5, "fp8": 419, "fp8_e4m3/fp16": 838, "int8": 838},
        *(1792, 32, 575),
    ),
}
VECTOR_CLOCK = {"fp32"}
"""What runs at the clock of the CUDA cores where the tensor cores have one of their own."""


@pytest.fixture(params=CARDS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def best(chip: Chip, key: str, clock: ClockName = "boost") -> float:
    """The highest peak of any engine in that precision."""
    wanted = precision(key)
    return max(engine.peak(wanted, clock) for engine in chip.engines if wanted in engine.rates)


def test_the_tables_name_every_nvidia_chip() -> None:
    shipped = {path.stem for path in FOLDER.glob("*.yaml") if specs.load_chip(path).vendor == "NVIDIA"}
    assert shipped == set(CARDS)


def test_every_peak_is_units_times_lanes_times_two_times_clock(name: str) -> None:
    chip, card = specs.load_chip(name), CARDS[name]
    rates = PER_SM[card.rates]
    assert {str(p) for p in chip.precisions()} == {str(precision(key)) for key in rates}
    for key, lanes in rates.items():
        vector = key in VECTOR_CLOCK or (name, key) == ("b200-sxm", "fp64")  # no faster on its tensor cores
        mhz = card.mhz if vector else card.matrix_mhz or card.mhz
        assert best(chip, key) == pytest.approx(card.units * lanes * 2 * mhz * 1e6), key


@pytest.mark.parametrize(("name", "key"), [(name, key) for name, card in CARDS.items() for key in card.tera])
def test_peaks_are_those_of_the_sheets(name: str, key: str) -> None:
    assert best(specs.load_chip(name), key) == pytest.approx(CARDS[name].tera[key] * 1e12, rel=0.01)


def test_memory_and_power_are_those_of_the_sheets(name: str) -> None:
    chip, card = specs.load_chip(name), CARDS[name]
    assert chip.dram.capacity is not None
    assert chip.power is not None
    assert chip.dram.total_bandwidth == pytest.approx(card.bandwidth * 1e9)
    assert chip.dram.capacity.value == pytest.approx(card.capacity * 2**30)
    assert chip.power.value == card.watts


def test_only_cards_for_desks_go_above_their_boost_clock(name: str) -> None:
    chip = specs.load_chip(name)
    clock = chip.engines[0].clock
    over = TOP_OVER_BOOST if name.startswith(("gtx", "titan", "rtx", "quadro")) else 1.0
    assert clock.hz("top") == pytest.approx(over * clock.hz("boost"))
    assert {engine.clock.hz("top") for engine in chip.engines} == {clock.hz("top")}


def test_private_memory_is_of_all_multiprocessors_together(name: str) -> None:
    chip = specs.load_chip(name)
    registers = chip.level("registers")
    assert registers is not None
    assert registers.capacity is not None
    assert registers.private
    assert registers.capacity.value == CARDS[name].units * 256 * 2**10
    assert not any(level.private for level in chip.memory if level.name in ("L2", "DRAM"))


def test_it_says_which_cuda_runs_it(name: str) -> None:
    software = specs.load_chip(name).software
    assert software is not None
    assert software.cuda_capability == CARDS[name].rates.split()[0]
    major = float(software.cuda_capability)
    assert bool(software.last_cuda) == (major < 7.5)  # CUDA 13 begins with Turing


@pytest.mark.parametrize("name", ["rtx-2070", "rtx-2080-ti", "rtx-3090", "rtx-4090", "rtx-5090"])
def test_geforce_halves_the_rate_where_sums_are_kept_in_fp32(name: str) -> None:
    chip = specs.load_chip(name)
    assert best(chip, "fp16/fp16") == 2 * best(chip, "fp16")


@pytest.mark.parametrize("name", ["tesla-t4", "tesla-v100-sxm2", "l4", "l40s", "a100-sxm-80gb", "h100-sxm"])
def test_data_centre_cards_do_not(name: str) -> None:
    chip = specs.load_chip(name)
    assert best(chip, "fp16/fp16") == best(chip, "fp16")


def test_the_l4_has_58_multiprocessors() -> None:
    l4 = specs.load_chip("l4")
    assert [engine.count.value for engine in l4.engines] == [58, 58]
    assert best(l4, "bf16") == pytest.approx(121.2e12, rel=1e-3)  # 242 is sparse


def test_the_last_half_gigabyte_of_a_gtx_970_is_slow() -> None:
    chip = specs.load_chip("gtx-970")
    slow = chip.dram.overflow
    assert slow is not None
    assert (slow.capacity.value, slow.bandwidth.value) == (0.5 * 2**30, 28e9)
    assert chip.dram.total_capacity == 4 * 2**30
    level = chip.level("L2")
    assert level is not None
    assert level.capacity is not None
    assert level.capacity.value == 1.75 * 2**20


def test_a_tesla_m60_is_two_gpus() -> None:
    (card,) = specs.load_chip("tesla-m60").packages
    assert (card.name, card.count.value) == ("card", 2)


def test_hopper_and_the_b200_have_a_clock_for_their_tensor_cores() -> None:
    for name, vector, matrix in (
        ("h100-sxm", 1980, 1830),
        ("h200-sxm", 1980, 1830),
        ("h100-pcie", 1755, 1620),
        ("b200-sxm", 1965, 1850),
    ):
        assert [engine.clock.hz() for engine in specs.load_chip(name).engines] == [vector * 1e6, matrix * 1e6]
    fp64 = specs.load_chip("h100-sxm").engines[1].stated_peaks[precision("fp64")]
    assert "1980 MHz" in fp64.disagrees_because
    fp32 = specs.load_chip("b200-sxm").engines[0].stated_peaks[precision("fp32")]
    assert "rounded" in fp32.disagrees_because


def test_fp16_before_tensor_cores() -> None:
    fp16, fp32, kept = precision("fp16"), precision("fp32"), precision("fp16/fp16")
    maxwell, gp102, gp100 = (specs.load_chip(name) for name in ("gtx-970", "gtx-1080-ti", "tesla-p100-sxm2"))
    assert [maxwell.resolve(wanted)[0] for wanted in (fp16, kept)] == [fp32, fp32]  # storage only
    assert gp102.resolve(fp16)[0] == fp32
    assert "storage" in gp102.resolve(fp16)[1]
    assert best(gp102, "fp16/fp16") == best(gp102, "fp32") / 64
    assert best(gp100, "fp16/fp16") == 2 * best(gp100, "fp32")
    for chip in (maxwell, gp102, gp100, specs.load_chip("tesla-v100-sxm2"), specs.load_chip("rtx-2080")):
        with pytest.raises(Unsupported):
            chip.resolve(precision("bf16"))
    with pytest.raises(Unsupported):
        gp100.resolve(precision("int8"))  # dp4a came with GP10x


def test_known_errors_of_databases_are_not_copied() -> None:
    caches = {"a100-pcie-80gb": 40, "b200-sxm": 126, "l40s": 48, "rtx-4090": 72}
    for name, size in caches.items():
        level = specs.load_chip(name).level("L2")
        assert level is not None
        assert level.capacity is not None
        assert level.capacity.value == size * 2**20
    links = [link.name for link in specs.load_chip("rtx-4060-ti").links]
    assert links == ["PCIe 4.0 x8"]
    assert specs.load_chip("jetson-agx-orin").links == ()
    assert specs.load_chip("jetson-agx-orin").dram.shared_with == ("cpu", "dla")


def test_prices_have_a_date_and_rent_a_time() -> None:
    t4 = specs.load_chip("tesla-t4").price
    assert [(price.amount, price.every) for price in t4] == [(2300, ""), (0.526, "hour")]
    assert all(price.status == "unverified" for price in t4)
    assert specs.load_chip("gtx-970").price[0].date == "2014-09-19"
    assert specs.load_chip("a100-pcie-80gb").price == ()
