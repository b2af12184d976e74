"""What other CPUs lend to one that was hardly measured, or not at all."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from synthetic import CEILINGS, Synthetic, lower, parameters

from roofline import specs
from roofline.calibration.cpu.calibrate import calibrate
from roofline.calibration.cpu.fit import LADDER_OPS, fit_machine
from roofline.calibration.cpu.held_out import MIN_ROWS, cross_validate
from roofline.calibration.cpu.prior import fit_plans
from roofline.calibration.cpu.rows import Rows, operator_rows
from roofline.calibration.learning_curve import learning_curve
from roofline.campaign.question import Question
from roofline.core.calibration import Calibration, FamilyFit
from roofline.core.chip import Chip, Clock, Fact
from roofline.core.stack import Stack
from roofline.devices.cpu.model import fitted_ops
from roofline.devices.cpu.transfer import ALONE, Lent, lent_to
from roofline.devices.cpu.units import SUSTAINED, Core
from roofline.devices.timing import time_schedule
from roofline.errors import SpecError
from roofline.prediction.predict import predict
from roofline.validation.validate import validate

sys.path.insert(0, str(Path(__file__).parents[2] / "studies"))
from borrowed_cpu import CAMPAIGNS, REPOSITORY, Machine, shares

EPYC, XEON = "epyc-9654", "xeon-8480"


def lender(cpu: Synthetic, **changes: object) -> Calibration:
    """The truth about the synthetic CPU, for others to borrow."""
    data = {"core": Core.of(cpu.chip).to_dict()}
    return replace(cpu.calibration, data=data, **changes)  # type: ignore[arg-type]


def fitted_fast(cpu: Synthetic) -> Rows:
    """The rows of the synthetic CPU without convolutions, which take ten times as long to fit as all else."""
    rows = operator_rows(cpu.rows, cpu.chip)
    return rows.select(rows.schedule.in_family("linear", "elementwise", "softmax", "norm", "pool", "copy"))


def with_clock(chip: Chip, factor: float) -> Chip:
    engine = chip.engines[0]
    boost, top = (Fact(factor * engine.clock.hz(name), "made up", "unverified") for name in ("boost", "top"))
    return replace(chip, engines=(replace(engine, clock=Clock(boost, top=top)),))


def test_what_is_lent_to_a_twin_is_the_truth(cpu: Synthetic) -> None:
    lent = Lent.of([lender(cpu)], cpu.chip)
    for plan, numbers in parameters().items():
        known = lent.known(plan, CEILINGS, {})
        assert {name: np.exp(value) for name, (value, _) in known.items()} == pytest.approx(numbers)
    assert lent.ceilings.cache == pytest.approx(CEILINGS.cache)


def test_twice_the_clock_halves_starts_and_doubles_rates_and_caches(cpu: Synthetic) -> None:
    one, two = (Lent.of([lender(cpu)], chip) for chip in (cpu.chip, with_clock(cpu.chip, 2.0)))
    slow, fast = (lent.known("linear", CEILINGS, {}) for lent in (one, two))
    moved = {name: fast[name][0] - slow[name][0] for name in slow}
    assert moved["start:linear"] == pytest.approx(-np.log(2.0))
    assert moved["rate:linear"] == pytest.approx(np.log(2.0))
    assert moved["sat_k"] == moved["weight_bandwidth"] == moved["remainder"] == 0.0
    assert two.ceilings.dram == pytest.approx(2.0 * one.ceilings.dram)
    assert two.ceilings.knee == pytest.approx(one.ceilings.knee)


def test_a_clock_that_was_measured_is_taken_as_it_is_and_a_stated_one_as_what_is_usual(cpu: Synthetic) -> None:
    engine = cpu.chip.engines[0]
    stated, seen = (Fact(3e9, "somebody", status) for status in ("datasheet", "measured"))
    assert engine.clock.top is not None
    for boost, clock in ((stated, SUSTAINED * engine.clock.top.value), (seen, 3e9)):
        engines = (replace(engine, clock=replace(engine.clock, boost=boost)),)
        assert Core.of(replace(cpu.chip, engines=engines)).clock_hz == pytest.approx(clock)


def test_products_on_amd_know_no_registers_of_512_bits() -> None:
    wide, narrow = Core("AMD", 3e9, 32.0), Core("AMD", 3e9, 16.0)
    assert wide.unit("linear", "rate:linear", CEILINGS) == narrow.unit("linear", "rate:linear", CEILINGS)
    assert wide.unit("conv-blocked", "rate:conv2d", CEILINGS) == 2 * narrow.unit(
        "conv-blocked", "rate:conv2d", CEILINGS
    )
    intel = replace(wide, vendor="Intel")
    assert intel.unit("linear", "rate:linear", CEILINGS) == 2 * wide.unit("linear", "rate:linear", CEILINGS)


def test_an_unsure_lender_counts_for_less(cpu: Synthetic) -> None:
    fit = cpu.calibration.families["linear"]
    off = replace(
        fit,
        parameters={name: value * np.e for name, value in fit.parameters.items()},
        uncertainty=dict.fromkeys(fit.parameters, 3 * ALONE),
    )
    other = replace(cpu.chip, architecture="another")
    both = Lent.of([lender(cpu), lender(cpu, families={"linear": off})], other).known("linear", CEILINGS, {})
    value, variance = both["sat_k"]
    assert np.log(fit.parameters["sat_k"]) < value < np.log(fit.parameters["sat_k"]) + 0.1
    alone = Lent.of([lender(cpu)], other).known("linear", CEILINGS, {})
    assert ALONE**2 < variance < alone["sat_k"][1]


def test_relatives_are_nearer_and_lend_nothing_to_a_calibration() -> None:
    zen5 = replace(specs.load_chip(EPYC), architecture="zen5")
    everyone = specs.load_lenders("cpu")
    strangers, all_of_them = (
        lent_to(zen5, [fit for fit in everyone if fit.architecture != "zen5"]),
        lent_to(zen5, everyone),
    )
    assert strangers is not None
    assert all_of_them is not None
    assert set(all_of_them.lenders) - set(strangers.lenders) == {"zen5"}
    name = "rate:conv2d"
    assert all_of_them.plans["conv-blocked"][name][1] < strangers.plans["conv-blocked"][name][1]


@pytest.mark.parametrize(
    ("changes", "asked"),
    [
        ({"vendor": "ARM"}, {}),
        ({}, {"stack": Stack(threads=2)}),
        ({}, {"stack": Stack(layout="nhwc")}),
        ({}, {"dtype": "bf16"}),
    ],
)
def test_nobody_lends_what_nobody_measured(changes: dict[str, str], asked: dict[str, object]) -> None:
    chip = replace(specs.load_chip(EPYC), **changes)  # type: ignore[arg-type]
    assert lent_to(chip, specs.load_lenders("cpu"), **asked) is None  # type: ignore[arg-type]
    assert lent_to(specs.load_chip(EPYC), []) is None


def test_an_operator_without_rows_follows_the_others_of_its_plan(cpu: Synthetic) -> None:
    rows = operator_rows(cpu.rows, cpu.chip)
    ceilings = fit_machine(rows.schedule, rows.seconds, rows.stack)
    mine = rows.plans["elementwise"]
    part = (rows.schedule.select(mine), rows.seconds[mine] * 1.5)
    truth = dict(parameters()["elementwise"])
    truth |= {"start:unheard_of": truth["start:relu"], "rate:unheard_of": truth["rate:relu"]}
    fit = replace(cpu.calibration.families["elementwise"], parameters=truth)
    lent = Lent.of([lender(cpu, families={"elementwise": fit})], cpu.chip)
    found = fit_plans({"elementwise": part}, ceilings, lent, MIN_ROWS)["elementwise"]
    assert "unheard_of" in found.borrowed
    assert "relu" not in found.borrowed
    moved = {op: np.log(found.parameters[f"start:{op}"] / truth[f"start:{op}"]) for op in ("relu", "unheard_of")}
    assert 0.1 < moved["unheard_of"] < moved["relu"] + 0.1


def test_the_pace_of_a_core_reaches_plans_without_rows(cpu: Synthetic) -> None:
    """All that was measured takes half the clocks, so what was not is taken to do so too, as far as one can tell."""
    rows = fitted_fast(cpu)
    ceilings = fit_machine(rows.schedule, rows.seconds, rows.stack)
    parts = {plan: (rows.schedule.select(mine), 0.5 * rows.seconds[mine]) for plan, mine in rows.plans.items()}
    parts.pop("softmax")
    found = fit_plans(parts, ceilings, Lent.of([lender(cpu)], cpu.chip), MIN_ROWS)["softmax"]
    truth = parameters()["softmax"]
    starts = [np.log(found.parameters[name] / truth[name]) for name in truth if name.startswith("start:")]
    assert np.log(0.5) - 0.15 < np.mean(starts) < -0.3
    assert set(found.borrowed) == {name.partition(":")[2] for name in truth} - {""}


def test_borrowing_from_a_twin_beats_few_rows_alone(cpu: Synthetic) -> None:
    rows = operator_rows(cpu.rows, cpu.chip)
    rows = rows.select(rows.schedule.in_family("linear", "elementwise", "norm"))
    (alone,) = learning_curve(rows, (75,))
    (helped,) = learning_curve(replace(rows, lent=Lent.of([lender(cpu)], cpu.chip)), (75,))
    assert helped.fitted == 1.0
    assert helped.median < alone.median


def test_a_calibration_says_what_is_borrowed_and_keeps_it(cpu: Synthetic, tmp_path: Path) -> None:
    forward = [row for row in cpu.rows if row.op in ("relu", "add", "softmax", "linear") and row.part == "forward"]
    rows = replace(operator_rows(forward, cpu.chip), lent=Lent.of([lender(cpu)], cpu.chip))
    specs.save_calibration(calibrate(rows, cpu.chip), tmp_path / "some.yaml")
    fitted = specs.load_calibration(tmp_path / "some.yaml")
    assert fitted.data["lenders"] == ["synthetic"]
    assert fitted.families["pool"].points == 0
    assert "gelu" in fitted.families["elementwise"].borrowed
    assert not {"relu", "add"} & set(fitted.families["elementwise"].borrowed)
    schedule = operator_rows(cpu.rows, cpu.chip).schedule
    timing = time_schedule(schedule, cpu.chip, calibration=fitted)
    tiers = dict(zip(schedule.op_labels(), timing.tiers, strict=True))
    assert (tiers["relu"], tiers["gelu"], tiers["max_pool2d"]) == ("calibrated", "borrowed", "borrowed")
    assert (timing.low <= timing.total).all()
    assert (timing.total <= timing.high).all()


def test_every_row_that_is_predicted_has_an_interval(cpu: Synthetic) -> None:
    few = [row for op in ("relu", "softmax", "linear", "layer_norm") for row in cpu.rows if row.op == op][::12]
    rows = replace(operator_rows(few, cpu.chip), lent=Lent.of([lender(cpu)], cpu.chip))
    held = cross_validate(rows)
    assert np.isfinite(held.predicted).all()
    assert (held.low < held.predicted).all()
    assert (held.predicted < held.high).all()


def test_an_operator_borrows_though_one_like_it_was_measured(cpu: Synthetic) -> None:
    asked = [Question("", op, {}, ((64, 64),) * inputs) for op, inputs in (("mul", 2), ("scale", 1))]
    kernels = lower(asked)
    numbers = {f"{kind}:{op}": 1.0 for kind in ("start", "rate") for op in ("mul", "scale")}
    fit = FamilyFit(numbers, {}, {}, 9, {}, 0.1, borrowed=("scale",))
    assert list(fitted_ops(kernels, fit)) == [True, False]
    alike = replace(fit, parameters={name: 1.0 for name in numbers if name.endswith("mul")}, borrowed=())
    assert list(fitted_ops(kernels, alike)) == [True, True]
    assert list(fitted_ops(kernels, replace(alike, points=0))) == [False, False]


def test_lenders_were_fitted_on_their_own_rows_alone_which_are_here() -> None:
    files = (REPOSITORY / "reports/measurements").glob("*/*.gz")
    campaigns = {hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    for fit in specs.load_lenders("cpu"):
        assert not fit.data["lenders"]
        assert not any(family.borrowed for family in fit.families.values())
        assert (fit.model, fit.dtype, Stack.from_dict(fit.stack).threads) == ("cpu", "fp32", 1)
        assert Core.from_dict(fit.data["core"]).clock_hz > 1e9
        assert fit.data["sha256"] in campaigns, f"the rows of {fit.file} are not in the repository"


def test_a_vendor_may_be_written_in_small_letters() -> None:
    intel = specs.load_chip(XEON)
    small = replace(intel, vendor="intel")
    lent, same = (lent_to(chip, specs.load_lenders("cpu")) for chip in (intel, small))
    assert lent is not None
    assert same is not None
    assert lent.known("linear", CEILINGS, {}) == same.known("linear", CEILINGS, {})


def test_a_borrowed_list_that_is_none_is_refused(cpu: Synthetic, tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    specs.save_calibration(lender(cpu), path)
    path.write_text(path.read_text().replace("    points: 100", "    points: 100\n    borrowed: relu", 1))
    with pytest.raises(SpecError, match=r"borrowed.*expected a list of names"):
        specs.load_calibration(path)


def test_a_cpu_that_nobody_measured_is_predicted_from_others() -> None:
    borrowed = predict(EPYC, "resnet50", batch=1)
    plain = predict(EPYC, "resnet50", batch=1, calibration="none")
    assert borrowed.tier == "borrowed"
    assert borrowed.seconds.low < borrowed.seconds.middle < borrowed.seconds.high
    assert borrowed.seconds.middle > plain.seconds.middle
    assert any("epyc-9654 was not measured" in said for said in borrowed.warnings)


def test_more_threads_than_were_measured_are_the_plain_roofline() -> None:
    several = predict(XEON, "resnet50", stack=Stack(threads=8))
    assert several.tier == "datasheet"
    assert any("no calibration is for 8 threads, so this is the plain roofline" in said for said in several.warnings)


@pytest.fixture(scope="module")
def machines() -> list[Machine]:
    return [Machine.read(REPOSITORY / "reports/measurements" / path) for path in CAMPAIGNS]


@pytest.mark.parametrize(
    "place", [0, *(pytest.param(place, marks=pytest.mark.slow) for place in range(1, len(CAMPAIGNS)))]
)
def test_networks_of_a_machine_left_out(machines: list[Machine], place: int) -> None:
    """With none of its rows: what docs/model.md promises of a CPU that was never measured."""
    machine, share = machines[place], shares(machines)[place]
    for chip, mean, worst, of_plain in ((machine.shown(share), 0.5, 0.75, 0.9), (machine.chip, 0.1, 0.28, 0.35)):
        fitted, seconds = machine.unmeasured(chip)
        error, plain = np.abs(machine.networks(fitted)).T
        assert error.mean() < mean
        assert error.max() < worst
        assert error.mean() < of_plain * plain.mean()
        assert np.isfinite(seconds).all()


def test_rows_that_a_lender_was_fitted_on_are_scored_without_it(machines: list[Machine]) -> None:
    machine = machines[2]
    found = validate(machine.measurements, chips={machine.chip.name: machine.chip})
    fitted, _ = machine.unmeasured(machine.chip)
    assert [row.error for row in found.of_kind("network")] == pytest.approx(list(machine.networks(fitted)[:, 0]))
    assert found.calibration == "transferred from other chips (zen3, zen5)"


def test_two_streams_bend_the_curve_that_is_lent(cpu: Synthetic) -> None:
    """Too few to fit a curve on: what is lent moves towards them, and stays where there are none."""
    rows = operator_rows(cpu.rows, cpu.chip)
    lent = fit_machine(rows.schedule, rows.seconds, rows.stack)
    moved = rows.schedule.reads + rows.schedule.writes
    streams = np.array([row.op in LADDER_OPS for row in rows.measurements]) & (moved > 2.0**18)
    two, none = (rows.select(index) for index in (np.flatnonzero(streams)[:2], np.flatnonzero(~streams)[:2]))
    assert fit_machine(none.schedule, none.seconds, none.stack, lent) == lent
    bent = fit_machine(two.schedule, two.seconds / 2, two.stack, lent)
    assert 1.2 * lent.cache < bent.cache < 2.5 * lent.cache
