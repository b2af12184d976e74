"""How do timed kernels become a prediction? Layers, a total, an interval, tiers, memory and warnings."""

from __future__ import annotations

from roofline.core.prediction import Prediction
from roofline.core.warned import Said
from roofline.devices.timed import Timing
from roofline.lowering.program import Program
from roofline.prediction.input_pipeline import at_least, pipeline_layer, request_layer
from roofline.prediction.layers import layers_of
from roofline.prediction.setting import Setting
from roofline.prediction.warnings import warnings_of


def combine(setting: Setting, program: Program, timing: Timing) -> Prediction:
    """The prediction of a program whose kernels are timed.

    Parameters
    ----------
    setting : chip, stack, precision and calibration.
    program : the network as it runs.
    timing : its N kernels, timed [s].
    """
    chip, stack, calibration = setting.part, setting.stack, setting.calibration
    emulation = chip.resolve(setting.precision)[1]
    warnings = Said()
    if emulation:
        warnings.add("emulated", f"{chip.name} has no {setting.precision} arithmetic: {emulation}")
    layers = layers_of(program, timing)
    if asking := request_layer(chip, calibration, stack):
        layers = layers.and_then(asking)
    device = layers.seconds
    if feeding := pipeline_layer(program, chip, device):
        layers = layers.and_then(feeding)
    has_batch = "batch" in program.workload.symbols
    prediction = Prediction(
        chip=chip.name,
        workload=program.workload.name,
        batch=program.samples,
        symbols={**program.workload.symbols, **({"batch": program.samples} if has_batch else {})},
        dtype=str(setting.precision),
        stack=stack,
        seconds=at_least(device, feeding),
        layers=layers,
        tier=layers.worst,
        memory=program.memory,
        capacity=chip.dram.total_capacity,
        parameters=program.workload.parameters,
        run=program.run,
        calibration=calibration.file if calibration else "",
        hardware=setting.one,
        unfitted=calibration is not None and setting.model.unfitted,
    )
    outside = float(timing.total[timing.octaves > 0].sum() / max(timing.total.sum(), 1e-300))
    if outside > 0.01:
        warnings.add(
            "outside-fit",
            f"{outside:.0%} of the time is in shapes outside those fitted; their intervals are widened; "
            "to narrow them, measure this chip: roofline measure",
        )
    said = (*warnings, *warnings_of(chip, prediction, calibration))
    object.__setattr__(prediction, "warnings", said)  # nobody else has seen it yet
    return prediction
