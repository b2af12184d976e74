"""How does a chip's YAML become a :class:`~roofline.core.chip.Chip`?

Figures and their sources are read by :mod:`roofline.specs.facts`, memory by :mod:`roofline.specs.memoryfields`,
packages, prices and software by :mod:`roofline.specs.marketfields`. A stated peak is compared with count x 2 x FMA per
clock x boost clock, and refused if it differs by more than 2 % without a ``disagrees_because``.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Literal, cast

from roofline import units
from roofline.core import plugins
from roofline.core.chip import KINDS, KINDS_GROUP, Chip, Clock, Emulation, Engine, Fact, Link, StatedPeak
from roofline.core.dtype import Precision, precision
from roofline.errors import SpecError, UsageError
from roofline.specs.arrayfields import check_room, read_array
from roofline.specs.extends import KEY, extended, is_part
from roofline.specs.facts import PLACEHOLDER, FactReader
from roofline.specs.fields import Fields, Reading
from roofline.specs.marketfields import read_packages, read_price, read_software
from roofline.specs.memoryfields import read_level
from roofline.specs.tilefields import read_tiles
from roofline.specs.yamlio import Document, load_document, spell

TOLERANCE = 0.02
"""Largest relative difference between a stated peak and the computed one."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


def load_chip(path: str | Path) -> Chip:
    """Read one chip, with the files it extends.

    Raises
    ------
    SpecError : with every fault of the files, each with its line.
    """
    document = load_document(path)
    if is_part(document):
        name = f"{Path(path).absolute().parent.name}/{Path(path).stem}"
        raise SpecError([document.fault((), f"is a base for chips to extend ('{KEY}: {name}'), not a chip")])
    return read_chip(document)


def read_part(path: str | Path) -> Chip:
    """As :func:`load_chip`, for a part that chips extend: missing fields have placeholders.

    Raises
    ------
    SpecError : with every fault of the existing fields.
    """
    return read_chip(load_document(path), partial=True)


def read_chip(document: Document, *, partial: bool = False) -> Chip:
    """As :func:`load_chip`, from a document. A ``partial`` one may lack fields."""
    reading = Reading(extended(document))
    root = reading.root("a chip")
    root.partial = partial
    try:
        chip = _ChipReader(root).chip()
    except UsageError as error:  # a value that its class refuses, such as a figure that overflows
        root.note(str(error))
        reading.check()
        raise
    root.finish()
    reading.check()
    return chip


