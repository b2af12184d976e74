"""What must a reader know before trusting a prediction of a GPU?"""

from __future__ import annotations

from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.dtype import precision as parse_precision
from roofline.core.prediction import Prediction
from roofline.devices import ceiling
from roofline.devices.gpu.products import SECTOR_ARCHITECTURES

CUDA_CONTEXT_B = 0.5e9
"""What a process that uses a GPU holds beside its tensors. Unverified: 0.3 to 0.6 GB are usual."""


def borrowed(chip: Chip, calibration: Calibration) -> str:
    """Whom a prediction borrows from."""
    if calibration.chip == chip.name:
        return (
            "borrowed: operators that no measurement of this card was about, and backward kernels beside those of "
            "convolutions, at the rates of their family"
        )
    cards = len(calibration.data.get("devices", []))
    other = "" if chip.vendor == "NVIDIA" else f", all of them NVIDIA's, which {chip.name} is not"
    return f"borrowed: fitted on {cards} other cards{other}; the interval is how far off a card not seen was"


def warnings(chip: Chip, prediction: Prediction, calibration: Calibration | None) -> list[str]:
    """What is particular to GPUs: tiles, launches, sectors, tf32 images, room for CUDA."""
    said = []
    if calibration is not None and not chip.tiles:
        said.append(f"{chip.name}: no GEMM tile list for architecture {chip.architecture}; using the generic list")
    if chip.launch is None:
        said.append(f"{chip.name}: no launch time is known, so small nets come out far too fast")
    if calibration is not None and chip.architecture in SECTOR_ARCHITECTURES:
        said += _in_sectors(chip, prediction)
    convolves = any(layer.op.startswith("conv") for layer in prediction.layers)
    tf32 = chip.vendor == "NVIDIA" and convolves and any(p.compute == "tf32" for p in chip.precisions())
    if tf32 and prediction.dtype == "fp32" and not prediction.stack.tf32:
        said.append(f"PyTorch convolves fp32 images in tf32 on {chip.name} unless told otherwise; --tf32 predicts that")
    spare = (prediction.capacity or 0.0) - prediction.memory.total
    if prediction.fits and spare < CUDA_CONTEXT_B:
        said.append("fits with little to spare: CUDA and its libraries take about half a GB themselves")
    return said


def _in_sectors(chip: Chip, prediction: Prediction) -> list[str]:
    """Why large linear layers lie far below the peak of a card whose L2 fetches operands in small sectors."""
    peak = ceiling.engine_and_rate(chip, parse_precision(prediction.dtype), matrix=True)[1]
    large = [
        layer
        for layer in prediction.layers
        if (layer.op, layer.phase, layer.bound) == ("linear", "forward", chip.dram.name)
        and layer.flops / peak > 2 * layer.bytes / (chip.dram.total_bandwidth or peak)
    ]
    seconds = sum(layer.seconds.middle for layer in large)
    share = seconds / prediction.seconds.middle
    if share < 0.05:
        return []
    reached = sum(layer.flops for layer in large) / seconds / peak
    return [
        f"{share:.0%} of the time is in large linear layers at {reached:.0%} of the peak: both operands lie along k, "
        f"and the L2 of {chip.architecture} fetches them in sectors of 32 bytes (docs/gpu.md, scatter)"
    ]
