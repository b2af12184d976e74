"""How long does each kernel of a schedule take, how uncertain is that time, and which resource bounds it?

A calibration of this chip or of other chips gives the time where it covers the kernel; the plain roofline gives the
rest. No time is below the speed-of-light bound. The fitted models belong to the device kinds
(:mod:`roofline.devices.kinds`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.labels import Labels
from roofline.core.parts import Parts
from roofline.core.schedule import Schedule
from roofline.core.stack import Stack
from roofline.devices import ceiling
from roofline.devices.kinds import model_of
from roofline.devices.timed import Asked, Floats, Timing, merged
from roofline.errors import Unsupported

UNKNOWN_RANGE = (1.0, 7.0)
"""Interval of an uncalibrated time, as factors on the plain roofline, where no measurements exist. A guess."""


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
    """Time every kernel of one program, by :func:`time_parts` [s].

    Parameters
    ----------
    schedule : N kernels.
    pieces : number of pieces the batch may be split into [1].
    footprint : bytes the program keeps in memory [B].
    chip, stack, calibration, spread, network, host_dispatch : as for :func:`time_parts`.
    """
    parts = Parts.one(len(schedule), pieces, footprint)
    return time_parts(
        schedule,
        parts,
        chip,
        stack=stack,
        calibration=calibration,
        spread=spread,
        network=network,
        host_dispatch=host_dispatch,
    )


def time_parts(
    schedule: Schedule,
    parts: Parts,
    chip: Chip,
    *,
    stack: Stack | None = None,
    calibration: Calibration | None = None,
    spread: Calibration | None = None,
    network: bool = False,
    host_dispatch: float | None = None,
) -> Timing:
    """Time every kernel: by the device model where the calibration covers it, else by the plain roofline::

        time = max(fitted or plain roofline, speed-of-light bound) * repeats + waits of the device kind    [s]

    Parameters
    ----------
    schedule : N kernels.
    parts : the programs that they belong to, with the number of pieces that a batch may be split into [1] and the bytes
        that each keeps in memory [B]. All see one DRAM bandwidth, see :func:`.ceiling.dram_bandwidth`.
    chip : the chip.
    stack : software stack; the default stack if None.
    calibration : fitted parameters of the device model, or None.
    spread : quantiles of log(measured / plain roofline), by operator family.
    network : True if the kernels of a program run one after the other and wait for the host that launches them.
    host_dispatch : host time to launch an elementwise kernel [s], where it is known.

    Returns
    -------
    timing : seconds of all launches (low, middle, high) [s], resources, bound and tier, shape (N,) each.

    Raises
    ------
    Unsupported : the calibration is of another kind of device.
    """
    stack, model = stack or Stack(), model_of(chip)
    if calibration is not None and calibration.model != model.name:
        raise Unsupported(
            f"a calibration of the {calibration.model!r} model of {calibration.chip} "
            f"does not apply to {chip.name}, {model.noun}"
        )
    part = ceiling.at_footprint(model.part(chip, stack), float(parts.footprint.max(initial=0.0)))
    plain = ceiling.ceiling_times(schedule, part, parts)
    low, high = _datasheet_range(schedule, plain.total, spread)
    timing = Timing(
        schedule,
        plain.total,
        low,
        high,
        dict(plain.resources),
        plain.bound(),
        Labels.all("datasheet", len(schedule)),
        ceiling.light(schedule, part, parts),
        plain.total,
        np.zeros(len(schedule)),
    )
    asked = Asked(timing, part, stack, calibration, parts, network, host_dispatch)
    if calibration is not None:
        timing = merged(timing, model.times(asked))
    total = np.maximum(timing.total, timing.light)
    low, high = np.clip(timing.low, timing.light, total), np.maximum(timing.high, total)
    return model.launched(_all_launches(replace(timing, total=total, low=low, high=high)), asked)


def _all_launches(timing: Timing) -> Timing:
    """Seconds of one launch times the number of launches."""
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
    """Interval around the plain roofline: the quantiles of ``spread`` by family, else :data:`UNKNOWN_RANGE`."""
    low, high = total * UNKNOWN_RANGE[0], total * UNKNOWN_RANGE[1]
    for family, fit in spread.families.items() if spread else ():
        mine = schedule.in_family(family)
        low[mine] = total[mine] * np.exp(fit.quantiles["0.05"])
        high[mine] = total[mine] * np.exp(fit.quantiles["0.95"])
    return low, high
