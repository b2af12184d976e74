"""What must a reader know before trusting a prediction of a CPU?"""

from __future__ import annotations

from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.prediction import Prediction


def sheet(chip: Chip, prediction: Prediction, calibration: Calibration | None) -> str:
    """What an answer without a fit is, where several threads are why; empty elsewhere."""
    threads = prediction.stack.threads
    if threads == 1:
        return ""
    return f"tier datasheet: fits of CPUs are of one thread; of {threads} the plain roofline, an upper bound on speed"


def borrowed(chip: Chip, calibration: Calibration) -> str:
    """Which CPUs lent what no row of this one was about."""
    lenders = ", ".join(calibration.data.get("lenders", []))
    if not calibration.points:
        return (
            f"borrowed: no row of {chip.name} was measured; fitted on other CPUs ({lenders}) and carried over by clock "
            "and width; 'roofline measure' there and 'roofline calibrate' make it surer"
        )
    if lenders:
        return f"borrowed: operators that no row of {chip.name} was about, from other CPUs ({lenders})"
    return f"borrowed: operators that no row of {chip.name} was about, at the mean rates of their kind"
