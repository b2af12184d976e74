"""How far off would predictions be on a chip that nobody measured? The fit of its kind leaves it out, and is scored.

``device``: every chip in the rows is predicted by numbers of the others alone. ``half``: every chip by half of its
own calls. Whole networks are never fitted on; they are predicted by the numbers of their chip, or without it.
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
    """Score rows by numbers fitted on these same rows, held out; or by all of them, rows that lie ``apart``.

    Only chips of a kind that shares numbers between chips take part. around : all rows of the sets that drift, where
    ``measurements`` are a draw of them.

    Raises
    ------
    DataError : no calls of such chips, or for ``device`` of one chip alone.
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
            f"--leave-out {how} takes chips whose kind shares numbers; there are {', '.join(names) or 'none'}"
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
    """One card's own numbers around those that all GPUs share, and how far off they are on what did not make them.

    Calls are scored by numbers from the other half of the calls. Whole networks are never fitted on. With too few calls
    for numbers of its own, the shared ones stand in.

    Returns
    -------
    The calibration, the scored rows, and the median error of the shared numbers on the same calls (NaN without any).

    Raises
    ------
    DataError : nothing that a model describes.
    """
    found, borrowed = score_card(measurements, chip, shared, data or {})
    own, skipped = found.numbers[chip.name], found.skipped
    nets = [row for row in measurements if row.kind == "network" and row.chip == chip.name]
    scored = [*found.scored, *score_networks(nets, chip, own, skipped, host_dispatch=host_dispatch)]
    if not scored:
        raise DataError(f"no row of {chip.name} could be predicted: {skipped}")
    return own, Validation(tuple(scored), skipped), borrowed
