"""How is a :class:`~roofline.core.chip.Chip` written as YAML that loads back equal to it?"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from roofline import units
from roofline.core.chip import ArrayGeometry, Chip, Engine, Fact, MemoryLevel, Price
from roofline.core.dtype import Precision
from roofline.core.dtype import precision as parse_precision
from roofline.errors import UsageError
from roofline.specs.facts import INLINE, source_status

_PLAIN = re.compile(r"[A-Za-z](?:[A-Za-z0-9_./+-]| (?=[A-Za-z0-9_./+(-]))*")
_WORDS = {"null", "true", "false"}
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")


def dump_chip(chip: Chip) -> str:
    """The YAML text of a chip; ``load_chip`` gives an equal one, but for its ``file``."""
    return "\n".join(_Dump(chip).lines()) + "\n"


class _Dump:
    def __init__(self, chip: Chip) -> None:
        self.chip = chip
        self.tags: dict[str, str] = {}

    def lines(self) -> Iterator[str]:
        chip = self.chip
        body = [*self.body()]  # first, because it fills the sources table
        for key in ("name", "title", "kind", "vendor", "architecture", "year"):
            if getattr(chip, key) is not None:
                yield f"{key}: {_scalar(getattr(chip, key))}"
        if self.tags:
            yield "sources:"
            yield from (f"  {tag}: {_scalar(citation)}" for citation, tag in self.tags.items())
        yield from body

    def body(self) -> Iterator[str]:
        chip = self.chip
        if chip.process_nm is not None:
            yield f"process: {self.fact(chip.process_nm, 'nm')}"
        for key, fact, unit in (("power", chip.power, "W"), ("launch", chip.launch, "s"), ("cores", chip.cores, "")):
            if fact is not None:
                yield f"{key}: {self.fact(fact, unit)}"
        yield "engines:"
        for engine in chip.engines:
            yield from self.engine(engine)
        yield "memory:"
        for level in chip.memory:
            yield from self.level(level)
        if chip.links:
            yield "links:"
        for link in chip.links:
            yield f"  - name: {_scalar(link.name)}"
            yield f"    bandwidth: {self.fact(link.bandwidth, 'B/s')}"
        if chip.packages:
            yield "packages:"
        for package in chip.packages:
            yield f"  - name: {_scalar(package.name)}"
            yield f"    count: {self.fact(package.count, '')}"
        if chip.price:
            yield "price:"
            yield from (f"  - {self.price(price)}" for price in chip.price)
        if chip.software is not None:
            software = chip.software
            keys = ("cuda_capability", "first_cuda", "last_cuda", "first_torch", "last_torch", "note")
            entry = {key: getattr(software, key) for key in keys}
            cited = self.cited(software.source, software.status)
            yield f"software: {_flow({k: v for k, v in entry.items() if v} | cited)}"
        if chip.emulation:
            yield "emulation:"
        for precision, emulated in chip.emulation.items():
            yield f"  {_key(precision)}: {_flow({'as': _key(emulated.as_precision), 'path': emulated.path})}"
        if chip.tiles:
            yield "tiles:"
        for kind, tiles in chip.tiles.items():
            shapes = ", ".join(f"[{rows}, {columns}]" for rows, columns in tiles.shapes)
            source = _flow(self.cited(tiles.source, tiles.status))[1:]
            yield f"  {kind}: {{shapes: [{shapes}], {source}"
        if chip.neighbours:
            yield f"neighbours: [{', '.join(map(_scalar, chip.neighbours))}]"
        if chip.notes:
            yield "notes:"
            yield from (f"  - {_scalar(note)}" for note in chip.notes)

    def engine(self, engine: Engine) -> Iterator[str]:
        yield f"  - name: {_scalar(engine.name)}"
        yield f"    kind: {engine.kind}"
        yield f"    count: {self.fact(engine.count, '')}"
        yield "    clock:"
        for key in ("base", "boost", "top", "sustained"):
            fact = getattr(engine.clock, key)
            if fact is not None:
                yield f"      {key}: {self.fact(fact, 'Hz')}"
        yield "    fma_per_clock:"
        for precision, fact in engine.rates.items():
            yield f"      {_key(precision)}: {self.fact(fact, '')}"
        if engine.array is not None:
            yield from self.array(engine.array)
        if engine.inline:
            yield "    inline: true"
        if engine.stated_peaks:
            yield "    stated_peaks:"
        for precision, peak in engine.stated_peaks.items():
            because = {"disagrees_because": peak.disagrees_because} if peak.disagrees_because else {}
            yield f"      {_key(precision)}: {self.fact(peak.fact, 'OP/s', because)}"

    def array(self, array: ArrayGeometry) -> Iterator[str]:
        yield "    array:"
        plain = ("rows", "cols", "depth", "dataflow", "lowering", "load_exposed", "padded_weights", "streamed_weights")
        entry = {key: getattr(array, key) for key in plain} | self.cited(array.source, array.status)
        yield from (f"      {key}: {_scalar(value)}" for key, value in entry.items())
        for key in ("issue", "moving", "load", "accumulators", "drain"):
            if getattr(array, key) is not None:
                yield f"      {key}: {self.fact(getattr(array, key), '')}"

    def level(self, level: MemoryLevel) -> Iterator[str]:
        yield f"  - name: {_scalar(level.name)}"
        if level.capacity is not None:
            yield f"    capacity: {self.fact(level.capacity, 'B')}"
        for key in ("bandwidth", "read_bandwidth", "write_bandwidth"):
            if getattr(level, key) is not None:
                yield f"    {key}: {self.fact(getattr(level, key), 'B/s')}"
        if level.overflow:
            yield "    overflow:"
            yield f"      capacity: {self.fact(level.overflow.capacity, 'B')}"
            yield f"      bandwidth: {self.fact(level.overflow.bandwidth, 'B/s')}"
        if level.private:
            yield "    private: true"
        if level.inline_ecc:
            yield "    inline_ecc: true"
        if level.shared_with:
            yield f"    shared_with: [{', '.join(map(_scalar, level.shared_with))}]"

    def price(self, price: Price) -> str:
        entry = {"amount": price.amount, "currency": price.currency, "date": price.date, "per": price.per}
        if price.every:
            entry["every"] = price.every
        return _flow(entry | self.cited(price.source, price.status))

    def fact(self, fact: Fact, unit: str, more: Mapping[str, Any] | None = None) -> str:
        note = {"note": fact.note} if fact.note else {}
        value = {"value": _quantity(fact.value, unit)}
        return _flow(value | self.cited(fact.source, fact.status) | note | dict(more or {}))

    def cited(self, source: str, status: str) -> dict[str, str]:
        """The keys ``source`` and, where the source does not imply it, ``status``."""
        if source.partition(":")[0].strip() not in INLINE:
            if source not in self.tags:
                words = re.findall(r"[a-z0-9]+", source.lower())
                stem = "-".join(words[:3]) or "source"
                taken = set(self.tags.values()) | set(INLINE)
                tag, number = stem, 2
                while tag in taken:
                    tag, number = f"{stem}-{number}", number + 1
                self.tags[source] = tag
            written = self.tags[source]
        else:
            written = source
        implied = {} if status == source_status(written) else {"status": status}
        return {"source": written} | implied


def _key(precision: Precision) -> str:
    """``fp32``, ``fp16/fp16``: text that parses back to this precision."""
    if precision == parse_precision(precision.compute):
        return precision.compute
    return f"{precision.compute}/{precision.accumulate}"


def _quantity(value: float, unit: str) -> str | float:
    """A readable spelling if it parses back to the same number, else the plain SI number."""
    if unit == "":
        return int(value) if value == int(value) and abs(value) < 1e15 else value
    if unit == "nm":
        return f"{value!r} nm".replace(".0 nm", " nm")
    spellings = [units.format_si(value, unit, digits) for digits in (3, 4, 6, 9)]
    if unit == "B":
        spellings = [units.format_bytes(value, digits) for digits in (3, 4, 6)] + spellings
    if unit == "Hz":
        spellings.append(f"{value / 1e6:.10g} MHz")
    dimension = "op/s" if unit == "OP/s" else unit
    same = (text for text in spellings if _parses(text, dimension, value))
    return next(same, int(value) if value == int(value) and abs(value) < 1e15 else value)


def _parses(text: str, dimension: str, value: float) -> bool:
    try:
        return units.parse(text, dimension) == value
    except UsageError:  # a prefix this unit does not take
        return False


def _flow(entry: Mapping[str, Any]) -> str:
    return "{" + ", ".join(f"{key}: {_scalar(value)}" for key, value in entry.items()) + "}"


def _scalar(value: Any) -> str:
    """One value as YAML of either version reads it back: text is quoted unless harmless."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    text = str(value)
    if re.fullmatch(r"\d[\d.]* [A-Za-z/]+", text):  # a quantity
        return text
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS | {"yes", "no", "on", "off", "y", "n"}:
        return text
    return _ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(text, ensure_ascii=False))
