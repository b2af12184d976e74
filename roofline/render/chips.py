"""What does a chip's file say? Lists of chips, and every figure with its source."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from roofline.core.chip import Chip, Fact
from roofline.core.dtype import Precision, precision
from roofline.errors import UsageError
from roofline.render.table import Column, Table, table
from roofline.render.words import count, gigabytes, price
from roofline.units import format_bytes, format_si

LISTED = ("fp32", "fp16", "bf16", "int8")
SORTS = ("name", "year", "tflops", "bandwidth", "memory", "power", "price")


def best_peak(chip: Chip, wanted: Precision) -> float | None:
    """The highest peak in a precision, op/s; None where no engine multiplies in it."""
    peaks = [engine.peak(wanted) for engine in chip.engines if wanted in engine.rates]
    return max(peaks, default=None)


def _fastest(chip: Chip) -> float:
    """The highest floating-point peak, for sorting; integers where there are only those."""
    floats = [p for p in chip.precisions() if p.storage.kind == "float" and p.compute != "fp64"]
    return max(best_peak(chip, p) or 0.0 for p in floats or chip.precisions())


_KEYS: dict[str, Callable[[Chip], float | None]] = {
    "year": lambda chip: chip.year,
    "tflops": _fastest,
    "bandwidth": lambda chip: chip.dram.total_bandwidth,
    "memory": lambda chip: chip.dram.capacity.value if chip.dram.capacity else None,
    "power": lambda chip: chip.power.value if chip.power else None,
    "price": lambda chip: chip.price[0].amount if chip.price else None,
}


def chips_table(chips: Sequence[tuple[str, Chip]], sort: str = "name") -> Table:
    """One row for each (name, chip); sorted by a figure the largest first, unknown ones last.

    Raises
    ------
    UsageError : ``sort`` is none of :data:`SORTS`.
    """
    if sort not in SORTS:
        raise UsageError(f"cannot sort by {sort!r}; there is {', '.join(SORTS)}")
    ordered = sorted(chips, key=lambda entry: entry[0])
    if sort != "name":
        read = _KEYS[sort]
        ordered.sort(key=lambda entry: -(read(entry[1]) or float("-inf")))
    columns = (
        Column("name", "name"),
        Column("kind", "kind", spare=2),
        Column("architecture", "architecture", spare=3),
        Column("year", "year", right=True, spare=1),
        *(Column(f"{name}_peak", name, lambda rate: format_si(rate, ""), right=True) for name in LISTED),
        Column("bandwidth", "bandwidth", lambda rate: format_si(rate, "B/s"), right=True),
        Column("memory", "memory", gigabytes, right=True),
        Column("power_w", "power", lambda watt: f"{watt:g} W", right=True, spare=1),
        Column("price", "price", right=True, spare=1),
        Column("title", "title", spare=4),
    )
    rows = [
        (
            name,
            chip.kind,
            chip.architecture,
            chip.year,
            *(best_peak(chip, precision(dtype)) for dtype in LISTED),
            chip.dram.total_bandwidth,
            chip.dram.capacity.value if chip.dram.capacity else None,
            chip.power.value if chip.power else None,
            price(chip.price[0]) if chip.price else None,
            chip.title,
        )
        for name, chip in ordered
    ]
    note = "peaks are dense op/s at the boost clock, fp16 with fp32 sums; 'roofline specs show NAME' has all"
    return table("Chips", columns, rows, note)


@dataclass(frozen=True)
class Line:
    """One figure of a chip: where it stands, its value in SI and in words, where it comes from."""

    field: str
    value: float | str | None
    text: str
    status: str
    source: str
    note: str = ""


def chip_table(chip: Chip) -> Table:
    """Every figure of a chip with its status and source."""
    columns = (
        Column("field", "field"),
        Column("value", "value", data_only=True),
        Column("text", "value", text_only=True, right=True),
        Column("status", "status"),
        Column("source", "source", wrap=True, spare=1),
        Column("note", "note", wrap=True, spare=2),
    )
    rows = [(line.field, line.value, line.text, line.status, line.source, line.note) for line in chip_lines(chip)]
    return table("", columns, rows, *chip.notes)


def chip_lines(chip: Chip) -> Iterator[Line]:
    """The figures in the order of the file, with the peaks they make."""
    if chip.process_nm:
        size = chip.process_nm
        yield Line("process", size.value, f"{size.value:g} nm", size.status, size.source, size.note)
    for name, fact, unit in (("power", chip.power, "W"), ("launch", chip.launch, "s")):
        if fact:
            yield _line(name, fact, unit)
    for engine in chip.engines:
        yield _line(f"{engine.name}: units", engine.count, "")
        for which in ("base", "boost", "top"):
            clock: Fact | None = getattr(engine.clock, which)
            if clock:
                yield _line(f"{engine.name}: {which} clock", clock, "Hz")
        if engine.array:
            array = engine.array
            shape = f"{array.rows} x {array.cols}" + (f" x {array.depth}" if array.depth > 1 else "")
            yield Line(f"{engine.name}: array", shape, f"{shape}, {array.dataflow}", array.status, array.source)
        for wanted, rate in engine.rates.items():
            yield _line(f"{engine.name}: FMA per clock, {wanted}", rate, "")
            peak, unit = engine.peak(wanted), _unit(wanted)
            how = "units x 2 x FMA per clock x boost clock"
            yield Line(f"{engine.name}: peak, {wanted}", peak, format_si(peak, unit), "derived", how)
        for wanted, stated in engine.stated_peaks.items():
            line = _line(f"{engine.name}: stated peak, {wanted}", stated.fact, _unit(wanted))
            because = f"differs: {stated.disagrees_because}" if stated.disagrees_because else ""
            yield Line(line.field, line.value, line.text, line.status, line.source, because or line.note)
    for level in chip.memory:
        if level.capacity:
            yield _line(f"{level.name}: capacity", level.capacity, "B")
        for name in ("bandwidth", "read_bandwidth", "write_bandwidth"):
            bandwidth: Fact | None = getattr(level, name)
            if bandwidth:
                yield _line(f"{level.name}: {name.replace('_', ' ')}", bandwidth, "B/s")
    for link in chip.links:
        yield _line(link.name, link.bandwidth, "B/s")
    for cost in chip.price:
        yield Line("price", cost.amount, price(cost), cost.status, cost.source)
    if chip.software:
        known = chip.software
        last = [f"CUDA up to {known.last_cuda}" if known.last_cuda else ""]
        last += [f"torch up to {known.last_torch}" if known.last_torch else ""]
        text = ", ".join(filter(None, last)) or "supported"
        yield Line("software", text, text, known.status, known.source, known.note)
    for wanted, emulated in chip.emulation.items():
        yield Line(f"{wanted}", str(emulated.as_precision), f"as {emulated.as_precision}", "", "", emulated.path)


def _unit(wanted: Precision) -> str:
    return "OP/s" if wanted.storage.kind == "int" else "FLOP/s"


def _line(name: str, fact: Fact, unit: str) -> Line:
    if unit == "B":
        # sold by the decimal gigabyte, built by the binary kilobyte: show what is round
        whole = fact.value >= 1e9 and fact.value % 1e6 == 0
        text = gigabytes(fact.value) if whole else format_bytes(fact.value)
    else:
        text = format_si(fact.value, unit, 4) if unit else count(fact.value)
    return Line(name, fact.value, text, fact.status, fact.source, fact.note)


def headline(chip: Chip, hidden: Sequence[Path] = ()) -> list[tuple[str, str]]:
    """What a chip is, before its figures."""
    lines = [
        ("title", chip.title),
        ("kind", f"{chip.kind}, {chip.architecture}, {chip.vendor}" + (f", {chip.year}" if chip.year else "")),
        ("file", chip.file or "none"),
    ]
    return lines + [("hides", str(path)) for path in hidden]
