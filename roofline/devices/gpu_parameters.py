"""Which fitted numbers does the GPU model have, and what clock does a card hold?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from roofline.core.chip import Chip, Engine
from roofline.core.dtype import precision as parse_precision


@dataclass(frozen=True)
class Parameters:
    """The fitted numbers; those without a unit are shares or counts.

    wide, narrow : efficiency of the inner loop of fp32 products on multiprocessors of 128 and 64 lanes.
    tensor : that on tensor cores. port : bytes from the L2 into a multiprocessor a clock, in their products [B].
    fill : steps of k that a block on tensor cores loses. panel : share of the DRAM bandwidth these products reach.
    edge : extra work of a tile for each line of its border [elements].
    prologue : steps of k before a block works at full rate. split : cost of a cut of k [traffic of its result].
    stream, product : share of the DRAM bandwidth that streams and products reach; row : of a stream's, by rows.
    inline : that share with error correction among the data, over that without.
    early, softmax_early, norm_early : part of a launch before a stream, softmax, norm starts; the rest runs beside it.
    row_clocks, element_clocks : clocks of a multiprocessor for a row of a norm, an element of a long softmax row.
    kept : share of the caches that keeps rows of norms for their second walk. again : reads of long softmax rows
    that miss the caches.
    reach, tensor_reach : share of the L2 in which blocks can share panels, in fp32 and on tensor cores.
    winograd : efficiency of the Winograd product over that of a plain one. transform : traffic of its transforms.
    sharpness : exponent p that joins compute and memory of a product.
    watts : energy of a lane and clock over the process [nJ/nm]; turbo : clock of consumer cards over their boost.
    sustained : share of the boost clock held in fp32 products; 0: by :func:`sustained_share`.
    """

    wide: float = 0.85
    narrow: float = 0.93
    tensor: float = 0.75
    port: float = 64.0
    fill: float = 150.0
    panel: float = 0.84
    edge: float = 5.0
    prologue: float = 16.0
    split: float = 2.0
    reach: float = 0.7
    tensor_reach: float = 4.0
    stream: float = 0.89
    inline: float = 0.85
    early: float = 0.5
    product: float = 0.8
    row: float = 0.9
    softmax_early: float = 0.65
    norm_early: float = 0.85
    row_clocks: float = 800.0
    element_clocks: float = 1.6
    kept: float = 0.5
    again: float = 0.3
    winograd: float = 0.8
    transform: float = 1.0
    sharpness: float = 4.0
    watts: float = 0.0027
    turbo: float = 1.07
    sustained: float = 0.0

    @classmethod
    def of(cls, values: Mapping[str, float]) -> Parameters:
        """From a calibration, ignoring what a later version may have added."""
        known = {f.name for f in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})


def sustained_share(chip: Chip, parameters: Parameters) -> float:
    """What of its boost clock a card holds in fp32 products: a power limit below, a turbo above.

    share = min(turbo, power / (watts * min(process, 12 nm) * lanes * boost clock)). Consumer cards (top above
    boost) go ``turbo`` above their sheet, others not. Two capped cards (T4, P4) and three that are not stand behind it.
    """
    if parameters.sustained:
        return parameters.sustained
    engine = vector_engine(chip)
    turbo = parameters.turbo if engine.clock.hz("top") > engine.clock.hz("boost") else 1.0
    if chip.power is None or chip.process_nm is None:
        return turbo
    demand = parameters.watts * 1e-9 * min(chip.process_nm.value, SAME_NODE_NM) * lanes(chip) * engine.clock.hz()
    return float(min(turbo, chip.power.value / demand))


SAME_NODE_NM = 12.0
"""Older processes than this count like it: 12 and 16 nm are one family, and a 28 nm GTX 980 is not capped."""


def vector_engine(chip: Chip) -> Engine:
    return next(engine for engine in chip.engines if engine.kind == "vector")


def lanes(chip: Chip) -> float:
    """fp32 multiply-adds per clock of the whole chip."""
    engine = vector_engine(chip)
    return engine.count.value * engine.rates[parse_precision("fp32")].value
