"""How far off would predictions of GPUs be on a card that nobody measured? Refit without it, and score.

``device``: every card in the rows is predicted by numbers of the others alone. ``half``: every card by half of its
own calls. Whole nets are never fitted on; they are predicted by the numbers of their card, or without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from roofline import specs
from roofline.calibration.gpu.calibrate import calibrate_card
from roofline.calibration.gpu.fit import Fit, fit_own, fit_shared
from roofline.calibration.gpu.held_out import (
    Held,
    by_halves,
    by_own_numbers,
    fits_without_each,
    halves,
    leave_out,
    shared_by,
    stranger,
    without_card,
)
from roofline.calibration.gpu.rows import parts_of
from roofline.calibration.kinds import fitting_of
from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.measurement import Measurement
from roofline.core.prediction import Tier
from roofline.core.validation import Scored, Validation
from roofline.errors import DataError
from roofline.validation.validate import score_networks

How = Literal["device", "half"]
WORDS: dict[str, str] = {"device": "card left out", "half": "half of the calls seen"}


def validate_held_out(
    measurements: Sequence[Measurement],
    how: How,
    *,
    apart: Sequence[Measurement] = (),
    around: Sequence[Measurement] | None = None,
) -> Validation:
    """Score rows of GPUs by numbers fitted on these same rows, held out; or by all of them, rows that lie ``apart``.

    around : see :func:`roofline.calibration.gpu.rows.parts_of`.

    Raises
    ------
    DataError : no calls of GPUs, or for ``device`` of one card alone.
    """
    chips = _gpus([*measurements, *apart])
    parts = parts_of((row for row in measurements if row.kind == "operator"), chips, around=around)
    needed = 2 if how == "device" else 1
    if len(parts.chips) < needed:
        have = ", ".join(parts.chips) or "none"
        why = "".join(f"; {count:,} left out: {reason}" for reason, count in parts.left_out.items())
        other = "; --leave-out half does with one" if parts.chips else ""
        raise DataError(f"--leave-out {how} takes calls of {needed} GPUs; there are those of {have}{other}{why}")
    others = parts_of(apart, {name: chips[name] for name in parts.chips}, around=around) if apart else None
    skipped = dict((others or parts).left_out)
    if how == "device":
        without = fits_without_each(parts)
        held = leave_out(others or parts, without)
        numbers = {name: without_card(name, without, held) for name in without}
        chips |= {name: stranger(chips[name]) for name in parts.chips}
    else:
        found = fit_shared(parts.parts)
        fit_own(found, parts.parts, {name: chips[name] for name in parts.chips})
        held = by_own_numbers(others, found) if others else halves(parts)
        numbers = {name: by_halves(chips[name], found, held) for name in parts.chips}
    unseen = sorted({row.chip for row in measurements if row.kind == "network"} & set(chips) - set(numbers))
    if unseen:  # no calls of them at all: they borrow from everyone
        lent = shared_by(fit_shared(parts.parts), held)
        numbers |= dict.fromkeys(unseen, lent)
    tier: Tier = "borrowed" if how == "device" else "calibrated"
    scored = _calls(held, tier, WORDS[how])
    for name, calibration in numbers.items():
        nets = [row for row in measurements if row.kind == "network" and row.chip == name]
        scored += score_networks(nets, chips[name], calibration, skipped, held_out=WORDS[how])
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

    Calls are scored by numbers from the other half of the calls. Whole nets are never fitted on. With too few calls
    for numbers of its own, the shared ones stand in.

    Returns
    -------
    The calibration, the scored rows, and the median error of the shared numbers on the same calls (NaN without any).

    Raises
    ------
    DataError : nothing that a model describes.
    """
    parts = parts_of((row for row in measurements if row.kind == "operator"), {chip.name: chip})
    skipped = dict(parts.left_out)
    nets = [row for row in measurements if row.kind == "network" and row.chip == chip.name]
    try:
        own = calibrate_card(parts, chip, shared, data or {})
        scored = _calls(halves(parts, shared.ceilings, refit=False), "calibrated", WORDS["half"])
    except DataError:
        own, scored = shared, []
    borrowed = Fit(dict(shared.ceilings))
    off = [abs(borrowed.predict(part, "", part.least) / part.seconds - 1.0) for part in parts.parts.values()]
    scored += score_networks(nets, chip, own, skipped, host_dispatch=host_dispatch)
    if not scored:
        raise DataError(f"no row of {chip.name} could be predicted: {skipped}")
    return own, Validation(tuple(scored), skipped), float(np.median(np.concatenate(off))) if off else float("nan")


def _gpus(measurements: Sequence[Measurement]) -> dict[str, Chip]:
    known = specs.list_chips()
    chips = {name: specs.load_chip(name) for name in sorted({row.chip for row in measurements}) if name in known}
    return {name: chip for name, chip in chips.items() if fitting_of(chip.kind).each_left_out}


def _calls(held: Sequence[Held], tier: Tier, how: str) -> list[Scored]:
    """Every call that shows the device and not the host."""
    rows = []
    for one in held:
        plain = one.part.plain()
        for index in one.part.scored.nonzero()[0]:
            row = one.part.measurements[index]
            family = one.part.family if row.part == "forward" else f"{one.part.family} ({row.part})"
            columns = (one.part.seconds, one.predicted, one.low, one.high, plain)
            measured, predicted, low, high, roofline = (float(column[index]) for column in columns)
            rows.append(Scored(row, family, measured, predicted, low, high, roofline, tier, how))
    return rows
