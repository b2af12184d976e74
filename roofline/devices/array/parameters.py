"""Which parameters of the array model are not on a spec sheet, and how uncertain is each?

All of them come from a calibration. They are fitted for a software stack where figures are published; otherwise they
are the stated ranges of ``calibrations/any-array/unfitted.yaml``, where nothing is fitted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from roofline.core.calibration import Calibration

FAMILY = "net"
"""The one family of an array's calibration: vendors publish whole networks."""

Range = tuple[float, float]


@dataclass(frozen=True)
class Parameters:
    """The constants of the array model beside the spec sheet.

    Parameters
    ----------
    efficiency : share of the time in which the engines work [1]; a property of the compiler rather than of the silicon.
    layer, request : seconds added to every GEMM, and to every request in latency mode [s].
    share : share of the DRAM bandwidth left to the arrays where others use it too [1].
    sram : memory of each core where it is not published [B].
    vector : share reached of a vector engine whose rate is unverified [1].
    collective : latency of adding partial sums of the cores [s].
    lowering : of convolutions where the stack says; ``""`` means as in the chip file.
    ranges : slowest and fastest value of each, by name; others are exact.
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
        """The parameters of a calibration; a name that it lacks has the default value, and is exact."""
        fit = calibration.families[FAMILY]
        known = {name: fit.parameters[name] for name in NAMES if name in fit.parameters}
        ranges = {name: pair for name, pair in fit.range.items() if name in NAMES}
        return cls(**known, lowering=str(calibration.stack.get("lowering", "")), ranges=ranges)

    def varied(self, *names: str) -> Iterator[tuple[Parameters, Parameters]]:
        """For each of ``names`` with a range: the parameters with its fastest value, and with its slowest."""
        for name in names:
            if name in self.ranges:
                ends = sorted(self.ranges[name], reverse=name not in SECONDS)
                fast, slow = (replace(self, **{name: end}) for end in ends)  # type: ignore[arg-type]
                yield fast, slow


NAMES = ("efficiency", "layer", "request", "share", "sram", "vector", "collective")
SECONDS = ("layer", "request", "collective")
