"""What is a chip, as far as speed is concerned?

Engines that compute, memory levels that store and move data, links, power, price, and the software that still runs on
it. Every figure is a :class:`Fact`: a value in SI units with its source and a status.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from roofline.core import checks
from roofline.core.arraygeometry import ArrayGeometry as ArrayGeometry
from roofline.core.dtype import Precision
from roofline.core.engine import ENGINE_KINDS
from roofline.core.engine import TOP_OVER_BOOST as TOP_OVER_BOOST
from roofline.core.engine import Clock as Clock
from roofline.core.engine import ClockName as ClockName
from roofline.core.engine import Engine as Engine
from roofline.core.engine import StatedPeak as StatedPeak
from roofline.core.fact import STATUSES as STATUSES
from roofline.core.fact import Fact as Fact
from roofline.core.fact import Status as Status
from roofline.core.fact import check_figure
from roofline.core.market import Package as Package
from roofline.core.market import Price as Price
from roofline.core.market import Software as Software
from roofline.core.memory import Link as Link
from roofline.core.memory import MemoryLevel as MemoryLevel
from roofline.core.memory import Overflow as Overflow
from roofline.core.shown import Shown
from roofline.errors import Unsupported, UsageError

KINDS = ("gpu", "array", "cpu")
"""Values of ``kind:`` in chip files, beside those that other packages add under :data:`KINDS_GROUP`."""
KINDS_GROUP = "roofline.device_kinds"
"""Entry point group of kinds of device."""


@dataclass(frozen=True)
class Emulation:
    """A dtype without hardware support: computed in another precision, on a named path."""

    as_precision: Precision
    path: str

    def __post_init__(self) -> None:
        checks.instance("precision of an emulation", self.as_precision, Precision)
        checks.text("path of an emulation", self.path)


Tile = tuple[int, int]
"""Rows (m) and columns (n) of a matrix multiplication that one block computes."""

TILE_KINDS = ("linear", "batched", "tensor")
"""A GEMM on vector lanes, a batched GEMM on vector lanes, any GEMM on matrix engines."""


@dataclass(frozen=True)
class TileList:
    """The tiles that a library has for one kind of matrix multiplication."""

    shapes: tuple[Tile, ...]
    source: str
    status: Status = "datasheet"

    def __post_init__(self) -> None:
        for shape in checks.sequence("tiles", self.shapes, "[rows, columns]"):
            if len(checks.sequence("a tile", shape, "rows and columns")) != 2:
                checks.refuse("a tile", "rows and columns", shape)
            for side in shape:
                checks.count("side of a tile", side)
        checks.text("source of tiles", self.source)
        checks.word("status of tiles", self.status, STATUSES)


@dataclass(frozen=True, repr=False)
class Chip(Shown):
    """Everything the models know of a chip. ``memory`` is ordered from registers to DRAM.

    ``cores`` of an array are the parts that run a network each by itself; None is one. ``tiles`` : kind of matrix
    multiplication (:data:`TILE_KINDS`) -> tiles of the libraries of its architecture. ``neighbours`` : names of the
    most similar architecture files, the nearest first. Their measurements and tiles are used where the chip has none of
    its own. ``partial`` : True for a part that others extend, or a file with faults; it may lack engines and memory.
    ``extends`` : the files that ``file`` builds on, the nearest first.
    """

    name: str
    title: str
    kind: str
    vendor: str
    architecture: str
    engines: tuple[Engine, ...]
    memory: tuple[MemoryLevel, ...]
    year: int | None = None
    process_nm: Fact | None = None
    launch: Fact | None = None
    cores: Fact | None = None
    links: tuple[Link, ...] = ()
    power: Fact | None = None
    packages: tuple[Package, ...] = ()
    price: tuple[Price, ...] = ()
    software: Software | None = None
    emulation: Mapping[Precision, Emulation] = field(default_factory=dict)
    tiles: Mapping[str, TileList] = field(default_factory=dict)
    neighbours: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    file: str = ""
    extends: tuple[str, ...] = field(default=(), compare=False)
    partial: bool = field(default=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("name", "title", "kind", "vendor", "architecture", "file"):
            checks.text(name, getattr(self, name))
        checks.each("engines", self.engines, Engine)
        checks.each("memory", self.memory, MemoryLevel)
        checks.flag("partial", self.partial)
        if not self.partial:
            self._check_whole()
        if self.year is not None:
            checks.count("year", self.year)
        for name in ("process_nm", "cores", "power"):
            check_figure(f"{name} of {self.name}", getattr(self, name), optional=True)
        checks.instance("launch", self.launch, Fact, optional=True)
        checks.each("links", self.links, Link)
        checks.each("packages", self.packages, Package)
        checks.each("price", self.price, Price)
        checks.instance("software", self.software, Software, optional=True)
        checks.entries("emulation", self.emulation, Precision, Emulation)
        checks.entries("tiles", self.tiles, str, TileList)
        for kind in self.tiles:
            checks.word("kind of GEMM with tiles", kind, TILE_KINDS)
        for name in ("neighbours", "notes", "extends"):
            checks.texts(name, getattr(self, name))

    def _check_whole(self) -> None:
        """The fields that a chip needs and a part of one may lack."""
        checks.text("kind", self.kind, filled=True)
        for name, what in (("engines", "one engine"), ("memory", "one level, DRAM last")):
            if not getattr(self, name):
                raise UsageError(f"{name} of {self.name}: expected at least {what}, got none")
        for engine in self.engines:
            checks.word(f"kind of {engine.name}", engine.kind, ENGINE_KINDS)

    @property
    def dram(self) -> MemoryLevel:
        """The outermost memory level, where the tensors of a network are stored."""
        return self.memory[-1]

    @property
    def core_count(self) -> float:
        """Number of parts of an array that run a network each by itself [1]."""
        return self.cores.value if self.cores else 1.0

    def level(self, name: str) -> MemoryLevel | None:
        return next((level for level in self.memory if level.name.lower() == name.lower()), None)

    def precisions(self) -> tuple[Precision, ...]:
        """Every precision that some engine multiplies in, in the order of the file."""
        return tuple(dict.fromkeys(p for engine in self.engines for p in engine.rates))

    def resolve(self, wanted: Precision) -> tuple[Precision, str]:
        """The precision that is really computed in, and the emulation path if it is not the wanted one.

        Raises
        ------
        Unsupported : the chip neither has nor emulates it; the message lists the precisions it has.
        """
        if wanted in self.precisions():
            return wanted, ""
        if wanted in self.emulation:
            emulated = self.emulation[wanted]
            return emulated.as_precision, emulated.path
        have = ", ".join(str(p) for p in (*self.precisions(), *self.emulation))
        place = next((engine.place for engine in self.engines if engine.array), "")
        where = f" ({place})" if place else ""
        way = f"; write --dtype {self.precisions()[0]}" if str(wanted) == "fp32" and self.precisions() else ""
        raise Unsupported(f"{self.name} does not compute in {wanted}; it has {have}{where}{way}")

    def engine_for(self, wanted: Precision, *, matrix: bool) -> Engine:
        """The fastest engine for a precision: any engine for matrix multiplications, a vector engine for other work."""
        actual, _ = self.resolve(wanted)
        able = [e for e in self.engines if actual in e.rates and (matrix or e.kind == "vector")]
        if not able:  # elementwise work on a chip that has only arrays at this precision
            able = [e for e in self.engines if actual in e.rates]
        return max(able, key=lambda engine: engine.peak(actual))

    def together(self, chips: int) -> Chip:
        """Several of this chip as one: engines, cores, memories and price multiplied by ``chips``."""
        checks.count("chips", chips)

        def times(fact: Fact | None) -> Fact | None:
            return replace(fact, value=fact.value * chips) if fact else None

        def level(one: MemoryLevel) -> MemoryLevel:
            figures = ("capacity", "bandwidth", "read_bandwidth", "write_bandwidth")
            return replace(one, **{name: times(getattr(one, name)) for name in figures})  # type: ignore[arg-type]

        return replace(
            self,
            engines=tuple(replace(e, count=replace(e.count, value=e.count.value * chips)) for e in self.engines),
            memory=tuple(map(level, self.memory)),
            cores=replace(self.cores or Fact(1.0, ""), value=self.core_count * chips),
            power=times(self.power),
            packages=(),
            price=tuple(replace(price, devices=price.devices / chips) for price in self.price),
        )

    def with_units(self, units: int) -> Chip:
        """The chip with only ``units`` of the units of every engine."""
        checks.count("units", units)

        def cut(engine: Engine) -> Engine:
            count = min(float(units), engine.count.value)
            return replace(engine, count=replace(engine.count, value=count))

        return replace(self, engines=tuple(cut(engine) for engine in self.engines))
