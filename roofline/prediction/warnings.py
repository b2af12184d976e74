"""What must a reader know before trusting a prediction?"""

from __future__ import annotations

import numpy as np

from roofline import specs
from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.dtype import precision as parse_precision
from roofline.core.prediction import Prediction
from roofline.core.stack import Stack
from roofline.core.unverified import unverified_figures
from roofline.devices import ceiling
from roofline.devices.cpu.transfer import is_borrowed
from roofline.devices.gpu.products import SECTOR_ARCHITECTURES
from roofline.units import format_bytes

CUDA_CONTEXT_B = 0.5e9
"""What a process that uses a GPU holds beside its tensors. Unverified: 0.3 to 0.6 GB are usual."""


def remarks(chip: Chip, prediction: Prediction, calibration: Calibration | None = None) -> list[str]:
    """What a reader must know before trusting the number."""
    said = []
    unfitted = prediction.tiers.get("datasheet", 0.0)
    modelled = calibration is not None and calibration.model == "array"
    threads = int(prediction.stack.get("threads", 1))
    if unfitted > 0.99 and modelled:
        said.append(
            "tier datasheet: the model of arrays with nothing fitted, because no figure of this chip and its software "
            "is published; the interval is what its constants may be"
        )
    elif unfitted > 0.99 and chip.kind == "cpu" and threads > 1:
        said.append(
            f"tier datasheet: fits of CPUs are of one thread; of {threads} the plain roofline, an upper bound on speed"
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
    said += _idle(chip, prediction, calibration)
    if calibration is not None and chip.architecture in SECTOR_ARCHITECTURES:
        said += _in_sectors(chip, prediction)
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
        took = "takes no time of its own" if len(free) == 1 else "take no time of their own"
        said.append(f"{_layers(len(free))} ({ops}) {took}: applied to results on their way out")
    uncovered = [layer.name for layer in prediction.layers if not layer.covered]
    if uncovered:
        said.append(f"no formula covers {_layers(len(uncovered))}: {', '.join(uncovered[:5])}")
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


def _layers(count: int) -> str:
    return f"{count:,} layer{'' if count == 1 else 's'}"


def _idle(chip: Chip, prediction: Prediction, calibration: Calibration | None) -> list[str]:
    """Options that were given and change nothing for this chip, net and calibration."""
    usual, stack = Stack().to_dict(), prediction.stack
    given = {name for name, value in usual.items() if stack.get(name, value) != value}
    idle = []
    plans = [flag for name, flag in _PLANS.items() if name in given]
    if plans:
        convolves = any(layer.op.startswith("conv") for layer in prediction.layers)
        plain = "the plain roofline knows no plans of a library"
        why = (
            f"{chip.name} is no GPU"
            if chip.kind != "gpu"
            else plain
            if calibration is None
            else ""
            if convolves
            else f"{prediction.workload} has no convolutions"
        )
        verb = "change" if len(plans) > 1 else "changes"
        idle += [f"{' and '.join(plans)} {verb} nothing here: {why}"] if why else []
    if "serving" in given and (chip.kind != "array" or chip.core_count == 1):
        one = "has one core" if chip.kind == "array" else f"is a {chip.kind}"
        idle.append(
            f"--serving {stack['serving']} changes nothing here: it is for NPUs and TPUs of several cores, "
            f"and {chip.name} {one}"
        )
    if stack.get("serving") == "latency" and "chips" in given:
        idle.append(
            f"--serving latency is one batch on one core, so --chips {stack['chips']} adds nothing but memory; "
            "--serving sharded cuts the batch over all cores"
        )
    if "threads" in given and chip.kind != "cpu":
        idle.append(f"--threads changes nothing here: it is for CPUs, and {chip.name} is a {chip.kind}")
    if prediction.run.get("host_dispatch") is not None and chip.kind != "gpu":
        idle.append(f"--host-dispatch changes nothing here: it is for GPUs, and {chip.name} is a {chip.kind}")
    return idle


def slower_together(prediction: Prediction, alone: Prediction) -> list[str]:
    """What to say where a batch cut over several chips takes longer than on one."""
    slower = prediction.seconds.middle / alone.seconds.middle
    if slower <= 1:
        return []
    return [
        f"cut over {prediction.stack['chips']} chips a batch takes {slower:.2f} times as long as on one: what every "
        "core does for itself (norms, additions) and the sums they wait for outweigh the rest; --serving throughput "
        "gives each a batch of its own"
    ]


def _cpu_lender(chip: Chip, calibration: Calibration) -> str:
    """Which CPUs lent what no row of this one was about."""
    lenders = ", ".join(calibration.data.get("lenders", []))
    if is_borrowed(calibration):
        return (
            f"borrowed: no row of {chip.name} was measured; fitted on other CPUs ({lenders}) and carried over by clock "
            "and width; 'roofline measure' there and 'roofline calibrate' make it surer"
        )
    if lenders:
        return f"borrowed: operators that no row of {chip.name} was about, from other CPUs ({lenders})"
    return f"borrowed: operators that no row of {chip.name} was about, at the mean rates of their kind"


_PLANS = {"cudnn": "--cudnn", "autotuned": "--autotune", "winograd": "--no-winograd"}


def _lender(chip: Chip, calibration: Calibration) -> str:
    """Whom a borrowed prediction borrows from."""
    if calibration.model == "array":
        known, software = calibration.chip in specs.list_chips(), str(calibration.stack.get("framework", ""))
        lender = calibration.chip if known else f"chips of the architecture {calibration.architecture}"
        used = "its own software" if software == calibration.chip else software
        return f"borrowed: fitted on {lender} with {used}, twice as unsure here"
    if calibration.model == "cpu":
        return _cpu_lender(chip, calibration)
    if calibration.chip == chip.name:
        return "of backward kernels the fits saw those of convolutions alone, of optimizers none: these borrow rates"
    cards = len(calibration.data.get("devices", []))
    other = "" if chip.vendor == "NVIDIA" else f", all of them NVIDIA's, which {chip.name} is not"
    return f"borrowed: fitted on {cards} other cards{other}; the interval is how far off a card not seen was"
