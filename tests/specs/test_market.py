"""Packages, prices, rent, software; the memory of a unit and a slower last part; doubtful figures."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy import GOOD, chip_of

from roofline import specs
from roofline.analysis.compare import compare
from roofline.core.chip import Fact, Overflow, Package, Price
from roofline.core.dtype import precision
from roofline.core.layers import Layers
from roofline.core.unverified import unverified_figures
from roofline.errors import SpecError, Unsupported
from roofline.prediction.predict import predict
from roofline.prediction.warnings import warnings_of
from roofline.render.headline import facts
from roofline.render.tables import comparison_table
from roofline.render.words import for_money
from roofline.render.words import price as price_words


def test_what_is_read() -> None:
    chip = chip_of()
    assert chip.packages == (Package("card", Fact(2, "the sheet")),)
    unit, card, rent = chip.price
    assert (unit.per, unit.every, unit.each) == ("unit", "", 329)
    assert (card.per, card.every, card.each) == ("card", "", 250)
    assert (rent.per, rent.every, rent.each) == ("card", "hour", 0.25)
    assert chip.memory[0].capacity == Fact(2**22, "the sheet", "datasheet", "16 x 256 KiB; of a unit")
    assert chip.dram.overflow == Overflow(Fact(0.5e9, "the sheet"), Fact(28e9, "the sheet"))
    assert chip.dram.total_capacity == 4e9
    assert chip.dram.total_bandwidth == 196e9
    assert chip.software is not None
    assert (chip.software.cuda_capability, chip.software.first_cuda) == ("5.2", "6.5")
    assert (chip.software.first_torch, chip.software.last_torch) == ("0.1", None)


def test_it_survives_being_written_and_read() -> None:
    again = chip_of(specs.dump_chip(chip_of()))
    assert replace(again, file="toy.yaml") == chip_of()


BROKEN = [
    ("    private: true\n", "", "each: the capacity is that of each unit, so the level is private"),
    ("each: true", "each: yes", "each: expected true or false, got 'yes'"),
    ("      capacity: {value: 0.5 GB, source: sheet}\n", "", "overflow.capacity: is missing; write how much"),
    ("      bandwidth: {value: 28 GB/s, source: sheet}\n", "", "overflow.bandwidth: is missing; write how fast"),
    ("value: 28 GB/s", "value: 280 GB/s", "overflow.bandwidth: is above the bandwidth of the level"),
    ("value: 28 GB/s", "value: 28 GB", "overflow.bandwidth.value: '28 GB' is in B, expected B/s"),
    ("    bandwidth: {value: 196 GB/s, source: sheet}\n", "", "overflow: needs the capacity and the bandwidth"),
    ("packages:", "  - name: outside\npackages:", "memory[1].overflow: only the last level, DRAM, may have"),
    ("name: card", "name: unit", "packages[0].name: this word is reserved for the device itself"),
    ("count: {value: 2, source: sheet}\nprice", "count: {value: 2.5, source: sheet}\nprice", "must be a whole number"),
    ("    count: {value: 2, source: sheet}\nprice", "price", "packages[0].count: is missing; write how many"),
    ("packages:", "packages:\n  - {name: Card, count: {value: 3, source: sheet}}", "'card' is the name of another"),
    ("per: card}", "per: crad}", "price[1].per: 'crad' is not a package of this chip; did you mean card?"),
    ("per: card}", "per: server}", "price[1].per: 'server' is not a package of this chip; write one of unit, card"),
    ("every: hour", "every: minute", "price[2].every: 'minute' is not known"),
    ("date: 2014-09-19, ", "", "price[0].date: is missing; write the day it was true"),
    ("currency: USD, date: 2014-09-19", "date: 2014-09-19", "price[0].currency: is missing; write a currency"),
    ("date: 2014-09-19, source: sheet", "date: 2014-09-19", "price[0].source: is missing; write a tag"),
    ("date: 2014-09-19", "date: 19.9.2014", "write YYYY-MM-DD"),
    ("amount: 329", "amount: -329", "must be above zero"),
    ("amount: 329", "amount: 329 USD", "unknown unit 'USD'"),
    ('cuda_capability: "5.2"', "cuda_capabilty: 5", "did you mean cuda_capability?"),
    ('first_cuda: "6.5", last_cuda: 12.x, first_torch: "0.1", source: sheet', "first_cuda: 6.5", "software.source: is"),
]


@pytest.mark.parametrize(("old", "new", "says"), BROKEN)
def test_each_fault_is_named(old: str, new: str, says: str) -> None:
    assert old in GOOD
    with pytest.raises(SpecError) as caught:
        chip_of(GOOD.replace(old, new, 1))
    found = [str(fault) for fault in caught.value.faults]
    assert any(says in fault for fault in found), found
    assert all(fault.startswith("toy.yaml:") for fault in found)


def test_the_product_of_a_guess_is_a_guess() -> None:
    chip = chip_of(GOOD.replace("count: {value: 16, source: sheet}", "count: {value: 16, source: unverified}"))
    assert chip.memory[0].capacity is not None
    assert chip.memory[0].capacity.status == "unverified"


def test_prices_in_words() -> None:
    assert [price_words(price) for price in chip_of().price] == [
        "329 USD (2014-09-19)",
        "500 USD per card of 2 (2014-09)",
        "0.5 USD an hour per card of 2 (2014)",
    ]
    unit, card, rent = chip_of().price
    assert for_money(unit, 658.0, "images") == "2 images/s per USD"
    assert for_money(card, 500.0, "images") == "2 images/s per USD"
    assert for_money(rent, 1000.0, "images") == "14.4 M images per USD"


@given(
    amount=st.floats(1e-3, 1e6),
    devices=st.integers(1, 64),
    rate=st.floats(1e-3, 1e9),
    every=st.sampled_from(["", "hour"]),
)
def test_a_package_is_as_good_as_its_parts(amount: float, devices: int, rate: float, every: str) -> None:
    """One device of the package buys what the whole does: the rate of all for the amount of all."""
    package = Price(amount, "USD", "2020", "x", per="p", every=every, devices=float(devices))  # type: ignore[arg-type]
    whole = Price(amount, "USD", "2020", "x", every=every)  # type: ignore[arg-type]
    assert package.buys(rate) == pytest.approx(whole.buys(rate * devices))
    assert package.each * devices == pytest.approx(amount)


def test_a_price_per_card_and_per_hour_in_answers() -> None:
    chip = chip_of()
    unit, card, rent = chip.price
    result = predict(chip, "resnet18", batch=1)
    said = {
        price.per + price.every: dict(facts(replace(result, hardware=replace(chip, price=(price,)))))["price"]
        for price in chip.price
    }
    assert "images/s per USD" in said["unit"]
    assert said["cardhour"].endswith("M images per USD")
    chips = [replace(chip, name=name, price=(price,)) for name, price in (("a", unit), ("b", card), ("c", rent))]
    entries = compare(chips, "resnet18", batch=1, dtypes=("fp32",)).entries
    assert entries[0].per_price == pytest.approx(result.samples_per_s / 329)
    assert entries[1].per_price == pytest.approx(result.samples_per_s / 250)
    assert entries[1].per_rent is None
    assert entries[2].per_price is None
    assert entries[2].per_rent == pytest.approx(result.samples_per_s * 3600 / 0.25)
    table = comparison_table(compare(chips, "resnet18", batch=1, dtypes=("fp32",)))
    keys = [column.key for column in table.columns if not column.data_only]
    assert "samples_per_s_per_USD" in keys
    assert "samples_per_USD_of_rent" in keys
    csv = table.to_csv().splitlines()
    bought, rented = (csv[0].split(",").index(key) for key in ("samples_per_s_per_USD", "samples_per_USD_of_rent"))
    assert [bool(line.split(",")[bought]) for line in csv[1:]] == [True, True, False]
    assert [bool(line.split(",")[rented]) for line in csv[1:]] == [False, False, True]


def test_the_slow_part_counts_for_what_fits() -> None:
    chip = chip_of()
    assert predict(chip, "resnet18", batch=1).capacity == 4e9
    assert predict(replace(chip, memory=(replace(chip.dram, overflow=None),)), "resnet18", batch=1).capacity == 3.5e9


def test_unverified_figures_are_named() -> None:
    chip = chip_of()
    fp32 = precision("fp32")
    assert unverified_figures(chip, fp32) == []
    for old, says in (
        ("fp32: {value: 128, source: sheet}", "FMA per clock of lanes in fp32"),
        ("boost: {value: 1 GHz, source: sheet}", "clock of lanes"),
        ("count: {value: 16, source: sheet}", "number of lanes"),
        ("bandwidth: {value: 196 GB/s, source: sheet}", "DRAM bandwidth"),
    ):
        doubtful = chip_of(GOOD.replace(old, old.replace("source: sheet", "source: unverified")))
        assert unverified_figures(doubtful, fp32) == [says]
        warnings = predict(doubtful, "resnet18", batch=1).warnings
        assert any(f"toy: no source verifies {says}; " in warning for warning in warnings)
    assert not any("verified" in warning for warning in predict(chip, "resnet18", batch=1).warnings)
    with pytest.raises(Unsupported):
        unverified_figures(chip, precision("int8"))


def test_a_fitted_time_does_not_rest_on_the_sheet() -> None:
    doubtful = chip_of(
        GOOD.replace("boost: {value: 1 GHz, source: sheet}", "boost: {value: 1 GHz, source: unverified}")
    )
    plain = predict(doubtful, "resnet18", batch=1)
    fitted = replace(plain, layers=Layers.of(replace(layer, tier="calibrated") for layer in plain.layers))
    assert any("no source verifies" in said for said in warnings_of(doubtful, plain))
    assert not any("no source verifies" in said for said in warnings_of(doubtful, fitted))
