"""What does one CPU teach about another? Its fitted numbers carried over, with no rows of the other and with few.

    python benchmarks/borrowed_cpu.py FROM/rows.jsonl.gz TO/rows.jsonl.gz

Each file has the chip.yaml of its machine beside it. Numbers are carried over in units of a machine: starts and rows
in clocks, rates in clocks times numbers in a register (8 for products on AMD, whose library uses no wider ones), the
bandwidth of weights in that of DRAM. The first lines have nothing of the other machine but its bandwidth curve; the
next have its first 150, 300 ... rows, every row predicted by a fit without its shape group. A fit then pulls
every number to the one carried over: of the numbers of a plan that mean the same, the common deviation and each one's
own have the spread ``TOGETHER`` and ``ALONE`` (in logarithms). It is made twice: the second time, what all plans
deviated by in common is part of what is carried over.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from roofline import fitting, learning, specs
from roofline.calibrate import MIN_ROWS, Rows, fit_and_predict, operator_rows
from roofline.core.calibration import Calibration, FamilyFit
from roofline.core.chip import Chip
from roofline.core.measurement import Measurement
from roofline.core.schedule import Schedule
from roofline.devices import cpu, cpu_plans
from roofline.measure.store import read_measurements
from roofline.validate import validate

Floats = NDArray[np.float64]
Numbers = dict[str, dict[str, float]]

ALONE, TOGETHER, UNKNOWN, COMMON = 0.3, 0.3, 0.7, 0.5
"""Spread of an operator's own deviation, of that of all operators of a plan, of operators that the other machine never
ran, and of what all plans deviate by."""
NOISE = 0.1
"""A number one spread away counts as much as a row that is so far off."""
PACES = ("start", "row", "rate", "weight_bandwidth", "activations")
"""Numbers whose deviations the plans share."""
NARROW = ("linear", "skinny", "bmm", "conv-gemm")
"""Plans whose products run in 256-bit registers on AMD, whatever there is."""


@dataclass(frozen=True)
class Machine:
    """A clock (Hz) and what streams show."""

    clock: float
    vendor: str
    ceilings: cpu.Ceilings

    def unit(self, plan: str, parameter: str) -> float:
        """What one of a parameter is worth here."""
        stem = parameter.partition(":")[0]
        if stem in ("start", "row", "short"):
            return 1.0 / self.clock
        if stem == "rate":
            narrow = self.vendor == "AMD" and plan in NARROW
            return self.clock * (8 if narrow else self.ceilings.lanes)
        return self.ceilings.dram if stem == "weight_bandwidth" else 1.0


def by_plan(rows: Rows) -> dict[str, Rows]:
    """The rows of every plan."""
    codes = cpu_plans.plans(rows.schedule, rows.stack)
    return {cpu_plans.PLAN_NAMES[code]: rows.select(codes == code) for code in np.unique(codes) if code >= 0}


def fit_alone(rows: Rows, machine: Machine) -> Numbers:
    """Every plan in units of its machine."""
    found: Numbers = {}
    for plan, part in by_plan(rows).items():
        if len(part.seconds) >= MIN_ROWS:
            numbers, _ = fitting.fit_plan(plan, part.schedule, part.seconds, machine.ceilings)
            found[plan] = {name: value / machine.unit(plan, name) for name, value in numbers.items()}
    return found


def carried(borrowed: Numbers, machine: Machine, pace: Mapping[str, float]) -> Numbers:
    """The numbers in SI units of another machine; pace: what its numbers of a stem are more, in logarithms."""
    return {
        plan: {
            name: value * machine.unit(plan, name) * np.exp(pace.get(name.partition(":")[0], 0.0))
            for name, value in numbers.items()
        }
        for plan, numbers in borrowed.items()
    }


def fit_towards(
    plan: str, part: Rows, ceilings: cpu.Ceilings, known: Mapping[str, float]
) -> tuple[dict[str, float], dict[str, float]]:
    """As :func:`roofline.fitting.fit_plan`, with a pull towards known numbers; operators without rows follow."""
    present = {part.schedule.op_names[code] for code in part.schedule.op}
    free: dict[str, tuple[float, float, float]] = {}
    for name, bounds in cpu_plans.PLANS[plan].free.items():
        others = {key.partition(":")[2] for key in known if key.startswith(name)} if name.endswith(":") else {""}
        free |= {name + op: bounds for op in sorted(others | present if name.endswith(":") else others)}
    names = list(free)
    stems = np.array([name.partition(":")[0] for name in names])
    first, low, high = np.log(np.array(list(free.values()))).T
    covariance = np.zeros((len(names), len(names)))
    for stem in set(stems):
        mine = stems == stem
        own = [np.log(known[name]) for name in np.array(names)[mine] if name in known]
        if not own:
            weak = 3.0 * NOISE / (fitting.PRIOR * np.sqrt(len(part.seconds)))
            covariance[np.ix_(mine, mine)] = np.eye(mine.sum()) * weak**2
            continue
        first[mine] = [np.log(known.get(name, np.exp(np.mean(own)))) for name in np.array(names)[mine]]
        spread = np.array([ALONE if name in known else UNKNOWN for name in np.array(names)[mine]])
        covariance[np.ix_(mine, mine)] = TOGETHER**2 + np.diag(spread**2)
    first = np.clip(first, low + 1e-6, high - 1e-6)
    pull = NOISE * np.linalg.inv(np.linalg.cholesky(covariance))
    starts = zip(free.items(), np.exp(first), strict=True)
    free = {name: (float(at), least, most) for (name, (_, least, most)), at in starts}
    return fitting.fit_numbers(plan, part.schedule, part.seconds, ceilings, free, pull)


def paces(borrowed: Numbers, fits: Mapping[str, tuple[dict[str, float], dict[str, float]]]) -> dict[str, float]:
    """What the numbers of each stem deviate by in all plans together: a mean, by how sure each is."""
    found: dict[str, list[tuple[float, float]]] = {}
    for plan, (numbers, errors) in fits.items():
        of_stem: dict[str, list[tuple[float, float]]] = {}
        for name, value in borrowed[plan].items():
            stem = name.partition(":")[0]
            if stem in PACES:
                of_stem.setdefault(stem, []).append((np.log(numbers[name] / value), errors[name] ** 2 + ALONE**2))
        for stem, pairs in of_stem.items():
            weight = sum(1.0 / variance for _, variance in pairs)
            mean = sum(shift / variance for shift, variance in pairs) / weight
            found.setdefault(stem, []).append((mean, 1.0 / weight + TOGETHER**2))
    return {
        stem: sum(mean / v for mean, v in pairs) / (sum(1.0 / v for _, v in pairs) + 1.0 / COMMON**2)
        for stem, pairs in found.items()
    }


def borrowing(borrowed: Numbers, chip: Chip, train: Rows, test: Schedule) -> Floats:
    """Seconds of ``test`` by a fit on ``train`` that starts from another machine's numbers."""
    ceilings = fitting.fit_machine(train.schedule, train.seconds, train.stack)
    machine = Machine(chip.engines[0].clock.hz("boost"), chip.vendor, ceilings)
    parts, pace = by_plan(train), dict[str, float]()
    for _ in range(2):
        here = carried(borrowed, machine, pace)
        fits = {plan: fit_towards(plan, part, ceilings, here[plan]) for plan, part in parts.items() if plan in here}
        pace = paces(carried(borrowed, machine, {}), fits)
    for plan, part in parts.items():
        if plan not in here and len(part.seconds) >= MIN_ROWS:
            fits[plan] = fitting.fit_plan(plan, part.schedule, part.seconds, ceilings)
    numbers = {**here, **{plan: values for plan, (values, _) in fits.items()}}
    return cpu.cpu_times(test, numbers, ceilings, train.stack).total


