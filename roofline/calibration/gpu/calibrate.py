"""How do measured calls become calibrations of GPUs: of one GPU, of an architecture, of any GPU?

A GPU gets its own parameters around the shared ones. An architecture gets the mean of its GPUs, shrunk towards the
shared parameters::

    log(parameter) = n / (n + 1) * mean of log(own / shared) + log(shared)    n GPUs of the architecture

So half of a GPU's distance is that of its architecture and half its own, as far as two GPUs of one architecture show.
Clocks are not shared: the next GPU has another power limit. Form: this project's own; evidence: docs/evidence-gpu.md.
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
from roofline.calibration.left_out import said
from roofline.core.calibration import ANY_GPU, Calibration, FamilyFit, any_of
from roofline.core.chip import Chip
from roofline.core.measurement import Measurement
from roofline.errors import DataError
from roofline.units import plural

CLOCK = "sustained"
FEWEST = 20
"""Least number of calls for a GPU's own parameters; one half of them is predicted by the other."""


def calibrate_any(parts: Parts, data: Mapping[str, Any]) -> Calibration:
    """Parameters shared by all GPUs, with the errors of each GPU left out.

    Raises
    ------
    DataError : measurements of fewer than two GPUs, so none can be left out.
    """
    if len(parts.chips) < 2:
        raise DataError(
            f"measurements of {', '.join(parts.chips) or 'no GPU'}: parameters for any GPU need two GPUs or more"
        )
    found = fit_shared(parts.parts)
    fits = family_fits(leave_out(parts, fits_without_each(parts)))
    return _calibration(ANY_GPU, "any", fits, found.shared, parts, {**data, "held_out": "each card in turn"})


def calibrate_card(parts: Parts, chip: Chip, shared: Calibration, data: Mapping[str, Any]) -> Calibration:
    """One GPU's own parameters around the shared ones, with the errors of each half of its calls by the other half.

    Families without calls of this GPU keep the errors of a GPU left out.

    Raises
    ------
    DataError : no calls of this GPU.
    """
    mine = _of(parts, (chip.name,))
    calls = sum(map(len, mine.parts.values()))
    if calls < FEWEST:
        raise DataError(
            f"{chip.name}: {plural(calls, 'call')}, too few to estimate the error of a fit; {FEWEST} are needed"
        )
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
    """The common parameters of the measured GPUs of an architecture, for GPUs of it that were not measured.

    Intervals are those of a GPU left out.

    Raises
    ------
    DataError : no calls of a GPU of this architecture; the message names the GPUs that have calls.
    """
    cards = {name: chip for name, chip in chips.items() if chip.architecture == architecture and name in parts.chips}
    if not cards:
        have = sorted({chips[name].architecture for name in parts.chips})
        raise DataError(
            f"no measurements of a GPU of architecture {architecture!r}; the file has {', '.join(have) or 'none'}"
        )
    mine = _of(parts, tuple(cards))
    found = Fit(dict(shared.ceilings))
    fit_own(found, mine.parts, cards)
    numbers = {**shared.ceilings, **in_common(found, tuple(cards))}
    held_out = "each card of any architecture in turn"
    told = {**_taught(shared), **data, "held_out": held_out}
    return _calibration(any_of(architecture), architecture, shared.families, numbers, mine, told)


def _taught(shared: Calibration) -> dict[str, Any]:
    """The operators of the measurements behind the shared parameters."""
    return {"operators": shared.data["operators"]} if "operators" in shared.data else {}


def in_common(found: Fit, cards: tuple[str, ...]) -> dict[str, float]:
    """The common own parameters of GPUs, shrunk towards the shared ones, without their clocks; see the module.

    Parameters
    ----------
    found : the fit.
    cards : their names.
    """
    numbers = {}
    for name in dict.fromkeys(name for stage in STAGES for name in stage.own if name != CLOCK):
        own = [np.log(found.own[card][name] / found.shared[name]) for card in cards if name in found.own[card]]
        if own:
            numbers[name] = found.shared[name] * float(np.exp(np.mean(own) * len(own) / (len(own) + 1)))
    return numbers


def _of(parts: Parts, chips: tuple[str, ...]) -> Parts:
    mine = Parts(parts.where(chips=chips), parts.left_out)
    if not mine.parts:
        raise DataError(f"no measurement of {', '.join(chips)} can be fitted: {said(parts.left_out)}")
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
    """The parameters that all GPUs share; own parameters start from them."""
    return specs.load_calibration(specs.calibrations_for("any-gpu", "any-gpu")[0])


def calibrate_rows(
    measurements: Sequence[Measurement], chip: Chip, dtype: str, alone: bool, data: Mapping[str, Any]
) -> Calibration:
    """A GPU's own parameters from its calls in every precision, around the shared ones."""
    return calibrate_card(parts_of(measurements, {chip.name: chip}), chip, shared_by_all(), data)


def calibrate_rows_of(
    measurements: Sequence[Measurement], architecture: str, chips: Mapping[str, Chip], data: Mapping[str, Any]
) -> Calibration:
    """The parameters of all GPUs of an architecture, or of ``any`` GPU."""
    parts = parts_of(measurements, chips)
    if architecture == "any":
        return calibrate_any(parts, data)
    return calibrate_architecture(parts, architecture, chips, shared_by_all(), data)


def place(fitted: Calibration) -> PurePosixPath:
    """``<GPU, architecture or any-gpu>/measured.yaml``."""
    owner = {ANY_GPU: "any-gpu", any_of(fitted.architecture): fitted.architecture}.get(fitted.chip, fitted.chip)
    return PurePosixPath(owner) / "measured.yaml"


def held_out(
    measurements: Sequence[Measurement], chip: Chip, fitted: Calibration
) -> dict[str, tuple[float, float, float]]:
    """(middle, low, high) in seconds by key, of the fitted calls, each half predicted by the other half [s]."""
    held = halves(parts_of(measurements, {chip.name: chip}), fitted.ceilings, refit=False)
    return {
        row.key: (float(one.predicted[i]), float(one.low[i]), float(one.high[i]))
        for one in held
        for i, row in enumerate(one.part.measurements)
    }
