"""Which fitted numbers does the GPU model have?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from roofline.core.chip import Chip, Engine
from roofline.core.dtype import precision as parse_precision


@dataclass(frozen=True)
class Parameters:
    """The fitted numbers; those without a unit are shares or counts.

    wide, narrow : efficiency of a tile of 128 x 128 in fp32 on multiprocessors of 128 and 64 lanes.
    tensor : that on tensor cores. edge : extra work of a tile for each line of its border [elements].
    prologue : steps of k before a block works at full rate. split : cost of a cut of k [traffic of its result].
    stream, product, row : share of the DRAM bandwidth that streams, products and rows reach.
    again : extra reads of a row by norms, which walk over it twice.
    reach, tensor_reach : share of the L2 in which blocks find panels again, in fp32 and on tensor cores.
    scatter : share of their bandwidth that products reach where panels miss the L2 and both have long rows,
        on chips that read DRAM in sectors of 32 bytes. pages : panels that such a multiprocessor reads without missing
        its table of pages [MB]; paged : what it reads beyond [GB/s].
    winograd : efficiency of the Winograd product over that of a plain one. transform : traffic of its transforms.
    sharpness : exponent p that joins compute and memory of a product; joint : q, of a stream and its launch.
    watts : energy of a lane and clock at 12 nm and above [nJ]. turbo : clock of consumer cards over their boost;
        hold : that of other cards where their power does not cap it. sustained : share of the boost clock held
        in fp32 products; 0: by :mod:`roofline.devices.power`.
    rested : exponent of how much faster a card is after a rest. rest : seconds between measured calls, a condition of
        a data set.
    """

    wide: float = 0.78
    narrow: float = 0.96
    tensor: float = 0.8
    edge: float = 8.0
    prologue: float = 8.3
    split: float = 2.0
    reach: float = 1.25
    scatter: float = 0.26
    pages: float = 7.0
    paged: float = 3.8
    tensor_reach: float = 4.0
    stream: float = 0.8
    product: float = 0.66
    row: float = 0.8
    again: float = 0.3
    winograd: float = 0.8
    transform: float = 1.0
    sharpness: float = 2.9
    joint: float = 3.0
    watts: float = 0.036
    turbo: float = 1.1
    hold: float = 0.92
    sustained: float = 0.0
    rested: float = 0.066
    rest: float = 0.0

    @classmethod
    def of(cls, values: Mapping[str, float]) -> Parameters:
        """From a calibration, ignoring what a later version may have added."""
        known = {f.name for f in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})


def vector_engine(chip: Chip) -> Engine:
    return next(engine for engine in chip.engines if engine.kind == "vector")


def lanes(chip: Chip) -> float:
    """fp32 multiply-adds per clock of the whole chip."""
    engine = vector_engine(chip)
    return engine.count.value * engine.rates[parse_precision("fp32")].value
