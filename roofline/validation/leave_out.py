"""How large would the error be on a chip that was not measured? The fit of its kind leaves it out, and is scored.

``device``: every chip is predicted by parameters of the others. ``half``: every chip by half of its own calls. Networks
are never fitted; they are predicted by the parameters of their chip, or without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from roofline import specs
from roofline.calibration.gpu.leave_out import score_card
from roofline.calibration.kinds import known_fitting
from roofline.calibration.left_out import WORDS, How
from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.measurement import Measurement
from roofline.core.validation import Scored, Validation
from roofline.errors import DataError
from roofline.validation.validate import score_networks


def validate_held_out(
    measurements: Sequence[Measurement],
    how: How,
    *,
    apart: Sequence[Measurement] = (),
    around: Sequence[Measurement] | None = None,
) -> Validation:
    """Score measurements by parameters fitted on the same measurements, held out; or ``apart`` ones by all of the
    fitted ones.

    Only chips of a kind that shares parameters between chips are used. ``around`` are all measurements of the sets that
    drift, where ``measurements`` is a sample of them.

    Raises
    ------
    DataError : no calls of such chips, or for ``device`` of only one chip.
    """
    known = specs.list_chips()
    names = sorted({row.chip for row in (*measurements, *apart)} & known.keys())
    fits: dict[Any, dict[str, Chip]] = {}
    for name in names:
        chip = specs.load_chip(name)
        fitting = known_fitting(chip.kind)
        if fitting is not None and fitting.leave_out is not None:
            fits.setdefault(fitting.leave_out, {})[name] = chip
    if not fits:
        raise DataError(
            f"--leave-out {how} needs chips that share parameters (GPUs); the file has {', '.join(names) or 'none'}"
        )
    scored: list[Scored] = []
    skipped: dict[str, int] = {}
    for leave_out, chips in fits.items():
        found = leave_out(measurements, how, chips, apart=apart, around=around)
        scored += found.scored
        for why, count in found.skipped.items():
            skipped[why] = skipped.get(why, 0) + count
        for name, calibration in found.numbers.items():
            nets = [row for row in measurements if row.kind == "network" and row.chip == name]
            scored += score_networks(nets, found.chips[name], calibration, skipped, held_out=WORDS[how])
    return Validation(tuple(scored), skipped)


def validate_card(
    measurements: Sequence[Measurement],
    chip: Chip,
    shared: Calibration,
    *,
    data: Mapping[str, Any] | None = None,
    host_dispatch: float | None = None,
) -> tuple[Calibration, Validation, float]:
    """One GPU's own parameters around those that all GPUs share, and their held-out error.

    Calls are scored by parameters fitted on the other half of the calls. Networks are never fitted. With too few calls
    for own parameters, the shared ones are used.

    Returns
    -------
    calibration, validation, median : the calibration, the scored measurements, and the median error of the shared
        parameters on the same calls [1] (NaN without any).

    Raises
    ------
    DataError : no measurement that a model covers.
    """
    found, borrowed = score_card(measurements, chip, shared, data or {})
    own, skipped = found.numbers[chip.name], found.skipped
    nets = [row for row in measurements if row.kind == "network" and row.chip == chip.name]
    scored = [*found.scored, *score_networks(nets, chip, own, skipped, host_dispatch=host_dispatch)]
    if not scored:
        raise DataError(f"no measurement of {chip.name} could be predicted: {skipped}")
    return own, Validation(tuple(scored), skipped), borrowed
