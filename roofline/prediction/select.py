"""What does a prediction rest on? The chip, the calibration that describes it, and calibrations of other chips.

This is the only place that looks files up for a prediction; the timing code gets the result.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from roofline import specs
from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.dtype import Precision
from roofline.core.memo import Memo, Same
from roofline.core.stack import Stack
from roofline.devices.kinds import KINDS, model_of
from roofline.errors import UsageError

Lends = Callable[[Calibration], bool]
"""Whether the parameters of a measured machine may be used here."""


def resolve_chip(chip: str | Path | Chip) -> Chip:
    """A chip by name, path or value."""
    return chip if isinstance(chip, Chip) else specs.load_chip(chip)


def together(chip: Chip, stack: Stack) -> Chip:
    """The chips of the stack as one.

    Raises
    ------
    UsageError : several chips of a kind that is only modelled as a single chip.
    """
    if stack.chips == 1:
        return chip
    model = model_of(chip)
    if not model.together:
        able = " and ".join(kind.plural or kind.name for kind in KINDS.values() if kind.together)
        raise UsageError(
            f"several chips together are modelled for {able} only, and {chip.name} is {model.noun}; ask for 1 chip"
        )
    return chip.together(stack.chips)


def _everyone(fit: Calibration) -> bool:
    return True


def resolve_calibration(
    chip: Chip,
    precision: Precision,
    calibration: str | Path | Calibration | None,
    stack: Stack | None = None,
    lends: Lends = _everyone,
) -> Calibration | None:
    """The calibration to use: the one given, none for ``"none"``, else the first found that describes the chip and
    stack.

    Parameters
    ----------
    lends : which of the measured machines may be used where no calibration is found.

    Raises
    ------
    UsageError : the one given is of another chip, dtype or stack, or of an earlier version; the message says which.
    """
    stack = stack or Stack()
    if calibration == "none":
        return None
    if calibration is not None:
        if not isinstance(calibration, Calibration | str | Path):
            raise UsageError(f"calibration: expected a file, a Calibration or 'none', got {calibration!r}")
        if not isinstance(calibration, Calibration) and not Path(calibration).is_file():
            raise UsageError(f"--calibration: no file {calibration}; give a file, or 'none' to predict without one")
        given = calibration if isinstance(calibration, Calibration) else specs.load_calibration(calibration)
        why = mismatch(given, chip, precision, stack)
        if why:
            raise UsageError(
                f"the calibration {given.file or 'given'} {why}; '--calibration none' predicts without one"
            )
        return _of_this_version(given, chip)
    found = (specs.load_calibration(path) for path in specs.calibrations_for(chip.name, chip.architecture, chip.kind))
    best = next((fit for fit in found if not mismatch(fit, chip, precision, stack)), None)
    if best:
        return _of_this_version(best, chip)
    if lends is not _everyone:
        return _transferred(chip, precision, stack, lends)
    key = (Same(chip), precision, stack)
    return _from_others.once(key, lambda: (_transferred(chip, precision, stack, lends),))[0]


_from_others: Memo[tuple[Calibration | None]] = Memo(1_000)
"""What all measured chips say of one that was not, by chip, precision and software."""


def mismatch(fit: Calibration, chip: Chip, precision: Precision, stack: Stack) -> str:
    """Why a fit does not describe this chip, dtype and stack; empty if it does."""
    model = model_of(chip)
    if fit.model != model.name:
        kind = KINDS.get(fit.model)
        of = f"{kind.noun}" if kind else f"of kind {fit.model!r}"
        return f"is for {fit.chip} ({of}), not for {chip.name} ({model.noun})"
    return model.accepts(fit, chip, precision, stack)


def _of_this_version(fit: Calibration, chip: Chip) -> Calibration:
    """The fit, unless it lacks parameters of the current model."""
    if missing := model_of(chip).lacks(fit):
        raise UsageError(
            f"the calibration {fit.file or 'given'} is from an earlier version ({missing}): "
            "fit it again with 'roofline calibrate'; '--calibration none' predicts without one"
        )
    return fit


def _transferred(chip: Chip, precision: Precision, stack: Stack, lends: Lends) -> Calibration | None:
    """A calibration transferred from measured chips to one that was not measured; None where there is none."""
    transfer, spread = model_of(chip).transfer, specs.load_borrowed_spread(chip.kind)
    if transfer is None or spread is None:
        return None
    lenders = [fit for fit in specs.load_lenders(chip.kind) if lends(fit)]
    return transfer(chip, precision, stack, lenders, spread)


def datasheet_spread(chip: Chip) -> Calibration | None:
    """Quantiles of log(measured / plain roofline) for such a chip [1]; None where no measurements exist.

    Parameters
    ----------
    chip : the chip.
    """
    return specs.load_datasheet_spread(chip.kind)
