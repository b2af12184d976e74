"""What computes on a chip? Engines: how many units, at which clock, and their work per clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from roofline.core import checks
from roofline.core.arraygeometry import ArrayGeometry
from roofline.core.dtype import Precision
from roofline.core.fact import Fact, check_figure
from roofline.units import format_si

ClockName = Literal["base", "boost", "top"]
EngineKind = Literal["vector", "matrix"]
ENGINE_KINDS: tuple[EngineKind, ...] = get_args(EngineKind)
TOP_OVER_BOOST = 1.15
"""Highest clock of consumer GPUs over the boost clock of their spec sheet, where it was not measured."""


@dataclass(frozen=True)
class Clock:
    """Clocks of an engine [Hz]. ``top`` is the highest clock that the chip reaches, used for the speed-of-light bound;
    ``sustained`` is the measured clock in long GEMMs.
    """

    boost: Fact
    base: Fact | None = None
    top: Fact | None = None
    sustained: Fact | None = None

    def __post_init__(self) -> None:
        check_figure("boost clock", self.boost)
        check_figure("base clock", self.base, optional=True)
        check_figure("top clock", self.top, optional=True)
        check_figure("sustained clock", self.sustained, optional=True)

    def hz(self, which: ClockName = "boost") -> float:
        fact = {"base": self.base, "boost": self.boost, "top": self.top}[which]
        return (fact or self.boost).value


@dataclass(frozen=True)
class StatedPeak:
    """A peak as the vendor states it [FLOP/s], and why it differs from count x rate x clock."""

    fact: Fact
    disagrees_because: str = ""

    def __post_init__(self) -> None:
        check_figure("stated peak", self.fact)
        checks.text("disagrees_because", self.disagrees_because)


@dataclass(frozen=True, repr=False)
class Engine:
    """A kind of compute unit: how many, at which clock, and the work of each per clock.

    ``rates`` maps a :class:`Precision` to multiply-adds per clock and unit (1 FMA = 2 FLOP). An ``inline`` vector
    engine works on results on their way out of an array. ``place`` is file:line of its rates.
    """

    name: str
    kind: EngineKind
    count: Fact
    clock: Clock
    rates: Mapping[Precision, Fact]
    array: ArrayGeometry | None = None
    stated_peaks: Mapping[Precision, StatedPeak] = field(default_factory=dict)
    inline: bool = False
    place: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        checks.text("name of an engine", self.name)
        # a file without a kind is read on, to report its other faults
        checks.word(f"kind of {self.name}", self.kind, ENGINE_KINDS, optional=True)
        check_figure(f"number of {self.name}", self.count)
        checks.instance(f"clock of {self.name}", self.clock, Clock)
        checks.entries(f"rates of {self.name}", self.rates, Precision, Fact)
        for precision, rate in self.rates.items():
            check_figure(f"FMA per clock of {self.name} in {precision}", rate)
        checks.instance(f"array of {self.name}", self.array, ArrayGeometry, optional=True)
        checks.entries(f"stated peaks of {self.name}", self.stated_peaks, Precision, StatedPeak)
        checks.flag("inline", self.inline)
        checks.text("place", self.place)

    def __repr__(self) -> str:
        peaks = ", ".join(f"{one} {format_si(self.peak(one), 'op/s')}" for one in self.rates)
        size = f"{self.count.value:g} units at {format_si(self.clock.hz(), 'Hz')}"
        return f"<Engine: {self.name}, {self.kind}, {size}; {peaks}>"

    def peak(self, precision: Precision, clock: ClockName = "boost") -> float:
        """Dense peak: ``count * 2 * FMA per clock * clock`` [FLOP/s]."""
        return self.count.value * 2.0 * self.rates[precision].value * self.clock.hz(clock)
