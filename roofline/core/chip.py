"""What is a chip, as far as speed is concerned?

Engines that compute, memory levels that hold and move, links, power, price, and which software
still runs it. Every figure is a :class:`Fact`: a value in SI units with its source and a status.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from roofline.core.arraygeometry import ArrayGeometry as ArrayGeometry
from roofline.core.dtype import Precision
from roofline.core.fact import STATUSES as STATUSES
from roofline.core.fact import Fact as Fact
from roofline.core.fact import Status as Status
from roofline.errors import Unsupported

ClockName = Literal["base", "boost", "top"]
TOP_OVER_BOOST = 1.15
"""What consumer cards reach above the boost clock of their sheet where nobody measured it."""


@dataclass(frozen=True)
class Clock:
    """Clocks of an engine in Hz. ``top`` is what the part really reaches: the limit of light; ``sustained`` what
    it was measured to hold in long products."""

    boost: Fact
    base: Fact | None = None
    top: Fact | None = None
    sustained: Fact | None = None

    def hz(self, which: ClockName = "boost") -> float:
        fact = {"base": self.base, "boost": self.boost, "top": self.top}[which]
        return (fact or self.boost).value


@dataclass(frozen=True)
class StatedPeak:
    """A peak as the vendor states it, in op/s, and why it differs from count x rate x clock."""

    fact: Fact
    disagrees_because: str = ""


@dataclass(frozen=True)
class Engine:
    """A kind of compute unit: how many, how fast, and what each does per clock.

    ``rates`` maps a :class:`Precision` to multiply-adds per clock and unit (1 FMA = 2 op). An ``inline``
    vector engine works on results on their way out of an array. ``place`` is file:line of its rates.
    """

    name: str
    kind: Literal["vector", "matrix"]
    count: Fact
    clock: Clock
    rates: Mapping[Precision, Fact]
    array: ArrayGeometry | None = None
    stated_peaks: Mapping[Precision, StatedPeak] = field(default_factory=dict)
    inline: bool = False
    place: str = field(default="", compare=False)

    def peak(self, precision: Precision, clock: ClockName = "boost") -> float:
        """Dense peak in op/s: count x 2 x FMA per clock x clock."""
        return self.count.value * 2.0 * self.rates[precision].value * self.clock.hz(clock)


@dataclass(frozen=True)
class Overflow:
    """A slower last part of a memory: the 0.5 GB of a GTX 970 behind its 3.5 fast ones."""

    capacity: Fact
    bandwidth: Fact


@dataclass(frozen=True)
class MemoryLevel:
    """One level of the hierarchy. ``capacity`` (B) and bandwidths (B/s) are of the whole chip.

    ``bandwidth`` is of reads and writes together where one figure is known; separate ports have
    ``read_bandwidth`` and ``write_bandwidth``. ``private`` levels belong to one unit each (an SM's
    shared memory, a core's L1), so one unit sees only its share. Beside an ``overflow``, capacity and
    bandwidth are those of the fast part. ``inline_ecc``: the bits of error correction are fetched with the data.
    """

    name: str
    capacity: Fact | None = None
    bandwidth: Fact | None = None
    read_bandwidth: Fact | None = None
    write_bandwidth: Fact | None = None
    private: bool = False
    shared_with: tuple[str, ...] = ()
    overflow: Overflow | None = None
    inline_ecc: bool = False
    place: str = field(default="", compare=False)

    @property
    def total_capacity(self) -> float | None:
        """Bytes it holds, a slower last part included; None where nothing is known."""
        if self.capacity is None:
            return None
        return self.capacity.value + (self.overflow.capacity.value if self.overflow else 0.0)

    @property
    def total_bandwidth(self) -> float | None:
        """Bytes per second both ways (of the fast part), or None where nothing is known."""
        if self.bandwidth is not None:
            return self.bandwidth.value
        ports = [port.value for port in (self.read_bandwidth, self.write_bandwidth) if port]
        return sum(ports) if ports else None


@dataclass(frozen=True)
class Link:
    """A way off the chip: PCIe, NVLink. ``bandwidth`` in B/s one way."""

    name: str
    bandwidth: Fact


@dataclass(frozen=True)
class Package:
    """What the device is sold in, and how many of it that holds: a card with two, an instance with four."""

    name: str
    count: Fact


@dataclass(frozen=True)
class Price:
    """What it costs: an amount, a currency, and the day it was true.

    per : ``unit`` (this device) or the name of a package, which holds ``devices`` of it.
    every : the time an amount of rent is for; empty where the device is bought.
    """

    amount: float
    currency: str
    date: str
    source: str
    status: Status = "datasheet"
    per: str = "unit"
    every: Literal["", "hour"] = ""
    devices: float = 1.0

    @property
    def each(self) -> float:
        """The amount for one device."""
        return self.amount / self.devices

    def buys(self, per_s: float) -> float:
        """What one unit of the currency gives of something made at ``per_s``.

        Bought: so many per second, for good. Rented: so many in all.
        """
        return per_s * (3600.0 if self.every else 1.0) / self.each


@dataclass(frozen=True)
class Software:
    """The software that runs the chip: first and last versions (``None``: unknown, or no end yet)."""

    last_cuda: str | None = None
    last_torch: str | None = None
    note: str = ""
    source: str = ""
    status: Status = "unverified"
    cuda_capability: str | None = None
    first_cuda: str | None = None
    first_torch: str | None = None


@dataclass(frozen=True)
class Emulation:
    """A dtype without hardware: computed as another precision, on a named path."""

    as_precision: Precision
    path: str


Tile = tuple[int, int]
"""Rows (m) and columns (n) of a product that one block computes."""

TILE_KINDS = ("linear", "batched", "tensor")
"""Products of one pair of matrices on vector lanes, of many pairs, and any on matrix engines."""


@dataclass(frozen=True)
class TileList:
    """The tiles a library has for one kind of product."""

    shapes: tuple[Tile, ...]
    source: str
    status: Status = "datasheet"


@dataclass(frozen=True)
class Chip:
    """Everything the models may know of a chip. ``memory`` runs from registers to DRAM.

    ``cores`` of an array are the parts that run a net each by itself; None is one.
    ``tiles`` : kind of product (:data:`TILE_KINDS`) -> tiles of the libraries of its architecture.
    ``neighbours`` : names of the architecture files that come nearest, the nearest first: whose measurements
    and tiles stand in where there are none of its own.
    ``extends`` names the files that ``file`` builds on, the nearest first.
    """

    name: str
    title: str
    kind: Literal["gpu", "array", "cpu"]
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

    @property
    def dram(self) -> MemoryLevel:
        """The outermost level, where the tensors of a net live."""
        return self.memory[-1]

    @property
    def core_count(self) -> float:
        """Parts of an array that run a net each by itself."""
        return self.cores.value if self.cores else 1.0

    def level(self, name: str) -> MemoryLevel | None:
        return next((level for level in self.memory if level.name.lower() == name.lower()), None)

    def precisions(self) -> tuple[Precision, ...]:
        """Every precision some engine multiplies in, in the order of the file."""
        return tuple(dict.fromkeys(p for engine in self.engines for p in engine.rates))

    def resolve(self, wanted: Precision) -> tuple[Precision, str]:
        """The precision really computed in, and the emulation path if it is not the wanted one.

        Raises
        ------
        Unsupported : the chip neither has nor emulates it; the message lists what it has.
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
        """The fastest engine for a precision: any engine for products, a vector one for the rest."""
        actual, _ = self.resolve(wanted)
        able = [e for e in self.engines if actual in e.rates and (matrix or e.kind == "vector")]
        if not able:  # elementwise work on a chip that has only arrays at this precision
            able = [e for e in self.engines if actual in e.rates]
        return max(able, key=lambda engine: engine.peak(actual))

    def together(self, chips: int) -> Chip:
        """Several of this chip as one: so many times the engines, cores and memories, at so many times the price."""

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
        """A CPU using only ``units`` cores of every engine; other chips have no such choice and stay whole."""
        if self.kind != "cpu":
            return self

        def cut(engine: Engine) -> Engine:
            count = min(float(units), engine.count.value)
            return replace(engine, count=replace(engine.count, value=count))

        return replace(self, engines=tuple(cut(engine) for engine in self.engines))