class _ChipReader(FactReader):
    """Reads the parts of a chip, in the order of the values."""

    def chip(self) -> Chip:
        root = self.root
        root.text(KEY)
        name = root.text("name", required="a short name, such as gtx-980")
        if name and not _NAME.fullmatch(name):
            root.note(f"{name!r}: write lower-case letters, digits, '-', '.' and '_'", "name")
        kind = self.kind()
        process = self.fact(root, "process", "m")
        engines = tuple(map(self.engine, root.items("engines", required="at least one engine")))
        levels = root.items("memory", required="at least one level, DRAM last")
        count = engines[0].count if engines else PLACEHOLDER
        memory = [read_level(self, level, count, last=level is levels[-1]) for level in levels]
        cores = self.fact(root, "cores", "", whole=True)
        if not root.partial:
            check_room(root, engines, memory, cores)
        packages = read_packages(self, root.items("packages"))
        for key in ("engines", "memory", "packages"):
            self.unique(root, key)
        return Chip(
            name=name,
            title=root.text("title", name),
            kind=kind,
            vendor=root.text("vendor", required="who makes it"),
            architecture=root.text("architecture", required="the family it belongs to, such as turing"),
            engines=engines,
            memory=tuple(memory),
            year=self.year(),
            process_nm=None if process is None else _scaled(process, 1e9),
            launch=self.fact(root, "launch", "s"),
            cores=cores,
            links=tuple(map(self.link, root.items("links"))),
            power=self.fact(root, "power", "W"),
            packages=packages,
            price=tuple(read_price(self, price, packages) for price in root.items("price")),
            software=read_software(self, root.mapping("software")),
            emulation=self.emulation({p for engine in engines for p in engine.rates}),
            tiles=read_tiles(self, root.mapping("tiles")),
            neighbours=root.texts("neighbours"),
            notes=root.texts("notes"),
            file=root.reading.document.file,
            extends=root.reading.document.files[1:],
            partial=root.partial or bool(root.reading.faults),
        )

    def kind(self) -> str:
        """The kind of device: one that ships, or one of an installed package."""
        shipped = ", ".join(KINDS)
        name = self.root.text("kind", required=f"one of {shipped}")
        if not name or name in KINDS:
            return name
        return self.root.choice("kind", (*KINDS, *plugins.names(KINDS_GROUP)))

    def unique(self, fields: Fields, key: str) -> None:
        seen: set[str] = set()
        entries = fields.data.get(key)
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            name = str(entry.get("name", "")).lower() if isinstance(entry, dict) else ""
            if name and name in seen:
                fields.note(f"{name!r} is the name of another entry; choose another", key, index, "name")
            seen.add(name)

    def year(self) -> int | None:
        year = self.root.integer("year", 0, least=1970)
        if year > 2100:
            self.root.note(f"{year} is not a year", "year")
        return year or None

    def engine(self, fields: Fields) -> Engine:
        name = fields.text("name", required="a name, such as tensor cores")
        fields.partial = self.root.partial
        kind = fields.choice("kind", ("vector", "matrix"), required="vector or matrix")
        count = self.fact(fields, "count", "", required="how many units", whole=True)
        clock = self.clock(fields)
        rates = self.rates(fields)
        engine = Engine(
            name=name,
            kind=cast(Literal["vector", "matrix"], kind),
            count=count or PLACEHOLDER,
            clock=clock,
            rates=rates,
            array=read_array(self, fields, rates),
            inline=fields.flag("inline"),
            place=fields.spot("fma_per_clock"),
        )
        if engine.inline and engine.kind != "vector":
            fields.note("only a vector engine can be inline: it works on results on the way out of an array", "inline")
        engine = replace(engine, stated_peaks=self.peaks(fields, engine))
        fields.finish()
        return engine

    def clock(self, fields: Fields) -> Clock:
        entry = fields.mapping("clock", required="boost, and where known base and top")
        if entry is None:
            return Clock(PLACEHOLDER)
        entry.partial = self.root.partial
        clock = Clock(
            boost=self.fact(entry, "boost", "Hz", required="the boost clock") or PLACEHOLDER,
            base=self.fact(entry, "base", "Hz"),
            top=self.fact(entry, "top", "Hz"),
            sustained=self.fact(entry, "sustained", "Hz"),
        )
        if PLACEHOLDER not in (clock.boost, clock.base, clock.top):
            if clock.base and clock.base.value > clock.boost.value:
                entry.note("is above the boost clock; correct one of them", "base")
            if clock.top and clock.top.value < clock.boost.value:
                entry.note("is below the boost clock; top is the highest clock the chip reaches", "top")
            if clock.sustained and clock.sustained.value > (clock.top or clock.boost).value:
                entry.note("is above the top clock; correct one of them", "sustained")
        entry.finish()
        return clock

    def rates(self, fields: Fields) -> dict[Precision, Fact]:
        entry = fields.mapping("fma_per_clock", required="multiply-adds per clock and unit, by precision")
        rates: dict[Precision, Fact] = {}
        if entry is None:
            return rates
        if not entry.data:
            entry.note("is empty; write at least one precision, such as fp32")
        for key in entry.each():
            fact = self.fact(entry, key, "FMA")
            wanted = _precision(entry, key, key)
            if fact is not None and wanted is not None:
                if wanted in rates:
                    entry.note(f"{wanted} is given twice in two spellings; keep one", key)
                rates[wanted] = fact
        return rates

    def peaks(self, fields: Fields, engine: Engine) -> dict[Precision, StatedPeak]:
        entry = fields.mapping("stated_peaks")
        peaks: dict[Precision, StatedPeak] = {}
        for key in entry.each() if entry is not None else ():
            assert entry is not None
            one = entry.mapping(key)
            wanted = _precision(entry, key, key)
            if one is None or wanted is None:
                continue
            stated = StatedPeak(self.facts(one, "op/s"), one.text("disagrees_because"))
            one.finish()
            if not stated.disagrees_because and PLACEHOLDER not in (engine.count, engine.clock.boost):
                known = wanted in engine.rates or not self.root.partial
                message = _contradiction(engine, wanted, stated.fact.value) if known else ""
                if message and not self.has_faults(fields):
                    one.note(message + self.inherited(one))
            peaks[wanted] = stated
        return peaks

    def inherited(self, fields: Fields) -> str:
        """How to change an entry inherited from another file; empty for an own entry."""
        document = fields.reading.document
        if document.place(fields.path).file == document.file:
            return ""
        return f"; {document.file} extends this: repeat the peak there, or set it to null"

    def has_faults(self, fields: Fields) -> bool:
        """Whether this engine already has faults, so its peak cannot be checked."""
        return any(fault.path.startswith(spell(fields.path)) for fault in fields.reading.faults)

    def link(self, fields: Fields) -> Link:
        name = fields.text("name", required="a name, such as PCIe 3.0 x16")
        bandwidth = self.fact(fields, "bandwidth", "B/s", required="bytes per second one way")
        fields.finish()
        return Link(name, bandwidth or PLACEHOLDER)

    def emulation(self, native: set[Precision]) -> dict[Precision, Emulation]:
        table = self.root.mapping("emulation")
        emulation: dict[Precision, Emulation] = {}
        for key in table.each() if table is not None else ():
            assert table is not None
            entry = table.mapping(key)
            wanted = _precision(table, key, key)
            if entry is None:
                continue
            name = entry.text("as", required="the precision really computed in")
            target = _precision(entry, name, "as") if name else None
            path = entry.text("path", required="how, in words")
            entry.finish()
            if wanted is None or target is None:
                continue
            if wanted in native:
                table.note(f"{wanted} is in fma_per_clock, so it is not emulated; remove one of them", key)
            if native and target not in native and not self.root.partial:
                entry.note(f"no engine has {target} in its fma_per_clock", "as")
            emulation[wanted] = Emulation(target, path)
        return emulation


