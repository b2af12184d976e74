"""What must the reader know before trusting a prediction of a GPU?"""

from __future__ import annotations

import numpy as np

from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.dtype import precision as parse_precision
from roofline.core.prediction import Prediction
from roofline.core.warned import Said
from roofline.devices import ceiling
from roofline.devices.gpu.products import SECTOR_ARCHITECTURES
from roofline.units import plural

CUDA_CONTEXT_B = 0.5e9
"""Memory that a CUDA process holds beside its tensors [B]. Unverified: 0.3 to 0.6 GB are usual."""


def borrowed(chip: Chip, calibration: Calibration) -> str:
    """Which GPUs or operators a borrowed prediction comes from, as a sentence."""
    if calibration.chip == chip.name:
        return (
            "borrowed: operators not measured on this card, and backward kernels other than those of convolutions, "
            "use the rates of their family; to narrow the interval, measure this chip: roofline measure, then "
            "roofline calibrate"
        )
    cards = len(calibration.data.get("devices", []))
    other = "" if chip.vendor == "NVIDIA" else f" (all from NVIDIA; {chip.name} is not)"
    return (
        f"borrowed: parameters fitted on {plural(cards, 'other GPU')}{other}; the interval is the error on GPUs left "
        "out of the fit; to narrow it, measure this chip: roofline measure, then roofline calibrate"
    )


def warnings(chip: Chip, prediction: Prediction, calibration: Calibration | None) -> list[str]:
    """Warnings particular to GPUs: tile list, launch time, sectors, tf32 convolutions, memory of the CUDA context."""
    said = Said()
    if calibration is not None and not chip.tiles:
        said.add(
            "no-tiles", f"{chip.name}: no GEMM tile list for architecture {chip.architecture}; using the generic list"
        )
    if chip.launch is None:
        said.add(
            "no-launch",
            f"{chip.name}: no launch time is known, so small networks come out far too fast; add it to the chip file",
        )
    if calibration is not None and chip.architecture in SECTOR_ARCHITECTURES:
        said += _in_sectors(chip, prediction)
    convolves = prediction.layers.convolves
    tf32 = chip.vendor == "NVIDIA" and convolves and any(p.compute == "tf32" for p in chip.precisions())
    if tf32 and prediction.dtype == "fp32" and not prediction.stack.tf32:
        said.add("tf32", f"PyTorch runs fp32 convolutions in tf32 on {chip.name} by default; --tf32 predicts that")
    spare = (prediction.capacity or 0.0) - prediction.memory.total
    if prediction.fits and spare < CUDA_CONTEXT_B:
        said.add(
            "little-memory",
            "fits with little to spare: CUDA and its libraries take about 0.5 GB more; use a smaller batch to be safe",
        )
    return said


def _in_sectors(chip: Chip, prediction: Prediction) -> list[str]:
    """Why large linear layers reach only a small part of the peak where the L2 fetches operands in 32-byte sectors."""
    peak = ceiling.engine_and_rate(chip, parse_precision(prediction.dtype), matrix=True)[1]
    layers = prediction.layers
    forward_linear = [pair == ("linear", "forward") for pair in zip(layers.ops, layers.phases, strict=True)]
    long = layers.flops / peak > 2 * layers.bytes / (chip.dram.total_bandwidth or peak)
    large = np.array(forward_linear, dtype=bool) & long & layers.bound.any_of(chip.dram.name.__eq__)
    seconds = float(layers.middle[large].sum())
    share = seconds / prediction.seconds.middle
    if share < 0.05:
        return []
    reached = float(layers.flops[large].sum()) / seconds / peak
    said = Said()
    said.add(
        "sectors",
        f"{share:.0%} of the time is in large linear layers at {reached:.0%} of the peak: both operands are contiguous "
        f"along k, and the L2 of {chip.architecture} fetches them in 32-byte sectors (docs/gpu.md, scatter)",
    )
    return said
