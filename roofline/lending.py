"""What do the numbers of measured CPUs say about another one?

Every machine that was measured lends what was fitted on its rows alone (``hw_specs/calibrations/cpus``), in units in
which cores agree (:mod:`roofline.devices.cpu_units`): the mean of logarithms, by how sure each is. A CPU that nobody
measured is predicted by it (:func:`borrowed_calibration`), a calibration starts from it (:mod:`roofline.borrowing`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from roofline import specs
from roofline.core.calibration import Calibration, FamilyFit
from roofline.core.chip import Chip
from roofline.core.dtype import Precision
from roofline.core.stack import Stack
from roofline.devices import cpu, cpu_plans
from roofline.devices.cpu_units import X86, Core

ALONE, NEAR = 0.2, 0.05
"""Spread of a number between machines, in logarithms, and between machines of one architecture."""

Numbers = Mapping[str, tuple[float, float]]
"""Parameter -> (logarithm in units of a core, its variance as a guess for another machine)."""
Pace = Mapping[str, float]
"""Kind of number -> what it is more on this machine than on others in all plans, as a logarithm."""
_Known = tuple[float, float]
"""A logarithm and how far a machine may be from it."""


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
        core, found, curves = Core.of(chip), dict[str, dict[str, list[_Known]]](), dict[str, list[_Known]]()
        for lender in lenders:
            theirs, ceilings = Core.from_dict(lender.data["core"]), cpu.Ceilings(**lender.ceilings)
            spread = NEAR if lender.architecture == chip.architecture else ALONE
            for name, value in lender.ceilings.items():
                curves.setdefault(name, []).append((float(np.log(value / theirs.ceiling_unit(name))), spread))
            for plan, fit in lender.families.items():
                for name, value in fit.parameters.items():
                    number = float(np.log(value / theirs.unit(plan, name, ceilings)))
                    sure = float(np.hypot(fit.uncertainty.get(name, 0.0), spread))
                    found.setdefault(plan, {}).setdefault(name, []).append((number, sure))
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


def _mean(seen: Sequence[_Known]) -> tuple[float, float]:
    """The mean of logarithms, by how sure each is, and its variance as a guess for one machine more."""
    weights = [1.0 / sure**2 for _, sure in seen]
    mean = sum(weight * value for weight, (value, _) in zip(weights, seen, strict=True)) / sum(weights)
    return mean, min(ALONE, *(sure for _, sure in seen)) ** 2 + 1.0 / sum(weights)


def kind_of(name: str) -> str:
    """``rate`` of ``rate:relu``."""
    return name.partition(":")[0]


def lent_to(chip: Chip, *, dtype: str = "fp32", threads: int = 1, relatives: bool = False) -> Lent | None:
    """What measured machines lend to a CPU; None where none describes it.

    relatives : those of its own architecture too.
    """
    if chip.kind != "cpu" or chip.vendor not in X86 or dtype != "fp32" or threads != 1:
        return None
    lenders = [fit for fit in specs.load_lenders() if relatives or fit.architecture != chip.architecture]
    return Lent.of(lenders, chip) if lenders else None


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
        {name: float(np.sqrt(variance)) for name, (_, variance) in known.items()},
        tuple(operators),
    )


def borrowed_calibration(
    chip: Chip, precision: Precision, stack: Stack, *, relatives: bool = True
) -> Calibration | None:
    """A calibration of a CPU that nobody measured, from those of others; None where none describes it.

    Its intervals are those of machines left out in turn (``hw_specs/calibrations/borrowed-cpu.yaml``).
    relatives : whether measured CPUs of its own architecture count.
    """
    lent = lent_to(chip, dtype=str(precision), threads=stack.threads, relatives=relatives)
    if lent is None or (stack.mode, stack.layout) != ("eager", "nchw"):
        return None
    return Calibration(
        chip=chip.name,
        architecture=chip.architecture,
        model="cpu",
        dtype="fp32",
        stack=stack.to_dict(),
        families={plan: unmeasured(plan, without_rows(lent.known(plan, lent.ceilings, {}))) for plan in lent.plans},
        ceilings=vars(lent.ceilings),
        data={"lenders": list(lent.lenders)},
    )


def unmeasured(plan: str, fit: Fit) -> FamilyFit:
    """A plan without rows of its own, with the errors that it had on machines left out."""
    spread = specs.load_borrowed_spread().families.get(plan)
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
