"""In which units do the fitted numbers of different CPU cores agree?

Starts and rows in clocks, rates in multiply-adds per clock (of pools and copies in elements), the bandwidth of weights
in that of DRAM, bandwidths of the curve in bytes per clock. Products on AMD count 256-bit registers at most, whatever
the core has: the library that makes them (MKL) was seen to take no more there, on a Zen 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from roofline.core.chip import Chip
from roofline.core.dtype import precision
from roofline.devices.cpu.model import Ceilings

PRODUCTS = ("linear", "skinny", "bmm", "attention", "conv-gemm")
"""Plans whose products MKL makes."""
ONE_BY_ONE = ("pool", "copy")
"""Plans that do as much per clock whatever the width of registers: windows and transposes go element by element."""
NARROW_FMA = 16.0
"""fp32 multiply-adds a clock of two units of 256 bits."""
SUSTAINED = 0.7
"""Of its highest clock, what the best products of one core make of it. Measured machines count clocks by those, and
reached 0.74, 0.91 and 0.55 of the 3.5, 4.5 and 4.0 GHz of parts of their generation (unverified: a virtual machine
hides its own)."""
TIMES = ("start", "row", "short", "unfold")
X86 = ("amd", "intel", "hygon")
"""Vendors of the processors that were measured, in small letters."""


@dataclass(frozen=True)
class Core:
    """A core: who made it, its clock in Hz while it computes, its fp32 multiply-adds per clock."""

    vendor: str
    clock_hz: float
    fma: float

    @classmethod
    def of(cls, chip: Chip) -> Core:
        """One core of a CPU, at the clock that was measured or else at what is usual of the highest."""
        engine = chip.engine_for(precision("fp32"), matrix=False)
        rate = engine.rates[chip.resolve(precision("fp32"))[0]].value
        boost = engine.clock.boost
        clock = boost.value if boost.status == "measured" else SUSTAINED * engine.clock.hz("top")
        return cls(chip.vendor, clock, rate)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Core:
        """As :meth:`to_dict` wrote it."""
        return cls(str(data["vendor"]), float(data["clock_hz"]), float(data["fma"]))

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def unit(self, plan: str, parameter: str, ceilings: Ceilings) -> float:
        """What one of a plan's parameter is worth here, in SI units."""
        stem = parameter.partition(":")[0]
        if stem in TIMES:
            return 1.0 / self.clock_hz
        if stem == "rate":
            if plan in ONE_BY_ONE:
                return self.clock_hz
            narrow = self.vendor.casefold() != "intel" and plan in PRODUCTS
            return self.clock_hz * (min(self.fma, NARROW_FMA) if narrow else self.fma)
        return ceilings.dram if stem == "weight_bandwidth" else 1.0

    def ceiling_unit(self, name: str) -> float:
        """What one of a number of :class:`roofline.devices.cpu.model.Ceilings` is worth here."""
        return self.clock_hz if name in ("cache", "dram") else 1.0
