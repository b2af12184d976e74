"""What does a chip's file say? Lists of chips, and every figure with its source."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from roofline.core.chip import Chip, Engine, Fact, MemoryLevel, Price, Software
from roofline.core.dtype import Precision, precision
from roofline.errors import UsageError
from roofline.render.table import Column, Table, table
from roofline.render.words import count, gigabytes, price
from roofline.units import format_bytes, format_si

LISTED = ("fp32", "fp16", "bf16", "int8")
SORTS = ("name", "year", "tflops", "tflops-per-watt", "bandwidth", "memory", "power", "price")


def best_peak(chip: Chip, wanted: Precision) -> float | None:
    """The highest peak in a precision, op/s; None where no engine multiplies in it."""
    peaks = [engine.peak(wanted) for engine in chip.engines if wanted in engine.rates]
    return max(peaks, default=None)


def _fastest(chip: Chip) -> float:
    """The highest floating-point peak, for sorting; integers where there are only those."""
    floats = [p for p in chip.precisions() if p.storage.kind == "float" and p.compute != "fp64"]
    return max(best_peak(chip, p) or 0.0 for p in floats or chip.precisions())


def _bought(cost: Price) -> float:
    """The price of one device, for sorting; rent is no price and comes after all of them."""
    return 0.0 if cost.every else cost.each


def _largest_first(value: float | None) -> tuple[bool, float]:
    return value is None, -(value or 0.0)


_KEYS: dict[str, Callable[[Chip], float | None]] = {
    "year": lambda chip: chip.year,
    "tflops": _fastest,
    "tflops-per-watt": lambda chip: _fastest(chip) / chip.power.value if chip.power else None,
    "bandwidth": lambda chip: chip.dram.total_bandwidth,
    "memory": lambda chip: chip.dram.total_capacity,
    "power": lambda chip: chip.power.value if chip.power else None,
    "price": lambda chip: _bought(chip.price[0]) if chip.price else None,
}


def chips_table(chips: Sequence[tuple[str, Chip]], sort: str = "name") -> Table:
    """One row for each (name, chip); sorted by a figure the largest first, unknown ones last.

    Raises
    ------
    UsageError : ``sort`` is none of :data:`SORTS`.
    """
    if sort not in SORTS:
        raise UsageError(f"cannot sort by {sort!r}; write one of {', '.join(SORTS)}")
    ordered = sorted(chips, key=lambda entry: entry[0])
    if sort != "name":
        read = _KEYS[sort]
        ordered.sort(key=lambda entry: _largest_first(read(entry[1])))
    columns = (
        Column("name", "name"),
        Column("kind", "kind", spare=2),
        Column("architecture", "architecture", spare=3),
        Column("year", "year", right=True, spare=1),
        *(Column(f"{name}_peak", name, lambda rate: format_si(rate, ""), right=True) for name in LISTED),
        Column("bandwidth", "bandwidth", lambda rate: format_si(rate, "B/s"), right=True),
        Column("memory", "memory", format_bytes, right=True),
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
            chip.dram.total_capacity,
            chip.power.value if chip.power else None,
            price(chip.price[0]) if chip.price else None,
            chip.title,
        )
        for name, chip in ordered
    ]
    note = "peaks: dense op/s at the boost clock, fp16 with fp32 accumulation; all figures: 'roofline specs show NAME'"
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
    for name, fact, unit in (("power", chip.power, "W"), ("launch", chip.launch, "s"), ("cores", chip.cores, "")):
        if fact:
            yield _line(name, fact, unit)
    for engine in chip.engines:
        yield from _engine_lines(engine)
    for level in chip.memory:
        yield from _level_lines(level)
    for link in chip.links:
        yield _line(link.name, link.bandwidth, "B/s")
    for package in chip.packages:
        yield _line(f"{package.name}: devices", package.count, "")
    for cost in chip.price:
        per = f" per {cost.per}" if cost.per != "unit" else ""
        time = f" an {cost.every}" if cost.every else ""
        yield Line(f"price{time}{per}", cost.amount, price(cost), cost.status, cost.source)
    if chip.software:
        yield from _software_lines(chip.software)
    for wanted, emulated in chip.emulation.items():
        yield Line(
            f"emulated {wanted}", str(emulated.as_precision), f"as {emulated.as_precision}", "", "", emulated.path
        )


def _engine_lines(engine: Engine) -> Iterator[Line]:
    yield _noted(_line(f"{engine.name}: units", engine.count, ""), f"a {engine.kind} engine")
    for which in ("base", "boost", "top"):
        clock: Fact | None = getattr(engine.clock, which)
        if clock:
            yield _line(f"{engine.name}: {which} clock", clock, "Hz")
    if engine.array:
        array = engine.array
        shape = f"{array.rows} x {array.cols}" + (f" x {array.depth}" if array.depth > 1 else "")
        yield Line(f"{engine.name}: array", shape, f"{shape}, {array.dataflow}", array.status, array.source)
        for name, fact in (
            ("cycles between matrix multiplications", array.issue),
            ("activation rows of one matrix multiplication", array.moving),
            ("cycles to load weights", array.load),
            ("accumulator rows", array.accumulators),
            ("cycles to drain", array.drain),
        ):
            if fact:
                yield _line(f"{engine.name}: {name}", fact, "")
    for wanted, rate in engine.rates.items():
        yield _line(f"{engine.name}: FMA per clock, {wanted}", rate, "")
        peak, unit = engine.peak(wanted), _unit(wanted)
        how = "units x 2 x FMA per clock x boost clock"
        yield Line(f"{engine.name}: peak, {wanted}", peak, format_si(peak, unit), "derived", how)
    for wanted, stated in engine.stated_peaks.items():
        line = _line(f"{engine.name}: stated peak, {wanted}", stated.fact, _unit(wanted))
        because = f"differs: {stated.disagrees_because}" if stated.disagrees_because else ""
        yield _noted(line, because)


def _level_lines(level: MemoryLevel) -> Iterator[Line]:
    whose = "private to each unit" if level.private else ""
    if level.shared_with:
        whose = f"shared with {', '.join(level.shared_with)}"
    facts = [("capacity", level.capacity, "B")]
    facts += [(name, getattr(level, name), "B/s") for name in ("bandwidth", "read_bandwidth", "write_bandwidth")]
    if level.overflow:
        facts += [("slow part, capacity", level.overflow.capacity, "B")]
        facts += [("slow part, bandwidth", level.overflow.bandwidth, "B/s")]
    lines = [_line(f"{level.name}: {name.replace('_', ' ')}", fact, unit) for name, fact, unit in facts if fact]
    first, *rest = lines or [Line(f"{level.name}: capacity", None, "not known", "", "")]
    yield _noted(first, whose)
    yield from rest


def _software_lines(known: Software) -> Iterator[Line]:
    """CUDA capability, then what runs it; said plainly where no end is known."""
    if known.cuda_capability:
        yield Line("CUDA capability", known.cuda_capability, known.cuda_capability, known.status, known.source)
    spans = [("CUDA", known.first_cuda, known.last_cuda), ("torch", known.first_torch, known.last_torch)]
    texts = [
        name + (f" from {first}" if first else "") + (f" up to {last}" if last else "")
        for name, first, last in spans
        if first or last
    ]
    text = ", ".join(texts) or "supported"
    yield Line("software", text, text, known.status, known.source, known.note)


def _unit(wanted: Precision) -> str:
    return "OP/s" if wanted.storage.kind == "int" else "FLOP/s"


def _line(name: str, fact: Fact, unit: str) -> Line:
    if unit == "B":
        # sold by the decimal gigabyte, built by the binary kilobyte: show what is round
        whole = fact.value >= 1e8 and fact.value % 1e6 == 0
        text = gigabytes(fact.value) if whole else format_bytes(fact.value)
    else:
        text = format_si(fact.value, unit, 4) if unit else count(fact.value)
    return Line(name, fact.value, text, fact.status, fact.source, fact.note)


def _noted(line: Line, more: str) -> Line:
    """The line with something more to note, in front of its own note."""
    return replace(line, note="; ".join(filter(None, (more, line.note))))


def headline(chip: Chip, hidden: Sequence[Path] = ()) -> list[tuple[str, str]]:
    """What a chip is, before its figures."""
    lines = [
        ("title", chip.title),
        ("kind", f"{chip.kind}, {chip.architecture}, {chip.vendor}" + (f", {chip.year}" if chip.year else "")),
        ("file", chip.file or "none"),
    ]
    if chip.extends:
        lines.append(("extends", " -> ".join(chip.extends)))
    return lines + [("hides", str(path)) for path in hidden]


def summary(chip: Chip) -> list[tuple[str, str]]:
    """What a chip is, and its main figures, on one screen."""
    lines = headline(chip)[1:]
    for engine in chip.engines:
        peaks = ", ".join(f"{one} {format_si(engine.peak(one), _unit(one))}" for one in engine.rates)
        lines.append((engine.name, f"{engine.count.value:g} units at {format_si(engine.clock.hz(), 'Hz')}; {peaks}"))
    for level in chip.memory:
        size, speed = level.total_capacity, level.total_bandwidth
        figures = [format_bytes(size)] if size else []
        figures += [format_si(speed, "B/s")] if speed else []
        lines.append((level.name, ", ".join(figures) or "not known"))
    if chip.power:
        lines.append(("power", f"{chip.power.value:g} W"))
    lines += [("price", price(cost)) for cost in chip.price[:1]]
    doubtful = [line.field for line in chip_lines(chip) if line.status == "unverified"]
    if doubtful:
        lines.append(("unverified", ", ".join(doubtful)))
    return lines + [("note", note) for note in chip.notes]
