"""The chips that ship: clean, fully sourced, and equal to a table typed by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import pytest

from roofline import specs
from roofline.core.chip import STATUSES, Chip, Fact, Price
from roofline.core.dtype import precision
from roofline.errors import Unsupported
from roofline.specs.chipfile import read_chip
from roofline.specs.yamlio import load_document, parse_document

GIB = 2**30
FOLDER = Path(__file__).parents[2] / "hw_specs"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))

# chip: {precision: dense peak in TOP/s, from data sheets and reviews}, DRAM GB/s, DRAM bytes, watts
PEAKS: dict[str, tuple[dict[str, float], float, float, float | None]] = {
    "gtx-980": ({"fp32": 4.981, "fp64": 0.1556}, 224, 4 * GIB, 165),
    "rtx-2070": (
        {"fp32": 7.465, "fp64": 0.233, "fp16/fp32": 29.86, "fp16/fp16": 59.72, "int8": 119.4, "int4": 238.9},
        448,
        8 * GIB,
        175,
    ),
    "rtx-2070-fe": (
        {"fp32": 7.880, "fp64": 0.246, "fp16/fp32": 31.52, "fp16/fp16": 63.04, "int8": 126.1, "int4": 252.1},
        448,
        8 * GIB,
        185,
    ),
    "tesla-fsd-npu": ({"int8": 36.86}, 68.3, 8 * 2**30, 7.5),
    "tesla-fsd": ({"int8": 73.73}, 68.3, 8 * 2**30, 36),
    "inferentia": ({"bf16": 65.54, "fp16": 65.54}, 53.687, 8 * 2**30, None),
    "nnp-t-1300": ({"bf16": 85.6}, 1228.8, 32 * 2**30, 300),
    "nnp-i-1000": ({"int8": 92.0}, 67.2, 32 * 2**30, 50),
    "titan-x-maxwell": ({"fp32": 6.605}, 336.6, 12 * GIB, 250),
    "tesla-t4": ({"fp32": 8.141, "fp16": 65.13, "int8": 130.3, "int4": 260.5}, 320, 16 * GIB, 70),
    "tesla-v100-pcie-32gb": ({"fp32": 14.13, "fp64": 7.066, "fp16": 113.05}, 897, 32 * GIB, 250),
    "a100-pcie-40gb": (
        {"fp32": 19.49, "fp64": 19.49, "tf32": 155.9, "fp16": 311.9, "bf16": 311.9, "int8": 623.7},
        1555,
        40 * GIB,
        250,
    ),
    "h200-sxm": (
        {"fp32": 66.91, "tf32": 494.7, "fp16": 989.4, "bf16": 989.4, "fp8": 1978.9, "int8": 1978.9},
        4800,
        141 * GIB,
        700,
    ),
}


def test_the_table_covers_every_chip() -> None:
    assert set(NAMES) >= set(PEAKS)


@pytest.fixture(params=NAMES)
def chip(request: pytest.FixtureRequest) -> Chip:
    return specs.load_chip(FOLDER / f"{request.param}.yaml")


def everything(value: object) -> Iterator[object]:
    """The value and all values below it."""
    yield value
    if is_dataclass(value):
        for part in fields(value):
            yield from everything(getattr(value, part.name))
    elif isinstance(value, tuple):
        for entry in value:
            yield from everything(entry)
    elif isinstance(value, dict):
        for entry in value.values():
            yield from everything(entry)


def test_it_checks_clean_and_is_named_as_its_file(chip: Chip) -> None:
    assert specs.check(chip.file) == []
    assert Path(chip.file).stem == chip.name


def test_every_figure_has_a_source(chip: Chip) -> None:
    facts = [value for value in everything(chip) if isinstance(value, Fact | Price)]
    assert len(facts) > 8
    for fact in facts:
        assert fact.source.strip()
        assert fact.status in STATUSES
        assert fact.status != "datasheet" or not fact.source.startswith(("derived", "unverified", "measured"))


def test_sources_are_used_and_name_no_private_files(chip: Chip) -> None:
    text = Path(chip.file).read_text(encoding="utf-8")
    assert "HARDWARE" not in text
    assert "/work" not in text
    cited = " ".join(value.source for value in everything(chip) if hasattr(value, "source"))
    for tag, citation in load_document(chip.file).data.get("sources", {}).items():
        assert citation in cited, tag


def test_every_precision_has_a_top_clock_and_a_peak(chip: Chip) -> None:
    for engine in chip.engines:
        assert engine.clock.top is not None
        assert engine.clock.hz("top") >= engine.clock.hz("boost")
        for wanted in engine.rates:
            assert engine.peak(wanted) > 0


def test_it_has_memory_from_the_inside_out(chip: Chip) -> None:
    assert chip.dram.name == "DRAM"
    assert chip.dram.capacity is not None
    assert chip.dram.total_bandwidth
    inner = [level.total_bandwidth for level in chip.memory if level.total_bandwidth]
    assert inner == sorted(inner, reverse=True)


def test_it_survives_being_written_and_read(chip: Chip) -> None:
    assert replace(read_chip(parse_document(specs.dump_chip(chip))), file=chip.file) == chip


@pytest.mark.parametrize(("name", "key"), [(name, key) for name, row in PEAKS.items() for key in row[0]])
def test_peaks_against_the_table(name: str, key: str) -> None:
    chip = specs.load_chip(name)
    wanted = precision(key)
    best = max(engine.peak(wanted) for engine in chip.engines if wanted in engine.rates)
    assert best == pytest.approx(PEAKS[name][0][key] * 1e12, rel=2e-3)
    assert chip.engine_for(wanted, matrix=True).peak(wanted) == best


@pytest.mark.parametrize("name", PEAKS)
def test_memory_and_power_against_the_table(name: str) -> None:
    chip = specs.load_chip(name)
    _, bandwidth, capacity, watts = PEAKS[name]
    assert chip.dram.total_bandwidth == pytest.approx(bandwidth * 1e9, rel=1e-3)
    assert chip.dram.capacity is not None
    assert chip.dram.capacity.value == capacity
    assert (chip.power.value if chip.power else None) == watts


@pytest.mark.parametrize("name", ["gtx-980", "titan-x-maxwell", "rtx-2070", "rtx-2070-fe"])
def test_consumer_cards_go_above_their_boost_clock(name: str) -> None:
    clock = specs.load_chip(name).engines[0].clock
    assert clock.hz("top") == pytest.approx(1.15 * clock.hz("boost"))


def test_known_traps() -> None:
    gtx = specs.load_chip("gtx-980")
    assert gtx.resolve(precision("fp16"))[0] == precision("fp32")  # storage only
    with pytest.raises(Unsupported, match="gtx-980 does not compute in bf16"):
        gtx.resolve(precision("bf16"))
    with pytest.raises(Unsupported):
        gtx.resolve(precision("int8"))
    assert gtx.level("L2").capacity.value == 2 * 2**20  # type: ignore[union-attr]
    rtx = specs.load_chip("rtx-2070")  # GeForce: half rate with fp32 accumulation
    tensor = rtx.engine_for(precision("fp16"), matrix=True)
    assert tensor.rates[precision("fp16/fp16")].value == 2 * tensor.rates[precision("fp16/fp32")].value
    t4 = specs.load_chip("tesla-t4").engine_for(precision("fp16"), matrix=True)
    assert t4.rates[precision("fp16/fp16")].value == t4.rates[precision("fp16/fp32")].value
    h200 = specs.load_chip("h200-sxm")  # two clocks
    assert [engine.clock.hz() for engine in h200.engines] == [1.98e9, 1.83e9]
    npu, fsd = specs.load_chip("tesla-fsd-npu"), specs.load_chip("tesla-fsd")
    assert npu.engines[0].array is not None
    assert npu.engines[0].array.dataflow == "output-stationary"
    assert npu.level("SRAM").read_bandwidth.value == 768e9  # type: ignore[union-attr]
    assert npu.level("SRAM").write_bandwidth.value == 256e9  # type: ignore[union-attr]
    assert fsd.dram.total_bandwidth == npu.dram.total_bandwidth  # shared, not doubled
    inferentia = specs.load_chip("inferentia")
    assert inferentia.resolve(precision("fp32"))[0] == precision("bf16")
    with pytest.raises(Unsupported):
        inferentia.resolve(precision("int8"))


def test_elementwise_work_in_half_precision_does_not_get_the_tensor_rate() -> None:
    for name in ("rtx-2070", "tesla-t4", "tesla-v100-pcie-32gb", "a100-pcie-40gb", "h200-sxm"):
        assert specs.load_chip(name).engine_for(precision("fp16"), matrix=False).kind == "vector"
