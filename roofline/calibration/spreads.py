"""How large is the error on chips that were not measured? The spreads that ship, from residuals of other chips.

``datasheet-gpu.yaml`` is the interval of the plain roofline of an uncalibrated GPU. ``borrowed-cpu.yaml`` is that of a
CPU predicted from other CPUs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roofline import specs
from roofline.calibration.intervals import LEVELS
from roofline.core.calibration import ANY_GPU, Calibration, FamilyFit
from roofline.core.schedule import Kernel, Schedule
from roofline.core.stack import Stack
from roofline.devices import ceiling

Floats = NDArray[np.float64]
Ratios = dict[str, dict[str, list[float]]]
"""Family -> chip -> log(measured / plain roofline) of its kernels."""

LEAST_S = 20e-6
"""Least plain roofline of a kernel that counts [s]; shorter kernels measure the host rather than the device."""
ENDS = (0.05, 0.5, 0.95)
ODD = 1.5
"""Largest residual (logarithm) in the spread of CPUs left out; larger ones are clipped."""


def over_the_roofline(
    kernels: Mapping[str, Sequence[Kernel]], seconds: Mapping[str, Sequence[float]]
) -> tuple[Ratios, dict[str, int]]:
    """``log(measured / plain roofline)`` of kernels by family and chip [1], and the number of kernels used of each
    chip.

    Parameters
    ----------
    kernels : by chip.
    seconds : measured, by chip in the same order [s].
    """
    ratios: Ratios = {}
    counts: dict[str, int] = {}
    for chip, rows in kernels.items():
        schedule = Schedule.of(rows)
        plain = ceiling.ceiling_times(schedule, specs.load_chip(chip)).total
        used = plain >= LEAST_S
        counts[chip] = int(used.sum())
        logs = np.log(np.array(seconds[chip]) / plain)
        for family, log in zip(np.array(schedule.family_names())[used], logs[used], strict=True):
            ratios.setdefault(str(family), {}).setdefault(chip, []).append(float(log))
    return ratios, counts


def pooled(by_chip: Mapping[str, Sequence[float]], levels: tuple[float, ...] = ENDS) -> dict[str, float]:
    """Quantiles of the mixture in which every chip has the same weight: ``weight = 1 / values of the chip``.

    Parameters
    ----------
    by_chip : values by chip.
    levels : quantiles to compute [1].
    """
    values = np.concatenate([np.array(v) for v in by_chip.values()])
    weights = np.concatenate([np.full(len(v), 1.0 / len(v)) for v in by_chip.values()])
    order = np.argsort(values)
    cumulated = np.cumsum(weights[order]) / weights.sum()
    return {f"{level:g}": float(values[order][np.searchsorted(cumulated, level)]) for level in levels}


def datasheet(ratios: Ratios, counts: Mapping[str, int], data: Mapping[str, Any]) -> Calibration:
    """What ships as ``datasheet-gpu.yaml``: quantiles of :func:`over_the_roofline` by operator family [1].

    Parameters
    ----------
    ratios : logarithms by family and chip.
    counts : kernels used, by chip.
    data : description to store.
    """
    families = {}
    for family, by_chip in sorted(ratios.items()):
        off = {chip: list(np.abs(np.expm1(-np.array(logs)))) for chip, logs in by_chip.items()}
        errors, rows = pooled(off, (0.5, 0.9)), sum(map(len, by_chip.values()))
        families[family] = FamilyFit({}, {}, pooled(by_chip), rows, {}, errors["0.5"], errors["0.9"])
    rule = f"log(measured / plain roofline) where the roofline is at least {LEAST_S * 1e6:g} us"
    told = {**data, "rows": dict(counts), "rule": rule}
    return Calibration(ANY_GPU, "any", "ceiling", "any", {"framework": "several"}, families, {}, told)


def left_out(residuals: Sequence[Mapping[str, Floats]]) -> dict[str, FamilyFit]:
    """Quantiles of the error of a plan on one more machine::

        quantile(level) = normal quantile(level) * sqrt(mean over machines of mean residual^2)    [1]

    Three machines do not show whether the next one is faster or slower, so their mean error shifts no quantile. Form:
    this project's own; evidence: docs/evidence-cpu.md.

    Parameters
    ----------
    residuals : of each machine left out, log(measured / predicted) by plan [1].
    """
    found = {}
    for plan in dict.fromkeys(plan for by_plan in residuals for plan in by_plan):
        parts = [by_plan[plan] for by_plan in residuals if plan in by_plan]
        scale = float(np.sqrt(np.mean([np.mean(np.clip(part, -ODD, ODD) ** 2) for part in parts])))
        errors = np.abs(np.expm1(-np.concatenate(parts)))
        middle, most = np.quantile(errors, (0.5, 0.9))
        quantiles = {f"{level:g}": scale * NormalDist().inv_cdf(level) for level in LEVELS}
        found[plan] = FamilyFit({}, {}, quantiles, len(errors), {}, float(middle), float(most))
    return found


def borrowed_cpu(residuals: Sequence[Mapping[str, Floats]], machines: Sequence[str], stack: Stack) -> Calibration:
    """What ships as ``borrowed-cpu.yaml``: :func:`left_out` of each of ``machines`` (architectures) in turn.

    Parameters
    ----------
    residuals : as for :func:`left_out` [1].
    stack : software stack.
    """
    rule = "log(measured / predicted from the other machines' numbers, at the clock that the system shows)"
    told = {"left_out_in_turn": list(machines), "rule": rule}
    return Calibration("any CPU", "any", "cpu", "fp32", stack.to_dict(), left_out(residuals), {}, told)
