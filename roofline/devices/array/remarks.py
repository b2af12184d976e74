"""What must a reader know before trusting a prediction of an NPU or a TPU?"""

from __future__ import annotations

import numpy as np

from roofline.core.calibration import Calibration, any_of
from roofline.core.chip import Chip
from roofline.core.prediction import Prediction
from roofline.devices import ceiling
from roofline.units import format_bytes


def sheet(chip: Chip, prediction: Prediction, calibration: Calibration | None) -> str:
    """What an answer is whose constants nobody published figures for; empty for the plain roofline."""
    if calibration is None:
        return ""
    return (
        "tier datasheet: the model of arrays with nothing fitted, because no figure of this chip and its software "
        "is published; the interval is what its constants may be"
    )


def borrowed(chip: Chip, calibration: Calibration) -> str:
    """Whom a prediction borrows from: its constants, or those of operators in none of the fitted networks."""
    software = str(calibration.stack.get("framework", ""))
    if calibration.chip == chip.name:
        return (
            f"borrowed: operators that are in no published network of {chip.name} with {software}, and ways of "
            "running it that no figure is of, at its constants"
        )
    together = calibration.chip == any_of(calibration.architecture)  # chips that were fitted as one, with their own
    lender = f"chips of the architecture {calibration.architecture}" if together else calibration.chip
    used = "its own software" if together else software
    return f"borrowed: fitted on {lender} with {used}, twice as unsure here"


def warnings(chip: Chip, prediction: Prediction, calibration: Calibration | None) -> list[str]:
    """What is particular to arrays: room on the chip, layers that take no time of their own, one core alone."""
    said = []
    if np.isinf(ceiling.on_chip_capacity(chip)):
        taken = "taken as 16 MiB a core, and 4 to 32 in the interval"
        none = "so bytes set no bound: moving data counts 0"
        known = taken if calibration is not None else none
        said.append(f"{chip.name}: nobody says what fits on the chip, {known}")
    if chip.launch is None and calibration is None:
        said.append(f"{chip.name}: no launch time is known, so small nets come out far too fast")
    stack = prediction.stack
    if stack.serving != "throughput" and chip.core_count == 1:
        said.append(
            f"--serving {stack.serving} changes nothing here: it is for NPUs and TPUs of several cores, "
            f"and {chip.name} has one core"
        )
    if stack.serving == "latency" and stack.chips != 1:
        said.append(
            f"--serving latency is one batch on one core, so --chips {stack.chips} adds nothing but memory; "
            "--serving sharded cuts the batch over all cores"
        )
    free = [layer for layer in prediction.layers if not layer.seconds.middle and layer.flops]
    if free:
        ops = ", ".join(sorted({layer.op for layer in free})[:5])
        one = len(free) == 1
        took = "1 layer" if one else f"{len(free):,} layers"
        own = "takes no time of its own" if one else "take no time of their own"
        said.append(f"{took} ({ops}) {own}: applied to results on their way out")
    level, weights = chip.dram, prediction.memory.weights
    if prediction.capacity is not None and weights > prediction.capacity:
        where = f" ({level.place})" if level.place else ""
        said.append(
            f"the weights alone, {format_bytes(weights)}, fit nowhere: {level.name} is the largest memory{where}"
        )
    return said
