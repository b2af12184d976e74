"""Measure, calibrate, validate through the command line, on rows of a CPU whose parameters are known."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from synthetic import Synthetic

from roofline import specs
from roofline.cli.app import cli


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments), prog_name="roofline")


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cpu: Synthetic) -> Path:
    """A folder to work in, with rows measured on the synthetic CPU and its spec: operators that are fitted fast."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hw_specs").mkdir()
    (tmp_path / "hw_specs" / f"{cpu.chip.name}.yaml").write_text(specs.dump_chip(cpu.chip))
    path = tmp_path / "rows.jsonl"
    chosen = [row for row in cpu.rows if row.op in ("linear", "relu", "add")]
    path.write_text("".join(json.dumps(row.to_dict()) + "\n" for row in chosen))
    return path


def test_calibrate_then_everything_uses_it(rows: Path, cpu: Synthetic) -> None:
    result = run("calibrate", str(rows), "--csv")
    assert result.exit_code == 0, result.output
    plans = {row["plan"]: row for row in csv.DictReader(io.StringIO(result.stdout))}
    assert float(plans["linear"]["median_error"]) < 0.15
    written = list(Path("hw_specs/calibrations").rglob("*.yaml"))
    assert len(written) == 1
    data = json.loads(run("predict", cpu.chip.name, "-w", "mlp", "--json").stdout)
    assert data["tiers"]["calibrated"] > 0.9
    assert data["calibration"] == str(written[0])

    name = data["layers"][0]["name"]
    told = run("explain", cpu.chip.name, "-w", "mlp", "--layer", name)
    assert told.exit_code == 0, told.output
    assert "Fitted parameters of plan 'linear'" in told.stdout
    assert "rate:linear" in told.stdout
    assert "plain roofline" in told.stdout

    plain = json.loads(run("predict", cpu.chip.name, "-w", "mlp", "--json", "--calibration", "none").stdout)
    assert plain["tier"] == "datasheet"


def test_validate_scores_and_holds_to_its_threshold(rows: Path) -> None:
    assert run("calibrate", str(rows)).exit_code == 0
    good = run("validate", str(rows), "--threshold", "0.5", "--json")
    assert good.exit_code == 0, good.output
    data = json.loads(good.stdout)
    assert data["operators"]["median"] < 0.5 * data["operators"]["plain_median"]
    assert {row["held_out"] for row in data["rows"]} >= {"shape group"}
    bad = run("validate", str(rows), "--threshold", "0.0001")
    assert bad.exit_code == 1
    assert "above the threshold" in bad.stderr
    assert "Worst predictions" in bad.stdout
    assert len(list(csv.DictReader(io.StringIO(run("validate", str(rows), "--csv").stdout)))) == len(data["rows"])


def test_rows_of_an_unknown_chip(rows: Path) -> None:
    rows.write_text(rows.read_text().replace('"chip": "', '"chip": "un'))
    for verb in ("validate", "calibrate"):
        result = run(verb, str(rows))
        assert result.exit_code in (1, 2)
        assert "no chip named" in result.stderr


def test_what_cannot_be_fitted(rows: Path, cpu: Synthetic) -> None:
    text = rows.read_text()
    rows.write_text(text.replace(f'"chip": "{cpu.chip.name}"', '"chip": "tpu-v1"'))
    result = run("calibrate", str(rows))
    assert result.exit_code == 1
    assert "tpu-v1: 0 measurements of whole networks, too few to fit constants" in result.stderr
    rows.write_text(text.replace(f'"chip": "{cpu.chip.name}"', '"chip": "gtx-980"'))
    result = run("calibrate", str(rows), "--architecture", "turing")
    assert result.exit_code == 1
    assert "the file has maxwell" in result.stderr


def test_measure_one_net_at_the_sizes_asked(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    path = tmp_path / "mine.jsonl"
    result = run("measure", "-w", "mlp", "--batch", "3", "--rounds", "1", "--out", str(path))
    assert result.exit_code == 0, result.output
    rows = [r for r in map(json.loads, path.read_text().splitlines()) if r["record"] == "measurement"]
    assert [row["mode"] for row in rows] == ["inference", "training"]
    assert all((row["network"], row["symbols"]) == ("mlp", {"batch": 3}) for row in rows)
    assert 0 < rows[0]["seconds"] < rows[1]["seconds"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("-w", "resnet51"), "did you mean resnet50"),
        (("-w", "mlp", "--bind", "image=3"), "no symbol of mlp"),
        (("-w", "mlp", "--no-networks"), "leave out --no-networks"),
        (("--batch", "3"), "name it with -w"),
    ],
)
def test_measure_refuses_what_it_cannot_run(arguments: tuple[str, ...], says: str) -> None:
    result = run("measure", *arguments)
    assert result.exit_code == 2
    assert says in result.output
