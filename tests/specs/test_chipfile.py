"""A chip's file is read whole, and everything wrong in it is named with line, path and remedy."""

from __future__ import annotations

import contextlib
import random
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roofline.core.chip import Chip, Clock, Engine, Fact, MemoryLevel
from roofline.core.dtype import precision
from roofline.errors import SpecError
from roofline.specs.chipdump import dump_chip
from roofline.specs.chipfile import load_chip, read_chip
from roofline.specs.yamlio import parse_document

GOOD = """\
name: toy
title: A toy
kind: gpu
vendor: Nobody
architecture: turing
year: 2018
sources:
  sheet: the sheet of the toy
  book: a book
process: {value: 12 nm, source: sheet}
launch: {value: 5 us, source: unverified}
engines:
  - name: lanes
    kind: vector
    count: {value: 36, source: "sheet, book"}
    clock:
      base: {value: 1410 MHz, source: sheet}
      boost: {value: 1620 MHz, source: sheet}
      top: {value: 1863 MHz, source: "derived: boost x 1.15"}
    fma_per_clock:
      fp32: {value: 64, source: sheet}
      fp16/fp16: {value: 128, source: sheet}
    array: {rows: 8, cols: 8, source: sheet}
    stated_peaks:
      fp32: {value: 7.465 TFLOP/s, source: sheet}
memory:
  - name: L2
    capacity: {value: 4 MiB, source: sheet}
    private: false
  - name: DRAM
    capacity: {value: 8 GB, source: sheet}
    bandwidth: {value: 448 GB/s, source: sheet, note: not all of it}
    shared_with: [cpu]
links:
  - name: PCIe
    bandwidth: {value: 15.75 GB/s, source: sheet}
power: {value: 175 W, source: sheet}
price:
  - {amount: 499, currency: USD, date: 2018-10-17, source: sheet}
software: {last_cuda: 12.x, source: unverified}
emulation:
  fp16: {as: fp32, path: storage only}
notes:
  - one
"""


def chip_of(text: str) -> Chip:
    return read_chip(parse_document(text, "toy.yaml"))


