"""What does a timed schedule contain, and what does a device model take and return?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from roofline.core.calibration import Calibration, FamilyFit
from roofline.core.chip import Chip
from roofline.core.labels import Labels
from roofline.core.parts import Parts
from roofline.core.prediction import Tier
from roofline.core.schedule import Schedule
from roofline.core.stack import Stack
from roofline.core.times import Times

Floats = NDArray[np.float64]

BORROWED_FACTOR = 2.0
"""Factor on the (logarithmic) width of an interval for an operator that was not measured, relative to its family. A
guess.
"""

SPARSE_FACTOR = 2.0
"""Half-width of the interval, as a factor, where a fit had too few measurements to estimate its error. A guess."""

WIDEN_PER_OCTAVE = 0.5
"""Relative growth of the (logarithmic) width of an interval for each octave outside the fitted shapes."""

WIDEST = 2.0
"""Largest such growth on GPUs: larger kernels fill a chip as well as the fitted ones. A guess."""


@dataclass(frozen=True)
class Timing:
    """Every kernel of a schedule, timed: seconds (low, middle, high) of all launches, resources, bound and tier.

    ``light`` is the speed-of-light bound; ``total`` is never below it. ``ceiling`` is the plain roofline. ``octaves``
    is the distance of a kernel from the fitted shapes, in octaves. Times are in seconds, shape (N,).
    """

    schedule: Schedule
    total: Floats
    low: Floats
    high: Floats
    resources: Mapping[str, Floats]
    bound: Labels
    tiers: Labels
    light: Floats
    ceiling: Floats
    octaves: Floats

    def part(self, schedule: Schedule, start: int) -> Timing:
        """The kernels of one program, ``timing[start : start + N]`` [s], of its ``schedule`` of N kernels."""
        mine = slice(start, start + len(schedule))
        return Timing(
            schedule,
            self.total[mine],
            self.low[mine],
            self.high[mine],
            {name: seconds[mine] for name, seconds in self.resources.items()},
            self.bound.select(mine),
            self.tiers.select(mine),
            self.light[mine],
            self.ceiling[mine],
            self.octaves[mine],
        )


@dataclass(frozen=True)
class Asked:
    """The question to a device model: how long does each kernel take on this chip, by this calibration?

    Parameters
    ----------
    plain : the same kernels by the plain roofline, one launch each.
    chip : the chip as the stack uses it.
    stack : software stack.
    calibration : fitted parameters, or None.
    parts : the programs that the kernels belong to, with their samples [1] and footprints [B].
    network : True if the kernels of a program run one after the other.
    host_dispatch : host time to launch an elementwise kernel [s], where it is known.
    """

    plain: Timing
    chip: Chip
    stack: Stack
    calibration: Calibration | None
    parts: Parts
    network: bool = False
    host_dispatch: float | None = None

    @property
    def schedule(self) -> Schedule:
        """The kernels of the question."""
        return self.plain.schedule

    @property
    def fitted(self) -> Calibration:
        """The calibration; a device model is asked only where there is one."""
        assert self.calibration is not None
        return self.calibration


@dataclass(frozen=True)
class Fitted:
    """The answer of a device model for every kernel: NaN in ``times`` where it has none; other fields as in
    :class:`Timing`.
    """

    times: Times
    tiers: Labels | Sequence[Tier]
    low: Floats
    high: Floats
    octaves: Floats
    light: Floats


def merged(plain: Timing, fit: Fitted) -> Timing:
    """Timing with the fitted kernels replaced: ``total = fitted where it is not NaN, else plain roofline`` [s].

    Parameters
    ----------
    plain : timing of N kernels by the plain roofline [s].
    fit : answer of the device model for the same kernels [s], NaN where it has none.
    """
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
        bound=Labels.where(known, fit.times.bound(), plain.bound),
        tiers=Labels.where(known, Labels.of(fit.tiers), "datasheet"),
        light=np.where(known, fit.light, plain.light),
        octaves=np.where(known, fit.octaves, 0.0),
    )


def octaves_outside(schedule: Schedule, fit: FamilyFit) -> Floats:
    """Distance of the operations and bytes of each kernel from the range of a fit, in doublings; 0 inside::

        octaves = max(0, log2(size / largest), log2(smallest / size)),   the larger of operations and bytes

    Parameters
    ----------
    schedule : N kernels: operations [FLOP] and bytes [B] of one launch.
    fit : the fit of a family, with its smallest and largest operations and bytes.

    Returns
    -------
    octaves : distance [1], shape (N,).
    """
    return distance(schedule.flops, schedule.bytes, fit)


def distance(flops: Floats, moved: Floats, fit: FamilyFit) -> Floats:
    """As :func:`octaves_outside` [1], of ``flops`` operations [FLOP] and ``moved`` bytes [B], shape (N,) each."""
    far = np.zeros(len(flops))
    for feature, values in (("flops", flops), ("bytes", moved)):
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
"""Operators that run the same code as another one; a measurement of one holds for the other."""


def of_operators(schedule: Schedule, operators: Sequence[str]) -> NDArray[np.bool_]:
    """Mask of the kernels of these operators, or of operators that run the same code (:data:`ALIKE`); shape (N,).

    Parameters
    ----------
    schedule : N kernels.
    operators : names of operators.
    """
    known = set(operators)
    seen = np.array([bool({name, ALIKE.get(name)} & known) for name in schedule.op_names], dtype=bool)
    return np.asarray(seen[schedule.op])
