"""Can the rest of the computer keep up? The loader that prepares samples, the link that copies them, the runtime.

Loader, copy and device work on different batches at the same time, so a step takes as long as the slowest of them::

    step = max(samples / loader rate, input bytes / link bandwidth, device)    [s]

The time that the device waits is a layer of its own, bound by the slowest part. On an array, a single request also
waits for the runtime; concurrent requests hide that. Form: this project's own.
"""

from __future__ import annotations

from math import inf

from roofline.core.calibration import Calibration
from roofline.core.chip import Chip, Link
from roofline.core.prediction import Interval, LayerPrediction
from roofline.core.stack import Stack
from roofline.devices.kinds import model_of
from roofline.lowering.program import Program

LOADER = "loader"
REQUEST = "request"
WAIT = "wait"
"""The operator of the layer that waits for the input pipeline; its figures are the user's, not the chip's."""


def pipeline_layer(program: Program, chip: Chip, device: Interval) -> LayerPrediction | None:
    """Seconds that a run waits for its inputs; None where no loader rate is given or nothing can limit it::

        wait = max(0, max(samples / loader rate, input bytes / link bandwidth) - device)    [s]

    Parameters
    ----------
    program : the network as it runs, with samples [1] and loader rate [samples/s].
    chip : the chip, with its link [B/s].
    device : seconds of the device [s].
    """
    rate = program.run.loader_rate
    if rate is None:
        return None
    resources = {LOADER: program.samples / rate} if rate < inf else {}
    link = host_link(chip)
    size = input_bytes(program)
    if link is not None:
        resources[link.name] = size / link.bandwidth.value
    if not resources:
        return None
    bound = max(resources, key=lambda name: resources[name])
    slowest = resources[bound]
    waits = [max(0.0, slowest - seconds) for seconds in (device.high, device.middle, device.low)]
    return LayerPrediction(
        name="input pipeline",
        op=WAIT,
        shapes="",
        flops=0.0,
        bytes=0.0,
        seconds=Interval(*waits),
        bound=bound,
        tier="datasheet",
        resources=resources,
        phase="waiting",
    )


def request_layer(chip: Chip, calibration: Calibration | None, stack: Stack) -> LayerPrediction | None:
    """Seconds of a request beside its kernels [s]; None in throughput mode. Calls ``request`` of the device model.

    Parameters
    ----------
    chip : the chip.
    calibration : with the constant of the runtime [s].
    stack : software stack.
    """
    found = model_of(chip).request(chip, calibration, stack) if calibration else None
    if found is None:
        return None
    seconds, tier = found
    return LayerPrediction(
        name=REQUEST,
        op=REQUEST,
        shapes="",
        flops=0.0,
        bytes=0.0,
        seconds=seconds,
        bound=REQUEST,
        tier=tier,
        resources={REQUEST: seconds.middle},
        phase="waiting",
    )


def at_least(device: Interval, feeding: LayerPrediction | None) -> Interval:
    """Seconds of a run with its input pipeline: ``max(device, slowest part of the pipeline)`` [s].

    Parameters
    ----------
    device : seconds of the device [s].
    feeding : the layer of :func:`pipeline_layer`, or None.
    """
    if feeding is None:
        return device
    slowest = max(feeding.resources.values())
    return Interval(max(device.low, slowest), max(device.middle, slowest), max(device.high, slowest))


def input_bytes(program: Program) -> float:
    """Bytes of the inputs of one run, all micro-batches together: ``inputs * samples / samples of a micro-batch`` [B].

    Parameters
    ----------
    program : the network as it runs.
    """
    work = program.workload
    return sum(work.tensors[name].bytes for name in work.inputs) * (program.samples / work.samples)


def host_link(chip: Chip) -> Link | None:
    """The link to the host: PCIe. None where the chip file has none."""
    return next((link for link in chip.links if link.name.lower().startswith("pcie")), None)
