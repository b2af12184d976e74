"""What does a timed schedule look like, and what does a device model give and get?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from roofline.core.calibration import Calibration, FamilyFit
from roofline.core.chip import Chip
from roofline.core.prediction import Tier
from roofline.core.schedule import Schedule
from roofline.core.stack import Stack
from roofline.core.times import Times

Floats = NDArray[np.float64]

BORROWED_FACTOR = 2.0
"""The interval of an operator that no measurement was about is so many times as wide (in logarithms) as that of its
family's fit: a guess."""

SPARSE_FACTOR = 2.0
"""Either way around a fit that had too few measurements to tell how far it is off: a guess."""

WIDEN_PER_OCTAVE = 0.5
"""An interval grows by this share of its (logarithmic) width per octave outside the fitted shapes."""

WIDEST = 2.0
"""Of GPUs at most this many times: larger kernels fill a chip as well as those that were fitted. A guess."""


@dataclass(frozen=True)
class Timing:
    """Every row of a schedule, timed: seconds (low, middle, high) of all its launches, resources, tier.

    ``light`` is the speed-of-light bound, which no kernel can beat; ``total`` is never below it. ``octaves`` says how
    far outside the fitted shapes a kernel lies.
    """

    schedule: Schedule
    total: Floats
    low: Floats
    high: Floats
    resources: Mapping[str, Floats]
    bound: list[str]
    tiers: list[Tier]
    light: Floats
    ceiling: Floats
    octaves: Floats


@dataclass(frozen=True)
class Asked:
    """What a device model is asked: how long do these kernels take here, by this calibration?

    plain : the same kernels by the plain roofline (one launch each). chip : as the stack uses it.
    samples : that a batch may be worked through by. footprint : bytes that the network keeps in memory.
    network : the kernels run one after the other. host_dispatch : seconds of the host for an elementwise kernel, where
        they are known.
    """

    plain: Timing
    chip: Chip
    stack: Stack
    calibration: Calibration | None
    samples: int = 1
    footprint: float = 0.0
    network: bool = False
    host_dispatch: float | None = None

    @property
    def schedule(self) -> Schedule:
        return self.plain.schedule

    @property
    def fitted(self) -> Calibration:
        """The calibration, where a device model is asked by one."""
        assert self.calibration is not None
        return self.calibration


@dataclass(frozen=True)
class Fitted:
    """What a device model says of every kernel: NaN in ``times`` where nothing; the rest as in :class:`Timing`."""

    times: Times
    tiers: list[Tier]
    low: Floats
    high: Floats
    octaves: Floats
    light: Floats


def merged(plain: Timing, fit: Fitted) -> Timing:
    """The fitted rows where there are, the plain roofline elsewhere."""
    known = ~np.isnan(fit.times.total)
    resources = {name: np.where(known, 0.0, values) for name, values in plain.resources.items()}
    for name, values in fit.times.resources.items():
        resources[name] = np.where(known, values, resources.get(name, 0.0))
    return replace(
        plain,
        total=np.where(known, fit.times.total, plain.total),
        low=np.where(known, fit.low, plain.low),
        high=np.where(known, fit.high, plain.high),
        resources=resources,
        bound=[new if ok else old for new, old, ok in zip(fit.times.bound(), plain.bound, known, strict=True)],
        tiers=[tier if ok else "datasheet" for ok, tier in zip(known, fit.tiers, strict=True)],
        light=np.where(known, fit.light, plain.light),
        octaves=np.where(known, fit.octaves, 0.0),
    )


def octaves_outside(schedule: Schedule, fit: FamilyFit) -> Floats:
    """How many doublings a kernel's operations or bytes lie outside the range of a fit; 0 inside."""
    far = np.zeros(len(schedule))
    for feature, values in (("flops", schedule.flops), ("bytes", schedule.bytes)):
        if feature in fit.range:
            smallest, largest = (max(edge, 1.0) for edge in fit.range[feature])
            size = np.maximum(values, 1.0)
            far = np.maximum(far, np.maximum(np.log2(size / largest), np.log2(smallest / size)))
    return far


ALIKE = {
    "add_gradients": "add",
    "bias_backward": "sum_backward",
    "matmul_backward": "matmul",
    "mul_backward": "mul",
    "scale_backward": "scale",
    "scale": "mul",
}
"""Kernels that run the same code as another operator: what was measured of one holds for the other."""


def of_operators(schedule: Schedule, operators: Sequence[str]) -> NDArray[np.bool_]:
    """Which kernels are of these operators, or run the same code as one of them (:data:`ALIKE`)."""
    known = set(operators)
    seen = np.array([bool({name, ALIKE.get(name)} & known) for name in schedule.op_names], dtype=bool)
    return np.asarray(seen[schedule.op])
