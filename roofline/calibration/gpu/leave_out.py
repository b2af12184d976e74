"""How large would the error be on a GPU that was not measured? Refit without it, and score.

``device``: every GPU is predicted by parameters of the others. ``half``: every GPU by half of its own calls. Networks
are never fitted; the result includes the calibrations that predict them.
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
from roofline.calibration.left_out import WORDS, How, LeftOut, reason, said
from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.measurement import Measurement
from roofline.core.prediction import Tier
from roofline.core.validation import Scored
from roofline.errors import DataError
from roofline.units import plural


def score_left_out(
    measurements: Sequence[Measurement],
    how: How,
    chips: Mapping[str, Chip],
    *,
    apart: Sequence[Measurement] = (),
    around: Sequence[Measurement] | None = None,
) -> LeftOut:
    """Scores of calls by parameters fitted on the same calls, held out; or of ``apart`` calls by all of the fitted
    ones.

    Parameters
    ----------
    around : see :func:`roofline.calibration.gpu.rows.parts_of`.

    Raises
    ------
    DataError : no calls of GPUs, or for ``device`` of only one GPU.
    """
    chips = dict(chips)
    parts = parts_of((row for row in measurements if row.kind == "operator"), chips, around=around)
    needed = 2 if how == "device" else 1
    if len(parts.chips) < needed:
        have = ", ".join(parts.chips) or "none"
        why = f"; left out: {said(parts.left_out)}" if parts.left_out else ""
        other = "; with one GPU use --leave-out half" if parts.chips else ""
        raise DataError(
            f"--leave-out {how} needs calls of {plural(needed, 'GPU')}; the file has those of {have}{other}{why}"
        )
    others = parts_of(apart, {name: chips[name] for name in parts.chips}, around=around) if apart else None
    skipped = {reason(key): count for key, count in (others or parts).left_out.items()}
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
    if unseen:  # no calls: they use the parameters shared by all
        lent = shared_by(fit_shared(parts.parts), held)
        numbers |= dict.fromkeys(unseen, lent)
    tier: Tier = "borrowed" if how == "device" else "calibrated"
    return LeftOut(_calls(held, tier, WORDS[how]), numbers, chips, skipped)


def score_card(
    measurements: Sequence[Measurement], chip: Chip, shared: Calibration, data: Mapping[str, Any]
) -> tuple[LeftOut, float]:
    """One GPU's own parameters around the shared ones, and the scores of its calls by the other half of them.

    With too few calls for own parameters, the shared ones are used. Also returns the median error of the shared
    parameters on the same calls (NaN without any).
    """
    parts = parts_of((row for row in measurements if row.kind == "operator"), {chip.name: chip})
    try:
        own = calibrate_card(parts, chip, shared, data)
        scored = _calls(halves(parts, shared.ceilings, refit=False), "calibrated", WORDS["half"])
    except DataError:
        own, scored = shared, []
    borrowed = Fit(dict(shared.ceilings))
    off = [abs(borrowed.predict(part, "", part.least) / part.seconds - 1.0) for part in parts.parts.values()]
    found = LeftOut(scored, {chip.name: own}, {chip.name: chip}, {reason(key): n for key, n in parts.left_out.items()})
    return found, float(np.median(np.concatenate(off))) if off else float("nan")


def _calls(held: Sequence[Held], tier: Tier, how: str) -> list[Scored]:
    """Every call that measures the device and not the host."""
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
