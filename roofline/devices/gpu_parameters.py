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
    tensor : that on tensor cores. edge : extra work of a tile for each line of its border [elements].
    prologue : steps of k before a block works at full rate. split : cost of a cut of k [traffic of its result].
    stream, product, row : share of the DRAM bandwidth that streams, products and rows reach.
    again : extra reads of a row by norms, which walk over it twice.
    reach, tensor_reach : share of the L2 in which blocks can share panels, in fp32 and on tensor cores.
    conv : efficiency of implicit products of convolutions; over it that of Winograd in one kernel (winograd), of
    products between transforms (staged), of 1x1 (pointwise), of gradients for the data behind a stride (strided) and
    of gradients of weights (weight); conv_tensor : that on tensor cores. integers : instructions beside each
    multiply-add, which take its place where lanes do both.
    conv_start : steps of k before a block works at full rate.
    transform, filters : traffic of transforms over the size of their result, for images and weights.
    cool : power of convolutions over that of plain products.
    sharpness : exponent p that joins compute and memory of a product; joint : q, of a stream and its launch.
    watts : energy of a lane and clock over the process [nJ/nm]; turbo : clock of consumer cards over their boost.
    sustained : share of the boost clock held in fp32 products; 0: by :func:`sustained_share`.
    """

    wide: float = 0.85
    narrow: float = 0.93
    tensor: float = 0.8
    edge: float = 5.0
    prologue: float = 16.0
    split: float = 2.0
    reach: float = 0.7
    tensor_reach: float = 4.0
    stream: float = 0.8
    product: float = 0.8
    row: float = 0.8
    again: float = 0.3
    conv: float = 1.0
    conv_tensor: float = 0.63
    conv_start: float = 21.0
    winograd: float = 1.0
    staged: float = 1.1
    transform: float = 1.3
    filters: float = 3.2
    cool: float = 0.69
    pointwise: float = 0.9
    integers: float = 0.2
    strided: float = 0.52
    weight: float = 0.82
    sharpness: float = 4.0
    joint: float = 3.0
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
