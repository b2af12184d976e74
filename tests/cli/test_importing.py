"""Public sets through the command line: rows on standard output, all else beside it, and back into ``validate``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from roofline.cli.app import cli
from roofline.core.measurement import Measurement
from roofline.measurements.public import read_public

GEMM = "device,dtype,M,N,K,ta,tb,ms\n" + "".join(
    f"{chip},{dtype},{m},{n},1760,N,T,{ms}\n"
    for chip, dtype, m, n, ms in (
        ("tesla-t4", "fp32", 1760, 16, 0.3),
        ("tesla-t4", "int8", 1760, 16, 0.3),
        ("titan-x-maxwell", "fp32", 1760, 7000, 12.5),
        ("titan-x-maxwell", "fp32", 1760, 128, 0.001),
    )
)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments), prog_name="roofline")


@pytest.fixture
def gemm(tmp_path: Path) -> Path:
    path = tmp_path / "gemm.csv"
    path.write_text(GEMM)
    return path


def test_rows_and_remarks_part_ways(gemm: Path) -> None:
    result = run("import", "deepbench", str(gemm))
    assert result.exit_code == 0, result.output
    found = [Measurement.from_dict(json.loads(line)) for line in result.stdout.splitlines()]
    assert found == list(read_public("deepbench", gemm))
    assert result.stderr.splitlines() == [
        "roofline: warning: 1 skipped: measurements in int8",
        "3 measurements: 1 of tesla-t4, 2 of titan-x-maxwell",
    ]


def test_a_few_rows_of_one_chip(gemm: Path, tmp_path: Path) -> None:
    out = tmp_path / "made" / "rows.jsonl"
    result = run("import", "deepbench", str(gemm), "--chip", "titan-x-maxwell", "--limit", "1", "--out", str(out))
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    (row,) = out.read_text().splitlines()
    assert json.loads(row)["inputs"] == [[7000, 1760], [1760, 1760]]
    result = run("import", "deepbench", str(gemm), "--chip", "gtx-980")
    assert result.exit_code == 0
    assert "0 measurements" in result.stderr
    assert "no measurement of gtx-980 found" in result.stderr


def test_imported_rows_are_scored(gemm: Path, tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    run("import", "deepbench", str(gemm), "--out", str(out))
    result = run("validate", str(out))
    assert result.exit_code == 0, result.output
    assert "1 of 3 measurements are below the speed-of-light bound" in result.stderr
    assert "titan-x-maxwell: matmul 128x1760" in result.stderr  # 793 TFLOP/s
    assert "it would need 793 TFLOP/s (peak 7.6 TFLOP/s)" in result.stderr
    data = json.loads(run("validate", str(out), "--json").stdout)
    assert data["faster_than_light"] == 1


def test_what_is_wrong_is_said(gemm: Path, tmp_path: Path) -> None:
    result = run("import", "deepbensh", str(gemm))
    assert result.exit_code == 2
    assert "did you mean deepbench?" in result.stderr
    result = run("import", "neusight", str(tmp_path / "nowhere"))
    assert result.exit_code == 2
    assert "nowhere: no such file or folder" in result.stderr
    out = tmp_path / "rows.jsonl"
    gemm.write_text(GEMM.replace("12.5", "soon"))
    result = run("import", "deepbench", str(gemm), "--out", str(out))
    assert result.exit_code == 1
    assert "gemm.csv:4: ms: expected a time above zero, got 'soon'" in result.stderr
    assert not out.exists()
    result = run("import", "deepbench", str(gemm), "--out", str(gemm / "rows.jsonl"))
    assert result.exit_code == 2
    assert "cannot be written" in result.stderr


def test_a_reader_that_leaves_is_no_error(gemm: Path, root: Path) -> None:
    gemm.write_text(GEMM + "tesla-t4,fp32,1760,16,1760,N,T,0.3\n" * 20_000)
    command = f"{sys.executable} -m roofline import deepbench {gemm} | head -1"
    done = subprocess.run(
        ["bash", "-c", command],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert json.loads(done.stdout)["set"] == "deepbench/gemm"
    assert "Traceback" not in done.stderr
    assert "error" not in done.stderr


def test_a_folder_without_rows_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing measured here\n")
    out = tmp_path / "rows.jsonl"
    result = run("import", "deepbench", str(tmp_path), "--out", str(out))
    assert result.exit_code == 1
    assert "no measurements of deepbench" in result.stderr
    assert "docs/measurements.md" in result.stderr
    assert not out.exists()
