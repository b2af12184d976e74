"""In which units do the fitted parameters of different CPU cores agree?

- times (start, row, short, unfold) in clocks;
- rates in FMA per clock; those of pools and copies in elements per clock;
- the bandwidth of weights relative to that of DRAM;
- bandwidths of the curve in bytes per clock.

GEMMs on AMD count at most 256-bit registers: their library (MKL) was seen to use no more on a Zen 5.

Form: this project's own; evidence: docs/evidence-cpu.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from roofline.core.chip import Chip
from roofline.core.dtype import precision
from roofline.devices.cpu.model import Ceilings

PRODUCTS = ("linear", "skinny", "bmm", "attention", "conv-gemm")
"""Plans whose GEMMs run in MKL."""
ONE_BY_ONE = ("pool", "copy")
"""Plans that process one element at a time, whatever the register width: pooling windows and transposes."""
NARROW_FMA = 16.0
"""fp32 FMA per clock of two units of 256 bits."""
SUSTAINED = 0.7
"""Clock of the best GEMM of one core over the highest clock. Measured machines reached 0.74, 0.91 and 0.55 of the 3.5,
4.5 and 4.0 GHz of parts of their generation (unverified: a virtual machine hides its own clock).
"""
TIMES = ("start", "row", "short", "unfold")
X86 = ("amd", "intel", "hygon")
"""Vendors of the processors that were measured, in lower case."""


@dataclass(frozen=True)
class Core:
    """A core: its vendor, its clock while it computes [Hz], and its fp32 FMA per clock [1]."""

    vendor: str
    clock_hz: float
    fma: float

    @classmethod
    def of(cls, chip: Chip) -> Core:
        """One core of a CPU; ``clock_hz = measured clock``, or ``SUSTAINED * highest clock`` [Hz]."""
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
        """The fields as plain values, ``clock_hz`` [Hz], by :func:`dataclasses.asdict`."""
        return asdict(self)

    def unit(self, plan: str, parameter: str, ceilings: Ceilings) -> float:
        """What one unit of a plan's parameter is worth on this core, in SI units::

            times = 1 / clock [s],  rates = clock * FMA per clock or clock [1/s],  weight_bandwidth = dram [B/s]

        ``plan`` and ``parameter`` name it; ``ceilings`` has the bandwidth curve.
        """
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
        """What one unit of a field of :class:`roofline.devices.cpu.model.Ceilings` is worth here: ``clock [Hz]`` or 1
        [1].
        """
        return self.clock_hz if name in ("cache", "dram") else 1.0
