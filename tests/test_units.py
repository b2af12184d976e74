"""Quantities in text become SI numbers, and back."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roofline import units
from roofline.errors import UsageError

DECIMAL = {"": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15}
BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40}


@pytest.mark.parametrize("prefix", DECIMAL)
@pytest.mark.parametrize(
    ("unit", "dimension", "factor"),
    [
        ("B", "B", 1),
        ("bit", "B", 0.125),
        ("B/s", "B/s", 1),
        ("bit/s", "B/s", 0.125),
        ("bps", "B/s", 0.125),
        ("Hz", "Hz", 1),
        ("FLOP/s", "op/s", 1),
        ("OP/s", "op/s", 1),
        ("OPS", "op/s", 1),
        ("FLOPS", "op/s", 1),
        ("FLOP", "op", 1),
        ("FMA", "FMA", 1),
    ],
)
def test_every_decimal_prefix_is_a_power_of_ten(prefix: str, unit: str, dimension: str, factor: float) -> None:
    assert units.parse(f"3 {prefix}{unit}", dimension) == pytest.approx(3 * 10.0 ** DECIMAL[prefix] * factor)


@pytest.mark.parametrize("prefix", BINARY)
@pytest.mark.parametrize(("unit", "dimension", "factor"), [("B", "B", 1), ("B/s", "B/s", 1), ("bit", "B", 0.125)])
def test_every_binary_prefix_is_a_power_of_two(prefix: str, unit: str, dimension: str, factor: float) -> None:
    assert units.parse(f"3 {prefix}{unit}", dimension) == 3 * 2.0 ** BINARY[prefix] * factor


@pytest.mark.parametrize(
    ("text", "dimension", "value"),
    [
        ("448 GB/s", "B/s", 448e9),
        ("50GiB/s", "B/s", 50 * 2.0**30),
        ("14 Gbit/s", "B/s", 1.75e9),
        ("1620 MHz", "Hz", 1.62e9),
        ("4 MiB", "B", 4 * 2.0**20),
        ("8 GB", "B", 8e9),
        ("5 us", "s", 5e-6),
        ("5 µs", "s", 5e-6),
        ("2 min", "s", 120),
        ("12 nm", "m", 1.2e-8),
        ("175 W", "W", 175),
        ("85 %", "", 0.85),
        ("1_000", "", 1000),
        ("1,000 B", "B", 1000),
        ("1e12", "B/s", 1e12),
        ("-.5", "", -0.5),
        (1e12, "B/s", 1e12),
        (7, "", 7.0),
    ],
)
def test_examples(text: str | float, dimension: str, value: float) -> None:
    assert units.parse(text, dimension) == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "dimension", "says"),
    [
        ("8 KB", "B", "ambiguous"),
        ("8 GB", "B/s", "expected B/s"),
        ("8 gb", "B", "unknown unit"),
        ("448 Gb/s", "B/s", "write Gbit/s for bits or GB/s for bytes"),
        ("fast", "Hz", "not a quantity"),
        ("12:30", "s", "12:30"),
        ("1620 mHz", "Hz", "unknown unit"),
        ("", "B", "not a quantity"),
        ("nan", "B", "not a quantity"),
        (float("nan"), "B", "not a finite"),
        (float("inf"), "B", "not a finite"),
        ("9e999", "B", "not a finite"),
        ("9e300 PB", "B", "not a finite"),
        (True, "B", "expected a quantity"),
    ],
)
def test_refused(text: str | float, dimension: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        units.parse(text, dimension)


FORMATTED = [
    ("B", "B"),
    ("B/s", "B/s"),
    ("Hz", "Hz"),
    ("OP/s", "op/s"),
    ("FLOP/s", "op/s"),
    ("s", "s"),
    ("m", "m"),
]


@given(
    value=st.floats(1e-8, 1e17, allow_nan=False),
    unit=st.sampled_from(FORMATTED),
    digits=st.integers(2, 9),
)
def test_what_is_formatted_parses_back_to_the_digits_shown(value: float, unit: tuple[str, str], digits: int) -> None:
    spelt, dimension = unit
    if spelt not in ("s", "m"):
        value = max(value, 1.0)
    text = units.format_si(value, spelt, digits)
    assert units.parse(text, dimension) == pytest.approx(value, rel=0.6 * 10.0 ** (1 - digits), abs=1e-11)


@given(st.floats(1024, 2.0**45), st.integers(3, 6))
def test_bytes_in_binary_units_parse_back(value: float, digits: int) -> None:
    assert units.parse(units.format_bytes(value, digits), "B") == pytest.approx(value, rel=10.0 ** (1 - digits))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_plain_numbers_are_si_already(value: float) -> None:
    assert units.parse(value, "B/s") == value


@given(st.text(max_size=30), st.sampled_from(["B", "B/s", "Hz", "s", "W", "m", "op/s", "op", "FMA", ""]))
def test_any_text_gives_a_finite_number_or_a_usage_error(text: str, dimension: str) -> None:
    try:
        value = units.parse(text, dimension)
    except UsageError:
        return
    assert math.isfinite(value)


def test_formatting_rounds_before_it_chooses_the_prefix() -> None:
    assert units.format_si(999.96e3, "B") == "1 MB"
    assert units.format_si(4.48e11, "B/s") == "448 GB/s"
    assert units.format_si(0, "B") == "0 B"
    assert units.format_si(float("nan"), "s") == "nan s"
    assert units.format_bytes(512) == "512 B"
