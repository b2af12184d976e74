"""What does a prediction rest on? The chip, the calibration that describes it, what other chips lend.

The one place that looks files up for a prediction; what times kernels is handed what is found here.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from roofline import specs
from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.dtype import Precision
from roofline.core.stack import Stack
from roofline.devices.kinds import KINDS, model_of
from roofline.errors import UsageError

Lends = Callable[[Calibration], bool]
"""Whether a measured machine lends its numbers here."""


def resolve_chip(chip: str | Path | Chip) -> Chip:
    """A chip by name, path or value."""
    return chip if isinstance(chip, Chip) else specs.load_chip(chip)


def together(chip: Chip, stack: Stack) -> Chip:
    """The chips of the stack as one.

    Raises
    ------
    UsageError : several chips of a kind that is only modelled alone.
    """
    if stack.chips == 1:
        return chip
    model = model_of(chip)
    if not model.together:
        able = " and ".join(kind.plural or kind.name for kind in KINDS.values() if kind.together)
        raise UsageError(f"several chips together are modelled for {able}; {chip.name} is {model.noun}")
    return chip.together(stack.chips)


def resolve_calibration(
    chip: Chip,
    precision: Precision,
    calibration: str | Path | Calibration | None,
    stack: Stack | None = None,
    lends: Lends = lambda fit: True,
) -> Calibration | None:
    """The calibration to use: the one given, none for ``"none"``, else the first found that describes this.

    lends : of the measured machines that stand in where no calibration is found, which may.

    Raises
    ------
    UsageError : the one given is of another chip, dtype or stack, or of an earlier version; the
        message says which.
    """
    stack = stack or Stack()
    if calibration == "none":
        return None
    if calibration is not None:
        if not isinstance(calibration, Calibration | str | Path):
            raise UsageError(f"calibration: expected a file, a Calibration or 'none', got {calibration!r}")
        if not isinstance(calibration, Calibration) and not Path(calibration).is_file():
            raise UsageError(f"--calibration: there is no file {calibration}; 'none' does without")
        given = calibration if isinstance(calibration, Calibration) else specs.load_calibration(calibration)
        why = mismatch(given, chip, precision, stack)
        if why:
            raise UsageError(f"the calibration {given.file or 'given'} {why}; '--calibration none' does without")
        return _of_this_version(given, chip)
    found = (specs.load_calibration(path) for path in specs.calibrations_for(chip.name, chip.architecture, chip.kind))
    best = next((fit for fit in found if not mismatch(fit, chip, precision, stack)), None)
    return _of_this_version(best, chip) if best else _transferred(chip, precision, stack, lends)


def mismatch(fit: Calibration, chip: Chip, precision: Precision, stack: Stack) -> str:
    """Why a fit does not describe this chip, dtype and stack; empty where it does."""
    model = model_of(chip)
    if fit.model != model.name:
        kind = KINDS.get(fit.model)
        of = f"{kind.noun}" if kind else f"of kind {fit.model!r}"
        return f"is of {fit.chip}, {of}, not of {chip.name}, {model.noun}"
    return model.accepts(fit, chip, precision, stack)


def _of_this_version(fit: Calibration, chip: Chip) -> Calibration:
    """The fit, unless the model has parameters by now that it lacks."""
    if missing := model_of(chip).lacks(fit):
        raise UsageError(
            f"the calibration {fit.file or 'given'} is of an earlier version ({missing}): "
            "fit its rows anew with 'roofline calibrate', or '--calibration none' does without"
        )
    return fit


def _transferred(chip: Chip, precision: Precision, stack: Stack, lends: Lends) -> Calibration | None:
    """What chips that were measured say of one that was not; None where they say nothing."""
    transfer, spread = model_of(chip).transfer, specs.load_borrowed_spread(chip.kind)
    if transfer is None or spread is None:
        return None
    lenders = [fit for fit in specs.load_lenders(chip.kind) if lends(fit)]
    return transfer(chip, precision, stack, lenders, spread)


def datasheet_spread(chip: Chip) -> Calibration | None:
    """How far measured kernels lie above the plain roofline of such a chip; None where no measurements tell."""
    return specs.load_datasheet_spread(chip.kind)
