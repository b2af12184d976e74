"""What clock does a GPU hold during fp32 GEMMs, and how much higher is it after a rest?

A GPU runs at the highest clock at which its lanes draw no more than the power limit::

    share  = min(ceiling, power / (energy * lanes * boost clock))           share of the boost clock    [1]
    energy = watts * 1 nJ * (min(process, 12 nm) / 12 nm)^1.5               per lane and clock          [J]

The limit is on the mean power of a program. Kernels that wait for memory draw about half as much, so in a network the
GEMMs run at ``share / activity``, up to the ceiling. The ceiling is ``turbo`` for consumer GPUs, which exceed the boost
clock of their spec sheet, and ``hold`` for others. The power is a mean over time, so short calls after a rest run at a
higher clock::

    clock = min(top, share * (1 + rest / busy)^rested)

Only some measurements have rests between calls: NeuSight prepares every shape anew, about 10 ms a call.

Form: this project's own. Evidence, fp32 GEMMs: a T4 holds 0.40 of its boost clock in NeuSight and 0.55 in DeepBench, a
P4 0.80 to 0.87, a V100 0.93: 32 to 42 pJ per lane and clock, all at 12 or 16 nm, which count as one process. P100 and
Titan X are not limited by power, nor are older GPUs of 28 nm (GTX 980). An A100 holds 0.88, which the rule does not
explain (it gives ``hold``). Below 12 nm the exponent rests on consumer GPUs known to reach their spec sheet.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from roofline.core.chip import Chip
from roofline.devices.gpu.parameters import Parameters, lanes, vector_engine

Floats = NDArray[np.float64]

SAME_NODE_NM = 12.0
"""Process [nm] from which on the energy of a lane is taken as constant."""

SHRINK = 1.5
"""Exponent of the energy of a lane over the process: capacitance falls with it, and voltage a little. Unverified."""


OTHERS = 0.5
"""Power of memory-bound kernels over that of GEMMs. Unverified: about what HBM and GDDR draw."""


def sustained_share(chip: Chip, parameters: Parameters, activity: float | Floats = 1.0) -> Floats:
    """Share of the boost clock that a GPU holds in fp32 GEMMs; see the module for the equation::

        share = max(s, min(ceiling, s / activity))    [1]

    ``s`` is the first of these that is known: the calibrated ``sustained``, the sustained clock of the chip file over
    the boost clock, and the power rule.

    Parameters
    ----------
    chip : the GPU: power [W], process [nm], lanes [1], clocks [Hz].
    parameters : fitted parameters.
    activity : mean power of the program over that of its GEMMs [1], one or shape (N,); see :func:`activity_of`.

    Returns
    -------
    share : [1], of the shape of ``activity``.
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
    return np.maximum(share, np.minimum(most, share / np.asarray(activity)))


def ceiling(chip: Chip, parameters: Parameters) -> float:
    """Share of the boost clock where power is no limit [1]: ``ceiling = turbo`` if top clock > boost clock, else
    ``hold``.

    Parameters
    ----------
    chip : the GPU.
    parameters : fitted parameters.
    """
    clock = vector_engine(chip).clock
    return parameters.turbo if clock.hz("top") > clock.hz() else parameters.hold


def activity_of(products_s: Floats, total_s: Floats) -> Floats:
    """Mean power of a program over that of its GEMMs alone::

        activity = (GEMMs + OTHERS * (total - GEMMs)) / total    [1]

    Parameters
    ----------
    products_s : seconds of the GEMMs of P programs [s], shape (P,).
    total_s : seconds of the programs [s], shape (P,).

    Returns
    -------
    activity : [1], shape (P,).
    """
    mean = (products_s + OTHERS * (total_s - products_s)) / np.maximum(total_s, 1e-300)
    return np.where(total_s > 0.0, mean, 1.0)


def top_share(chip: Chip, parameters: Parameters) -> float:
    """Share of the boost clock in a short call after a rest [1]: ``top = turbo`` if top clock > boost clock, else 1.

    Parameters
    ----------
    chip : the GPU.
    parameters : fitted parameters.
    """
    clock = vector_engine(chip).clock
    return parameters.turbo if clock.hz("top") > clock.hz() else 1.0


def after_rest(busy: Floats, headroom: float | Floats, parameters: Parameters) -> Floats:
    """Clock over the sustained clock in calls of ``busy`` seconds, each after a rest::

        factor = min(max(headroom, 1), (1 + rest / busy)^rested)    [1], at least 1

    Parameters
    ----------
    busy : seconds of a call [s], shape (N,).
    headroom : highest clock over the sustained clock [1].
    parameters : fitted parameters: ``rest`` [s], ``rested`` [1].
    """
    faster = (1.0 + parameters.rest / np.maximum(busy, 1e-9)) ** parameters.rested
    return np.clip(faster, 1.0, np.maximum(headroom, 1.0))
