"""Which numbers of the array model are not on a spec sheet, and how far may each be off?

Everything here comes from a calibration: fitted for a software stack where figures are published, else the stated
ranges of ``calibrations/any-array/unfitted.yaml``, where nothing is fitted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from roofline.core.calibration import Calibration

FAMILY = "net"
"""The one family of an array's calibration: whole nets are what vendors publish."""

Range = tuple[float, float]


@dataclass(frozen=True)
class Parameters:
    """The numbers of the array model beside the spec sheet.

    efficiency : share of the engines' time in which they work; of the compiler rather than of the silicon.
    layer, request : seconds added to every product, and to every request that somebody waits for.
    share : part of the DRAM bandwidth left to the arrays where a spec says that others use it too.
    sram : bytes of each core's memory where the chip's size is not published.
    vector : what is really reached of a vector engine whose rate nobody verified.
    collective : seconds the cores take to join a sum, beside moving it.
    lowering : of convolutions where the stack says; ``""`` is the chip's.
    ranges : slowest and fastest value of each, by name; those without one are exact.
    """

    efficiency: float = 1.0
    layer: float = 0.0
    request: float = 0.0
    share: float = 1.0
    sram: float = 16 * 2.0**20
    vector: float = 1.0
    collective: float = 25e-6
    lowering: str = ""
    ranges: Mapping[str, Range] = field(default_factory=dict)

    @classmethod
    def of(cls, calibration: Calibration) -> Parameters:
        """The parameters of a calibration; what it does not name is as here, and exact."""
        fit = calibration.families[FAMILY]
        known = {name: fit.parameters[name] for name in NAMES if name in fit.parameters}
        ranges = {name: pair for name, pair in fit.range.items() if name in NAMES}
        return cls(**known, lowering=str(calibration.stack.get("lowering", "")), ranges=ranges)

    def varied(self, *names: str) -> Iterator[tuple[Parameters, Parameters]]:
        """For each of ``names`` with a range: the parameters with it at its fastest, and at its slowest."""
        for name in names:
            if name in self.ranges:
                ends = sorted(self.ranges[name], reverse=name not in SECONDS)
                fast, slow = (replace(self, **{name: end}) for end in ends)  # type: ignore[arg-type]
                yield fast, slow


NAMES = ("efficiency", "layer", "request", "share", "sram", "vector", "collective")
SECONDS = ("layer", "request", "collective")
