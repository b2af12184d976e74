"""What clock does a GPU hold while its lanes multiply, and how much faster is it after a rest?

A card runs at the highest clock at which its lanes draw no more than the power limit:

    share = min(ceiling, power / (energy * lanes * boost clock))                 of the boost clock
    energy = watts * 1 nJ * (min(process, 12 nm) / 12 nm)^1.5                          [J per lane and clock]

In a program that also does other things the limit is on the mean: kernels that wait for memory draw about half as
much, so its products run at ``share / activity``, up to the ceiling.

12 and 16 nm are one family of processes, and older cards (28 nm: GTX 980, Titan X) are known not to be capped. The
ceiling is ``turbo`` for consumer cards, which go above their sheet, and ``hold`` for others. The power is a mean
over a while, so a card that rests between short calls clocks higher in them:

    clock = min(top, share * (1 + rest / busy)^rested)

Programs do not rest; only some sets of measured kernels do (NeuSight sets up every shape anew: about 10 ms a call).

Evidence, fp32 products: T4 holds 0.40 of its boost in NeuSight and 0.55 in DeepBench, P4 0.6 to 0.7, V100 0.93: 32 to
42 pJ a lane and clock, all of 12 or 16 nm. P100 and Titan X are not capped. A100 holds 0.88, which the rule
does not explain (it says ``hold``); below 12 nm the exponent rests on consumer cards known to reach their sheet.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from roofline.core.chip import Chip
from roofline.devices.gpu.parameters import Parameters, lanes, vector_engine

Floats = NDArray[np.float64]

SAME_NODE_NM = 12.0
"""Older processes than this count like it."""

SHRINK = 1.5
"""Exponent of the energy of a lane over the process: capacity falls with it, and voltage a little. Unverified."""


OTHERS = 0.5
"""Power of kernels that wait for memory over that of products. Unverified: of the size that HBM and GDDR draw."""


def sustained_share(chip: Chip, parameters: Parameters) -> float:
    """What of its boost clock a card holds in fp32 products of a program whose mean power is ``activity`` of theirs.

    A calibrated share comes first, then a sustained clock of the chip's file, then the rule of this module.
    """
    clock, most = vector_engine(chip).clock, ceiling(chip, parameters)
    if parameters.sustained:
        share = parameters.sustained
    elif clock.sustained is not None:
        share = clock.sustained.value / clock.hz()
    elif chip.power is None or chip.process_nm is None:
        share = most
    else:
        energy = parameters.watts * 1e-9 * (min(chip.process_nm.value, SAME_NODE_NM) / SAME_NODE_NM) ** SHRINK
        share = min(most, chip.power.value / (energy * lanes(chip) * clock.hz()))
    return float(max(share, min(most, share / parameters.activity)))


def ceiling(chip: Chip, parameters: Parameters) -> float:
    """The share of its boost clock that a card holds where power is no limit."""
    clock = vector_engine(chip).clock
    return parameters.turbo if clock.hz("top") > clock.hz() else parameters.hold


def activity(products_s: float, total_s: float) -> float:
    """Mean power of a program over that of products alone, from the seconds of both."""
    return (products_s + OTHERS * (total_s - products_s)) / total_s if total_s > 0.0 else 1.0


def top_share(chip: Chip, parameters: Parameters) -> float:
    """What of its boost clock a card reaches in a short call after a rest."""
    clock = vector_engine(chip).clock
    return parameters.turbo if clock.hz("top") > clock.hz() else 1.0


def after_rest(busy: Floats, headroom: float, parameters: Parameters) -> Floats:
    """How many times its sustained clock a card runs at in calls of ``busy`` seconds, each after a rest."""
    faster = (1.0 + parameters.rest / np.maximum(busy, 1e-9)) ** parameters.rested
    return np.clip(faster, 1.0, max(headroom, 1.0))
