"""``roofline measurements`` and the checks of ``roofline measure``, through the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from campaigns import CHIP, Counting, burst, length
from click.testing import CliRunner, Result

from roofline.campaign import check, measure
from roofline.campaign.check import Check, Finding
from roofline.cli.app import cli
from roofline.core.measurement import Measurement


def roofline(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments), prog_name="roofline")


@pytest.fixture
def files(tmp_path: Path, run) -> tuple[str, str]:  # type: ignore[no-untyped-def]
    """Two campaigns, the second of twice the times."""

    def slow(row: Measurement) -> Any:
        return burst(2 * length(row))

    run(tmp_path / "a.jsonl")
    run(tmp_path / "b.jsonl", Counting(make=slow))
    return str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl")


def test_show(files: tuple[str, str]) -> None:
    result = roofline("measurements", "show", files[0])
    assert result.exit_code == 0, result.output
    for words in ("cpu-test", "8 measurements from 13 samples", "elementwise", "Repeatability", "visits"):
        assert words in result.stdout
    data = json.loads(roofline("measurements", "show", files[0], "--json").stdout)
    assert data["header"]["chip"] == CHIP
    assert {group["cache"] for group in data["repeatability"]} == {"cold", "warm"}
    assert sum(group["rows"] for group in data["rows"]) == 8
    assert data["health"]["visits"] > 0
    assert roofline("measurements", "show", files[0], "--csv").stdout.startswith("kind,family,")


def test_show_of_an_unfinished_campaign(tmp_path: Path, run) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "rows.jsonl"
    with pytest.raises(KeyboardInterrupt):
        run(path, Counting(3, KeyboardInterrupt()))
    result = roofline("measurements", "show", str(path))
    assert result.exit_code == 0, result.output
    assert "0 measurements from 3 samples; not finished" in result.stdout


def test_diff_says_what_differs_with_its_status(files: tuple[str, str]) -> None:
    same = roofline("measurements", "diff", files[0], files[0])
    assert same.exit_code == 0, same.output
    assert "do not differ beyond noise" in same.stdout
    assert "no recorded fact differs" in same.stdout
    other = roofline("measurements", "diff", *files)
    assert other.exit_code == 1
    assert "differ beyond noise" in other.stdout
    data = json.loads(roofline("measurements", "diff", *files, "--json").stdout)
    assert data["verdict"] == "different"
    assert all(ratio["ratio"] == pytest.approx(2.0) for ratio in data["total"] + data["families"])
    assert len(data["worst"]) == 8


def test_diff_refuses_another_chip(files: tuple[str, str]) -> None:
    path = Path(files[1])
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    rows = [line | {"chip": "other"} for line in lines if line["record"] == "measurement"]
    path.write_text("".join(json.dumps(line) + "\n" for line in rows))
    result = roofline("measurements", "diff", *files)
    assert result.exit_code == 1
    assert "cannot be compared: chip: cpu-test and other" in " ".join(result.stdout.split())


@pytest.mark.parametrize("verb", ["show", "diff"])
@pytest.mark.parametrize("content", ["", "{\n", "not json\n", '{"record": "song"}\n'])
def test_files_of_another_kind(tmp_path: Path, verb: str, content: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(content)
    result = roofline("measurements", verb, *[str(path)] * (2 if verb == "diff" else 1))
    assert result.exit_code == 1
    assert "x.jsonl" in result.stderr
    assert "a bug" not in result.stderr


def checked(good: bool) -> Check:
    findings = (
        Finding("share", 0.5, 0.97, good, "a busy thread got 50.0% of the time"),
        Finding("governor", None, None, None, "the system does not tell of a governor"),
    )
    return Check(1, 1.0, findings)


@pytest.mark.parametrize("good", [True, False])
def test_check(monkeypatch: pytest.MonkeyPatch, good: bool) -> None:
    monkeypatch.setattr(check, "check", lambda *_, **__: checked(good))
    result = roofline("measure", "--device", "cpu", "--check")
    assert result.exit_code == (0 if good else 1)
    assert ("cannot be measured now: a busy thread got 50.0%" in result.stdout) == (not good)
    answer = roofline("measure", "--device", "cpu", "--check", "--json")
    assert json.loads(answer.stdout)["good"] is good
    assert answer.exit_code == (0 if good else 1)


def test_several_threads_need_a_quiet_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[Any] = []
    monkeypatch.setattr(measure, "run_campaign", lambda *_, **options: measured.append(options["threads"]))
    monkeypatch.setattr(measure, "check", lambda *_, **__: checked(False))
    out = ("--device", "cpu", "--out", str(tmp_path / "rows.jsonl"))
    refused = roofline("measure", "--threads", "1,2", *out)
    assert refused.exit_code == 2
    assert "too noisy to measure 2 threads: a busy thread got 50.0%" in refused.stderr
    assert "--anyway" in refused.stderr
    assert measured == []
    assert roofline("measure", "--threads", "1,2", "--anyway", *out).exit_code == 0
    monkeypatch.setattr(measure, "check", lambda *_, **__: checked(True))
    assert roofline("measure", "--threads", "2", *out).exit_code == 0
    monkeypatch.setattr(measure, "check", lambda *_, **__: 1 / 0)
    assert roofline("measure", *out).exit_code == 0  # one thread asks for no check
    assert measured == [(1, 2), (2,), (1,)]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--threads", "0"), "is not a number of threads"),
        (("--threads", "1,x"), "is not a number of threads"),
        (("--json",), "--json needs --check"),
    ],
)
def test_measure_refuses_options_that_make_no_sense(arguments: tuple[str, ...], says: str) -> None:
    result = roofline("measure", *arguments)
    assert result.exit_code == 2
    assert says in result.output


def test_an_interrupted_campaign_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(measure, "run_campaign", stop)
    result = roofline("measure", "--device", "cpu", "--out", str(tmp_path / "rows.jsonl"))
    assert result.exit_code == 130
    assert "the same command resumes" in result.stderr
