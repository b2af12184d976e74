"""What does a calibration of a CPU say of kernels, how sure is it, and which CPUs, precisions and stacks is it of?"""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.dtype import Precision
from roofline.core.prediction import Tier
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
    """The model of CPU cores, every plan with the spread of its own fit."""
    stack, calibration = asked.stack, asked.fitted
    schedule = plans.with_recurrences(asked.schedule)
    parameters = {name: fit.parameters for name, fit in calibration.families.items()}
    ceilings = model.Ceilings(**calibration.ceilings)
    found = model.cpu_times(schedule, parameters, ceilings, stack, network=asked.network)
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
        elif fit.quantiles:  # too few rows or none: how far off it was on machines left out
            low[mine] = total[mine] * np.exp(min(fit.quantiles["0.05"], 0.0))
            high[mine] = total[mine] * np.exp(max(fit.quantiles["0.95"], 0.0))
    # what was measured; operators that no row was about borrow the rates of their plan
    tiers: list[Tier] = ["calibrated" if measured else "borrowed" for measured in known]
    return Fitted(found, tiers, low, high, octaves, asked.plain.light)


def part(chip: Chip, stack: Stack) -> Chip:
    """As many cores as the stack has threads."""
    return chip.with_units(stack.threads)


def accepts(fit: Calibration, chip: Chip, precision: Precision, stack: Stack) -> str:
    """Why a fit does not describe this CPU in this precision under this stack; empty where it does."""
    if (fit.chip, fit.architecture) != (chip.name, chip.architecture):
        return f"is of {fit.chip} ({fit.architecture}), not of {chip.name} ({chip.architecture})"
    if fit.dtype != str(precision):
        return f"was fitted in {fit.dtype}, not in {precision}"
    theirs = Stack.from_dict(fit.stack)
    for name in ("mode", "threads", "layout"):
        if getattr(theirs, name) != getattr(stack, name):
            return f"was fitted with {name} {getattr(theirs, name)}, not {getattr(stack, name)}"
    return ""


def lacks(fit: Calibration) -> str:
    """Which parameters of today's plans a fit of an earlier version has not; empty where it has all."""
    names = {field.name for field in fields(model.Ceilings)}
    if wrong := ({"cache", "dram", "knee"} - fit.ceilings.keys()) | (fit.ceilings.keys() - names):
        return f"its ceilings lack, or do not know, {', '.join(sorted(wrong))}"
    for plan, family in fit.families.items():
        if missing := plans.lacking(plan, family.parameters):
            return f"{plan} has no {', '.join(missing)}"
    return ""