def machine_of(measurements: Sequence[Measurement], chip: Chip) -> tuple[Rows, Machine]:
    """The operators of a file, and their machine."""
    rows = operator_rows(measurements, chip)
    ceilings = fitting.fit_machine(rows.schedule, rows.seconds, rows.stack)
    return rows, Machine(chip.engines[0].clock.hz("boost"), chip.vendor, ceilings)


def networks(measurements: Sequence[Measurement], chip: Chip, rows: Rows, machine: Machine, numbers: Numbers) -> Floats:
    """How far off the nets of a file come out, carried over and by the plain roofline: a row of the two each."""
    fits = {plan: FamilyFit(values, {}, {}, 0, {}, 0.0) for plan, values in numbers.items()}
    fitted = Calibration(
        chip.name, chip.architecture, "cpu", "fp32", rows.stack.to_dict(), fits, asdict(machine.ceilings)
    )
    found = validate(
        [row for row in measurements if row.kind == "network"],
        chips={chip.name: chip},
        calibration=fitted,
    )
    return np.array([[row.error, row.plain / row.measured - 1.0] for row in found.rows])


def line(name: str, median: float, p90: float, fitted: float) -> str:
    """A row of the table."""
    return f"| {name} | {median:.1%} | {f'{p90:.0%}' if np.isfinite(p90) else '–'} | {fitted:.0%} |"


def main(source: Path, target: Path) -> None:
    """Print the table."""
    here, chip = (read_measurements(target).measurements, specs.load_chip(target.parent / "chip.yaml"))
    there, their_chip = (read_measurements(source).measurements, specs.load_chip(source.parent / "chip.yaml"))
    borrowed = fit_alone(*machine_of(there, their_chip))
    rows, machine = machine_of(here, chip)
    times = cpu.cpu_times(rows.schedule, carried(borrowed, machine, {}), machine.ceilings, rows.stack).total
    error = np.nan_to_num(np.abs(times / rows.seconds - 1.0), nan=np.inf)
    median, p90 = np.quantile(error, (0.5, 0.9), method="higher")
    print(f"| {source.parent.name} -> {target.parent.name} | median | p90 | predicted |\n|---|---|---|---|")
    print(line("no rows but its streams", float(median), float(p90), float(np.isfinite(error).mean())))
    nets = np.abs(networks(here, chip, rows, machine, carried(borrowed, machine, {})))
    for name, column in zip(("the same", "plain roofline"), nets.T, strict=True):
        print(f"| networks, {name} | {column.mean():.1%} in the mean | {column.max():.0%} at worst | 100% |")
    ways = {"alone": fit_and_predict, "borrowing": lambda train, test: borrowing(borrowed, chip, train, test)}
    for way, predict in ways.items():
        for lesson in learning.learning_curve(rows, predict=predict):
            print(line(f"{lesson.rows} rows, {way}", lesson.median, lesson.p90, lesson.fitted), flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
