"""Which parameters of a fit are behind the time of a kernel on a CPU?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from roofline.core.calibration import Calibration, FamilyFit
from roofline.core.chip import Chip
from roofline.core.schedule import KINDS, Schedule
from roofline.core.stack import Stack
from roofline.devices.account import Account, Explaining, Term
from roofline.devices.cpu import model, plans
from roofline.devices.timed import Timing
from roofline.units import format_si


def explain(timing: Timing, chip: Chip, calibration: Calibration, stack: Stack) -> Explaining:
    """A function that explains each kernel: its plan, and what each parameter of the plan adds to its time."""
    labels = plans.plan_labels(plans.with_recurrences(timing.schedule), stack)
    lanes = calibration.ceilings.get("lanes", plans.LANES)

    def account(row: int, bandwidth: float | None) -> Account | None:
        plan = labels[row]
        fit = calibration.families.get(plan)
        if timing.tiers[row] == "datasheet" or fit is None:
            return None
        return Account(
            model.FORMULA,
            lambda name, seconds: fitted_part(name, seconds, plan, timing.schedule, row, fit, lanes),
            plan,
            terms_of(plan, timing.schedule, row, fit, calibration),
        )

    return account


def fitted_part(
    name: str, seconds: float, plan: str, schedule: Schedule, row: int, fit: FamilyFit, lanes: float
) -> str:
    """The arithmetic behind one resource of a fitted plan, as text: ``work / rate`` [FLOP/s] or ``bytes / seconds``
    [B/s].

    Parameters
    ----------
    name : name of the resource.
    seconds : seconds of all launches [s].
    plan : its name.
    schedule : the kernels.
    row : index of the kernel [1].
    fit : fit of the plan.
    lanes : fp32 numbers in a register [1].
    """
    kernel = schedule.select(np.array([row]))
    seconds /= int(kernel.repeats[0])
    if name == "memory":
        return f"{format_si(float(kernel.bytes[0]), 'B')} at {format_si(float(kernel.bytes[0]) / seconds, 'B/s')}"
    rates = [value for key, value in fit.parameters.items() if key == f"rate:{kernel.op_names[int(kernel.op[0])]}"]
    if name != "compute" or not rates:
        return ""
    work, products = float(plans.PLANS[plan].work(kernel, lanes)[0]), int(kernel.kind[0]) == KINDS.index("matmul")
    unit = "FLOP" if products else "op"
    factor = seconds * rates[0] / work if work else 1.0
    shape = f" x {factor:.2f} for the shape" if abs(factor - 1) > 0.005 else ""
    return f"{format_si(work, unit)} done / {format_si(rates[0], unit + '/s')}{shape}"


_ADDED = ("start", "row", "short", "unfold", "sat_k", "remainder", "idle", "guess")
"""Terms that are neutral at 0; all others are factors, neutral at 1."""
_RATES = ("rate", "weight_bandwidth")


def terms_of(plan: str, schedule: Schedule, row: int, fit: FamilyFit, calibration: Calibration) -> tuple[Term, ...]:
    """Every parameter of the plan that affects this kernel, with the seconds it adds::

        seconds = time with the parameter - time with its neutral value    [s]

    Parameters
    ----------
    plan : its name.
    schedule : the kernels.
    row : index of the kernel [1].
    fit : fit of the plan.
    calibration : with the bandwidth curve.
    """
    ceilings = model.Ceilings(**calibration.ceilings)
    here = np.array([row])
    kernels, recent = schedule.select(here), model.recent_bytes(schedule)[here]

    def seconds(parameters: Mapping[str, float]) -> float:
        each = float(model.plan_times(plan, kernels, parameters, ceilings, recent).total[0])
        return each * int(kernels.repeats[0])

    whole, operator = seconds(fit.parameters), kernels.op_names[int(kernels.op[0])]
    terms = []
    for name, value in fit.parameters.items():
        stem, colon, owner = name.partition(":")
        if colon and owner != operator:
            continue
        without = None
        if stem not in _RATES:
            neutral = {**fit.parameters, name: 0.0 if stem in _ADDED else 1.0}
            with np.errstate(all="ignore"):
                without = whole - seconds(neutral)
        terms.append(Term(name, value, fit.uncertainty.get(name), without))
    return tuple(terms)
