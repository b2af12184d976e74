"""What must the reader know before trusting a prediction of a CPU?"""

from __future__ import annotations

from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.prediction import Prediction


def sheet(chip: Chip, prediction: Prediction, calibration: Calibration | None) -> str:
    """What an answer without a fit is, if several threads are the reason; else empty."""
    threads = prediction.stack.threads
    if threads == 1:
        return ""
    return (
        f"tier datasheet: no calibration is for {threads} threads, so this is the plain roofline, an upper bound on "
        f"speed; for a fitted prediction: roofline measure --threads {threads}, then roofline calibrate"
    )


def borrowed(chip: Chip, calibration: Calibration) -> str:
    """Which CPUs the parameters of operators without measurements come from, as a sentence."""
    lenders = ", ".join(calibration.data.get("lenders", []))
    if not calibration.points:
        return (
            f"borrowed: {chip.name} was not measured; parameters were transferred from other CPUs ({lenders}) by clock "
            "and vector width; to narrow the interval, measure this chip: roofline measure, then roofline calibrate"
        )
    how = f"use parameters from other CPUs ({lenders})" if lenders else "use the mean rate of their kind"
    return (
        f"borrowed: operators not measured on {chip.name} {how}; to narrow the interval, measure more: roofline measure"
    )
