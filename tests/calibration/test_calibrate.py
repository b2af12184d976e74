"""Does a fit find what is known to be true, and does it say honestly how well?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import CEILINGS, NOISE, Synthetic, fittable, lower, parameters, row, seconds

from roofline import specs
from roofline.calibration.cpu.calibrate import calibrate
from roofline.calibration.cpu.fit import fit_machine
from roofline.calibration.cpu.held_out import MIN_ROWS, HeldOut, cross_validate, extrapolate, fit_and_predict
from roofline.calibration.cpu.rows import FOLDS, Rows, machine_ceilings, operator_rows, shape_groups
from roofline.calibration.intervals import quantile
from roofline.campaign.question import Question
from roofline.core.calibration import Calibration
from roofline.core.measurement import Measurement
from roofline.core.stack import Stack
from roofline.devices.ceiling import light
from roofline.devices.cpu.plans import plan_labels
from roofline.devices.timing import time_schedule
from roofline.errors import DataError
from roofline.prediction.predict import predict


@pytest.fixture(scope="module")
def rows(cpu: Synthetic) -> Rows:
    return operator_rows(cpu.rows, cpu.chip)


@pytest.fixture(scope="module")
def held(rows: Rows) -> HeldOut:
    return cross_validate(rows)


@pytest.fixture(scope="module")
def fitted(rows: Rows, held: HeldOut, cpu: Synthetic) -> Calibration:
    """A calibration on all rows; the folds are fitted once, for it and for ``held``."""

    def known(asked: Rows) -> HeldOut:
        assert asked is rows
        return held

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("roofline.calibration.cpu.calibrate.cross_validate", known)
        return calibrate(rows, cpu.chip, data={"sha256": "0" * 64, "file": "rows.jsonl"})


def errors(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    return np.abs(predicted / true - 1.0)


def test_new_shapes_are_predicted_within_the_noise(rows: Rows) -> None:
    fresh = lower(fittable(200, 9))
    error = errors(fit_and_predict(rows, fresh), seconds(fresh))
    assert np.nanmedian(error) < NOISE
    assert np.nanquantile(error, 0.9) < 3 * NOISE


@pytest.mark.parametrize(
    ("plan", "parameter"),
    [("linear", "rate:linear"), ("linear", "start:linear"), ("conv-blocked", "rate:conv2d"), ("bmm", "rate:matmul")],
)
def test_what_the_rows_decide_is_recovered(fitted: Calibration, plan: str, parameter: str) -> None:
    found, true = fitted.families[plan].parameters[parameter], parameters()[plan][parameter]
    assert found == pytest.approx(true, rel=0.12)
    assert fitted.families[plan].uncertainty[parameter] < 0.3


def test_held_out_errors_are_reported(fitted: Calibration) -> None:
    for name, fit in fitted.families.items():
        assert fit.points >= 6, name
        assert fit.range["flops"][0] <= fit.range["flops"][1]
    for name in ("linear", "conv-blocked", "elementwise"):
        fit = fitted.families[name]
        assert 0.2 * NOISE < fit.median_error < 2 * NOISE
        assert fit.median_error < fit.p90_error < 6 * NOISE
        levels = [fit.quantiles[level] for level in ("0.05", "0.25", "0.5", "0.75", "0.95")]
        assert levels == sorted(levels)


def test_a_calibration_says_what_it_rests_on(fitted: Calibration, rows: Rows) -> None:
    assert (fitted.chip, fitted.model, fitted.dtype) == ("cpu-synthetic", "cpu", "fp32")
    assert fitted.stack == Stack().to_dict()
    assert fitted.data["sha256"] == "0" * 64
    assert fitted.data["rows"] == len(rows.seconds)
    assert fitted.data["left_out"] == {}


def test_a_calibration_survives_its_file(fitted: Calibration, cpu: Synthetic, tmp_path: Path) -> None:
    path = tmp_path / "fit.yaml"
    specs.save_calibration(fitted, path)
    read = specs.load_calibration(path)
    one, two = (predict(cpu.chip, "mobilenetv2", batch=1, calibration=c).seconds for c in (fitted, read))
    assert two.middle == pytest.approx(one.middle, rel=1e-4)
    assert two.high == pytest.approx(one.high, rel=1e-3)


def test_no_group_is_in_two_folds(rows: Rows) -> None:
    folds: dict[str, set[int]] = {}
    for group, fold in zip(rows.group, rows.fold, strict=True):
        folds.setdefault(group, set()).add(int(fold))
    assert all(len(numbers) == 1 for numbers in folds.values())
    assert set(rows.fold.tolist()) == set(range(FOLDS))
    assert len(folds) > 3 * FOLDS


def test_a_fold_does_not_depend_on_the_other_rows(rows: Rows) -> None:
    half = np.arange(0, len(rows.seconds), 2)
    np.testing.assert_array_equal(rows.select(half).fold, rows.fold[half])


@given(st.integers(16, 2000), st.integers(16, 2000))
def test_groups_are_octaves_of_work(n: int, k: int) -> None:
    one, same, other = shape_groups(lower([Question("", "linear", {"out": out}, ((8, k),)) for out in (n, n, 8 * n)]))
    assert one == same != other


def test_a_row_is_never_scored_by_a_fit_that_saw_its_group(rows: Rows) -> None:
    """Rows of one fold, measured a hundred times too slow, do not change their own predictions."""
    rows = rows.select(rows.schedule.in_family("linear", "softmax", "norm"))
    fold = rows.fold
    lies = replace(rows, seconds=np.where(fold == 2, 100 * rows.seconds, rows.seconds))
    before, after = cross_validate(rows), cross_validate(lies)
    np.testing.assert_allclose(after.predicted[fold == 2], before.predicted[fold == 2])
    assert not np.allclose(after.predicted[fold != 2], before.predicted[fold != 2], equal_nan=True)


def test_intervals_cover_about_what_they_promise(rows: Rows, held: HeldOut) -> None:
    labels = np.array(plan_labels(rows.schedule, rows.stack))
    many = np.isin(labels, [name for name in set(labels) if (labels == name).sum() >= 60])
    inside = (rows.seconds >= held.low) & (rows.seconds <= held.high)
    assert 0.83 <= inside[many].mean() <= 0.97
    assert np.median((held.high / held.low)[many]) < np.exp(2 * 1.645 * 2.5 * NOISE)


def test_extrapolation_holds_back_the_largest(rows: Rows) -> None:
    index, predicted = extrapolate(rows)
    labels = np.array(plan_labels(rows.schedule, rows.stack))
    size = np.maximum(rows.schedule.flops, rows.schedule.bytes)
    for name in set(labels):
        mine = np.flatnonzero(labels == name)
        held, kept = np.intersect1d(mine, index), np.setdiff1d(mine, index)
        assert len(held) >= 0.3 * len(mine) - 1
        assert len(kept) == 0 or size[held].min() >= size[kept].max()
    assert np.nanmedian(errors(predicted, rows.seconds[index])) < 3 * NOISE


def test_bandwidth_from_dram_stays_sensible_without_large_streams(rows: Rows) -> None:
    small = rows.select(np.flatnonzero(rows.schedule.reads + rows.schedule.writes < CEILINGS.knee / 2))
    found = fit_machine(small.schedule, small.seconds, small.stack)
    assert 0.15 < found.dram / found.cache < 0.6


def test_rows_of_another_chip_are_refused(cpu: Synthetic) -> None:
    foreign = [replace(m, chip="somebody-elses") for m in cpu.rows[:9]]
    with pytest.raises(DataError, match="no operator measurements of cpu-synthetic: they are of somebody-elses"):
        operator_rows(foreign, cpu.chip)
    with pytest.raises(DataError, match="the file has none"):
        operator_rows([], cpu.chip)
    assert len(operator_rows([*foreign, *cpu.rows], cpu.chip).seconds) == len(cpu.rows)


def test_rows_of_another_kind_are_refused_with_what_there_is(cpu: Synthetic) -> None:
    with pytest.raises(DataError, match="cpu-synthetic: no cold operator measurement in bf16; the file has fp32 cold"):
        operator_rows(cpu.rows[:5], cpu.chip, dtype="bf16")
    with pytest.raises(DataError, match="no warm operator measurement in fp32"):
        operator_rows(cpu.rows, cpu.chip, cache="warm")


def odd(cpu: Synthetic) -> list[Measurement]:
    """One row of every kind that a fit must leave out, behind the good ones."""
    good = cpu.rows[0]
    question = Question("", good.op, good.attributes, good.inputs)
    impossible = float(light(lower([question]), cpu.chip.with_units(1))[0])
    return [
        replace(good, seconds=0.5 * impossible),
        replace(good, seconds=0.98 * impossible),  # within the tolerance: a clock may be off by 3 %
        replace(good, op="fft"),
        replace(good, stack=Stack(threads=2)),
        replace(good, cache="warm"),
    ]


def test_what_is_left_out_is_counted(cpu: Synthetic) -> None:
    rows = operator_rows([*cpu.rows, *odd(cpu)], cpu.chip)
    assert rows.left_out == {"another stack": 1, "not one known kernel": 1, "faster than light": 1}
    assert len(rows.seconds) == len(cpu.rows) + 1
    fitted = calibrate(rows.select(rows.schedule.in_family("softmax")), cpu.chip)
    assert fitted.data["left_out"] == rows.left_out


def test_gradients_have_rates_of_their_own(fitted: Calibration, rows: Rows) -> None:
    assert {"forward", "data", "weights", "backward"} <= {row.part for row in rows.measurements}
    assert {"rate:linear", "rate:linear_backward_data", "rate:linear_backward_weight"} <= set(
        fitted.families["linear"].parameters
    )


def test_steps_of_optimizers_are_fitted_as_one_pass_over_one_parameter(rows: Rows) -> None:
    steps = [i for i, row in enumerate(rows.measurements) if row.op == "adam"]
    assert steps
    for i in steps:
        assert rows.schedule.passes[i] == 7
        assert rows.seconds[i] * len(rows.measurements[i].inputs) == pytest.approx(rows.measurements[i].seconds)


def few(cpu: Synthetic, count: int, *ops: str) -> Sequence[Measurement]:
    return [m for op in ops for m in [m for m in cpu.rows if m.op == op][:count]]


def test_a_plan_of_few_rows_is_not_fitted(cpu: Synthetic) -> None:
    short = MIN_ROWS - 1
    rows = operator_rows([*few(cpu, short, "softmax"), *few(cpu, 4 * MIN_ROWS, "relu")], cpu.chip)
    fitted = calibrate(rows, cpu.chip)
    assert set(fitted.families) == {"elementwise"}
    assert np.isnan(cross_validate(rows).predicted[:short]).all()


def test_too_few_rows_to_fit_anything_are_refused(cpu: Synthetic) -> None:
    """An empty fit would silently replace a good one."""
    rows = operator_rows(few(cpu, 1, "embedding", "relu", "softmax"), cpu.chip)
    with pytest.raises(DataError, match="too few for a fit"):
        calibrate(rows, cpu.chip)


@pytest.mark.parametrize("count", [9, 12])
def test_few_rows_still_make_a_calibration_that_can_be_kept(cpu: Synthetic, count: int, tmp_path: Path) -> None:
    """A plan that can be fitted, but not with a fold held out, has no held-out errors to write."""
    rows = operator_rows(few(cpu, count, "embedding", "relu", "softmax"), cpu.chip)
    fitted = calibrate(rows, cpu.chip)
    specs.save_calibration(fitted, tmp_path / "few.yaml")
    timing = time_schedule(rows.schedule, cpu.chip, calibration=specs.load_calibration(tmp_path / "few.yaml"))
    assert np.isfinite(timing.high).all()
    assert (timing.low <= timing.total).all()


def test_quantiles_step_outward() -> None:
    """Of 19 residuals the 5 % quantile is the smallest: 1 of 20 new ones lies below it."""
    residual = np.arange(1.0, 20.0)
    assert (quantile(residual, 0.05), quantile(residual, 0.95), quantile(residual, 0.5)) == (1.0, 19.0, 10.0)
    assert quantile(np.append(residual, np.nan), 0.95) == 19.0
    assert np.isnan(quantile(np.array([np.nan]), 0.5))


def test_the_ceilings_seen_are_the_fastest_rows(cpu: Synthetic) -> None:
    copying = [row(Question("", "relu", {}, ((size,),)), took) for size, took in ((2**20, 1e-3), (2**24, 8e-3))]
    seen = machine_ceilings(operator_rows(copying, cpu.chip), cpu.chip)
    assert seen == pytest.approx({"bandwidth:L3": 2**23 / 1e-3, "bandwidth:DRAM": 2**27 / 8e-3})
    assert "clock_hz" not in seen


def test_arithmetic_above_the_clock_shown_raises_the_clock(cpu: Synthetic) -> None:
    question = Question("", "matmul", {}, ((1024, 1024), (1024, 1024)))
    flops = 2.0 * 1024**3
    took = flops / (64 * 2 * 4.1e9)  # 4.1 GHz where 4.0 are shown; the top is 4.2
    seen = machine_ceilings(operator_rows([row(question, took)], cpu.chip), cpu.chip)
    assert seen["clock_hz"] == pytest.approx(4.1e9)
