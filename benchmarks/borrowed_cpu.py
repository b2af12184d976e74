"""What do measured CPUs teach about one that was not, or hardly? Each of those in the repository left out in turn.

    python benchmarks/borrowed_cpu.py [--write]

For every machine, by what the others lend (:mod:`roofline.lending`; those of its architecture never do): its
operators and networks predicted with none of its rows, and the errors of fits on its first 150, 300 ... rows, each row
by a fit without its shape group, beside fits on the same rows that start from physics alone. ``--write`` keeps how far
off its operators were without rows, by plan and with each machine the same weight, in
hw_specs/calibrations/borrowed-cpu.yaml: the intervals of CPUs without measurements.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from roofline import specs
from roofline.calibrate import Rows, operator_rows
from roofline.core.calibration import Calibration, FamilyFit
from roofline.core.chip import Chip
from roofline.core.measurement import Measurement
from roofline.devices import cpu
from roofline.learning import learning_curve
from roofline.lending import lent_to, without_rows
from roofline.measure.store import read_measurements
from roofline.spreads import LEVELS
from roofline.validate import validate

Floats = NDArray[np.float64]

REPOSITORY = Path(__file__).resolve().parent.parent
CAMPAIGNS = (
    "cpu-amd-epyc/2026-11-23-a.jsonl.gz",
    "cpu-amd-epyc-zen3/2026-11-25.jsonl.gz",
    "cpu-intel-xeon/2026-11-27.jsonl.gz",
)
WORST = 3


@dataclass(frozen=True)
class Machine:
    """A measured CPU and its rows."""

    chip: Chip
    measurements: tuple[Measurement, ...]
    rows: Rows

    @classmethod
    def read(cls, path: Path) -> Machine:
        chip, measurements = specs.load_chip(path.parent / "chip.yaml"), read_measurements(path).measurements
        return cls(chip, tuple(measurements), operator_rows(measurements, chip))

    def unmeasured(self) -> tuple[Calibration, Floats]:
        """What the others say of it, and the seconds of its operators by that."""
        lent = lent_to(self.chip)
        assert lent is not None
        numbers = {plan: without_rows(lent.known(plan, lent.ceilings, {})).parameters for plan in lent.plans}
        fitted = Calibration(
            chip=self.chip.name,
            architecture=self.chip.architecture,
            model="cpu",
            dtype="fp32",
            stack=self.rows.stack.to_dict(),
            families={plan: FamilyFit(values, {}, {}, 0, {}, 0.0) for plan, values in numbers.items()},
            ceilings=vars(lent.ceilings),
        )
        return fitted, cpu.cpu_times(self.rows.schedule, numbers, lent.ceilings, self.rows.stack).total

    def networks(self, fitted: Calibration) -> Floats:
        """How far off its nets are, by that and by the plain roofline: a row of the two each."""
        nets = [row for row in self.measurements if row.kind == "network"]
        found = validate(nets, chips={self.chip.name: self.chip}, calibration=fitted)
        return np.array([[row.error, row.plain / row.measured - 1.0] for row in found.rows])


def line(name: str, error: Floats) -> str:
    """A row of the table; what was not predicted counts as worse than anything."""
    whole = np.nan_to_num(np.abs(error), nan=np.inf)
    median, p90 = np.quantile(whole, (0.5, 0.9), method="higher")
    most = f"{p90:.0%}" if np.isfinite(p90) else "–"
    return f"| {name} | {median:.1%} | {most} | {np.nanmedian(error):+.1%} | {np.isfinite(error).mean():.0%} |"


def lines(machine: Machine) -> Iterator[str]:
    """The table of a machine."""
    fitted, seconds = machine.unmeasured()
    yield f"| {machine.chip.architecture} | median | p90 | bias | predicted |\n|---|---|---|---|---|"
    error = seconds / machine.rows.seconds - 1.0
    yield line("no rows: operators", error)
    for name, column in zip(("no rows: networks", "plain roofline: networks"), machine.networks(fitted).T, strict=True):
        yield line(name, column) + f" {np.abs(column).mean():.1%} in the mean, {np.abs(column).max():.0%} at worst"
    for way, rows in (("alone", replace(machine.rows, lent=None)), ("borrowing", machine.rows)):
        for lesson in learning_curve(rows):
            p90 = f"{lesson.p90:.0%}" if np.isfinite(lesson.p90) else "–"
            yield f"| {lesson.rows} rows, {way} | {lesson.median:.1%} | {p90} | | {lesson.fitted:.0%} |"
    worst = np.argsort(-np.nan_to_num(np.abs(np.log(seconds / machine.rows.seconds))))[:WORST]
    for row in worst:
        yield f"worst without rows: {machine.rows.measurements[row].label}: {error[row]:+.0%}"


def spread(residuals: Mapping[str, list[Floats]]) -> dict[str, FamilyFit]:
    """Quantiles by plan of log(measured / predicted), each machine of the same weight."""
    found = {}
    for plan, by_machine in residuals.items():
        values = np.concatenate(by_machine)
        weights = np.concatenate([np.full(len(part), 1.0 / len(part)) for part in by_machine])
        order = np.argsort(values)
        places = (np.cumsum(weights[order]) - weights[order] / 2) / weights.sum()
        quantiles = {f"{level:g}": float(np.interp(level, places, values[order])) for level in LEVELS}
        errors = np.abs(np.expm1(-values))
        middle, most = np.quantile(errors, (0.5, 0.9))
        found[plan] = FamilyFit({}, {}, quantiles, len(values), {}, float(middle), float(most))
    return found


def main(write: bool) -> None:
    """Print the tables, and keep the spread if asked to."""
    residuals: dict[str, list[Floats]] = {}
    machines = [Machine.read(REPOSITORY / "reports/measurements" / path) for path in CAMPAIGNS]
    for machine in machines:
        _, seconds = machine.unmeasured()
        for plan, mine in machine.rows.plans.items():
            residual = np.log(machine.rows.seconds[mine] / seconds[mine])
            if np.isfinite(residual).any():
                residuals.setdefault(plan, []).append(residual[np.isfinite(residual)])
    if write:
        path = REPOSITORY / "hw_specs/calibrations/borrowed-cpu.yaml"
        names = [machine.chip.architecture for machine in machines]
        kept = Calibration(
            chip="any CPU",
            architecture="any",
            model="cpu",
            dtype="fp32",
            stack=machines[0].rows.stack.to_dict(),
            families=spread(residuals),
            ceilings={},
            data={"left_out_in_turn": names, "rule": "log(measured / predicted from the other machines' numbers)"},
        )
        specs.save_calibration(kept, path)
    for machine in machines:
        for text in lines(machine):
            print(text, flush=True)
        print()


if __name__ == "__main__":
    main("--write" in sys.argv)
