"""What do the parameters of measured CPUs say about another CPU?

Each measured machine has a calibration fitted on its measurements alone (``hw_specs/calibrations/cpus``). Its
parameters are converted to units in which cores agree (:mod:`roofline.devices.cpu.units`). The transferred value is a
weighted mean of logarithms::

    weight   = spread^-2 / (1 + (error / 0.2)^2),   normalized
    value    = sum of weight * log(value of a machine)
    variance = min(spread)^2 + sum of weight^2 * (error^2 + spread^2)

``error`` is the standard error of the machine's own fit, ``spread`` that between machines. A CPU that was not measured
is predicted by these values (:func:`transferred`); a calibration starts from them
(:mod:`roofline.calibration.cpu.prior`).

Form: this project's own; evidence: docs/evidence-cpu.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from roofline.core.calibration import Calibration, FamilyFit
from roofline.core.chip import Chip
from roofline.core.dtype import Precision
from roofline.core.stack import Stack
from roofline.devices.cpu import model as cpu
from roofline.devices.cpu import plans as cpu_plans
from roofline.devices.cpu.units import X86, Core

ALONE, TOGETHER, COMMON = 0.2, 0.2, 0.4
"""Spread between machines, in logarithms: of one parameter, of all parameters of a kind in a plan, and of that kind in
all plans together.
"""
NEAR = 0.05
"""Spread of one parameter between machines of one architecture, in logarithms."""

Numbers = Mapping[str, tuple[float, float]]
"""Parameter -> (logarithm in units of a core, variance of that logarithm for another machine)."""
Pace = Mapping[str, float]
"""Kind of parameter -> how much larger it is on this machine than on others in all plans, as a logarithm."""
_Seen = tuple[float, float, float]
"""A logarithm, its standard error, and the spread between that machine and this one."""


@dataclass(frozen=True)
class Lent:
    """Parameters of other machines, for a core.

    Parameters
    ----------
    core : the core.
    lenders : architectures of the machines.
    plans : plan -> parameters in units of a core.
    ceilings : bandwidth curve in SI units.
    """

    core: Core
    lenders: tuple[str, ...]
    plans: Mapping[str, Numbers]
    ceilings: cpu.Ceilings

    @classmethod
    def of(cls, lenders: Sequence[Calibration], chip: Chip) -> Lent:
        """The parameters of other machines for a chip, as the weighted mean of the module.

        Parameters
        ----------
        lenders : calibrations of the machines.
        chip : the CPU: clock [Hz], FMA per clock [1].
        """
        core, found, curves = Core.of(chip), dict[str, dict[str, list[_Seen]]](), dict[str, list[_Seen]]()
        for lender in lenders:
            theirs, ceilings = Core.from_dict(lender.data["core"]), cpu.Ceilings(**lender.ceilings)
            spread = NEAR if lender.architecture == chip.architecture else ALONE
            for name, value in lender.ceilings.items():
                curves.setdefault(name, []).append((float(np.log(value / theirs.ceiling_unit(name))), 0.0, spread))
            for plan, fit in lender.families.items():
                for name, value in fit.parameters.items():
                    number = float(np.log(value / theirs.unit(plan, name, ceilings)))
                    seen = (number, fit.uncertainty.get(name, 0.0), spread)
                    found.setdefault(plan, {}).setdefault(name, []).append(seen)
        curve = {name: float(np.exp(_mean(seen)[0])) * core.ceiling_unit(name) for name, seen in curves.items()}
        return cls(
            core,
            tuple(one.architecture for one in lenders),
            {plan: {name: _mean(seen) for name, seen in numbers.items()} for plan, numbers in found.items()},
            cpu.Ceilings(**{**curve, "lanes": _lanes(chip)}),
        )

    def known(self, plan: str, ceilings: cpu.Ceilings, pace: Pace) -> dict[str, tuple[float, float]]:
        """Parameters of a plan as logarithms in SI units, with variance: ``log(value) + log(Core.unit) + pace`` [1].

        Parameters
        ----------
        plan : its name.
        ceilings : bandwidth curve.
        pace : how much larger each kind is here, as a logarithm.
        """
        return {
            name: (
                value + float(np.log(self.core.unit(plan, name, ceilings))) + pace.get(kind_of(name), 0.0),
                variance,
            )
            for name, (value, variance) in self.plans.get(plan, {}).items()
        }


def _mean(seen: Sequence[_Seen]) -> tuple[float, float]:
    """Weighted mean of logarithms, and its variance as an estimate for another machine; see the module.

    The parameters of a plan are only known well together, so an uncertain value of a near machine counts more than a
    certain value of a far one.
    """
    values, errors, spreads = np.array(seen).T
    weights = spreads**-2 / (1.0 + (errors / ALONE) ** 2)
    weights /= weights.sum()
    return float(weights @ values), float(spreads.min() ** 2 + weights**2 @ (errors**2 + spreads**2))


def kind_of(name: str) -> str:
    """``rate`` for ``rate:relu``."""
    return name.partition(":")[0]


def lent_to(chip: Chip, lenders: Sequence[Calibration], dtype: str = "fp32", stack: Stack = Stack()) -> Lent | None:  # noqa: B008
    """Parameters transferred to a CPU by :meth:`Lent.of`; None for other vendors, precisions and stacks.

    Parameters
    ----------
    chip : the CPU.
    lenders : calibrations of measured machines.
    dtype : precision.
    stack : software stack.
    """
    how = (dtype, stack.threads, stack.mode, stack.layout)
    if chip.vendor.casefold() not in X86 or how != ("fp32", 1, "eager", "nchw") or not lenders:
        return None
    return Lent.of(lenders, chip)


def _lanes(chip: Chip) -> float:
    """fp32 numbers in a register without measurements: 16 with two 512-bit units, or with the bf16 of
    AVX-512; else 8.
    """
    wide = Core.of(chip).fma >= 2 * cpu_plans.LANES or any(p.compute == "bf16" for p in chip.engines[0].rates)
    return cpu_plans.LANES if wide else cpu_plans.LANES // 2


@dataclass(frozen=True)
class Fit:
    """Parameters of a plan in SI units, standard errors of their logarithms, and the operators without measurements."""

    parameters: dict[str, float]
    uncertainty: dict[str, float]
    borrowed: tuple[str, ...] = ()


def without_rows(known: Numbers) -> Fit:
    """A plan without measurements: ``value = exp(logarithm)`` in SI units, ``error = sqrt(variance + 0.2^2 + 0.4^2)``
    [1].

    Parameters
    ----------
    known : parameters as :meth:`Lent.known` returns them.
    """
    operators = sorted({name.partition(":")[2] for name in known} - {""})
    return Fit(
        {name: float(np.exp(value)) for name, (value, _) in known.items()},
        {name: float(np.sqrt(variance + TOGETHER**2 + COMMON**2)) for name, (_, variance) in known.items()},
        tuple(operators),
    )


def transferred(
    chip: Chip, precision: Precision, stack: Stack, lenders: Sequence[Calibration], spread: Calibration
) -> Calibration | None:
    """A calibration of a CPU that was not measured, from those of other CPUs; None where none applies.

    Calls :func:`lent_to` and :func:`without_rows`; parameters are in SI units ([s], [FLOP/s], [B/s]).

    Parameters
    ----------
    chip : the CPU: clock [Hz], FMA per clock [1].
    precision : number format.
    stack : software stack.
    lenders : calibrations fitted on one machine each.
    spread : errors on machines left out, by plan; they give the intervals.
    """
    lent = lent_to(chip, lenders, str(precision), stack)
    if lent is None:
        return None
    return Calibration(
        chip=chip.name,
        architecture=chip.architecture,
        model="cpu",
        dtype="fp32",
        stack=stack.to_dict(),
        families={
            plan: unmeasured(without_rows(lent.known(plan, lent.ceilings, {})), spread.families.get(plan))
            for plan in lent.plans
        },
        ceilings=vars(lent.ceilings),
        data={"lenders": list(lent.lenders)},
    )


def unmeasured(fit: Fit, spread: FamilyFit | None) -> FamilyFit:
    """A plan without measurements, with the errors of that plan on machines left out (``spread``)."""
    return FamilyFit(
        parameters=fit.parameters,
        uncertainty=fit.uncertainty,
        quantiles=spread.quantiles if spread else {},
        points=0,
        range={},
        median_error=spread.median_error if spread else 0.0,
        p90_error=spread.p90_error if spread else 0.0,
        borrowed=fit.borrowed,
    )
