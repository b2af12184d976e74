"""Which work and which rate are behind the time of a kernel on a GPU?"""

from __future__ import annotations

from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.dtype import precision as parse_precision
from roofline.core.schedule import KINDS, Kernel
from roofline.core.stack import Stack
from roofline.devices import ceiling
from roofline.devices.account import Account, Explaining, division
from roofline.devices.gpu import model
from roofline.devices.gpu.parameters import Parameters
from roofline.devices.gpu.tensor_cores import JOIN
from roofline.devices.timed import Timing
from roofline.units import format_si


def explain(timing: Timing, chip: Chip, calibration: Calibration, stack: Stack) -> Explaining:
    """A function that explains each kernel: how its resources are joined, and what each of them does."""
    parameters = Parameters.of(calibration.ceilings)
    plans = model.plan_labels(timing.schedule, chip, parameters, stack)

    def account(row: int, bandwidth: float | None) -> Account | None:
        if timing.tiers[row] == "datasheet":
            return None
        kernel = timing.schedule.kernel(row)
        engine, _ = ceiling.engine_and_rate(chip, parse_precision(kernel.precision), matrix=kernel.kind == KINDS[0])
        exponent = JOIN if engine and engine.kind == "matrix" else parameters.sharpness
        return Account(
            joined_as(kernel.family, str(plans[row]), exponent),
            lambda name, seconds: achieved(name, seconds, chip, kernel),
        )

    return account


def joined_as(family: str, plan: str, exponent: float) -> str:
    """How the resources of a kernel are joined, as text; ``exponent`` p [1] is that of GEMMs."""
    if plan:
        return f"{model.STAGES}; plan: {plan}"
    if family in model.FUSED:
        return f"{model.TILED}, p = {exponent:.3g}"
    return f"{model.FORMULA}, p = {exponent:.3g}" if family in model.PRODUCTS else model.MOVING


def achieved(name: str, seconds: float, chip: Chip, kernel: Kernel) -> str:
    """The work of a resource and its rate, ``work / seconds``, as text: compulsory FLOP or bytes [B] of the kernel.

    Parameters
    ----------
    name : name of the resource.
    seconds : seconds of all launches [s].
    chip : the GPU.
    kernel : the kernel.
    """
    if name in ("launch", "host"):
        return division(name, seconds, chip, kernel, None, 0.0, None)
    seconds /= kernel.repeats
    if name == chip.dram.name:
        traffic = kernel.reads + kernel.weights + kernel.writes
        return f"{format_si(traffic, 'B')} at {format_si(traffic / seconds, 'B/s')}"
    return (
        f"{format_si(kernel.flops, 'FLOP')} at "
        f"{format_si(kernel.flops / seconds, 'FLOP/s')}{included(name, chip, kernel)}"
    )


def included(name: str, chip: Chip, kernel: Kernel) -> str:
    """What the rate of an engine on a GEMM includes, as text; empty for other kernels.

    Parameters
    ----------
    name : name of the engine.
    chip : the GPU.
    kernel : the kernel.
    """
    kinds = {engine.name: engine.kind for engine in chip.engines}
    if kernel.family not in (*model.PRODUCTS, *model.FUSED) or name not in kinds:
        return ""
    waves = "wave quantization, " if kinds[name] == "vector" else ""
    return f", with tile edge overhead, {waves}occupancy and split-k"
