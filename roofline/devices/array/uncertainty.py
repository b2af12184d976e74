"""How uncertain is the array model? Its times at the constants, and at the ends of the range of each constant.

Every constant and every unpublished figure is moved to its fastest and to its slowest value, one at a time. The
logarithms of the changes add in squares, with the residual of the fit::

    high = time * exp(sqrt(residual^2 + sum of log(slowest / time)^2)),   low likewise    [s]

A chip that uses the constants of another chip of its stack has twice that residual. Form: this project's own; evidence:
docs/evidence-arrays.md.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.parts import Parts
from roofline.core.schedule import Schedule
from roofline.core.times import Times
from roofline.devices.array.model import array_times, moved_bytes, vector_engine
from roofline.devices.array.parameters import FAMILY, Parameters
from roofline.devices.ceiling import on_chip_capacity

Floats = NDArray[np.float64]

BORROWED = 2.0
"""Factor on the (logarithmic) residual of a fit on another chip of its stack. A guess."""


def timed(
    schedule: Schedule,
    chip: Chip,
    calibration: Calibration,
    *,
    light: Floats,
    unseen: NDArray[np.bool_],
    parts: Parts,
    network: bool = True,
    serving: str = "throughput",
) -> tuple[Times, Floats, Floats]:
    """Times of every kernel, with the ends of its interval; see the module for the equation.

    Parameters
    ----------
    schedule : N kernels.
    chip : the chip.
    calibration : with constants and their ranges.
    light : speed-of-light bound of each kernel [s], shape (N,). A kernel that the model puts below it takes that bound,
        and its upper end is as far above the bound as above the model's time.
    unseen : mask of operators in no fitted network, shape (N,); as uncertain as on another chip of the stack.
    parts : the programs that the kernels belong to.
    network, serving : as for :func:`.array.model.array_times`.

    Returns
    -------
    times, low, high : [s], shape (N,) each.
    """
    parameters = Parameters.of(calibration)
    how: dict[str, Any] = {"parts": parts, "network": network}
    moved = None if serving == "sharded" else moved_bytes(schedule, chip, parameters, **how)
    middle = array_times(schedule, chip, parameters, serving=serving, moved=moved, **how)
    quantiles = calibration.families[FAMILY].quantiles
    left = np.where(unseen | (tier_of(calibration, chip) == "borrowed"), BORROWED, 1.0)
    faster = (left * min(quantiles.get("0.05", 0.0), 0.0)) ** 2
    slower = (left * max(quantiles.get("0.95", 0.0), 0.0)) ** 2
    for fast, slow in parameters.varied(*_unsure(chip)):
        for part, end in ((faster, fast), (slower, slow)):
            same = moved if end.sram == parameters.sram else None
            other = array_times(schedule, chip, end, serving=serving, moved=same, **how)
            part += np.log(_ratio(other.total, middle.total, schedule, parts if network else None)) ** 2
    floored = np.maximum(middle.total, light)
    return middle, middle.total * np.exp(-np.sqrt(faster)), floored * np.exp(np.sqrt(slower))


def _ratio(these: Floats, those: Floats, schedule: Schedule, parts: Parts | None) -> Floats:
    """Ratio of two times, of a network as a whole, since its kernels share a compiler and a memory; 1 if both are 0."""
    if parts:
        known = ~np.isnan(those)
        sums = [parts.sums(np.where(known, seconds * schedule.repeats, 0.0)) for seconds in (these, those)]
        return np.where(sums[1] > 0, sums[0] / np.where(sums[1] > 0, sums[1], 1.0), 1.0)[parts.index]
    return np.where(those > 0, np.maximum(these, 1e-15) / np.maximum(those, 1e-15), 1.0)


def _unsure(chip: Chip) -> tuple[str, ...]:
    """The constants that matter on this chip; published figures are exact."""
    names = ["efficiency", "layer", "collective"]
    if chip.dram.shared_with:
        names.append("share")
    if np.isinf(on_chip_capacity(chip)):
        names.append("sram")
    engine = vector_engine(chip)
    if engine and max(engine.rates.values(), key=lambda fact: fact.value).status == "unverified":
        names.append("vector")
    return tuple(names)


def tier_of(calibration: Calibration, chip: Chip) -> Literal["calibrated", "borrowed", "datasheet"]:
    """The evidence behind the constants: figures of this chip, of another chip of its stack, or none."""
    if not calibration.families[FAMILY].points:
        return "datasheet"
    return "calibrated" if calibration.chip == chip.name else "borrowed"


def request_seconds(calibration: Calibration) -> tuple[float, float, float]:
    """Seconds of a request alone beside its kernels: ``low = min(range, value)``, value, ``high = max(range, value)``
    [s].
    """
    parameters = Parameters.of(calibration)
    low, high = parameters.ranges.get("request", (parameters.request, parameters.request))
    return min(low, parameters.request), parameters.request, max(high, parameters.request)
