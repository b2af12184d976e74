"""Which parameters fit the device model of a CPU to measured kernels?

Errors are relative, so everything is fitted in logarithms. The loss is robust, and each parameter has a weak pull
towards its start, so that a parameter that the measurements do not determine stays physical::

    minimize sum soft_l1(log(predicted / measured)) + sum soft_l1(pull * log(parameter / start))
    soft_l1(e) = quadratic below 10 %, linear above

Standard errors of logarithms are sqrt(diag((J' J)^-1) * 2 cost / (residuals - parameters)).

Form: this project's own; evidence: docs/evidence-cpu.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from roofline.core.schedule import Schedule
from roofline.core.stack import Stack
from roofline.devices.cpu import model as cpu
from roofline.devices.cpu import plans as cpu_plans

Floats = NDArray[np.float64]

PRIOR = 0.02
"""Weight of the pull towards the start: a factor e^3 away counts as much as 2 % on every measurement."""

SHARE, FRESH, PULL = 0.3, 2.0, 0.3
"""DRAM bandwidth of one core over its cache bandwidth, cost of a write to fresh memory there in reads, and the pull
towards both. Without streams larger than the caches nothing else determines them. A factor e away counts as much as a
measurement that is 30 % off.
"""

GUESS = cpu.Ceilings(cache=8e10, dram=2e10, knee=1.6e7)
"""Bandwidth curve of a core where neither measurements nor other machines determine it."""
PULL_LENT = 0.1
"""Pull of a bandwidth curve towards that of other machines, whose caches differ more than their cores."""

STEP = 1e-6
"""Step in a logarithm for numerical derivatives."""

LADDER_OPS = ("relu", "add", "mul")
"""Streams whose arithmetic takes no time; they determine the bandwidth."""

MIN_STREAMS = 6

WIDTHS = (16, 8)
"""fp32 numbers in the registers of AVX-512 and of AVX2."""
BLOCKED = ("conv-blocked", "conv-weights", "depthwise")
"""Plans whose time depends on the register width."""


def fit_machine(schedule: Schedule, seconds: Floats, stack: Stack, lent: cpu.Ceilings | None = None) -> cpu.Ceilings:
    """Bandwidth curve, and the register width with the smaller error: ``sum of |log(predicted / measured)|`` over
    BLOCKED.

    Parameters
    ----------
    schedule : N kernels.
    seconds : measured [s], shape (N,).
    stack : software stack.
    lent : parameters of other machines: the pull of the fit, and the width if there are too few measurements.

    Returns
    -------
    ceilings : bandwidths [B/s], knee [B], lanes [1].
    """
    ceilings = _fit_bandwidths(schedule, seconds, lent)
    codes = cpu_plans.plans(schedule, stack)
    parts = [np.flatnonzero(codes == cpu_plans.PLAN_NAMES.index(name)) for name in BLOCKED]

    def error(lanes: float) -> float:
        """Sum of the errors of the plans that use whole registers."""
        here, total = replace(ceilings, lanes=lanes), 0.0
        for name, rows in zip(BLOCKED, parts, strict=True):
            if len(rows) >= MIN_STREAMS:
                kernels, measured = schedule.select(rows), seconds[rows]
                parameters, _ = fit_plan(name, kernels, measured, here)
                total += float(np.abs(np.log(cpu.plan_times(name, kernels, parameters, here).total / measured)).sum())
        return total

    told = any(len(rows) >= MIN_STREAMS for rows in parts)
    return replace(ceilings, lanes=min(WIDTHS, key=error) if told else lent.lanes if lent else WIDTHS[0])


def _fit_bandwidths(schedule: Schedule, seconds: Floats, lent: cpu.Ceilings | None) -> cpu.Ceilings:
    """The bandwidth curve from streams without arithmetic; that of other machines, or a guess, if there are too few.

    ``t = start + bytes / B(working set)``, see :mod:`roofline.devices.cpu.model`.
    """
    free = [index for index, name in enumerate(schedule.op_names) if name in LADDER_OPS]
    streams = np.flatnonzero(np.isin(schedule.op, free) & (schedule.bytes > 2.0**18))
    if len(streams) < (1 if lent else MIN_STREAMS):
        return lent or GUESS
    moved, measured = schedule.select(streams), np.log(seconds[streams])
    inplace = moved.target == moved.source
    working_set = moved.reads + np.where(inplace, 0.0, cpu.OUTPUT_BUFFERS * moved.writes)

    def residual(x: Floats) -> Floats:
        start, fresh, fresh_dram, cache, share, knee = np.exp(x)
        here = cpu.Ceilings(cache, share * cache, knee, fresh=fresh, fresh_dram=fresh_dram)
        read = here.bandwidth(working_set)
        into = np.where(inplace, read, here.fresh_bandwidth(working_set))
        usual = PULL * np.log([share / SHARE, fresh_dram / FRESH])
        others = np.log([cache / lent.cache, knee / lent.knee, fresh / lent.fresh]) if lent else np.zeros(0)
        told = np.log(start + moved.reads / read + moved.writes / into) - measured
        return np.concatenate([told, usual, PULL_LENT * others])

    first = {
        "start": (1e-6, 1e-8, 1e-4),
        "fresh": (2.0, 1.0, 10.0),
        "fresh_dram": (2.0, 0.5, 10.0),
        "cache": (1e11, 1e9, 1e13),
        "share": (SHARE, 1e-2, 1.0),
    }
    best, _ = _least_squares(residual, {**first, "knee": (1.6e7, 5e5, 1e9)})
    return cpu.Ceilings(
        best["cache"],
        best["share"] * best["cache"],
        best["knee"],
        fresh=best["fresh"],
        fresh_dram=best["fresh_dram"],
    )


def fit_plan(
    name: str, kernels: Schedule, seconds: Floats, ceilings: cpu.Ceilings
) -> tuple[dict[str, float], dict[str, float]]:
    """Parameters of one plan in SI units, and the standard errors of their logarithms; see the module for the equation.

    Parameters
    ----------
    name : of the plan.
    kernels : N kernels of it.
    seconds : measured [s], shape (N,).
    ceilings : bandwidth curve.
    """
    ops = sorted({kernels.op_names[code] for code in kernels.op})
    free: dict[str, tuple[float, float, float]] = {}
    for parameter, bounds in cpu_plans.PLANS[name].free.items():
        if parameter.endswith(":"):
            free |= {parameter + op: bounds for op in ops}
        else:
            free[parameter] = bounds
    return fit_numbers(name, kernels, seconds, ceilings, free, pull(len(seconds)) * np.eye(len(free)))


def pull(rows: int) -> float:
    """Pull on each parameter of a plan with so many measurements: ``PRIOR * sqrt(rows) / 3`` [1].

    Parameters
    ----------
    rows : number of measurements [1].
    """
    return float(PRIOR * np.sqrt(rows) / 3.0)


def fit_numbers(
    name: str,
    kernels: Schedule,
    seconds: Floats,
    ceilings: cpu.Ceilings,
    free: Mapping[str, tuple[float, float, float]],
    pulls: Floats,
) -> tuple[dict[str, float], dict[str, float]]:
    """As :func:`fit_plan`, for given parameters::

        minimize sum soft_l1(log(predicted / seconds)) + sum soft_l1(pulls @ log(parameter / start))

    Parameters
    ----------
    name, kernels, seconds, ceilings : as in :func:`fit_plan`.
    free : parameter -> (start, low, high) in SI units.
    pulls : square matrix of weights [1].
    """
    measured = np.log(seconds)
    names = list(free)
    start = np.log([bounds[0] for bounds in free.values()])

    def predicted(x: Floats) -> Floats:
        times = cpu.plan_times(name, kernels, dict(zip(names, np.exp(x), strict=True)), ceilings)
        return np.asarray(np.log(times.total))

    def residual(x: Floats) -> Floats:
        return np.concatenate([predicted(x) - measured, pulls @ (x - start)])

    # a parameter of one operator only affects that operator's rows, so one evaluation serves all operators
    stems = [parameter.partition(":")[0] for parameter in names]
    owners = [parameter.partition(":")[2] for parameter in names]
    of = np.array(kernels.op_names)[kernels.op]
    moves = np.array([(of == owner) if owner else np.ones(len(of), dtype=bool) for owner in owners]).T

    def jacobian(x: Floats) -> Floats:
        here, slopes = predicted(x), np.zeros((len(measured), len(names)))
        for stem in dict.fromkeys(stems):
            mine = np.array([one == stem for one in stems])
            slope = (predicted(x + np.where(mine, STEP, 0.0)) - here) / STEP
            slopes[:, mine] = np.where(moves[:, mine], slope[:, None], 0.0)
        return np.concatenate([slopes, pulls])

    return _least_squares(residual, free, jacobian)


def _least_squares(
    residual: Callable[[Floats], Floats],
    free: Mapping[str, tuple[float, float, float]],
    jacobian: Callable[[Floats], Floats] | Literal["2-point"] = "2-point",
) -> tuple[dict[str, float], dict[str, float]]:
    """Robust least squares over the logarithms of bounded positive parameters."""
    from scipy.optimize import least_squares

    start, low, high = np.log(np.array(list(free.values()))).T
    found = least_squares(residual, start, jacobian, bounds=(low, high), loss="soft_l1", f_scale=0.1, max_nfev=200)
    slopes = np.asarray(found.jac)
    curvature = slopes.T @ slopes
    spread = 2.0 * found.cost / max(1, len(found.fun) - len(start))
    error = np.sqrt(np.clip(np.diag(np.linalg.pinv(curvature)) * spread, 0.0, None))
    values = np.exp(found.x)
    return (
        {name: float(value) for name, value in zip(free, values, strict=True)},
        {name: float(value) for name, value in zip(free, error, strict=True)},
    )
