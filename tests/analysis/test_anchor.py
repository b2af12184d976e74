"""What was measured on one chip, carried over to another by the ratio of two predictions."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from click.testing import CliRunner

from roofline.analysis.anchor import PAIRS, SPREAD, anchored
from roofline.cli.app import cli
from roofline.core.measurement import Measurement
from roofline.core.prediction import Prediction
from roofline.errors import DataError
from roofline.prediction.predict import predict
from roofline.specs import load_chip, load_network

RTX = load_chip("rtx-2070")
NET = load_network("resnet18")


def row(seconds: float = 0.2, chip: str = "gtx-980", dtype: str = "fp32", **symbols: int) -> Measurement:
    return Measurement("network", chip, dtype, seconds, network="resnet18", symbols={"batch": 8, **symbols})


def asked(dtype: str = "fp32") -> Prediction:
    return predict(RTX, NET, batch=8, dtype=dtype)


def carry(prediction: Prediction, *rows: Measurement) -> Prediction:
    return anchored(RTX, NET, prediction, rows)


def test_the_time_is_measured_times_the_ratio_of_predictions() -> None:
    plain, home = asked(), predict("gtx-980", NET, batch=8)
    found = carry(plain, row(0.2))
    expected = 0.2 * plain.seconds.middle / home.seconds.middle
    assert found.seconds.middle == pytest.approx(expected)
    assert found.seconds.high / found.seconds.middle == pytest.approx(math.exp(SPREAD))
    assert sum(layer.seconds.middle for layer in found.layers) == pytest.approx(expected)
    assert found.tier == "anchored"
    assert set(found.tiers) == {"anchored"}
    assert found.anchor is not None
    assert (found.anchor.chip, found.anchor.pairs) == ("gtx-980", PAIRS)
    # 7.46 / 4.98 TFLOP/s, 448 / 224 GB/s
    assert found.anchor.rule == pytest.approx(0.2 / math.sqrt(1.49868 * 2.0), rel=1e-3)


def test_a_net_measured_at_home_is_what_was_measured() -> None:
    home = predict("rtx-2070", NET, batch=8)
    assert carry(home, row(0.123, chip="rtx-2070")).seconds.middle == pytest.approx(0.123)


def test_the_row_of_the_same_precision_counts() -> None:
    rows = (row(0.2), row(0.05, chip="tesla-t4", dtype="fp16"))
    found = carry(asked("fp16"), *rows).anchor
    assert found is not None
    assert found.chip == "tesla-t4"
    other = carry(asked("fp16"), rows[0]).anchor
    assert other is not None
    assert other.dtype == "fp32"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ((), "no measurement of resnet18; the file has no measurements of whole networks"),
        ((Measurement("network", "gtx-980", "fp32", 1.0, network="vgg16"),), "the file has vgg16"),
        ((row(batch=4),), r"measured at batch=4 \(inference\)"),
        ((row(image=96),), r"batch=8, image=96 \(inference\)"),
    ],
)
def test_rows_that_do_not_fit(rows: tuple[Measurement, ...], said: str) -> None:
    with pytest.raises(DataError, match=said):
        carry(asked(), *rows)


def test_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "home.jsonl"
    file.write_text(json.dumps(row(0.2).to_dict()) + "\n", encoding="utf-8")
    arguments = ["predict", "rtx-2070", "-w", "resnet18", "--batch", "8", "--anchor", str(file)]
    text = CliRunner().invoke(cli, arguments, prog_name="roofline")
    assert text.exit_code == 0, text.output
    said = " ".join(text.output.split())
    assert "200 ms measured on gtx-980 in fp32" in said
    assert "rule of thumb for this chip" in said
    data = json.loads(CliRunner().invoke(cli, [*arguments, "--json"], prog_name="roofline").stdout)
    assert data["tier"] == "anchored"
    assert data["anchor"]["chip"] == "gtx-980"
    refused = CliRunner().invoke(cli, [*arguments[:4], "--batch", "9", "--anchor", str(file)], prog_name="roofline")
    assert refused.exit_code != 0
    assert "measured at batch=8" in refused.output
