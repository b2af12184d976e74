"""How do two chips differ? Figure by figure, and the three ratios that decide most."""

from __future__ import annotations

from roofline.core.chip import Chip
from roofline.render.chips import Line, best_peak, chip_lines
from roofline.render.table import UNKNOWN, Column, Table, table
from roofline.render.words import times

Value = float | str | None


def diff_table(a: Chip, b: Chip) -> Table:
    """One row for each figure that is not the same in both; what only one has stands beside nothing."""
    here, there = _by_field(a), _by_field(b)
    rows = []
    for field in dict.fromkeys([*here, *there]):
        one, two = here.get(field), there.get(field)
        if (one and one.value) == (two and two.value):
            continue
        values = [line.value if line else None for line in (one, two)]
        rows.append((field, *values, *(line.text if line else UNKNOWN for line in (one, two)), _ratio(*values)))
    columns = (
        Column("field", "field"),
        Column("a", a.name, data_only=True),
        Column("b", b.name, data_only=True),
        Column("a_text", a.name, text_only=True, right=True, wrap=True),
        Column("b_text", b.name, text_only=True, right=True, wrap=True),
        Column("ratio", "ratio", times, right=True),
    )
    return table("", columns, rows, "equal figures are not shown" if rows else "no figure differs")


def headline(a: Chip, b: Chip) -> str:
    """How many times the peaks, the bandwidth and the memory of ``a`` the chip ``b`` has."""
    said = [f"{times(ratio)} the {name}" for name, ratio in _decisive(a, b) if ratio is not None]
    own = [
        (chip, [str(p) for p in chip.precisions() if p not in other.precisions()]) for chip, other in ((a, b), (b, a))
    ]
    alone = [f"only {chip.name} computes in {', '.join(precisions)}" for chip, precisions in own if precisions]
    known = f"{b.name} has {', '.join(said)} of {a.name}" if said else f"{a.name} and {b.name} share no known figure"
    return "; ".join([known, *alone])


def _decisive(a: Chip, b: Chip) -> list[tuple[str, float | None]]:
    peaks = [
        (f"{wanted} peak", _ratio(best_peak(a, wanted), best_peak(b, wanted)))
        for wanted in a.precisions()
        if wanted in b.precisions()
    ]
    return [
        *peaks,
        (f"{b.dram.name} bandwidth", _ratio(a.dram.total_bandwidth, b.dram.total_bandwidth)),
        (f"{b.dram.name} capacity", _ratio(a.dram.total_capacity, b.dram.total_capacity)),
    ]


def _ratio(a: Value, b: Value) -> float | None:
    if isinstance(a, int | float) and isinstance(b, int | float) and a:
        return b / a
    return None


def _by_field(chip: Chip) -> dict[str, Line]:
    """The figures by name; what has one name with another before it (two prices) gets a number."""
    plain = [(name, getattr(chip, name)) for name in ("title", "kind", "vendor", "architecture", "year")]
    lines = [Line(name, str(value), str(value), "", "") for name, value in plain if value is not None]
    found: dict[str, Line] = {}
    for line in [*lines, *chip_lines(chip)]:
        field, number = line.field, 2
        while field in found:
            field, number = f"{line.field} ({number})", number + 1
        found[field] = line
    return found
