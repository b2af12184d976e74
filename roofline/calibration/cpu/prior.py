"""How are the plans of a CPU fitted with a pull towards the parameters of other CPUs?

All parameters are logarithms. The prior covariance of a plan has a common deviation of each kind of parameter and an
own deviation of each parameter::

    covariance = TOGETHER^2 + diag(variance of each parameter),   pull = NOISE * cholesky(covariance)^-1

The deviation that all plans share (a core with more work per clock) is found first, from plans with measurements. A
calibration takes nothing from a CPU of the same architecture, so that held-out measurements stay held out.

Form: this project's own; evidence: docs/evidence-cpu.md.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from roofline.calibration.cpu import fit as fitting
from roofline.core.schedule import Schedule
from roofline.devices.cpu import model as cpu
from roofline.devices.cpu import plans as cpu_plans
from roofline.devices.cpu.transfer import COMMON, TOGETHER, Fit, Lent, Numbers, Pace, kind_of, without_rows

Floats = NDArray[np.float64]

UNKNOWN = 0.7
"""Spread of an operator that no other machine measured, around the others of its kind."""
NOISE = 0.1
"""A parameter one spread away counts as much as a measurement with this error."""
PACES = ("start", "row", "rate", "weight_bandwidth", "activations")
"""Kinds of parameters with a deviation that all plans share."""


def fit_plans(
    parts: Mapping[str, tuple[Schedule, Floats]], ceilings: cpu.Ceilings, lent: Lent | None, least: int
) -> dict[str, Fit]:
    """Fits of all plans, from the kernels and measured seconds [s] of ``parts``.

    Without transferred parameters (``lent``), only plans of ``least`` measurements or more are fitted.
    """
    alone = {
        plan: Fit(*fitting.fit_plan(plan, kernels, seconds, ceilings))
        for plan, (kernels, seconds) in parts.items()
        if len(seconds) >= least and (lent is None or plan not in lent.plans)
    }
    if lent is None:
        return alone

    def towards(pace: Pace) -> tuple[dict[str, Numbers], dict[str, Fit]]:
        known: dict[str, Numbers] = {plan: lent.known(plan, ceilings, pace) for plan in lent.plans}
        return known, {plan: _fit_towards(plan, *parts[plan], ceilings, known[plan]) for plan in known if plan in parts}

    known, fits = towards(_paces(*towards({})))
    return {**alone, **fits, **{plan: without_rows(known[plan]) for plan in known if plan not in fits}}


def _fit_towards(plan: str, kernels: Schedule, seconds: Floats, ceilings: cpu.Ceilings, known: Numbers) -> Fit:
    """One plan, pulled towards known parameters; operators without measurements move with their kind."""
    present = {kernels.op_names[code] for code in kernels.op}
    free: dict[str, tuple[float, float, float]] = {}
    for name, bounds in cpu_plans.PLANS[plan].free.items():
        if name.endswith(":"):
            lent = {key.partition(":")[2] for key in known if key.startswith(name)}
            free |= {name + op: bounds for op in sorted(lent | present)}
        else:
            free[name] = bounds
    names = np.array(list(free))
    kinds = np.array([kind_of(name) for name in names])
    first, low, high = np.log(np.array(list(free.values()))).T
    covariance = np.zeros((len(names), len(names)))
    for kind in dict.fromkeys(kinds):
        mine = np.flatnonzero(kinds == kind)
        given = [known[name] for name in names[mine] if name in known]
        if not given:  # unknown: only the weak pull towards the start
            covariance[mine, mine] = (NOISE / fitting.pull(len(seconds))) ** 2
            continue
        mean = float(np.mean([value for value, _ in given]))
        values, variances = np.array([known.get(name, (mean, UNKNOWN**2)) for name in names[mine]]).T
        first[mine] = values
        covariance[np.ix_(mine, mine)] = TOGETHER**2 + np.diag(variances)
    first = np.clip(first, low + 1e-6, high - 1e-6)
    starts = {
        name: (float(at), least, most) for (name, (_, least, most)), at in zip(free.items(), np.exp(first), strict=True)
    }
    pull = NOISE * np.linalg.inv(np.linalg.cholesky(covariance))
    parameters, uncertainty = fitting.fit_numbers(plan, kernels, seconds, ceilings, starts, pull)
    borrowed = {name.partition(":")[2] for name in names} - {""} - present
    for name, prior in zip(names, np.sqrt(np.diag(covariance)), strict=True):
        if name.partition(":")[2] in borrowed:
            uncertainty[name] = max(uncertainty[name], float(prior))
    return Fit(parameters, uncertainty, tuple(sorted(borrowed)))


def _paces(known: Mapping[str, Numbers], fits: Mapping[str, Fit]) -> dict[str, float]:
    """The deviation of each kind of parameter in all plans together: a weighted mean, pulled towards 0."""
    found: dict[str, list[tuple[float, float]]] = {kind: [] for kind in PACES}
    for plan, fit in fits.items():
        for kind in PACES:
            pairs = [
                (np.log(fit.parameters[name]) - value, fit.uncertainty[name] ** 2 + variance)
                for name, (value, variance) in known[plan].items()
                if kind_of(name) == kind and name in fit.parameters and name.partition(":")[2] not in fit.borrowed
            ]
            if pairs:
                weights = np.array([1.0 / variance for _, variance in pairs])
                mean = float(weights @ [shift for shift, _ in pairs] / weights.sum())
                found[kind].append((mean, 1.0 / float(weights.sum()) + TOGETHER**2))
    return {
        kind: sum(mean / v for mean, v in pairs) / (sum(1.0 / v for _, v in pairs) + COMMON**-2)
        for kind, pairs in found.items()
    }
