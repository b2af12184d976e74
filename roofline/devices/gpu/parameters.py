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
    edge : extra work of a tile for each line of its border [elements]. prologue : steps of k before a block works at
        full rate. split : cost of a cut of k [traffic of its result].
    product : share of the DRAM bandwidth that products reach. reach : share of the L2 that keeps panels for blocks.
    scatter : share of their bandwidth that products reach where panels miss the L2 and both have long rows,
        on chips that read DRAM in sectors of 32 bytes. pages : panels that such a multiprocessor reads without missing
        its table of pages [MB]; paged : what it reads beyond [GB/s].
    sharpness : exponent p that joins compute and memory of a product.
    tensor : efficiency of tensor cores. port : bytes from the L2 into a multiprocessor a clock, in their products [B].
    fill : steps of k that a block on tensor cores loses. panel : share of the DRAM bandwidth these products reach.
    stream : share of the DRAM bandwidth that streams reach; row : of a stream's, by rows.
    inline : that share with error correction among the data, over that without.
    early, softmax_early, norm_early : part of a launch before a stream, softmax, norm starts; the rest runs beside it.
    row_clocks, element_clocks : clocks of a multiprocessor for a row of a norm, an element of a long softmax row.
    kept : share of the caches that keeps rows of norms for their second walk. again : reads of long softmax rows
        that miss the caches.
    conv : efficiency of implicit products of convolutions; over it that of Winograd in one kernel (winograd), of
        products between transforms (staged), of 1x1 (pointwise), of gradients for the data behind a stride (strided)
        and of gradients of weights (weight); conv_tensor : that on tensor cores. integers : instructions beside each
        multiply-add, which take its place where lanes do both.
    conv_start : steps of k before a block works at full rate. cool : power of convolutions over that of plain products.
    transform, filters : traffic of transforms over the size of their result, for images and weights.
    watts : energy of a lane and clock at 12 nm and above [nJ]. turbo : clock of consumer cards over their boost;
        hold : that of other cards where their power does not cap it. sustained : share of the boost clock held
        in fp32 products; 0: by :mod:`roofline.devices.gpu.power`.
    activity : mean power of the program over that of products alone; not fitted.
    rested : exponent of how much faster a card is after a rest. rest : seconds between measured calls, a condition of
        a data set.
    """

    wide: float = 0.78
    narrow: float = 0.96
    edge: float = 8.0
    prologue: float = 8.3
    split: float = 2.0
    product: float = 0.66
    reach: float = 1.25
    scatter: float = 0.26
    pages: float = 7.0
    paged: float = 3.8
    sharpness: float = 2.9
    tensor: float = 0.75
    port: float = 64.0
    fill: float = 150.0
    panel: float = 0.84
    stream: float = 0.89
    row: float = 0.9
    inline: float = 0.85
    early: float = 0.5
    softmax_early: float = 0.65
    norm_early: float = 0.85
    row_clocks: float = 800.0
    element_clocks: float = 1.6
    kept: float = 0.5
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
    watts: float = 0.036
    turbo: float = 1.1
    hold: float = 0.92
    sustained: float = 0.0
    activity: float = 1.0
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
