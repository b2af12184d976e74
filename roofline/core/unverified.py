"""Which of the figures that decide a prediction has nobody verified?"""

from __future__ import annotations

from roofline.core.chip import Chip
from roofline.core.dtype import Precision


def unverified_figures(chip: Chip, wanted: Precision) -> list[str]:
    """The ``unverified`` ones among the four figures of a roofline, in words.

    Units, clock and multiply-adds per clock of the engine that makes products in the ``wanted`` precision
    (or in the one that emulates it), and the bandwidth of DRAM.

    Raises
    ------
    Unsupported : the chip neither has nor emulates the precision.
    """
    actual, _ = chip.resolve(wanted)
    engine = chip.engine_for(wanted, matrix=True)
    deciding = [
        (f"FMA per clock of {engine.name} in {actual}", engine.rates[actual]),
        (f"clock of {engine.name}", engine.clock.boost),
        (f"number of {engine.name}", engine.count),
    ]
    ports = (chip.dram.bandwidth, chip.dram.read_bandwidth, chip.dram.write_bandwidth)
    deciding += [(f"{chip.dram.name} bandwidth", port) for port in ports if port]
    return list(dict.fromkeys(what for what, fact in deciding if fact.status == "unverified"))
