"""How is each kind of device fitted to measurements? One table, by the name of the device model.

The counterpart of :mod:`roofline.devices.kinds`: a :class:`Fitting` for each
:class:`~roofline.devices.kinds.DeviceModel` that is fitted to measurements. Another installed package adds one through
the entry point group ``roofline.fittings``. A kind without a fitting is refused by ``calibrate`` and predicted without.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from roofline.calibration.array import calibrate as array
from roofline.calibration.cpu import calibrate as cpu
from roofline.calibration.gpu import calibrate as gpu
from roofline.calibration.gpu.leave_out import score_left_out
from roofline.calibration.left_out import LeaveOut
from roofline.core import plugins
from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.measurement import Measurement
from roofline.errors import Unsupported

GROUP = "roofline.fittings"
HeldOut = Mapping[str, tuple[float, float, float]]
"""Key of a measurement -> seconds (middle, low, high) by a fit that did not see it [s]."""


@dataclass(frozen=True)
class Fitting:
    """How one kind of device is fitted.

    Parameters
    ----------
    calibrate : (measurements, chip, dtype, alone, description of the measurements) -> the chip's own calibration.
        ``alone`` uses no parameters of other chips.
    place : where ``predict`` finds a calibration, under ``hw_specs/calibrations``.
    architecture : the same for all chips of an architecture, or of the kind (``any``): (measurements, name, chips by
        name, description); None if not supported.
    held_out : predictions of the fitted measurements by fits that did not see them; None if nothing is held out.
    seen : the word for what those fits saw.
    leave_out : scores each chip left out, where chips share parameters; None where they do not.
    """

    calibrate: Callable[[Sequence[Measurement], Chip, str, bool, Mapping[str, Any]], Calibration]
    place: Callable[[Calibration], PurePosixPath]
    architecture: Callable[[Sequence[Measurement], str, Mapping[str, Chip], Mapping[str, Any]], Calibration] | None = (
        None
    )
    held_out: Callable[[Sequence[Measurement], Chip, Calibration], HeldOut] | None = None
    seen: str = ""
    leave_out: LeaveOut | None = None


FITTINGS: dict[str, Fitting] = {
    "cpu": Fitting(cpu.calibrate_rows, cpu.place, held_out=cpu.held_out, seen="shape group"),
    "gpu": Fitting(
        gpu.calibrate_rows,
        gpu.place,
        gpu.calibrate_rows_of,
        held_out=gpu.held_out,
        seen="half of the calls seen",
        leave_out=score_left_out,
    ),
    "array": Fitting(array.calibrate_rows, array.place, array.calibrate_rows_of),
}
"""The fits that ship, by the name of the device model."""


def fitting_of(kind: str) -> Fitting:
    """How a kind of device is fitted.

    Raises
    ------
    Unsupported : the kind has no fitting.
    UsageError : an installed package provides something else under that name.
    """
    found = known_fitting(kind)
    if found is None:
        raise Unsupported(f"the model of kind {kind!r} cannot be fitted to measurements")
    return found


def known_fitting(kind: str) -> Fitting | None:
    """As :func:`fitting_of`; None where the kind has no fitting."""
    if kind in FITTINGS:
        return FITTINGS[kind]
    found = plugins.named(GROUP, kind)
    if found is None:
        return None
    if not isinstance(found, Fitting):
        raise plugins.wrong(GROUP, kind, f"is not a Fitting, but {found!r}")
    FITTINGS[kind] = found
    return found
