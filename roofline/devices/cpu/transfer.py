"""What do the numbers of measured CPUs say about another one?

Every machine that was measured lends what was fitted on its rows alone (``hw_specs/calibrations/cpus``), in units in
which cores agree (:mod:`roofline.devices.cpu.units`): the mean of logarithms, by how sure each is. A CPU that nobody
measured is predicted by it (:func:`transferred`), a calibration starts from it
(:mod:`roofline.calibration.cpu.prior`).
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
"""Spread between machines, in logarithms: of one number, of all numbers of a kind in a plan, and of that kind in all
plans together."""
NEAR = 0.05
"""Spread of one number between machines of one architecture."""

Numbers = Mapping[str, tuple[float, float]]
"""Parameter -> (logarithm in units of a core, its variance as a guess for another machine)."""
Pace = Mapping[str, float]
"""Kind of number -> what it is more on this machine than on others in all plans, as a logarithm."""
_Seen = tuple[float, float, float]
"""A logarithm, its standard error, and the spread between that machine and the one at hand."""


@dataclass(frozen=True)
class Lent:
    """Numbers of other machines, for a core: plan -> numbers; who lent them; ceilings in SI units."""

    core: Core
    lenders: tuple[str, ...]
    plans: Mapping[str, Numbers]
    ceilings: cpu.Ceilings

    @classmethod
    def of(cls, lenders: Sequence[Calibration], chip: Chip) -> Lent:
        """What calibrations of machines lend to a chip."""
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
        """Numbers of a plan as logarithms in SI units, and their variance; pace: what a kind is more here."""
        return {
            name: (
                value + float(np.log(self.core.unit(plan, name, ceilings))) + pace.get(kind_of(name), 0.0),
                variance,
            )
            for name, (value, variance) in self.plans.get(plan, {}).items()
        }


def _mean(seen: Sequence[_Seen]) -> tuple[float, float]:
    """The mean of logarithms, by how near each machine is and then by how sure; its variance as a guess for one more.

    Numbers of a plan are sure only together, so that an unsure one of a near machine still goes before a stranger's.
    """
    values, errors, spreads = np.array(seen).T
    weights = spreads**-2 / (1.0 + (errors / ALONE) ** 2)
    weights /= weights.sum()
    return float(weights @ values), float(spreads.min() ** 2 + weights**2 @ (errors**2 + spreads**2))


def kind_of(name: str) -> str:
    """``rate`` of ``rate:relu``."""
    return name.partition(":")[0]


def lent_to(chip: Chip, lenders: Sequence[Calibration], dtype: str = "fp32", stack: Stack = Stack()) -> Lent | None:  # noqa: B008
    """What measured machines lend to a CPU; None where none describes it: other vendors, precisions and stacks."""
    how = (dtype, stack.threads, stack.mode, stack.layout)
    if chip.vendor.casefold() not in X86 or how != ("fp32", 1, "eager", "nchw") or not lenders:
        return None
    return Lent.of(lenders, chip)


def _lanes(chip: Chip) -> float:
    """fp32 numbers in a register, where no rows tell: two units of 512 bits, or of 256 with the bf16 of AVX-512."""
    wide = Core.of(chip).fma >= 2 * cpu_plans.LANES or any(p.compute == "bf16" for p in chip.engines[0].rates)
    return cpu_plans.LANES if wide else cpu_plans.LANES // 2


@dataclass(frozen=True)
class Fit:
    """Parameters of a plan in SI units, standard errors of their logarithms, operators among them without rows."""

    parameters: dict[str, float]
    uncertainty: dict[str, float]
    borrowed: tuple[str, ...] = ()


def without_rows(known: Numbers) -> Fit:
    """A plan without rows, all of it borrowed; ``known`` in SI units (:meth:`Lent.known`)."""
    operators = sorted({name.partition(":")[2] for name in known} - {""})
    return Fit(
        {name: float(np.exp(value)) for name, (value, _) in known.items()},
        {name: float(np.sqrt(variance + TOGETHER**2 + COMMON**2)) for name, (_, variance) in known.items()},
        tuple(operators),
    )


def transferred(
    chip: Chip, precision: Precision, stack: Stack, lenders: Sequence[Calibration], spread: Calibration
) -> Calibration | None:
    """A calibration of a CPU that was not measured, from those of others; None where none describes it.

    lenders : what was fitted on each machine. spread : how far off a machine left out was, by plan; the intervals.
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
    """A plan without rows of its own, with the errors that it had on machines left out (``spread``)."""
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
