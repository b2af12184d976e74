"""What does an array calibration predict for each kernel, and which chips does it cover?"""

from __future__ import annotations

import numpy as np

from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.dtype import Precision
from roofline.core.labels import Labels
from roofline.core.prediction import Interval, Tier
from roofline.core.stack import Stack
from roofline.devices.array import model, uncertainty
from roofline.devices.array.parameters import FAMILY
from roofline.devices.timed import Asked, Fitted, of_operators


def times(asked: Asked) -> Fitted:
    """The model of matrix arrays, with the interval of its constants and of unpublished figures, by
    :func:`.uncertainty.timed` [s].

    Parameters
    ----------
    asked : kernels, chip, stack and calibration.
    """
    schedule, chip, calibration = asked.schedule, asked.chip, asked.fitted
    light = np.where(model.applied(schedule, chip), 0.0, asked.plain.light)
    operators = calibration.data.get("operators")
    stranger = np.zeros(len(schedule), dtype=bool) if operators is None else ~of_operators(schedule, operators)
    found, low, high = uncertainty.timed(
        schedule,
        chip,
        calibration,
        light=light,
        unseen=stranger,
        serving=asked.stack.serving,
        parts=asked.parts,
        network=asked.network,
    )
    tier = uncertainty.tier_of(calibration, chip)
    unseen = stranger | (schedule.phase > 0) | (asked.stack.serving == "sharded")  # not in any fit
    tiers = Labels.where(unseen & (tier != "datasheet"), "borrowed", tier)
    return Fitted(found, tiers, low, high, np.zeros(len(schedule)), light)


def accepts(fit: Calibration, chip: Chip, precision: Precision, stack: Stack) -> str:
    """Why a fit does not describe this chip; empty if it is of this chip, its architecture or all arrays.

    A fit holds for one stack and every precision.
    """
    fits = fit.chip == chip.name or fit.architecture in (chip.architecture, "any")
    return "" if fits else f"is of {fit.chip} ({fit.architecture}), not of {chip.name} ({chip.architecture})"


def lacks(fit: Calibration) -> str:
    """What a fit of an earlier version lacks; empty if nothing."""
    if FAMILY not in fit.families:
        return f"no family {FAMILY!r}"
    return "it does not say which operators were in its networks" if fit.points and "operators" not in fit.data else ""


def request(chip: Chip, calibration: Calibration, stack: Stack) -> tuple[Interval, Tier] | None:
    """Seconds of a request beside its kernels [s], by :func:`.uncertainty.request_seconds`; None in throughput mode."""
    if stack.serving == "throughput":
        return None
    spans = uncertainty.request_seconds(calibration)
    return (Interval(*spans), uncertainty.tier_of(calibration, chip)) if spans[2] else None
