"""Which work, at which rate, stands behind the time of a kernel on a GPU?"""

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
    """Who tells of every row how its parts join, and what each resource does in its seconds."""
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
    """How the parts of a kernel join; ``exponent``: of matrix multiplications."""
    if plan:
        return f"{model.STAGES}; plan: {plan}"
    return f"{model.FORMULA}, p = {exponent:.3g}" if family in model.PRODUCTS else model.MOVING


def achieved(name: str, seconds: float, chip: Chip, kernel: Kernel) -> str:
    """What a resource does, and how fast that is: compulsory work and bytes over its seconds."""
    if name in ("launch", "host"):
        return division(name, seconds, chip, kernel, None, 0.0, None)
    seconds /= kernel.repeats
    if name == chip.dram.name:
        traffic = kernel.reads + kernel.weights + kernel.writes
        return f"{format_si(traffic, 'B')} at {format_si(traffic / seconds, 'B/s')}"
    return f"{format_si(kernel.flops, 'FLOP')} at {format_si(kernel.flops / seconds, 'FLOP/s')}"
