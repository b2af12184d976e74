"""Two chips beside each other: equal figures are left out, ratios are of the second over the first."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import fields, is_dataclass, replace

import pytest
from click.testing import CliRunner
from toy import chip_of

from roofline import specs
from roofline.cli.app import cli as main
from roofline.core.chip import Chip, Fact, Price, Software
from roofline.render.chipdiff import diff_table, headline
from roofline.render.chips import chip_lines, chip_table, chips_table


def answer(*arguments: str) -> str:
    result = CliRunner().invoke(main, list(arguments))
    assert result.exit_code == 0, result.output
    return result.stdout


def rows(*arguments: str) -> dict[str, dict[str, str]]:
    return {row["field"]: row for row in csv.DictReader(io.StringIO(answer(*arguments, "--csv")))}


def test_the_named_cards() -> None:
    found = rows("specs", "diff", "gtx-980", "rtx-2070")
    assert float(found["DRAM: bandwidth"]["ratio"]) == 2.0
    assert float(found["DRAM: bandwidth"]["a"]) == 224e9
    assert float(found["CUDA cores: peak, fp32"]["ratio"]) == pytest.approx(1.4987, rel=1e-3)
    assert found["architecture"] == {"field": "architecture", "a": "maxwell", "b": "turing", "ratio": ""}
    assert found["tensor cores: peak, int8"]["a"] == ""
    assert "kind" not in found  # equal
    text = answer("specs", "diff", "gtx-980", "rtx-2070")
    assert "rtx-2070 has 1.50x the fp32 peak" in text
    assert "2.00x the DRAM bandwidth, 2.00x the DRAM capacity of" in " ".join(text.split())
    data = json.loads(answer("specs", "diff", "gtx-980", "rtx-2070", "--json"))
    assert data["schema_version"] == 1
    assert (data["a"], data["b"]) == ("gtx-980", "rtx-2070")
    assert {figure["field"] for figure in data["figures"]} == set(found)
    assert "only rtx-2070 computes in" in data["headline"]


def test_laws() -> None:
    a, b = specs.load_chip("gtx-980"), specs.load_chip("rtx-2070")
    assert diff_table(a, a).rows == ()
    assert "1.00x the DRAM bandwidth" in headline(a, a)
    there, back = ({row[0]: row for row in diff_table(*pair).rows} for pair in ((a, b), (b, a)))
    assert there.keys() == back.keys()
    for field, row in there.items():
        assert (row[1], row[2]) == (back[field][2], back[field][1])
        if row[5] is not None:
            assert row[5] * back[field][5] == pytest.approx(1.0)


def test_two_prices_are_two_figures() -> None:
    chip = chip_of()
    price = replace(chip.price[0], date="2015", amount=300.0)
    table = diff_table(replace(chip, price=chip.price[:1]), replace(chip, price=(*chip.price[:1], price)))
    assert [row[:3] for row in table.rows] == [("price (2)", None, 300.0)]


def test_show_tells_every_figure_and_its_source() -> None:
    chip = chip_of()
    lines = list(chip_lines(chip))
    told = {(line.value, line.source, line.status) for line in lines}
    for value in everything(chip):
        if isinstance(value, Fact):
            assert (value.value, value.source, value.status) in told
        if isinstance(value, Price):
            assert (value.amount, value.source, value.status) in told
        if isinstance(value, Software):
            assert any(line.text == "CUDA from 6.5 up to 12.x, torch from 0.1" for line in lines)
    assert chip_table(chip).notes == chip.notes
    shown = {line.field: line.text for line in lines}
    assert shown["card: devices"] == "2"
    assert shown["price an hour per card"] == "0.5 USD an hour per card of 2 (2014)"
    assert shown["DRAM: slow part, bandwidth"] == "28 GB/s"
    noted = {line.field: line.note for line in lines}
    assert noted["registers: capacity"] == "private to each unit; 16 x 256 KiB; of a unit"
    assert noted["lanes: units"] == "a vector engine"
    assert shown["CUDA capability"] == "5.2"


@pytest.mark.parametrize("name", list(specs.list_chips()))
def test_show_and_diff_take_every_chip(name: str) -> None:
    chip = specs.load_chip(name)
    told = {(line.value, line.source) for line in chip_lines(chip)}
    assert all((value.value, value.source) in told for value in everything(chip) if isinstance(value, Fact))
    fields_of = [line.field for line in chip_lines(chip)]
    assert len(fields_of) - len(set(fields_of)) <= max(0, len(chip.price) - 1)
    assert headline(specs.load_chip("gtx-980"), chip)


def test_show_names_the_files_a_chip_extends(tmp_path: object) -> None:
    for name in specs.list_chips():
        chip = specs.load_chip(name)
        if chip.extends:
            assert " -> ".join(chip.extends) in " ".join(answer("specs", "show", name).split())
            return
    pytest.skip("no chip extends another")


def test_sorted_by_peak_per_watt() -> None:
    chips = [(name, specs.load_chip(name)) for name in ("gtx-980", "rtx-2070", "inferentia", "tesla-t4")]
    made = chips_table(chips, "tflops-per-watt")
    assert [row[0] for row in made.rows] == ["tesla-t4", "rtx-2070", "gtx-980", "inferentia"]
    assert "rtx-2070" in answer("specs", "list", "--sort", "tflops-per-watt")
    assert "rtx-2070" in answer("specs", "list", "--sort", "name")


def test_rent_is_no_price_to_sort_by() -> None:
    chip = chip_of()
    unit, card, rent = chip.price
    named = [(name, replace(chip, price=(price,))) for name, price in (("a", rent), ("b", card), ("c", unit))]
    assert [row[0] for row in chips_table(named, "price").rows] == ["c", "b", "a"]


def everything(value: object) -> list[object]:
    """The value and all values below it."""
    found = [value]
    if is_dataclass(value) and not isinstance(value, type):
        for part in fields(value):
            found += everything(getattr(value, part.name))
    elif isinstance(value, tuple):
        found += [below for entry in value for below in everything(entry)]
    elif isinstance(value, dict):
        found += [below for entry in value.values() for below in everything(entry)]
    return found


def test_nothing_is_mutated() -> None:
    chip: Chip = chip_of()
    list(chip_lines(chip))
    assert chip == chip_of()
