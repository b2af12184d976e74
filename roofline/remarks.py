"""What must a reader know before trusting a prediction?"""

from __future__ import annotations

import numpy as np

from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.dtype import precision as parse_precision
from roofline.core.prediction import Prediction
from roofline.core.unverified import unverified_figures
from roofline.devices import ceiling
from roofline.units import format_bytes

CUDA_CONTEXT_B = 0.5e9
"""What a process that uses a GPU holds beside its tensors. Unverified: 0.3 to 0.6 GB are usual."""


def remarks(chip: Chip, prediction: Prediction, calibration: Calibration | None = None) -> list[str]:
    """What a reader must know before trusting the number."""
    said = []
    unfitted = prediction.tiers.get("datasheet", 0.0)
    modelled = calibration is not None and calibration.model == "array"
    if unfitted > 0.99 and modelled:
        said.append(
            "tier datasheet: the model of arrays with nothing fitted, because no figure of this chip and its software "
            "is published; the interval is what its constants may be"
        )
    elif unfitted > 0.99:
        said.append(
            "tier datasheet: ceilings of the spec sheet and a launch floor, an upper bound on speed; "
            "nothing measured stands behind it"
        )
    elif unfitted > 0:
        said.append(f"{unfitted:.1%} of the time is in layers no fit covers: plain roofline there")
    if calibration is not None and prediction.tiers.get("borrowed"):
        said.append(_lender(chip, calibration))
    if calibration is not None and chip.kind == "gpu" and not chip.tiles:
        said.append(
            f"{chip.name}: nobody says what tiles the libraries of {chip.architecture} cut products into; "
            "a general list stands in"
        )
    doubtful = (
        unverified_figures(chip, parse_precision(prediction.dtype))
        if unfitted or prediction.tiers.get("borrowed")
        else []
    )
    if doubtful:
        said.append(f"{chip.name}: nobody verified {', '.join(doubtful)}; the time may be off by as much as they are")
    if chip.kind == "array" and np.isinf(ceiling.on_chip_capacity(chip)):
        taken = "taken as 16 MiB a core, and 4 to 32 in the interval"
        none = "so bytes set no bound: moving data counts 0"
        said.append(f"{chip.name}: nobody says what fits on the chip, {taken if modelled else none}")
    if chip.launch is None and chip.kind != "cpu" and not modelled:
        said.append(f"{chip.name}: no launch time is known, so small nets come out far too fast")
    sizes = prediction.symbols
    reach = sizes.get("seq", 0) + sizes.get("context", 0)
    if reach > sizes.get("positions", reach):
        said.append(f"{prediction.workload} has learned {sizes['positions']:,} positions; {reach:,} are beyond them")
    if prediction.run.get("cache") and not prediction.memory.cache:
        said.append(f"{prediction.workload} keeps no keys and values, so --kv-cache changes nothing")
    if prediction.stack.get("tf32") and prediction.dtype != "tf32":
        said.append(
            f"--tf32 changes nothing here: it is for fp32 on chips that have tf32; {chip.name} runs {prediction.dtype}"
        )
    waits = prediction.bounds.get("host", 0.0)
    if waits > 0.05 and prediction.run.get("host_dispatch") is None:
        said.append(
            f"{waits:.0%} of the time the device waits for the host to hand over kernels, at what is usual on other "
            "machines; --host-dispatch takes yours, --stack graphs does without"
        )
    convolves = any(layer.op.startswith("conv") for layer in prediction.layers)
    tf32 = chip.vendor == "NVIDIA" and convolves and any(p.compute == "tf32" for p in chip.precisions())
    if tf32 and prediction.dtype == "fp32" and not prediction.stack.get("tf32"):
        said.append(f"PyTorch convolves fp32 images in tf32 on {chip.name} unless told otherwise; --tf32 predicts that")
    if chip.software and chip.software.last_cuda:
        torch = f" and torch {chip.software.last_torch} are" if chip.software.last_torch else " is"
        said.append(f"{chip.name}: CUDA {chip.software.last_cuda}{torch} the last to support it; newer ones do not run")
    free = [layer for layer in prediction.layers if chip.kind == "array" and not layer.seconds.middle and layer.flops]
    if free:
        ops = ", ".join(sorted({layer.op for layer in free})[:5])
        said.append(f"{len(free)} layers ({ops}) take no time of their own: applied to results on their way out")
    uncovered = [layer.name for layer in prediction.layers if not layer.covered]
    if uncovered:
        said.append(f"no formula covers {len(uncovered)} layers: {', '.join(uncovered[:5])}")
    if prediction.fits is False and prediction.capacity is not None:
        short = prediction.memory.total - prediction.capacity
        said.append(
            f"does not fit: needs {format_bytes(prediction.memory.total)} of {format_bytes(prediction.capacity)}, "
            f"{format_bytes(short)} too much" + _nowhere(chip, prediction)
        )
    spare = (prediction.capacity or 0.0) - prediction.memory.total
    if chip.kind == "gpu" and prediction.fits and spare < CUDA_CONTEXT_B:
        said.append("fits with little to spare: CUDA and its libraries take about half a GB themselves")
    if not any(engine.kind == "vector" for engine in chip.engines):
        said.append(f"{chip.name}: no vector engine is described, so elementwise layers count by bytes alone")
    return said


def _nowhere(chip: Chip, prediction: Prediction) -> str:
    """Where it stands that not even the weights have room on an array; empty where they have."""
    level, weights = chip.dram, prediction.memory.weights
    if chip.kind != "array" or prediction.capacity is None or weights <= prediction.capacity:
        return ""
    where = f" ({level.place})" if level.place else ""
    return f"; its weights alone, {format_bytes(weights)}, fit nowhere: {level.name} is the largest memory{where}"


def _lender(chip: Chip, calibration: Calibration) -> str:
    """Whom a borrowed prediction borrows from."""
    if calibration.model == "array":
        return f"borrowed: fitted on {calibration.chip} with {calibration.stack.get('framework')}, twice as unsure here"
    if calibration.chip == chip.name:
        return "of backward kernels the fits saw those of convolutions alone, of optimizers none: these borrow rates"
    cards = len(calibration.data.get("devices", []))
    other = "" if chip.vendor == "NVIDIA" else f", all of them NVIDIA's, which {chip.name} is not"
    return f"borrowed: fitted on {cards} other cards{other}; the interval is how far off a card not seen was"
