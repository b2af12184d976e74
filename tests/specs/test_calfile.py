"""Fitted numbers survive being written and read, and half a file is never seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from roofline.core.calibration import Calibration, FamilyFit
from roofline.errors import OutputError, SpecError, UsageError
from roofline.specs.calfile import load_calibration, save_calibration

FIT = FamilyFit(
    parameters={"efficiency": 0.812345, "overhead_s": 3.1e-06},
    uncertainty={"efficiency": 0.02},
    quantiles={"0.05": -0.2, "0.95": 0.31},
    points=181,
    range={"flops": (1000.0, 2.5e12), "bytes": (4.0, 1e9)},
    median_error=0.061,
    p90_error=0.29,
)
CALIBRATION = Calibration(
    chip="cpu-amd-epyc",
    architecture="zen5",
    model="cpu",
    dtype="fp32",
    stack={"framework": "pytorch", "version": "2.13.0", "threads": 1, "fused_attention": True},
    families={"linear": FIT, "no": replace(FIT, points=0)},
    ceilings={"peak:fp32": 1.03e11, "bandwidth:DRAM": 2.6e10},
    data={"sha256": "0123456", "date": "2026-11-23", "on": "1e3", "rows": [1, 2], "note": "über: #1"},
)


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "made" / "eager.yaml"
    save_calibration(CALIBRATION, path)
    assert load_calibration(path) == replace(CALIBRATION, file=str(path))
    assert [entry.name for entry in path.parent.iterdir()] == ["eager.yaml"]


def test_numbers_are_short_and_numpy_is_welcome(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    fit = replace(FIT, parameters={"x": np.float64(1 / 3), "y": np.float32(2e-20)}, points=np.int64(5))  # type: ignore[arg-type]
    save_calibration(replace(CALIBRATION, families={"linear": fit}), path)
    read = load_calibration(path).families["linear"]
    assert read.parameters == {"x": 0.333333, "y": 2e-20}
    assert read.points == 5
    assert "0.333333\n" in path.read_text()


def test_faults_come_all_at_once_with_lines(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    save_calibration(CALIBRATION, path)
    text = path.read_text().replace("points: 181", "points: many").replace('chip: "cpu-amd-epyc"\n', "")
    path.write_text(text.replace("flops: [1000.0,", "flops: [").replace("efficiency: 0.02", "efficiency: .inf"))
    with pytest.raises(SpecError) as caught:
        load_calibration(path)
    found = str(caught.value)
    for part in (
        "chip: is missing",
        "points: expected a whole number",
        "expected [smallest, largest]",
        "not a finite",
    ):
        assert part in found
    assert all(fault.line for fault in caught.value.faults)


@pytest.mark.parametrize("text", ["", "5", "chip: 1\nfamilies: [1]\n", "families: {a: 1}\n", "nonsense: true\n"])
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(SpecError):
        load_calibration(path)


def test_unwritable_places_say_so(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        save_calibration(CALIBRATION, blocked / "c.yaml")
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(OutputError, match="cannot write"):
        save_calibration(CALIBRATION, folder)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder"]


def test_a_fit_that_is_no_number_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    save_calibration(CALIBRATION, path)
    before = path.read_text()
    with pytest.raises(UsageError, match="ceilings, x: expected a finite number, got nan"):
        save_calibration(replace(CALIBRATION, ceilings={"x": float("nan")}), path)
    assert path.read_text() == before


def test_values_that_are_not_possible_are_faults_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    save_calibration(CALIBRATION, path)
    text = path.read_text().replace("threads: 1\n", "threads: 0\n")
    path.write_text(text.replace("flops: [1000.0, 2500000000000.0]", "flops: [9.0, 1.0]"))
    with pytest.raises(SpecError) as caught:
        load_calibration(path)
    assert [fault.message for fault in caught.value.faults] == [
        "threads: expected a whole number from 1 to 1000000, got 0",
        *["range of flops: expected [smallest, largest], got (9.0, 1.0)"] * 2,
    ]
    assert all(fault.line for fault in caught.value.faults)