def _precision(fields: Fields, name: str, key: str) -> Precision | None:
    return fields.attempt(lambda: precision(name), key)


def _scaled(fact: Fact, factor: float) -> Fact:
    return Fact(float(f"{fact.value * factor:.12g}"), fact.source, fact.status, fact.note)


def _contradiction(engine: Engine, wanted: Precision, stated: float) -> str:
    """Why a stated peak cannot be right, with the arithmetic; empty if it can."""
    if wanted not in engine.rates:
        return f"a peak in {wanted} without fma_per_clock for it; add the rate, or give disagrees_because"
    peak = engine.peak(wanted)
    ratio = stated / peak if peak else float("inf")
    if abs(ratio - 1) <= TOLERANCE:
        return ""
    arithmetic = (
        f"{engine.count.value:g} x 2 x {engine.rates[wanted].value:g} FMA x "
        f"{units.format_si(engine.clock.hz(), 'Hz', 4)} = {units.format_si(peak, 'OP/s', 4)}"
    )
    hint = "is it a sparse peak? write the dense one" if 1.9 <= ratio <= 2.1 else "correct one of them"
    return (
        f"{units.format_si(stated, 'OP/s', 4)} stated, but {arithmetic} (ratio {ratio:.2f}); "
        f"{hint}, or give disagrees_because"
    )
