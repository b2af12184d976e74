"""How far off are predictions of fused attention? Errors of its own family, where a calibration has none.

Measured on aiconfigurator's tables (ai-dynamo/aiconfigurator @ 095f58a): vLLM 0.14 with FlashAttention-2 on an
A100-SXM4-80GB, vLLM 0.24 with FlashAttention-3 and -4 on an H200, both with paged caches.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from roofline.core.attention import value_width
from roofline.core.calibration import FamilyFit
from roofline.core.chip import Chip
from roofline.core.schedule import PHASES, Schedule
from roofline.core.stack import Stack
from roofline.devices.gpu.attention_kernels import KERNELS, chosen

Floats = NDArray[np.float64]

RANGE = {"flops": (256.0, 3.52e13), "bytes": (768.0, 6.45e9)}
"""Operations [FLOP] and bytes [B] of the measured calls."""
MEASURED = {"a100-sxm-80gb": ("flash-2",), "h200-sxm": ("flash-3", "flash-4")}
"""Kernels that were measured, by card."""
OWN = FamilyFit(
    {}, {}, {"0.05": -0.155, "0.25": -0.052, "0.5": 0.002, "0.75": 0.081, "0.95": 0.328}, 20730, RANGE, 0.063, 0.226
)
"""Errors on the measured cards (studies/attention.py); 2,670 calls that no fit has seen are covered 89 %."""
TRANSFERRED = FamilyFit(
    {}, {}, {"0.05": -0.342, "0.25": -0.097, "0.5": 0.056, "0.75": 0.228, "0.95": 0.467}, 20730, RANGE, 0.153, 0.383
)
"""Errors with each of the two cards, and the kernel that only it runs, left out of the fit."""
UNMEASURED = 1.5
"""Factor on the (logarithmic) width for backward kernels, caches without pages and other kernels. A guess."""


def measured(schedule: Schedule, chip: Chip, stack: Stack) -> NDArray[np.bool_]:
    """Mask of the attentions whose kernel was measured on this card, shape (N,).

    Parameters
    ----------
    schedule : N attentions.
    chip : the GPU.
    stack : software stack.
    """
    return _kernels_of(schedule, chip, stack, MEASURED.get(chip.name, ()))


def similar(schedule: Schedule, chip: Chip, stack: Stack) -> NDArray[np.bool_]:
    """Mask of the attentions whose kernel was measured on some card, shape (N,).

    Parameters
    ----------
    schedule : N attentions.
    chip : the GPU.
    stack : software stack.
    """
    return _kernels_of(schedule, chip, stack, tuple(name for names in MEASURED.values() for name in names))


def _kernels_of(schedule: Schedule, chip: Chip, stack: Stack, names: tuple[str, ...]) -> NDArray[np.bool_]:
    known = np.array([kernel.name in names for kernel in KERNELS])
    which = chosen(schedule, value_width(schedule), chip.architecture, schedule.itemsize, stack)
    here = known[which] & (schedule.phase == PHASES.index("forward")) & (stack.kv_cache == "paged")
    return np.asarray(here)


def interval(schedule: Schedule, total: Floats, chip: Chip, stack: Stack, octaves: Floats) -> tuple[Floats, Floats]:
    """Interval of every attention::

        low, high = total * exp(quantile * width)    [s],   width = 1, UNMEASURED where no such kernel was measured

    Parameters
    ----------
    schedule : N attentions.
    total : predicted seconds [s], shape (N,).
    chip : the GPU.
    stack : software stack.
    octaves : growth of the width outside the measured calls [1], shape (N,).

    Returns
    -------
    low, high : [s], shape (N,) each.
    """
    own = measured(schedule, chip, stack)
    wide = np.where(similar(schedule, chip, stack), 1.0, UNMEASURED) * octaves
    ends = [np.where(own, OWN.quantiles[level], TRANSFERRED.quantiles[level]) * wide for level in ("0.05", "0.95")]
    low, high = (total * np.exp(end) for end in ends)
    return low, high
