"""Which fitted parameters does the GPU model have?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from roofline.core.chip import Chip, Engine
from roofline.core.dtype import precision as parse_precision


@dataclass(frozen=True)
class Parameters:
    """The fitted parameters of the GPU model [1] unless a unit is given. The list is docs/gpu.md.

    GEMMs on vector lanes:

    - wide, narrow : efficiency of a 128 x 128 tile in fp32 on multiprocessors of 128 and of 64 lanes.
    - edge : tile edge overhead [elements]; prologue : elements of k before a block works at full rate; split : traffic
      of one part of split-k over its result.
    - product : share of the DRAM bandwidth that GEMMs reach; reach : share of the L2 that keeps operand panels.
    - scatter : share of that bandwidth for panels that miss the L2, on chips that read DRAM in sectors of 32 bytes;
      pages : panels a multiprocessor reads without missing its page table [MB]; paged : its rate beyond that [GB/s].
    - sharpness : exponent p that joins compute and memory.

    GEMMs on tensor cores:

    - tensor : efficiency; port : bytes from the L2 into a multiprocessor per clock [B]; fill : elements of k that a
      block loses; panel : share of the DRAM bandwidth.

    Streams and kernels along rows:

    - stream : share of the DRAM bandwidth of streams; row : of a stream's share, along rows; inline : factor on it with
      inline error correction.
    - early, softmax_early, norm_early : part of a launch before the kernel starts.
    - row_clocks, element_clocks : clocks of a multiprocessor for a row of a norm, for an element of a long softmax row.
    - kept : share of the caches that keeps rows of norms for their second pass; again : reads of long softmax rows that
      miss the caches.

    Convolutions:

    - conv : efficiency of implicit GEMM; over it that of fused Winograd (winograd), of GEMMs between transforms
      (staged), of 1x1 (pointwise), of data gradients with stride (strided), of weight gradients (weight); conv_tensor :
      of tensor cores.
    - integers : instructions beside each FMA where the same lanes do both; conv_start : elements of k before a block
      works at full rate; cool : power over that of GEMMs.
    - transform, filters : traffic of transforms over the size of their result, for images and weights.

    Clock:

    - watts : energy of a lane and clock at 12 nm and above [nJ]; turbo, hold : clock over boost of consumer GPUs, of
      others; sustained : share of the boost clock held in fp32 GEMMs, 0: by :mod:`roofline.devices.gpu.power`.
    - rested : exponent of the clock after a rest; rest : seconds between measured calls [s], a property of a data set.
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
    rested: float = 0.066
    rest: float = 0.0

    @classmethod
    def of(cls, values: Mapping[str, float]) -> Parameters:
        """From the values of a calibration by name; unknown names, from a later version, are ignored."""
        known = {f.name for f in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})


def vector_engine(chip: Chip) -> Engine:
    """The first vector engine of a chip: its fp32 lanes."""
    return next(engine for engine in chip.engines if engine.kind == "vector")


def lanes(chip: Chip) -> float:
    """fp32 lanes of the whole chip: ``lanes = multiprocessors * FMA per clock`` [FMA/clock]."""
    engine = vector_engine(chip)
    return engine.count.value * engine.rates[parse_precision("fp32")].value
