"""How is one level of a chip's memory read?

``capacity: {value: 256 KiB, each: true, source: ...}`` on a ``private`` level is the capacity of one unit,
multiplied here by the count of the first engine. ``overflow: {capacity: ..., bandwidth: ...}`` is a slower
last part of the outermost level.
"""

from __future__ import annotations

from dataclasses import replace

from roofline.core.chip import Fact, MemoryLevel, Overflow
from roofline.specs.facts import PLACEHOLDER, FactReader
from roofline.specs.fields import Fields
from roofline.units import format_bytes


def read_level(reader: FactReader, fields: Fields, units: Fact, *, last: bool) -> MemoryLevel:
    """One level; ``units`` is the number of units of the chip, ``last`` whether this is the outermost level."""
    private = fields.flag("private")
    level = MemoryLevel(
        name=fields.text("name", required="a name, such as L2"),
        capacity=_capacity(reader, fields, units, private=private),
        bandwidth=reader.fact(fields, "bandwidth", "B/s"),
        read_bandwidth=reader.fact(fields, "read_bandwidth", "B/s"),
        write_bandwidth=reader.fact(fields, "write_bandwidth", "B/s"),
        private=private,
        shared_with=fields.texts("shared_with"),
        inline_ecc=fields.flag("inline_ecc"),
        place=fields.spot("capacity"),
    )
    level = replace(level, overflow=_overflow(reader, fields, level, last=last))
    if level.bandwidth and (level.read_bandwidth or level.write_bandwidth):
        fields.note("give one bandwidth for both ways, or read_ and write_bandwidth", "bandwidth")
    fields.finish()
    return level


def _capacity(reader: FactReader, fields: Fields, units: Fact, *, private: bool) -> Fact | None:
    entry = reader.entry(fields, "capacity")
    if entry is None:
        return PLACEHOLDER if "capacity" in fields else None
    fact = reader.facts(entry, "B")
    each = entry.flag("each")
    entry.finish()
    if not each:
        return fact
    if not private:
        entry.note("the capacity is that of each unit, so the level is private; write private: true", "each")
        return fact
    if PLACEHOLDER in (fact, units):
        return fact
    product = f"{units.value:g} x {format_bytes(fact.value, 6)}"
    return replace(
        fact,
        value=units.value * fact.value,
        status="unverified" if units.status == "unverified" else fact.status,
        note=f"{product}; {fact.note}" if fact.note else product,
    )


def _overflow(reader: FactReader, fields: Fields, level: MemoryLevel, *, last: bool) -> Overflow | None:
    entry = fields.mapping("overflow")
    if entry is None:
        return None
    overflow = Overflow(
        capacity=reader.fact(entry, "capacity", "B", required="how much is slower") or PLACEHOLDER,
        bandwidth=reader.fact(entry, "bandwidth", "B/s", required="how fast that part is") or PLACEHOLDER,
    )
    entry.finish()
    if not reader.root.partial and not last:
        fields.note("only the last level, DRAM, may have a slower part", "overflow")
    elif not reader.root.partial and (level.capacity is None or level.bandwidth is None):
        fields.note("needs the capacity and the bandwidth of the fast part; add both", "overflow")
    elif level.bandwidth and overflow.bandwidth.value > level.bandwidth.value > PLACEHOLDER.value:
        entry.note("is above the bandwidth of the level, which is that of the fast part", "bandwidth")
    return overflow
