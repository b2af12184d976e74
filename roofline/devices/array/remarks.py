"""What must the reader know before trusting a prediction of an NPU or a TPU?"""

from __future__ import annotations

import numpy as np

from roofline.core.calibration import Calibration, any_of
from roofline.core.chip import Chip
from roofline.core.prediction import Prediction
from roofline.core.warned import Said
from roofline.devices import ceiling
from roofline.units import format_bytes, plural


def sheet(chip: Chip, prediction: Prediction, calibration: Calibration | None) -> str:
    """What an answer of unfitted constants is, as a sentence; empty for the plain roofline."""
    if calibration is None:
        return ""
    return (
        "tier datasheet: the model of NPUs and TPUs with no parameter fitted, because no measurement of this chip and "
        "its software is published; the interval covers the plausible constants; to fit them: roofline calibrate"
    )


def borrowed(chip: Chip, calibration: Calibration) -> str:
    """Which chips or operators a borrowed prediction comes from, as a sentence."""
    software = str(calibration.stack.get("framework", ""))
    if calibration.chip == chip.name:
        return (
            f"borrowed: some operators, or this way to run them, are in no published network of {chip.name} with "
            f"{software}; its constants are used all the same, so read the interval, not the middle"
        )
    together = calibration.chip == any_of(calibration.architecture)  # chips that were fitted as one, with their own
    lender = f"other chips of architecture {calibration.architecture}" if together else calibration.chip
    used = "their own software" if together else software
    return (
        f"borrowed: constants fitted on {lender} with {used}; the interval is widened to twice the uncertainty; to "
        f"narrow it, fit measurements of {chip.name}: roofline calibrate"
    )


def warnings(chip: Chip, prediction: Prediction, calibration: Calibration | None) -> list[str]:
    """Warnings particular to arrays: memory on the chip, layers without time of their own, use of one core."""
    said = Said()
    if np.isinf(ceiling.on_chip_capacity(chip)):
        taken = "16 MiB per core is assumed, 4 to 32 MiB in the interval"
        none = "so memory traffic sets no bound"
        known = taken if calibration is not None else none
        said.add(
            "on-chip-memory",
            f"{chip.name}: the on-chip capacity is not published; {known}; add it to the chip file if known",
        )
    if chip.launch is None and calibration is None:
        said.add(
            "no-launch",
            f"{chip.name}: no launch time is known, so small networks come out far too fast; add it to the chip file",
        )
    stack = prediction.stack
    if stack.serving != "throughput" and chip.core_count == 1:
        said.add(
            "no-effect",
            f"--serving {stack.serving} has no effect: it applies to NPUs and TPUs with several cores, "
            f"and {chip.name} has one; leave it out",
        )
    if stack.serving == "latency" and stack.chips != 1:
        said.add(
            "one-core",
            f"--serving latency runs one batch on one core, so --chips {stack.chips} adds memory only; "
            "--serving sharded splits the batch over all cores",
        )
    layers = prediction.layers
    free = np.flatnonzero((layers.middle == 0) & (layers.flops > 0))
    if len(free):
        ops = ", ".join(sorted({layers.ops[i] for i in free})[:5])
        took, are = plural(len(free), "layer"), "is" if len(free) == 1 else "are"
        said.add(
            "fused", f"{took} ({ops}) {are} fused: applied to results on the way out of the array, at no cost in time"
        )
    level, weights = chip.dram, prediction.memory.weights
    if prediction.capacity is not None and weights > prediction.capacity:
        where = f" ({level.place})" if level.place else ""
        said.add(
            "does-not-fit",
            f"the weights alone ({format_bytes(weights)}) do not fit in {level.name}, the largest memory{where}; use "
            "fewer bits (--weights) or more chips (--chips)",
        )
    return said
