"""Known errors give known scores; nothing that could not be scored is dropped in silence."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from synthetic import Synthetic, row, seconds
from synthetic import lower as lowered

from roofline import specs
from roofline.calibration.cpu.calibrate import calibrate
from roofline.calibration.cpu.rows import operator_rows
from roofline.campaign.question import Question
from roofline.core.dtype import precision
from roofline.core.measurement import Measurement
from roofline.core.stack import Stack
from roofline.core.validation import Scored, rank_correlation, score
from roofline.devices.ceiling import engine_and_rate
from roofline.errors import DataError
from roofline.prediction.predict import predict
from roofline.units import format_si
from roofline.validation.validate import validate

PREDICTED = 1e-3


def scored(measured: float, *, low: float = 0.8e-3, high: float = 1.25e-3, plain: float = 0.5e-3) -> Scored:
    """A row predicted to take 1 ms, within 0.8 and 1.25 ms; the plain roofline says half."""
    what = row(Question("", "relu", {}, ((8,),)), measured)
    return Scored(what, "elementwise", measured, PREDICTED, low, high, plain, "calibrated", "other data")


def test_scores_by_hand() -> None:
    # predicted / measured: 1, 1.25, 0.5, 2, 1; the intervals hold the rows of 1, 0.8 and 1 ms
    result = score([scored(ms * 1e-3) for ms in (1.0, 0.8, 2.0, 0.5, 1.0)])
    assert result.rows == 5
    assert result.median == pytest.approx(0.25)
    assert result.mean == pytest.approx((0 + 0.25 + 0.5 + 1 + 0) / 5)
    assert result.p90 == pytest.approx(0.8)  # between 0.5 and 1, at 0.9 x 4 = 3.6 of the way
    assert result.worst == pytest.approx(1.0)
    assert result.bias == pytest.approx(0.0)
    assert result.coverage == pytest.approx(3 / 5)
    assert result.width == pytest.approx(1.25 / 0.8)
    assert result.plain_median == pytest.approx(0.5)


def test_bias_has_a_sign() -> None:
    assert score([scored(0.5e-3)] * 3).bias == pytest.approx(1.0)
    assert score([scored(2e-3)] * 3).bias == pytest.approx(-0.5)


def test_rank_correlation() -> None:
    rising, mixed = np.array([1.0, 2.0, 3.0, 4.0]), np.array([2.0, 1.0, 4.0, 3.0])
    assert rank_correlation(rising, rising**3) == pytest.approx(1.0)
    assert rank_correlation(rising, -rising) == pytest.approx(-1.0)
    assert rank_correlation(rising, mixed) == pytest.approx(1 - 6 * 4 / (4 * 15))
    assert np.isnan(rank_correlation(rising[:1], rising[:1]))


def test_one_row_is_json() -> None:
    text = json.dumps(score([scored(1e-3)]).to_dict(), allow_nan=False)
    assert json.loads(text)["rank_correlation"] is None
    assert {"median", "mean", "p90", "bias", "rank_correlation", "interval_coverage", "interval_width"} <= set(
        json.loads(text)
    )


def network(cpu: Synthetic, factor: float, **symbols: int) -> Measurement:
    """A run of the MLP that took ``factor`` times what the calibration says."""
    took = predict(cpu.chip, "mlp", bind=symbols, calibration=cpu.calibration).seconds.middle * factor
    return Measurement("network", cpu.chip.name, "fp32", took, network="mlp", symbols=symbols)


def test_operators_and_networks_are_scored_apart(cpu: Synthetic) -> None:
    operators = [replace(m, seconds=float(true) * 1.25) for m, true in zip(cpu.rows[:40], cpu.truth, strict=False)]
    networks = [network(cpu, 2.0, batch=8), network(cpu, 2.0, batch=64)]
    result = validate([*operators, *networks], chips={cpu.chip.name: cpu.chip}, calibration=cpu.calibration)
    assert result.operators is not None
    assert result.networks is not None
    assert (result.operators.rows, result.networks.rows) == (40, 2)
    # recurrent layers count how often weights are read in whole numbers
    assert (result.operators.median, result.operators.worst) == pytest.approx((0.2, 0.2), rel=1e-4)
    assert result.networks.median == pytest.approx(0.5)
    assert result.operators.bias == pytest.approx(-0.2)
    assert result.median == pytest.approx(0.2)
    assert result.calibration == "synthetic.yaml"
    assert not any(result.skipped.values())
    assert {s.measurement.kind for s in result.worst(2)} == {"network"}
    assert {s.tier for s in result.rows} == {"calibrated"}
    assert {s.held_out for s in result.rows} == {"other data", "network"}


def test_the_plain_roofline_stands_beside(cpu: Synthetic) -> None:
    chips = {cpu.chip.name: cpu.chip}
    fitted, plain = (validate(cpu.rows, chips=chips, calibration=c) for c in (cpu.calibration, "none"))
    assert fitted.operators is not None
    assert plain.operators is not None
    assert fitted.operators.plain_median == plain.operators.plain_median == plain.operators.median
    assert fitted.operators.median < 0.06 < plain.operators.median
    assert {s.tier for s in plain.rows} == {"datasheet"}


def test_by_family_and_network(cpu: Synthetic) -> None:
    rows = [*cpu.rows[:60], network(cpu, 1.0, batch=2)]
    result = validate(rows, chips={cpu.chip.name: cpu.chip}, calibration=cpu.calibration)
    families = result.by("operator", lambda row: row.family)
    assert sum(one.rows for one in families.values()) == 60
    assert result.by("network", lambda row: row.measurement.network)["mlp"].median == pytest.approx(0.0)


def test_warm_rows_are_skipped_with_the_reason(cpu: Synthetic) -> None:
    rows = [*cpu.rows[:3], replace(cpu.rows[3], cache="warm"), replace(cpu.rows[4], cache="warm")]
    result = validate(rows, chips={cpu.chip.name: cpu.chip}, calibration=cpu.calibration)
    assert result.operators is not None
    assert result.operators.rows == 3
    assert result.skipped == {"operator measurements with a warm cache (predictions are for a cold cache)": 2}


def test_what_nobody_knows_is_counted(cpu: Synthetic) -> None:
    good = cpu.rows[0]
    rows = [
        good,
        replace(good, op="fft"),
        replace(good, op="fft", seconds=2.0),
        replace(good, chip="tpu-9"),
        Measurement("network", cpu.chip.name, "fp32", 1.0, network="resnet9000"),
    ]
    result = validate(rows, chips={cpu.chip.name: cpu.chip}, calibration=cpu.calibration)
    assert len(result.rows) == 1
    assert sum(result.skipped.values()) == 4
    reasons = " / ".join(result.skipped)
    for name in ("fft", "tpu-9", "resnet9000"):
        assert name in reasons


def test_nothing_to_score_is_an_error_that_says_why(cpu: Synthetic) -> None:
    with pytest.raises(DataError, match=r"no measurement could be predicted .*tpu-9"):
        validate([replace(cpu.rows[0], chip="tpu-9")], calibration="none")
    with pytest.raises(DataError, match="the file has none"):
        validate([])


def test_a_calibration_of_another_chip_is_refused(cpu: Synthetic) -> None:
    other = replace(cpu.chip, name="cpu-other")
    rows = [replace(cpu.rows[0], chip="cpu-other")]
    with pytest.raises(DataError, match=r"for cpu-synthetic \(synthetic\), not for cpu-other"):
        validate(rows, chips={"cpu-other": other}, calibration=cpu.calibration)


def test_a_row_faster_than_light_is_still_scored(cpu: Synthetic) -> None:
    """It is kept out of fits, not out of sight."""
    rows = [*cpu.rows[:5], replace(cpu.rows[5], seconds=1e-12)]
    result = validate(rows, chips={cpu.chip.name: cpu.chip}, calibration=cpu.calibration)
    assert len(result.rows) == 6
    assert result.worst(1)[0].measured == 1e-12


def test_rows_of_the_fit_itself_are_scored_held_out(cpu: Synthetic) -> None:
    some = [m for m in cpu.rows if m.op in ("linear", "relu", "softmax")]
    rows = operator_rows(some, cpu.chip)
    fitted = calibrate(rows, cpu.chip, data={"sha256": "abc"})
    chips = {cpu.chip.name: cpu.chip}
    own = validate(some, chips=chips, calibration=fitted, sha256="abc")
    again = validate(some, chips=chips, calibration=fitted, sha256="xyz")  # the same shapes in another file
    assert {s.held_out for s in again.rows} == {"shape group"}
    fewer = some[: len(some) // 2]
    other = validate(fewer, chips=chips, calibration=fitted, sha256="xyz")
    assert {s.held_out for s in other.rows} == {"other data"}
    assert sum(s.held_out == "shape group" for s in own.rows) > 0.8 * len(some)
    assert own.median > other.median


def test_a_fit_speaks_for_its_own_stack_only(cpu: Synthetic) -> None:
    """A convolution takes another path with two threads: a fit on one says nothing about it, and that is told."""
    question = Question("", "conv2d", {"out": 64, "kernel": 1}, ((1, 256, 56, 56),))
    one = row(question, float(seconds(lowered([question]))[0]))
    two = replace(one, stack=Stack(threads=2))
    result = validate([one, two], chips={cpu.chip.name: cpu.chip}, calibration=cpu.calibration)
    assert [s.predicted for s in result.rows] == pytest.approx([one.seconds])
    (why,) = result.skipped
    assert "fitted with threads 1, not 2" in why


def test_the_whole_validation_is_json(cpu: Synthetic) -> None:
    some = [m for m in cpu.rows if m.op in ("linear", "embedding", "relu")] + [network(cpu, 1.1, batch=2)]
    fitted = calibrate(operator_rows(some, cpu.chip), cpu.chip, data={"sha256": "abc"})
    result = validate(some, chips={cpu.chip.name: cpu.chip}, calibration=fitted, sha256="abc")
    data = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert data["schema_version"] == 1
    assert data["networks"]["rank_correlation"] is None  # of a single run
    assert len(data["rows"]) + sum(data["skipped"].values()) == len(some)
    assert data["operators"]["interval_width"] > 1


GRADIENT = Measurement(
    kind="operator",
    chip="titan-x-maxwell",
    dtype="fp32",
    seconds=10e-3,
    op="conv2d",
    attributes={"out": 64, "kernel": 3, "padding": 1, "bias": False},
    inputs=((32, 64, 56, 56),),
    stack=Stack(winograd=False),
)
FLOPS = 2 * 32 * 56 * 56 * 64 * 9 * 64


def test_a_row_of_several_kernels_takes_their_sum() -> None:
    data, weights, both = (replace(GRADIENT, part=part) for part in ("data", "weights", "backward"))
    result = validate([both, data, GRADIENT, weights])
    both_, data_, forward, weights_ = result.rows
    assert both_.predicted == pytest.approx(data_.predicted + weights_.predicted)
    assert both_.low == pytest.approx(data_.low + weights_.low)
    assert both_.plain == pytest.approx(data_.plain + weights_.plain)
    assert [row.family for row in result.rows] == ["conv (backward)", "conv (data)", "conv", "conv (weights)"]
    assert forward.predicted < both_.predicted
    assert {row.tier for row in (both_, data_, weights_)} == {"borrowed"}  # measured were forward passes
    assert result.impossible == ()


def test_a_row_faster_than_light_is_shown_with_its_arithmetic() -> None:
    part = specs.load_chip("titan-x-maxwell")
    _, peak = engine_and_rate(part, precision("fp32"), matrix=True, clock="top")
    light = FLOPS / peak
    near, over = replace(GRADIENT, seconds=0.98 * light), replace(GRADIENT, seconds=0.5 * light, part="weights")
    result = validate([near, over])
    assert [row.measurement for row in result.impossible] == [over]
    (text,) = [row.impossible for row in result.impossible]
    assert format_si(2 * peak, "FLOP/s") in text
    assert format_si(peak, "FLOP/s") in text
    assert len(result.rows) == 2  # scored all the same
    answer = result.to_dict()
    assert answer["faster_than_light"] == 1
    assert [("impossible" in row) for row in answer["rows"]] == [False, True]


def test_every_calibration_that_was_used_is_named() -> None:
    result = validate([GRADIENT, replace(GRADIENT, chip="tesla-t4")])
    assert result.calibration.count("public.yaml") == 2
