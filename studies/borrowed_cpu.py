"""What do measured CPUs teach about one that was not, or hardly? Each of those in the repository left out in turn.

    python studies/borrowed_cpu.py [--write | --quick]

For every machine, by what the others lend (:mod:`roofline.devices.cpu.transfer`; those of its architecture never do):
its operators and networks predicted with none of its rows and the clock that the system shows (the others tell how much
of it counts), and the errors of fits on its first 150, 300 ... rows, each row by a fit without its shape group, beside
fits on the same rows that start from physics alone. ``--write`` keeps how far off its operators were without rows, by
plan and with each machine the same weight in the width, in hw_specs/calibrations/borrowed-cpu.yaml: the intervals of
CPUs without measurements. ``--quick`` leaves out one machine alone, and fits few of its operators.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from roofline import specs
from roofline.calibration.cpu.rows import Rows, operator_rows
from roofline.calibration.learning_curve import COUNTS, learning_curve
from roofline.calibration.spreads import borrowed_cpu, left_out
from roofline.core.calibration import Calibration, FamilyFit
from roofline.core.chip import Chip, Clock, Fact
from roofline.core.dtype import precision
from roofline.core.measurement import Measurement
from roofline.devices.cpu import model as cpu
from roofline.devices.cpu import plans as cpu_plans
from roofline.devices.cpu.transfer import kind_of, transferred
from roofline.devices.cpu.units import Core
from roofline.measurements.store import read_measurements
from roofline.specs.detect import TURBO
from roofline.validation.validate import validate

Floats = NDArray[np.float64]

REPOSITORY = Path(__file__).resolve().parent.parent
CAMPAIGNS = (
    "cpu-amd-epyc/2026-11-28-a.jsonl.gz",
    "cpu-amd-epyc-zen3/2026-11-25.jsonl.gz",
    "cpu-intel-xeon/2026-11-27.jsonl.gz",
)
WORST = 3
QUICK = ("linear", "elementwise", "softmax")
"""Families of ``--quick``: those that are fitted fast."""
AGREEING = {"start": cpu_plans.PLAN_NAMES, "rate": ("linear", "bmm", "attention", "conv-blocked", "conv-gemm", "pool")}


@dataclass(frozen=True)
class Machine:
    """A measured CPU and its rows."""

    chip: Chip
    measurements: tuple[Measurement, ...]
    rows: Rows
    shown_hz: float

    @classmethod
    def read(cls, path: Path) -> Machine:
        chip, read = specs.load_chip(path.parent / "chip.yaml"), read_measurements(path)
        shown = next(iter(read.environments.values()))["cpu"]["clock_mhz"]
        return cls(chip, tuple(read.measurements), operator_rows(read.measurements, chip), 1e6 * shown)

    @property
    def best_share(self) -> float:
        """What its best product makes of the highest clock that it may have, as far as a virtual machine shows."""
        return self.chip.engines[0].clock.hz("boost") / (TURBO * self.shown_hz)

    def shown(self, share: float) -> Chip:
        """The chip before its clock was measured: the share of other machines of the clock that the system shows."""
        clock = Clock(Fact(share * TURBO * self.shown_hz, "measured: on others", "measured"))
        return replace(self.chip, engines=tuple(replace(engine, clock=clock) for engine in self.chip.engines))

    def unmeasured(self, chip: Chip) -> tuple[Calibration, Floats]:
        """What the others say of this machine by the clock of a chip, and the seconds of its operators by that."""
        lenders = [fit for fit in specs.load_lenders("cpu") if fit.architecture != self.chip.architecture]
        spread = specs.load_borrowed_spread("cpu")
        assert spread is not None
        fitted = transferred(chip, precision("fp32"), self.rows.stack, lenders, spread)
        assert fitted is not None
        numbers = {plan: fit.parameters for plan, fit in fitted.families.items()}
        ceilings = cpu.Ceilings(**fitted.ceilings)
        return fitted, cpu.cpu_times(self.rows.schedule, numbers, ceilings, self.rows.stack).total

    def residuals(self, share: float) -> dict[str, Floats]:
        """log(measured / predicted without rows) by plan, as far as somebody lends numbers for it."""
        _, seconds = self.unmeasured(self.shown(share))
        found = {plan: np.log(self.rows.seconds[mine] / seconds[mine]) for plan, mine in self.rows.plans.items()}
        known = {plan: values[np.isfinite(values)] for plan, values in found.items()}
        return {plan: values for plan, values in known.items() if len(values)}

    def networks(self, fitted: Calibration) -> Floats:
        """How far off its nets are, by that and by the plain roofline: a row of the two each."""
        nets = [row for row in self.measurements if row.kind == "network"]
        found = validate(nets, chips={self.chip.name: self.chip}, calibration=fitted)
        return np.array([[row.error, row.plain / row.measured - 1.0] for row in found.rows])


def line(name: str, error: Floats) -> str:
    """A row of the table; what was not predicted counts as worse than anything."""
    whole = np.nan_to_num(np.abs(error), nan=np.inf)
    numbers = (*np.quantile(whole, (0.5, 0.9), method="higher"), whole.mean(), whole.max())
    told = " | ".join(f"{number:.1%}" if np.isfinite(number) else "–" for number in numbers)
    return f"| {name} | {told} | {np.nanmedian(error):+.1%} | {np.isfinite(error).mean():.0%} |"


def shares(machines: Sequence[Machine]) -> list[float]:
    """For each machine the mean of what the others make of their highest clock."""
    found = np.log([machine.best_share for machine in machines])
    return [float(np.exp((found.sum() - own) / (len(found) - 1))) for own in found]


def lines(machine: Machine, share: float, counts: Sequence[int] = COUNTS) -> Iterator[str]:
    """The table of a machine; ``counts`` are the rows of its learning curves."""
    yield f"| {machine.chip.architecture} | median | p90 | mean | worst | bias | predicted |\n{'|---' * 7}|"
    for known, chip in (("no rows", machine.shown(share)), ("no rows but its clock", machine.chip)):
        fitted, seconds = machine.unmeasured(chip)
        error = seconds / machine.rows.seconds - 1.0
        nets, plain = machine.networks(fitted).T
        yield line(f"{known}: operators", error)
        yield line(f"{known}: networks", nets)
    yield line("plain roofline: networks", plain)
    for way, rows in (("alone", replace(machine.rows, lent=None)), ("borrowing", machine.rows)):
        for ladder in (True, False):
            counted = "the ladder beside them" if ladder else "the ladder among them"
            for lesson in learning_curve(rows, counts, ladder=ladder):
                p90 = f"{lesson.p90:.0%}" if np.isfinite(lesson.p90) else "–"
                yield (
                    f"| {lesson.rows} rows, {counted}, {way} | {lesson.median:.1%} | {p90} | | | "
                    f"| {lesson.fitted:.0%} |"
                )
    worst = np.argsort(-np.nan_to_num(np.abs(np.log(seconds / machine.rows.seconds))))[:WORST]
    for row in worst:
        yield f"worst without rows, its clock known: {machine.rows.measurements[row].label}: {error[row]:+.0%}"


def agreement() -> Iterator[str]:
    """Starts and rates of each two lenders in units of a core: first / second, by plan."""
    lenders = specs.load_lenders("cpu")
    inside: list[dict[tuple[str, str], float]] = []
    for fit in lenders:
        core, ceilings = Core.from_dict(fit.data["core"]), cpu.Ceilings(**fit.ceilings)
        inside.append(
            {
                (plan, name): float(np.log(value / core.unit(plan, name, ceilings)))
                for plan, family in fit.families.items()
                for name, value in family.parameters.items()
            }
        )
    for (one, mine), (other, theirs) in combinations(zip(lenders, inside, strict=True), 2):
        for kind, plans in AGREEING.items():
            shared = [key for key in mine if key in theirs and kind_of(key[1]) == kind and key[0] in plans]
            by_plan = {
                plan: np.exp(np.mean([mine[key] - theirs[key] for key in shared if key[0] == plan]))
                for plan in dict.fromkeys(plan for plan, _ in shared)
            }
            middle = np.exp(np.mean(np.log(list(by_plan.values()))))
            told = ", ".join(f"{plan} {ratio:.2f}" for plan, ratio in by_plan.items())
            yield f"{kind} {one.architecture} / {other.architecture}: {middle:.2f} ({told})"


def coverage(mine: Mapping[str, Floats], others: Mapping[str, FamilyFit]) -> str:
    """How many rows of a machine lie inside the intervals that the others give, and how wide these are."""
    inside, width = [], []
    for plan, values in mine.items():
        if plan in others:
            low, high = (others[plan].quantiles[level] for level in ("0.05", "0.95"))
            inside += list((low <= values) & (values <= high))
            width += [np.exp(high - low)] * len(values)
    share, factor = np.mean(inside), np.median(width)
    return f"no rows: {share:.0%} of operators inside the 90 % intervals of the others, high/low {factor:.1f}"


def main(write: bool, quick: bool) -> None:
    """Print the tables, and keep the spread if asked to."""
    machines = [Machine.read(REPOSITORY / "reports/measurements" / path) for path in CAMPAIGNS]
    told = shares(machines)
    residuals = [machine.residuals(share) for machine, share in zip(machines, told, strict=True)]
    if write and not quick:
        made = borrowed_cpu(residuals, [machine.chip.architecture for machine in machines], machines[0].rows.stack)
        specs.save_calibration(made, REPOSITORY / "hw_specs/calibrations/borrowed-cpu.yaml")
    print("\n".join(agreement()), end="\n\n")
    for place, machine in enumerate(machines[:1] if quick else machines):
        if quick:
            few = machine.rows.select(machine.rows.schedule.in_family(*QUICK))
            machine = replace(machine, rows=few)
        for text in lines(machine, told[place], (75,) if quick else COUNTS):
            print(text, flush=True)
        print(coverage(residuals[place], left_out([*residuals[:place], *residuals[place + 1 :]])), end="\n\n")


if __name__ == "__main__":
    main("--write" in sys.argv, "--quick" in sys.argv)
