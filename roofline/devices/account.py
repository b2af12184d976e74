"""Which arithmetic stands behind the time of a kernel? Divisions with their numbers put in, terms of a fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from roofline.core.calibration import Calibration
from roofline.core.chip import Chip, Engine
from roofline.core.schedule import KINDS, Kernel
from roofline.core.stack import Stack
from roofline.devices.timed import Timing
from roofline.units import format_si


@dataclass(frozen=True)
class Term:
    """A fitted parameter: ``uncertainty`` is one standard error of its logarithm.

    ``seconds`` is what the term adds (negative: saves) here; None for a rate, which cannot be left out.
    """

    name: str
    value: float
    uncertainty: float | None
    seconds: float | None


@dataclass(frozen=True)
class Account:
    """What a fitted model says of one kernel.

    formula : how the resources join. part : (resource, its seconds) -> the arithmetic behind them.
    plan : the code path taken, where the model knows several. terms : fitted parameters that concern it.
    """

    formula: str
    part: Callable[[str, float], str]
    plan: str = ""
    terms: tuple[Term, ...] = ()


Explaining = Callable[[int, "float | None"], Account | None]
"""(row of the schedule, DRAM bandwidth in B/s as the network finds it) -> the account of that kernel; None where no
fit stands behind it."""

Explain = Callable[[Timing, Chip, Calibration, Stack], Explaining]
"""(a timed schedule, the chip as the stack uses it, the calibration, the stack) -> who explains each row."""


def work_of(kernel: Kernel) -> str:
    """The shape arithmetic behind the operations of a kernel."""
    if kernel.kind == KINDS[0] and kernel.flops:
        batch = f"{kernel.batch:,} x " if kernel.batch > 1 else ""
        text = f"2 x {batch}m {kernel.m:,} x n {kernel.n:,} x k {kernel.k:,}"
        exact = 2.0 * kernel.batch * kernel.m * kernel.n * kernel.k
        return text if exact == kernel.flops else f"{text}, times {kernel.flops / exact:.3g}"
    if kernel.elements and kernel.flops:
        return f"{kernel.flops / kernel.elements:.3g} for each of {kernel.elements:,} elements"
    return "none" if not kernel.flops else f"{kernel.flops:,.0f}"


def division(
    name: str, seconds: float, chip: Chip, kernel: Kernel, engine: Engine | None, rate: float, bandwidth: float | None
) -> str:
    """The division of the plain roofline that gives the seconds of a resource; empty for one it does not know."""
    times = f" x {kernel.repeats:,} launches" if kernel.repeats > 1 else ""
    seconds /= kernel.repeats
    if name == chip.dram.name and bandwidth:
        moved, traffic = seconds * bandwidth, kernel.reads + kernel.weights + kernel.writes
        rest = "" if moved > 0.999 * traffic else ", the rest stays on the chip"
        return f"{format_si(moved, 'B')} / {format_si(bandwidth, 'B/s')}{rest}{times}"
    if engine is not None and name == engine.name:
        return f"{format_si(kernel.flops, 'FLOP')} / {format_si(rate, 'FLOP/s')}{times}"
    if name == "host":
        return "the device waits for the host to hand it over"
    return f"one launch{times}" if name == "launch" else ""


def peak_of(engine: Engine, rate: float) -> str:
    """``36 units x 2 x 64 FMA x 1.62 GHz = 7.46 TFLOP/s (fp32)``."""
    used = min(engine.rates, key=lambda p: abs(engine.peak(p) - rate))
    clock, fma = format_si(engine.clock.hz(), "Hz"), engine.rates[used].value
    units = f"{engine.count.value:g} unit{'' if engine.count.value == 1 else 's'}"
    return f"{units} x 2 x {fma:g} FMA x {clock} = {format_si(rate, 'FLOP/s')} ({used})"
