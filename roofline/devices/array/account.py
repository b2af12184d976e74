"""Which work and which rate are behind the time of a kernel on an array?"""

from __future__ import annotations

from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.schedule import Kernel
from roofline.core.stack import Stack
from roofline.devices.account import Account, Explaining
from roofline.devices.array.model import FORMULA
from roofline.devices.timed import Timing
from roofline.units import format_si


def explain(timing: Timing, chip: Chip, calibration: Calibration, stack: Stack) -> Explaining:
    """A function that explains what each resource does in its seconds, for each kernel."""

    def account(row: int, bandwidth: float | None) -> Account:
        kernel = timing.schedule.kernel(row)
        return Account(FORMULA, lambda name, seconds: streamed(name, seconds, chip, kernel, bandwidth), "array")

    return account


def streamed(name: str, seconds: float, chip: Chip, kernel: Kernel, bandwidth: float | None) -> str:
    """The work of a resource and its rate, ``work / seconds``, as text: FLOP, elements, or bytes that do not stay [B].

    Parameters
    ----------
    name : name of the resource.
    seconds : seconds of all launches [s].
    chip : the chip.
    kernel : the kernel.
    bandwidth : DRAM bandwidth [B/s], or None.
    """
    seconds /= kernel.repeats
    if name == chip.dram.name and bandwidth:
        return f"{format_si(seconds * bandwidth, 'B')} / {format_si(bandwidth, 'B/s')}, the rest stays on the chip"
    engine = next((engine for engine in chip.engines if engine.name == name), None)
    if engine is None:
        return "a constant of the software stack"
    if engine.array:
        return f"{format_si(kernel.flops, 'FLOP')} at {format_si(kernel.flops / seconds, 'FLOP/s')}"
    return f"{format_si(kernel.elements, 'elements')} at {format_si(kernel.elements / seconds, 'elements/s')}"
