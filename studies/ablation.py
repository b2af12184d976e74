"""What does each term of the CPU model contribute? The ablation table of docs/evidence-cpu.md.

    python studies/ablation.py reports/measurements/<chip>/<rows>.jsonl.gz [chip.yaml] [--quick]

Without a spec the measurements are taken to be of this machine. ``--quick`` takes few operators and one network.

Each line refits the model without one term (or with less of the rest) and prints held-out errors by shape
group, errors on the largest 30 % of shapes when fitted on the others, and errors on the networks of the
file. Fits start from physics alone, except in the last line. Smaller is better; a term whose removal changes nothing
has no business in the model.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from roofline import specs
from roofline.calibration.cpu import fit as fitting
from roofline.calibration.cpu.calibrate import calibrate
from roofline.calibration.cpu.held_out import cross_validate, extrapolate
from roofline.calibration.cpu.rows import Rows, machine_ceilings, operator_rows
from roofline.core.chip import Chip
from roofline.core.measurement import Measurement
from roofline.core.schedule import Schedule
from roofline.core.stack import Stack
from roofline.devices.cpu import convolutions as cpu_convolutions
from roofline.devices.cpu import model as cpu
from roofline.devices.cpu import plans as cpu_plans
from roofline.devices.cpu.transfer import lent_to
from roofline.measurements.store import read_measurements
from roofline.validation.validate import validate

Change = Callable[[str, cpu_plans.Plan], cpu_plans.Plan]


def without(*names: str) -> Change:
    """Every plan without these parameters."""

    def change(plan_name: str, plan: cpu_plans.Plan) -> cpu_plans.Plan:
        return replace(plan, free={k: v for k, v in plan.free.items() if k.rstrip(":") not in names})

    return change


def fixed(parameter: str, value: float) -> Change:
    """Every plan with one parameter pinned."""

    def change(plan_name: str, plan: cpu_plans.Plan) -> cpu_plans.Plan:
        free = {
            k: ((value, value * 0.999, value * 1.001) if k.rstrip(":") == parameter else v)
            for k, v in plan.free.items()
        }
        return replace(plan, free=free)

    return change


def chain(*changes: Change) -> Change:
    def change(plan_name: str, plan: cpu_plans.Plan) -> cpu_plans.Plan:
        for step in changes:
            plan = step(plan_name, plan)
        return plan

    return change


def unpadded(plan_name: str, plan: cpu_plans.Plan) -> cpu_plans.Plan:
    padded = ("linear", "bmm", "conv-gemm", "conv-blocked", "conv-strided", "conv-data", "conv-weights")
    return replace(plan, work=cpu_plans._flops) if plan_name in padded else plan


def one_pass(plan_name: str, plan: cpu_plans.Plan) -> cpu_plans.Plan:
    return replace(plan, copies=False, copies_back=False)


QUICK = ("linear", "relu", "mlp")
"""Operators, and the network, of ``--quick``: those that are fitted fast."""
SHAPE = ("remainder", "unaligned", "short", "guess", "idle", "wide", "strided", "unfold")
SAT = ("sat_k",)
ROWS = ("row",)
LADDER: list[tuple[str, Change]] = [
    (
        "rates and bandwidths fitted, no start",
        chain(without(*SHAPE, *SAT, *ROWS, "weight_bandwidth"), fixed("start", 2e-7), unpadded, one_pass),
    ),
    ("+ start of a call", chain(without(*SHAPE, *SAT, *ROWS, "weight_bandwidth"), unpadded, one_pass)),
    ("+ weights at their own bandwidth", chain(without(*SHAPE, *SAT, *ROWS), unpadded, one_pass)),
    ("+ saturation in k", chain(without(*SHAPE, *ROWS), unpadded, one_pass)),
    ("+ cost per row", chain(without(*SHAPE), unpadded, one_pass)),
    ("+ padding to tiles and blocks, layout copies", without(*SHAPE)),
    ("+ shape flags: the model", lambda name, plan: plan),
]
REMOVED: list[tuple[str, Change]] = [
    *((f"without {name}", without(name)) for name in (*SAT, *SHAPE, *ROWS, "weight_bandwidth")),
    ("without padding", unpadded),
    ("without layout copies", one_pass),
    ("attention in tiles of 8 columns", lambda name, plan: replace(plan, tile=8)),
]


@contextmanager
def changed(change: Change) -> Iterator[None]:
    original = dict(cpu_plans.PLANS)
    cpu_plans.PLANS.update({name: change(name, plan) for name, plan in original.items()})
    try:
        yield
    finally:
        cpu_plans.PLANS.update(original)


@contextmanager
def setting(module: ModuleType | type, name: str, value: object) -> Iterator[None]:
    original = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, original)


def one_plan(*names: str) -> Callable[[Schedule, Stack], NDArray[np.int64]]:
    """The choice of plans without these: their kernels take the plan of their family."""
    chosen, plain = cpu_plans.plans, {"decode": "attention", "conv-strided": "conv-blocked", "optimizer": "elementwise"}

    def plans(schedule: Schedule, stack: Stack = Stack()) -> NDArray[np.int64]:  # noqa: B008 (a frozen value)
        codes = chosen(schedule, stack)
        for name in names:
            codes[codes == cpu_plans.PLAN_NAMES.index(name)] = cpu_plans.PLAN_NAMES.index(plain[name])
        return codes

    return plans


def one_cost(ceilings: cpu.Ceilings, working_set: NDArray[np.float64]) -> NDArray[np.float64]:
    """Writing to fresh memory costs ``fresh`` reads wherever it lies."""
    return ceilings.bandwidth(working_set) / ceilings.fresh


def no_image(schedule: Schedule, lanes: float) -> NDArray[np.bool_]:
    """Images of few channels are padded to registers and copied like all others."""
    return np.zeros(len(schedule), dtype=bool)


def whole_registers(schedule: Schedule) -> NDArray[np.float64]:
    """Groups run as fast as if their channels filled registers."""
    return np.full(len(schedule), 16.0)


def line(label: str, rows: Rows, measurements: tuple[Measurement, ...], chip: Chip) -> str:
    held = cross_validate(rows)
    error = np.abs(held.predicted / rows.seconds - 1.0)
    index, predicted = extrapolate(rows)
    far = np.abs(predicted / rows.seconds[index] - 1.0)
    networks = [m for m in measurements if m.kind == "network"]
    score = validate(networks, chips={chip.name: chip}, calibration=calibrate(rows, chip)).networks
    assert score is not None
    return (
        f"| {label} | {np.nanmedian(error):.1%} | {np.nanquantile(error, 0.9):.0%} | {np.nanmedian(far):.1%} "
        f"| {np.nanquantile(far, 0.9):.0%} | {score.mean:.1%} | {score.worst:.0%} |"
    )


def main() -> None:
    path, *chip_file = [word for word in sys.argv[1:] if word != "--quick"]
    measurements = read_measurements(path).measurements
    if "--quick" in sys.argv:
        few = [row for row in measurements if (row.op or row.network) in QUICK]
        measurements = tuple(row for place, row in enumerate(few) if row.network or place % 4 == 0)
    if chip_file:
        chip = specs.load_chip(chip_file[0])
        rows = operator_rows(measurements, chip, alone=True)
    else:
        rows = operator_rows(measurements, specs.detect_cpu(), alone=True)
        chip = specs.detect_cpu(machine_ceilings(rows, specs.detect_cpu()))
    plain: Mapping[str, object] = validate(measurements, chips={chip.name: chip}, calibration="none").to_dict()
    print("| model | held out: median | p90 | largest 30 %: median | p90 | networks: mean | worst |")
    print("|---|---|---|---|---|---|---|")
    operators, networks = plain["operators"], plain["networks"]
    assert isinstance(operators, dict)
    assert isinstance(networks, dict)
    print(
        f"| plain roofline | {operators['median']:.1%} | {operators['p90']:.0%} | | "
        f"| {networks['mean']:.1%} | {networks['worst']:.0%} |"
    )
    for label, change in (*LADDER, *REMOVED):
        with changed(change):
            print(line(label, rows, measurements, chip), flush=True)
    settings: tuple[tuple[str, ModuleType | type, str, object], ...] = (
        ("the larger of compute and memory, not the sum", cpu, "joined", np.maximum),
        ("registers of 16 numbers, whatever the measurements say", fitting, "WIDTHS", (16,)),
        ("registers of 8 numbers", fitting, "WIDTHS", (8,)),
        ("without the pull on the bandwidth of DRAM", fitting, "PULL", 0.0),
        ("one cost of fresh memory, in caches and in DRAM", cpu.Ceilings, "fresh_bandwidth", one_cost),
        ("outputs always in the same buffer", cpu, "OUTPUT_BUFFERS", 1.0),
        ("networks without what neighbouring kernels evict", cpu, "recent_bytes", lambda schedule, parts: None),
    )
    for label, module, name, value in settings:
        with setting(module, name, value):
            print(line(label, rows, measurements, chip), flush=True)
    with setting(cpu_convolutions, "thin", no_image):
        print(line("images with few channels padded", rows, measurements, chip), flush=True)
    with (
        setting(cpu_convolutions, "group_block", whole_registers),
        setting(cpu_plans, "group_block", whole_registers),
    ):
        print(line("groups as if they filled registers", rows, measurements, chip), flush=True)
    for name in ("decode", "conv-strided", "optimizer"):
        fewer = one_plan(name)
        with setting(cpu_plans, "plans", fewer), setting(cpu, "plans", fewer):
            print(line(f"without a plan of its own: {name}", rows, measurements, chip), flush=True)
    borrowing = replace(
        rows, lent=lent_to(chip, [fit for fit in specs.load_lenders("cpu") if fit.architecture != chip.architecture])
    )
    print(line("the model, with parameters transferred from other CPUs", borrowing, measurements, chip))


if __name__ == "__main__":
    main()
