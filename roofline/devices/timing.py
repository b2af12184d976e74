"""How long does every kernel of a schedule take, how sure is that, and what bounds it?

By a fit of this chip or of others where one covers the kernel, by the plain roofline elsewhere; never
faster than the speed of light. What the fit says is the device kind's own (:mod:`roofline.devices.kinds`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.schedule import Schedule
from roofline.core.stack import Stack
from roofline.devices import ceiling
from roofline.devices.kinds import model_of
from roofline.devices.timed import Asked, Floats, Timing, merged
from roofline.errors import Unsupported

UNKNOWN_RANGE = (1.0, 7.0)
"""Range of an uncalibrated time around the plain roofline where no measured rows tell: a guess."""


def time_schedule(
    schedule: Schedule,
    chip: Chip,
    *,
    stack: Stack | None = None,
    calibration: Calibration | None = None,
    spread: Calibration | None = None,
    network: bool = False,
    pieces: int = 1,
    footprint: float = 0.0,
    host_dispatch: float | None = None,
) -> Timing:
    """Time every kernel: calibrated where a fit covers it, the plain roofline elsewhere, never below light.

    spread : how far measured kernels of such a chip lie above the plain roofline, by operator family.
    network : the kernels run one after the other, and where a host launches them they wait for it.
    pieces : samples a batch may be worked through by. footprint : bytes the network keeps in memory.
    host_dispatch : seconds of the host for an elementwise kernel, where they are known.

    Raises
    ------
    Unsupported : the calibration is of another kind of device.
    """
    stack, model = stack or Stack(), model_of(chip)
    if calibration is not None and calibration.model != model.name:
        raise Unsupported(
            f"a calibration of the {calibration.model!r} model of {calibration.chip} "
            f"does not describe {chip.name}, {model.noun}"
        )
    part = model.part(chip, stack)
    plain = ceiling.ceiling_times(schedule, part, pieces=pieces, footprint=footprint)
    low, high = _datasheet_range(schedule, plain.total, spread)
    timing = Timing(
        schedule,
        plain.total,
        low,
        high,
        dict(plain.resources),
        plain.bound(),
        ["datasheet"] * len(schedule),
        ceiling.light(schedule, part, pieces=pieces),
        plain.total,
        np.zeros(len(schedule)),
    )
    here = ceiling.at_footprint(part, footprint)
    asked = Asked(timing, here, stack, calibration, pieces, footprint, network, host_dispatch)
    if calibration is not None:
        timing = merged(timing, model.times(asked))
    total = np.maximum(timing.total, timing.light)
    low, high = np.clip(timing.low, timing.light, total), np.maximum(timing.high, total)
    return model.launched(_all_launches(replace(timing, total=total, low=low, high=high)), asked)


def _all_launches(timing: Timing) -> Timing:
    """Seconds of one launch times the launches of each row."""
    times = timing.schedule.repeats
    return replace(
        timing,
        total=timing.total * times,
        low=timing.low * times,
        high=timing.high * times,
        light=timing.light * times,
        ceiling=timing.ceiling * times,
        resources={name: values * times for name, values in timing.resources.items()},
    )


def _datasheet_range(schedule: Schedule, total: Floats, spread: Calibration | None) -> tuple[Floats, Floats]:
    """Where measured kernels lie above the plain roofline: by family where measurements tell, else a wide guess."""
    low, high = total * UNKNOWN_RANGE[0], total * UNKNOWN_RANGE[1]
    for family, fit in spread.families.items() if spread else ():
        mine = schedule.in_family(family)
        low[mine] = total[mine] * np.exp(fit.quantiles["0.05"])
        high[mine] = total[mine] * np.exp(fit.quantiles["0.95"])
    return low, high
