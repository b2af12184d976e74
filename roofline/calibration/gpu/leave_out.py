"""How far off would predictions of GPUs be on a card that nobody measured? Refit without it, and score.

``device``: every card in the rows is predicted by numbers of the others alone. ``half``: every card by half of its
own calls. Whole networks are never fitted on; what predicts them comes beside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

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
from roofline.calibration.left_out import WORDS, How, LeftOut
from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.measurement import Measurement
from roofline.core.prediction import Tier
from roofline.core.validation import Scored
from roofline.errors import DataError


def score_left_out(
    measurements: Sequence[Measurement],
    how: How,
    chips: Mapping[str, Chip],
    *,
    apart: Sequence[Measurement] = (),
    around: Sequence[Measurement] | None = None,
) -> LeftOut:
    """Calls of GPUs by numbers fitted on these same calls, held out; or by all of them, calls that lie ``apart``.

    around : see :func:`roofline.calibration.gpu.rows.parts_of`.

    Raises
    ------
    DataError : no calls of GPUs, or for ``device`` of one card alone.
    """
    chips = dict(chips)
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
    return LeftOut(_calls(held, tier, WORDS[how]), numbers, chips, skipped)


def score_card(
    measurements: Sequence[Measurement], chip: Chip, shared: Calibration, data: Mapping[str, Any]
) -> tuple[LeftOut, float]:
    """One card's own numbers around the shared ones, and its calls scored by numbers from the other half of them.

    With too few calls for numbers of its own, the shared ones stand in. Also the median error of the shared numbers on
    the same calls (NaN without any).
    """
    parts = parts_of((row for row in measurements if row.kind == "operator"), {chip.name: chip})
    try:
        own = calibrate_card(parts, chip, shared, data)
        scored = _calls(halves(parts, shared.ceilings, refit=False), "calibrated", WORDS["half"])
    except DataError:
        own, scored = shared, []
    borrowed = Fit(dict(shared.ceilings))
    off = [abs(borrowed.predict(part, "", part.least) / part.seconds - 1.0) for part in parts.parts.values()]
    found = LeftOut(scored, {chip.name: own}, {chip.name: chip}, dict(parts.left_out))
    return found, float(np.median(np.concatenate(off))) if off else float("nan")


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
