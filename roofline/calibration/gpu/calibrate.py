"""How do measured calls become calibrations of GPUs: of one card, of an architecture, of any?

A card gets its own numbers around the shared ones. An architecture gets what its cards have in common, drawn
halfway back to the shared ones by each card missing (n cards count n / (n + 1)): a card's distance is half its
architecture's and half its own, as far as two cards of one architecture can tell. Its clock a card keeps to
itself: the next one has another power limit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from roofline import specs
from roofline.calibration.gpu.fit import STAGES, Fit, fit_own, fit_shared
from roofline.calibration.gpu.held_out import family_fits, fits_without_each, halves, leave_out
from roofline.calibration.gpu.rows import Parts, parts_of
from roofline.core.calibration import ANY_GPU, Calibration, FamilyFit, any_of
from roofline.core.chip import Chip
from roofline.core.measurement import Measurement
from roofline.errors import DataError

CLOCK = "sustained"
FEWEST = 20
"""Calls that a card's own numbers need; half of them judge the other half."""


def calibrate_any(parts: Parts, data: Mapping[str, Any]) -> Calibration:
    """Numbers shared by all cards, with the errors on each card left out.

    Raises
    ------
    DataError : rows of fewer than two cards, of which none can be left out.
    """
    if len(parts.chips) < 2:
        raise DataError(f"rows of {', '.join(parts.chips) or 'no card'}: numbers for any GPU need two cards or more")
    found = fit_shared(parts.parts)
    fits = family_fits(leave_out(parts, fits_without_each(parts)))
    return _calibration(ANY_GPU, "any", fits, found.shared, parts, {**data, "held_out": "each card in turn"})


def calibrate_card(parts: Parts, chip: Chip, shared: Calibration, data: Mapping[str, Any]) -> Calibration:
    """One card's own numbers around the shared ones, with the errors of half its calls on the other half.

    Families without calls of this card keep the errors of a card left out.

    Raises
    ------
    DataError : no calls of this card.
    """
    mine = _of(parts, (chip.name,))
    calls = sum(map(len, mine.parts.values()))
    if calls < FEWEST:
        raise DataError(f"{chip.name}: {calls} calls are too few to say how far off a fit is; {FEWEST} are the least")
    found = Fit(dict(shared.ceilings))
    fit_own(found, mine.parts, {chip.name: chip})
    own = family_fits(halves(mine, shared.ceilings, refit=False))
    fits = {**shared.families, **own}
    numbers = {**shared.ceilings, **found.own[chip.name]}
    held_out = "half of the calls; families without calls of this card: each card in turn"
    told = {**_taught(shared), **data, "held_out": held_out, "families": sorted(own)}
    return _calibration(chip.name, chip.architecture, fits, numbers, mine, told)


def calibrate_architecture(
    parts: Parts, architecture: str, chips: Mapping[str, Chip], shared: Calibration, data: Mapping[str, Any]
) -> Calibration:
    """What the measured cards of an architecture have in common, for those nobody measured.

    Intervals are those of a card left out by all others.

    Raises
    ------
    DataError : no calls of a card of this architecture; the message names those there are.
    """
    cards = {name: chip for name, chip in chips.items() if chip.architecture == architecture and name in parts.chips}
    if not cards:
        have = sorted({chips[name].architecture for name in parts.chips})
        raise DataError(f"no rows of a card of {architecture!r}; there are rows of {', '.join(have) or 'none'}")
    mine = _of(parts, tuple(cards))
    found = Fit(dict(shared.ceilings))
    fit_own(found, mine.parts, cards)
    numbers = {**shared.ceilings, **in_common(found, tuple(cards))}
    held_out = "each card of any architecture in turn"
    told = {**_taught(shared), **data, "held_out": held_out}
    return _calibration(any_of(architecture), architecture, shared.families, numbers, mine, told)


def _taught(shared: Calibration) -> dict[str, Any]:
    """The operators that measurements behind the shared numbers were about."""
    return {"operators": shared.data["operators"]} if "operators" in shared.data else {}


def in_common(found: Fit, cards: tuple[str, ...]) -> dict[str, float]:
    """The own numbers that cards share, drawn back to those of all; their clocks aside."""
    numbers = {}
    for name in dict.fromkeys(name for stage in STAGES for name in stage.own if name != CLOCK):
        own = [np.log(found.own[card][name] / found.shared[name]) for card in cards if name in found.own[card]]
        if own:
            numbers[name] = found.shared[name] * float(np.exp(np.mean(own) * len(own) / (len(own) + 1)))
    return numbers


def _of(parts: Parts, chips: tuple[str, ...]) -> Parts:
    mine = Parts(parts.where(chips=chips), parts.left_out)
    if not mine.parts:
        raise DataError(f"no calls of {', '.join(chips)} that a model describes: {dict(parts.left_out)}")
    return mine


def _calibration(
    chip: str,
    architecture: str,
    fits: Mapping[str, FamilyFit],
    numbers: Mapping[str, float],
    parts: Parts,
    data: Mapping[str, Any],
) -> Calibration:
    counts = {name: sum(len(part) for part in parts.where(chips=(name,)).values()) for name in parts.chips}
    operators = sorted({*parts.operators, *data.get("operators", ())})
    known = {"rows": counts, "devices": parts.chips, "operators": operators, "left_out": dict(parts.left_out)}
    made = Calibration(chip, architecture, "gpu", "any", {"framework": "several"}, fits, numbers)
    return replace(made, data={**data, **known})


def shared_by_all() -> Calibration:
    """The numbers that all GPUs share, which own ones start from."""
    return specs.load_calibration(specs.calibrations_for("any-gpu", "any-gpu")[0])


def calibrate_rows(
    measurements: Sequence[Measurement], chip: Chip, dtype: str, alone: bool, data: Mapping[str, Any]
) -> Calibration:
    """A card's own numbers from its calls in every precision, around those that all GPUs share."""
    return calibrate_card(parts_of(measurements, {chip.name: chip}), chip, shared_by_all(), data)


def calibrate_rows_of(
    measurements: Sequence[Measurement], architecture: str, chips: Mapping[str, Chip], data: Mapping[str, Any]
) -> Calibration:
    """The numbers of all cards of an architecture, or of ``any`` GPU."""
    parts = parts_of(measurements, chips)
    if architecture == "any":
        return calibrate_any(parts, data)
    return calibrate_architecture(parts, architecture, chips, shared_by_all(), data)


def place(fitted: Calibration) -> PurePosixPath:
    """``<card, architecture or any-gpu>/measured.yaml``."""
    owner = {ANY_GPU: "any-gpu", any_of(fitted.architecture): fitted.architecture}.get(fitted.chip, fitted.chip)
    return PurePosixPath(owner) / "measured.yaml"


def held_out(
    measurements: Sequence[Measurement], chip: Chip, fitted: Calibration
) -> dict[str, tuple[float, float, float]]:
    """(middle, low, high) in seconds by key, of calls the calibration was fitted on: by the other half of them."""
    held = halves(parts_of(measurements, {chip.name: chip}), fitted.ceilings, refit=False)
    return {
        row.key: (float(one.predicted[i]), float(one.low[i]), float(one.high[i]))
        for one in held
        for i, row in enumerate(one.part.measurements)
    }
