"""What do published figures of whole networks say about the array model? Its constants and their uncertainty.

Fits are least squares of logarithms, with a weak pull of each constant towards its unfitted value::

    minimize sum (log(measured / predicted) / FLOOR)^2 + sum ((constant - start) / scale)^2
    range = constant -+ NORMAL * standard error,   standard error = sqrt(diag((J' J)^-1)) * spread / FLOOR

A residual counts as at least :data:`FLOOR`: the same network on the same silicon differs by that much between products.
Form: this project's own; evidence: docs/evidence-arrays.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from roofline import specs
from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.dtype import precision
from roofline.core.measurement import Measurement
from roofline.core.run import Run
from roofline.core.stack import Stack
from roofline.devices.array.parameters import FAMILY
from roofline.lowering.program import Program, make_program
from roofline.prediction.answers import time_programs
from roofline.prediction.input_pipeline import request_layer
from roofline.prediction.select import resolve_chip

FLOOR = 0.15
"""Least residual of a figure, as a logarithm."""
NORMAL = 1.645
"""Standard deviations on either side that contain 90 % of a normal distribution."""

Change = Callable[[Chip], Chip]
Pair = tuple[float, float]


@dataclass(frozen=True)
class Constants:
    """Which constants the figures of a stack determine: name -> (unfitted value, usual distance from it).

    Parameters
    ----------
    exact : constants that stay at their unfitted value, because a third constant improves nothing.
    """

    fitted: Mapping[str, Pair]
    exact: tuple[str, ...] = ()


USUAL = Constants({"efficiency": (1.0, 1.0), "request": (0.0, 1e-3)}, ("layer",))
STACKS = {"tensorflow": Constants({"layer": (0.0, 2e-6)}, ("efficiency",))}
"""By framework, where it differs from :data:`USUAL`: the figures of a TPU v1 consist of matrix multiplications only."""
LEAST = {"efficiency": 0.05, "request": 0.0, "layer": 0.0}
"""Lower bound of each constant."""


@dataclass(frozen=True)
class Found:
    """Fitted constants, the range of each, and the residual of every figure: log(measured / predicted)."""

    values: Mapping[str, float]
    ranges: Mapping[str, Pair]
    left: tuple[float, ...]

    @property
    def spread(self) -> float:
        """Standard deviation of the residuals: ``max(FLOOR, sqrt(sum of residual^2 / (figures - constants)))`` [1]."""
        freedom = max(1, len(self.left) - len(self.values))
        return max(FLOOR, float(np.sqrt(np.sum(np.square(self.left)) / freedom)))


def constants_of(rows: Sequence[Measurement]) -> Constants:
    """Which constants these figures determine, by their framework."""
    return STACKS.get(rows[0].stack.framework, USUAL)


def with_values(base: Calibration, **values: float) -> Calibration:
    """A calibration with other constants."""
    family = base.families[FAMILY]
    return replace(base, families={FAMILY: replace(family, parameters={**family.parameters, **values})})


@cache
def program_of(network: str, symbols: tuple[tuple[str, int], ...], dtype: str) -> Program:
    """A network, bound and lowered once."""
    known = specs.load_network(network)
    return make_program(known, bind=dict(symbols), precision=precision(dtype), stack=Stack(), run=Run(), cuda=False)


def seconds(row: Measurement, calibration: Calibration | None, change: Change = lambda chip: chip) -> float:
    """Predicted seconds of a figure [s] on the chip as ``change`` returns it: kernels plus request; by the plain
    roofline if ``calibration`` is None.
    """
    chip = change(resolve_chip(row.chip))
    program = program_of(row.network, tuple(sorted(row.symbols.items())), row.dtype)
    total = float(time_programs([program], chip, row.stack, calibration)[0].total.sum())
    waits = request_layer(chip, calibration, row.stack)
    return total + (waits.seconds.middle if waits else 0.0)


def errors(
    rows: Sequence[Measurement], calibration: Calibration | None, change: Change = lambda chip: chip
) -> list[float]:
    """``log(measured / predicted)`` of every figure [1].

    Parameters
    ----------
    rows : the figures.
    calibration : the constants, or None for the plain roofline.
    change : changes the chip.
    """
    return [float(np.log(row.seconds / seconds(row, calibration, change))) for row in rows]


def fitted(rows: Sequence[Measurement], change: Change = lambda chip: chip) -> Found:
    """The constants that figures of one stack give, with ranges; see the module for the equation.

    Parameters
    ----------
    rows : the figures [s].
    change : changes the chip.

    Returns
    -------
    found : constants in their own units: efficiency [1], layer and request [s].
    """
    from scipy.optimize import least_squares

    wanted, base = constants_of(rows).fitted, specs.load_unfitted()

    def values(point: np.ndarray[tuple[int], np.dtype[np.float64]]) -> dict[str, float]:
        return {
            key: float(max(LEAST[key], start + scale * step))
            for (key, (start, scale)), step in zip(wanted.items(), point, strict=True)
        }

    def residuals(point: np.ndarray[tuple[int], np.dtype[np.float64]]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        left = np.array(errors(rows, with_values(base, **values(point)), change)) / FLOOR
        return np.concatenate([left, point])

    start = np.full(len(wanted), 0.3) * [-1 if key == "efficiency" else 1 for key in wanted]
    found = least_squares(residuals, start, diff_step=[0.02] * len(wanted))
    best = Found(values(found.x), {}, tuple(float(one) for one in residuals(found.x)[: len(rows)] * FLOOR))
    slopes = np.asarray(found.jac, dtype=np.float64)
    covariance = np.linalg.inv(slopes.T @ slopes) * (best.spread / FLOOR) ** 2
    reach = NORMAL * np.sqrt(np.diag(covariance))
    low, high = values(found.x - reach), values(found.x + reach)
    ranges = {key: (low[key], min(high[key], 1.0) if key == "efficiency" else high[key]) for key in wanted}
    return replace(best, ranges=ranges)


def operators_of(rows: Sequence[Measurement]) -> list[str]:
    """The operators of the fitted networks."""
    found: set[str] = set()
    for row in rows:
        found.update(program_of(row.network, tuple(sorted(row.symbols.items())), row.dtype).schedule.op_names)
    return sorted(found)
