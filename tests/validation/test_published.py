"""Figures that vendors and papers published: what they are, and how near predictions come to them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from roofline import specs
from roofline.cli.app import Roofline
from roofline.core.validation import PLAUSIBILITY, PublishedScores
from roofline.prediction.predict import predict
from roofline.prediction.select import resolve_calibration
from roofline.validation.published import UNKNOWN, score_published

ROOT = Path(__file__).resolve().parents[2]
ROWS = [
    json.loads(line)
    for file in sorted((ROOT / "reports" / "published").glob("*.jsonl"))
    for line in file.read_text(encoding="utf-8").splitlines()
]
TOLERANCES = {"tpu-v1-mlp0": 0.12, "tpu-v1-lstm0": 0.12, "tpu-v1-cnn0": 0.12, "tpu-v1-mlp1": 0.20}


@pytest.fixture(scope="module")
def scores() -> PublishedScores:
    return score_published()


def test_every_figure_says_what_it_is() -> None:
    for row in ROWS:
        assert row["provenance"], row
        assert row["what"], row
        assert bool(row.get("fit")) == row["used_for_fit"], row


def test_fits_name_files_that_describe_the_chip() -> None:
    from roofline.core.dtype import precision

    for row in ROWS:
        if row.get("fit") and row["chip"] in specs.list_chips():
            found = resolve_calibration(specs.load_chip(row["chip"]), precision(row["dtype"]), None)
            assert found is not None
            assert found.file.endswith(row["fit"]), row


def test_tpu_v1_is_near(scores: PublishedScores) -> None:
    """One constant for its layers, on shapes reconstructed from weights and intensities."""
    errors = {row.measurement.network: row.error for row in scores.rows if row.measurement.chip == "tpu-v1"}
    for net, tolerance in TOLERANCES.items():
        assert abs(errors[net]) <= tolerance, (net, errors[net])


def test_stacks_seen_are_near_and_another_chip_of_the_stack_is_not_far(scores: PublishedScores) -> None:
    neuron = [abs(row.error) for row in scores.rows if row.measurement.chip == "inferentia2"]
    older = [abs(row.error) for row in scores.rows if row.measurement.chip == "inferentia"]
    assert sorted(neuron)[len(neuron) // 2] <= 0.12
    assert sum(older) / len(older) <= 0.20


def test_nothing_fitted_halves_the_error_of_the_plain_roofline(scores: PublishedScores) -> None:
    medians = scores.to_dict()["scores"]["all"]
    assert medians["unfitted"] <= 0.30
    assert medians["plain"] >= 1.8 * medians["unfitted"]


def test_intervals_hold_the_figures(scores: PublishedScores) -> None:
    rows = [scores.rows[place] for place in scores.counted]
    assert sum(row.low <= row.measured <= row.high for row in rows) >= 0.9 * len(rows)


def test_claims_count_in_no_score(scores: PublishedScores) -> None:
    claims = [row for row in scores.rows if PLAUSIBILITY in row.measurement.flags]
    assert claims
    assert len(scores.counted) == len(scores.rows) - len(claims)
    assert any("tpu-v1-cnn1" in why for why in scores.skipped)
    assert all(row["network"] != "tpu-v1-cnn1" for row in ROWS if UNKNOWN not in row.get("flags", []))


def test_the_claim_of_the_fsd_is_plausible_at_camera_size_alone() -> None:
    """More than 80 % of the array on Inception nets at batch 1: near that on frames, far from it on 299 x 299."""
    peak = specs.load_chip("tesla-fsd-npu").engines[0]
    shares = {}
    for image in (299, 960):
        made = predict("tesla-fsd-npu", "inception-v3", bind={"batch": 1, "image": image}, dtype="int8")
        products = sum(layer.flops for layer in made.layers if layer.op in ("conv2d", "linear"))
        shares[image] = products / made.seconds.middle / next(iter(peak.stated_peaks.values())).fact.value
    assert 0.70 <= shares[960] <= 0.95
    assert shares[299] < 0.70


def test_what_stalls_a_tpu_v1() -> None:
    """Its counters: four fifths of MLP0's time waits for weights, none of CNN0's."""
    waits = {row["network"]: row["counters"] for row in ROWS if row["chip"] == "tpu-v1"}
    for net in ("tpu-v1-mlp0", "tpu-v1-cnn0"):
        made = predict("tpu-v1", net, dtype="int8")
        counted = (waits[net]["weight_stall"] + waits[net]["weight_shift"] + waits[net]["array_active"]) / 100
        assert ("DRAM" in made.bounds) == (waits[net]["weight_stall"] > 0)
        assert made.seconds.middle * counted <= made.seconds.middle
    assert predict("tpu-v1", "tpu-v1-mlp0", dtype="int8").bound == "DRAM"


def test_the_command_prints_every_figure(scores: PublishedScores, monkeypatch: pytest.MonkeyPatch) -> None:
    done = CliRunner().invoke(Roofline(), ["validate", "--published", "--json", "--threshold", "0.0001"])
    assert done.exit_code == 1, "above the threshold"
    answer = json.loads(done.stdout)
    assert len(answer["rows"]) == sum(UNKNOWN not in row.get("flags", []) for row in ROWS)
    assert {"predicted", "plain", "unfitted", "source", "what"} <= set(answer["rows"][0])
    monkeypatch.setattr("roofline.validation.published.score_published", lambda fitted: scores)
    assert CliRunner().invoke(Roofline(), ["validate", "--published"]).exit_code == 0
    assert CliRunner().invoke(Roofline(), ["validate"]).exit_code == 2