def faults_of(text: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        chip_of(text)
    return [str(fault) for fault in caught.value.faults]


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


def test_a_good_file() -> None:
    chip = chip_of(GOOD)
    engine = chip.engines[0]
    assert engine.count == Fact(36, "the sheet of the toy; a book")
    assert engine.clock.hz("top") == 1.863e9
    assert engine.clock.top is not None
    assert engine.clock.top.status == "derived"
    assert engine.peak(precision("fp16/fp16")) == 36 * 2 * 128 * 1.62e9
    assert chip.launch is not None
    assert chip.launch.value == pytest.approx(5e-6)
    assert chip.launch.status == "unverified"
    assert chip.process_nm is not None
    assert chip.process_nm.value == 12
    assert chip.dram.bandwidth == Fact(448e9, "the sheet of the toy", "datasheet", "not all of it")
    assert chip.dram.shared_with == ("cpu",)
    assert chip.price[0].date == "2018-10-17"
    assert chip.resolve(precision("fp16")) == (precision("fp32"), "storage only")
    assert chip.software is not None
    assert chip.software.last_cuda == "12.x"
    assert chip.file == "toy.yaml"


BROKEN = [
    ("name: toy", "name: Toy Chip", "name: 'Toy Chip': write lower-case"),
    ("name: toy\n", "", "name: is missing; write a short name"),
    ("kind: gpu", "kind: gpuu", "'gpuu' is not known; did you mean gpu?"),
    ("kind: gpu", "kind: [gpu]", "expected text, got a list"),
    ("vendor: Nobody", "vendr: Nobody", "vendr: unknown key; did you mean vendor?"),
    ("vendor: Nobody", "vendor:", "vendor: is missing"),
    ("year: 2018", "year: 12:30", "expected a whole number, got '12:30'"),
    ("year: 2018", "year: 20180", "20180 is not a year"),
    ("year: 2018", "year: 1e3", "expected a whole number, got 1000.0"),
    ("sheet: the sheet of the toy", "sheet: ''", "sources.sheet: is empty"),
    ("sheet: the sheet of the toy", "derived: x", "sources.derived: this word is reserved"),
    (
        "{value: 12 nm, source: sheet}",
        "12 nm",
        "process: a figure needs its source; write {value: 12 nm, source: ...}",
    ),
    ("{value: 12 nm, source: sheet}", "{value: 12 nm}", "process.source: is missing"),
    ("{value: 12 nm, source: sheet}", "{value: 12 nm, source: leaflet}", "no source tagged 'leaflet'"),
    ("{value: 12 nm, source: sheet}", "{value: 12 nm, source: no}", "no source tagged 'no'"),
    ("{value: 12 nm, source: sheet}", '{value: 12 nm, source: "derived:"}', "write how: 'derived: ...'"),
    ("{value: 12 nm, source: sheet}", "{value: 12 nm, source: sheet, status: good}", "'good' is not known"),
    (
        "{value: 5 us, source: unverified}",
        "{value: 5 us, source: unverified, status: datasheet}",
        "launch.status: datasheet, but its source is unverified",
    ),
    ("{value: 12 nm, source: sheet}", "{value: 12 nm, source: sheet, x: 1}", "process.x: unknown key"),
    ("{value: 12 nm, source: sheet}", "{source: sheet}", "process.value: is missing; write a number"),
    ("value: 448 GB/s", "value: -448 GB/s", "memory[1].bandwidth.value: -448 GB/s must be above zero"),
    ("value: 448 GB/s", "value: 0", "0 must be above zero"),
    ("value: 448 GB/s", "value: 448 GB", "'448 GB' is in B, expected B/s"),
    ("value: 448 GB/s", "value: 448 KB/s", "K is ambiguous"),
    ("value: 448 GB/s", "value: yes", "'yes' is not a quantity"),
    ("value: 448 GB/s", "value: true", "expected a number with a unit"),
    ("value: 448 GB/s", "value: .nan", ".nan is no value"),
    (
        "note: not all of it",
        "note: not all, I say",
        "put text with a comma or a colon in quotes",
    ),
    ('{value: 36, source: "sheet, book"}', "{value: 36.5, source: sheet}", "36.5 must be a whole number"),
    ('{value: 36, source: "sheet, book"}', "{value: 0, source: sheet}", "count.value: 0 must be above zero"),
    ("value: 1620 MHz", "value: 1620 mHz", "unknown unit 'mHz'"),
    ("value: 1410 MHz", "value: 1710 MHz", "clock.base: is above the boost clock"),
    ("value: 1863 MHz", "value: 1500 MHz", "clock.top: is below the boost clock"),
    ("fp32: {value: 64", "fp23: {value: 64", "no dtype named 'fp23'; did you mean fp32 or"),
    ("fp16/fp16: {value: 128", "float32: {value: 128", "given twice in two spellings"),
    ("rows: 8", "rows: 9", "9 x 8 x 1 = 72 FMA, but fma_per_clock says 64, 128"),
    ("rows: 8", "rows: 0", "rows: 0 is too small; at least 1"),
    ("rows: 8", "dataflow: sideways, rows: 8", "'sideways' is not known"),
    ("value: 7.465 TFLOP/s", "value: 8.1 TFLOP/s", "36 x 2 x 64 FMA x 1.62 GHz = 7.465 TOP/s (ratio 1.09)"),
    ("value: 7.465 TFLOP/s", "value: 14.93 TFLOP/s", "is it a sparse peak?"),
    ("fp32: {value: 7.465", "int8: {value: 7.465", "without fma_per_clock"),
    ("private: false", "private: no", "private: expected true or false, got 'no'"),
    ("name: DRAM", "name: l2", "memory[1].name: 'l2' is the name of another entry"),
    ("- name: DRAM", "- nam: DRAM", "memory[1].nam: unknown key; did you mean name?"),
    ("date: 2018-10-17", "date: last year", "write YYYY-MM-DD"),
    ("as: fp32", "as: fp64", "no engine has fp64 in its fma_per_clock"),
    ("  fp16: {as", "  fp32: {as", "so it is not emulated"),
    ("  - one", "  - {a: 1}", "notes[0]: expected text, got keys and values"),
    (
        "links:\n  - name: PCIe",
        "links:\n  - PCIe\n  - name: PCIe",
        "links[0]: expected keys and values, got 'PCIe'",
    ),
]


@pytest.mark.parametrize(("old", "new", "says"), BROKEN)
def test_each_fault_is_named(old: str, new: str, says: str) -> None:
    assert old in GOOD
    text = GOOD.replace(old, new, 1)
    found = faults_of(text)
    assert any(says in fault for fault in found), found
    assert all(re.match(r"toy\.yaml:\d+: ", fault) for fault in found)


def test_lines_point_at_the_fault() -> None:
    text = GOOD.replace("value: 448 GB/s", "value: -1")
    (fault,) = faults_of(text)
    assert fault.startswith(f"toy.yaml:{line_of(text, 'value: -1')}: memory[1].bandwidth.value: ")


def test_all_faults_of_a_file_come_at_once() -> None:
    text = GOOD.replace("448 GB/s", "-448 GB/s").replace("vendor", "vendr").replace("boost:", "bost:")
    text = text.replace("as: fp32", "as: fp99").replace("value: 36,", "value: 0,")
    found = "\n".join(faults_of(text))
    for part in ("vendr", "vendor: is missing", "bost", "boost: is missing", "fp99", "count.value", "-448"):
        assert part in found
    lines = [int(line) for line in re.findall(r"toy\.yaml:(\d+)", found)]
    assert lines == sorted(lines)


def test_a_contradicting_peak_needs_a_reason() -> None:
    peak = "fp32: {value: 14.93 TFLOP/s, source: sheet, disagrees_because: it is sparse}"
    chip = chip_of(GOOD.replace("fp32: {value: 7.465 TFLOP/s, source: sheet}", peak))
    stated = chip.engines[0].stated_peaks[precision("fp32")]
    assert stated.disagrees_because == "it is sparse"
    assert chip.engines[0].peak(precision("fp32")) == pytest.approx(7.465e12, rel=1e-3)


def test_the_contradiction_is_silent_where_its_operands_are_wrong_already() -> None:
    assert len(faults_of(GOOD.replace("value: 36,", "value: -36,"))) == 1


@pytest.mark.parametrize("text", ["5\n", "- a\n", "text\n"])
def test_not_a_mapping(text: str) -> None:
    assert "expected the keys and values of a chip" in faults_of(text)[0]


def test_both_kinds_of_bandwidth() -> None:
    more = "shared_with: [cpu]\n    read_bandwidth: {value: 1 GB/s, source: sheet}"
    assert "give one bandwidth for both ways" in faults_of(GOOD.replace("shared_with: [cpu]", more))[0]


def test_round_trip_through_a_file(tmp_path: Path) -> None:
    path = tmp_path / "toy.yaml"
    path.write_text(dump_chip(chip_of(GOOD)), encoding="utf-8")
    assert replace(load_chip(path), file="toy.yaml") == chip_of(GOOD)


PLAIN = st.characters(exclude_categories=("C", "Z"))
"""What titles and notes are written in; control characters are refused."""
SOURCES = st.one_of(
    st.sampled_from(["unverified", "derived: 2 x 3", "measured: here"]),
    st.text(PLAIN, min_size=1, max_size=20).filter(
        lambda text: text.strip() and text.partition(":")[0].strip() not in ("unverified", "derived", "measured")
    ),
)
STATUSES = st.sampled_from(["datasheet", "derived", "measured", "unverified"])
FACTS = st.builds(Fact, st.floats(1e-12, 1e18), SOURCES, STATUSES, st.text(PLAIN, max_size=20)).map(
    lambda fact: replace(fact, status="unverified") if fact.source == "unverified" else fact
)


@settings(max_examples=60, deadline=None)
@given(
    facts=st.lists(FACTS, min_size=7, max_size=7),
    count=st.integers(1, 10**6),
    title=st.text(PLAIN, min_size=1, max_size=30),
    notes=st.lists(st.text(PLAIN, min_size=1, max_size=30), max_size=2),
)
def test_whatever_is_dumped_loads_back_equal(facts: list[Fact], count: int, title: str, notes: list[str]) -> None:
    one, two, three, four, five, six, seven = facts
    engine = Engine("e", "vector", replace(one, value=float(count)), Clock(two), {precision("fp16/fp16"): three})
    chip = Chip(
        name="x",
        title=title,
        kind="cpu",
        vendor="1e3",
        architecture="no",
        engines=(engine,),
        memory=(MemoryLevel(title, four, read_bandwidth=five),),
        launch=six,
        power=seven,
        notes=tuple(notes),
        file="",
    )
    assert replace(chip_of(dump_chip(chip)), file="") == chip


FUZZ_PARTS = list("[]{}:-!'\"0#|💥é,")
FUZZ_PARTS += ["&a", "*a", "-1", "1e999", "null", "true", "value", "fp16", "source", "derived:"]
FUZZ_PARTS += ["\t", "\n", " ", "\x85", "0x" + "f" * 30, "1e308", "1e-308"]


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_mutated_files_raise_nothing_but_spec_errors(seed: int) -> None:
    chance = random.Random(seed)
    text = GOOD
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(text))
        cut = chance.choice([0, 1, 1, 5, 40])
        text = text[:at] + chance.choice(["", chance.choice(FUZZ_PARTS)]) + text[at + cut :]
    with contextlib.suppress(SpecError):
        chip_of(text)
