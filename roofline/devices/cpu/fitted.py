"""What does a CPU calibration predict for each kernel, how uncertain is it, and which CPUs does it cover?"""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.dtype import Precision
from roofline.core.labels import Labels
from roofline.core.stack import Stack
from roofline.devices.cpu import model, plans
from roofline.devices.timed import (
    BORROWED_FACTOR,
    SPARSE_FACTOR,
    WIDEN_PER_OCTAVE,
    Asked,
    Fitted,
    octaves_outside,
)


def times(asked: Asked) -> Fitted:
    """The CPU model (:func:`roofline.devices.cpu.model.cpu_times`) with the error of each plan's own fit::

        low, high = total * factor^wider,   wider = 1 + WIDEN_PER_OCTAVE * octaves (twice that if not measured)    [s]

    ``factor`` are quantiles of the residuals for a kernel of such difficulty; if a plan has too few measurements, the
    quantiles of machines left out.

    Parameters
    ----------
    asked : kernels, chip, stack and calibration.
    """
    stack, calibration = asked.stack, asked.fitted
    schedule = plans.with_recurrences(asked.schedule)
    parameters = {name: fit.parameters for name, fit in calibration.families.items()}
    ceilings = model.Ceilings(**calibration.ceilings)
    found = model.cpu_times(schedule, parameters, ceilings, stack, network=asked.network, parts=asked.parts)
    total, octaves = found.total, np.zeros(len(schedule))
    low, high = total / SPARSE_FACTOR, total * SPARSE_FACTOR
    known = np.ones(len(schedule), dtype=bool)
    names = np.array(plans.plan_labels(schedule, stack))
    for name, fit in calibration.families.items():
        mine = ~np.isnan(total) & (names == name)
        if not mine.any():
            continue
        part_of = schedule.select(mine)
        octaves[mine] = octaves_outside(part_of, fit)
        known[mine] = model.fitted_ops(part_of, fit)
        if fit.spread is not None:
            factors = fit.spread.interval(model.difficulty(part_of, total[mine]))
            wider = 1.0 + WIDEN_PER_OCTAVE * octaves[mine]
            wider = np.where(known[mine], wider, BORROWED_FACTOR * wider)
            low[mine] = total[mine] * np.minimum(factors[0], 1.0) ** wider
            high[mine] = total[mine] * factors[1] ** wider
        elif fit.quantiles:  # few or no measurements: the error on machines left out
            low[mine] = total[mine] * np.exp(min(fit.quantiles["0.05"], 0.0))
            high[mine] = total[mine] * np.exp(max(fit.quantiles["0.95"], 0.0))
    # operators without measurements use the rates of their plan
    tiers = Labels.where(known, "calibrated", "borrowed")
    return Fitted(found, tiers, low, high, octaves, asked.plain.light)


def part(chip: Chip, stack: Stack) -> Chip:
    """As many cores as the stack has threads."""
    return chip.with_units(stack.threads)


def accepts(fit: Calibration, chip: Chip, precision: Precision, stack: Stack) -> str:
    """Why a fit does not describe this CPU in this precision under this stack; empty if it does."""
    if (fit.chip, fit.architecture) != (chip.name, chip.architecture):
        return f"is for {fit.chip} ({fit.architecture}), not for {chip.name} ({chip.architecture})"
    if fit.dtype != str(precision):
        return f"was fitted in {fit.dtype}, not in {precision}"
    theirs = Stack.from_dict(fit.stack)
    for name in ("mode", "threads", "layout"):
        if getattr(theirs, name) != getattr(stack, name):
            return f"was fitted with {name} {getattr(theirs, name)}, not {getattr(stack, name)}"
    return ""


def lacks(fit: Calibration) -> str:
    """Which parameters a fit of an earlier version lacks; empty if none."""
    names = {field.name for field in fields(model.Ceilings)}
    if wrong := ({"cache", "dram", "knee"} - fit.ceilings.keys()) | (fit.ceilings.keys() - names):
        return f"missing or unknown ceilings: {', '.join(sorted(wrong))}"
    for plan, family in fit.families.items():
        if missing := plans.lacking(plan, family.parameters):
            return f"{plan} has no {', '.join(missing)}"
    return ""
