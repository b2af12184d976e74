"""What does every term of the CPU model buy? The ablation table of docs/model.md.

    python benchmarks/ablation.py reports/measurements/<chip>/<rows>.jsonl

Each line refits the model without one term (or with less of the rest) and prints held-out errors by shape
group, errors on the largest 30 % of shapes when fitted on the others, and errors on the networks of the
file. Smaller is better; a term whose removal changes nothing has no business in the model.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from roofline import specs
from roofline.calibrate import Rows, calibrate, cross_validate, extrapolate, machine_ceilings, operator_rows
from roofline.core.measurement import Measurement
from roofline.devices import cpu, cpu_plans
from roofline.measure.store import read_measurements
from roofline.validate import validate

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
    padded = ("linear", "bmm", "conv-gemm", "conv-blocked")
    return replace(plan, work=cpu._flops) if plan_name in padded else plan


def one_pass(plan_name: str, plan: cpu_plans.Plan) -> cpu_plans.Plan:
    return replace(plan, read_passes=1.0, write_passes=1.0)


SHAPE = ("remainder", "unaligned", "short")
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
def setting(name: str, value: object) -> Iterator[None]:
    original = getattr(cpu, name)
    setattr(cpu, name, value)
    try:
        yield
    finally:
        setattr(cpu, name, original)


def line(label: str, rows: Rows, measurements: tuple[Measurement, ...]) -> str:
    held = cross_validate(rows)
    error = np.abs(held.predicted / rows.seconds - 1.0)
    index, predicted = extrapolate(rows)
    far = np.abs(predicted / rows.seconds[index] - 1.0)
    chip = specs.detect_cpu(machine_ceilings(rows, specs.detect_cpu()))
    chip = replace(chip, name=rows.measurements[0].chip)
    networks = [m for m in measurements if m.kind == "network"]
    score = validate(networks, chips={chip.name: chip}, calibration=calibrate(rows, chip)).networks
    assert score is not None
    return (
        f"| {label} | {np.nanmedian(error):.1%} | {np.nanquantile(error, 0.9):.0%} | {np.nanmedian(far):.1%} "
        f"| {np.nanquantile(far, 0.9):.0%} | {score.mean:.1%} | {score.worst:.0%} |"
    )


def main() -> None:
    read = read_measurements(sys.argv[1])
    chip = replace(specs.detect_cpu(), name=next(m.chip for m in read.measurements))
    rows = operator_rows(read.measurements, chip)
    plain: Mapping[str, object] = validate(
        read.measurements, chips={chip.name: specs.detect_cpu(machine_ceilings(rows, chip))}, calibration="none"
    ).to_dict()
    print("| model | held out: median | p90 | largest 30 %: median | p90 | networks: mean | worst |")
    print("|---|---|---|---|---|---|---|")
    operators, networks = plain["operators"], plain["networks"]
    assert isinstance(operators, dict)
    assert isinstance(networks, dict)
    print(
        f"| plain roofline | {operators['median']:.1%} | {operators['p90']:.0%} | | "
        f"| {networks['mean']:.1%} | {networks['worst']:.0%} |"
    )
    for label, change in LADDER:
        with changed(change):
            print(line(label, rows, read.measurements), flush=True)
    for label, change in REMOVED:
        with changed(change):
            print(line(label, rows, read.measurements), flush=True)
    for label, name, value in (
        ("the larger of compute and memory, not the sum", "joined", np.maximum),
        ("narrow registers, whatever the machine", "WIDTHS", (8,)),
        ("outputs always in the same buffer", "OUTPUT_BUFFERS", 1.0),
        ("networks without what neighbours push out", "recent_bytes", lambda schedule: None),
    ):
        with setting(name, value):
            print(line(label, rows, read.measurements), flush=True)


if __name__ == "__main__":
    main()
