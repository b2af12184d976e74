"""Does a grid become a table that other programs read, and is a wrong grid refused before anything runs?"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from roofline.analysis.rows import COLUMNS
from roofline.cli.app import cli as main

GRID = """\
chips: [gtx-980, tpu-v1]
networks: [mlp, gpt2]
batch: [1, 8]
set:
  - {}
  - {DRAM.bandwidth: x2}
"""


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["sweep", *arguments])


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    path = tmp_path / "grid.yaml"
    path.write_text(GRID)
    return path


def test_csv_on_standard_output(grid: Path) -> None:
    result = run(str(grid))
    assert result.exit_code == 0, result.output
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 16
    assert {row["chip"] for row in rows if row["refusal"]} == {"tpu-v1"}
    assert {row["fits"] for row in rows if not row["refusal"]} == {"true"}


def test_the_formats_say_the_same(grid: Path, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    for name in ("x.csv", "x.jsonl", "x.parquet"):
        if name.endswith("parquet"):
            pytest.importorskip("pyarrow")
        result = run(str(grid), "--out", str(tmp_path / name))
        assert result.exit_code == 0, result.output
        assert "wrote 16 rows" in result.stderr
    lines = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    frames = {
        "csv": pandas.read_csv(tmp_path / "x.csv"),
        "jsonl": pandas.read_json(tmp_path / "x.jsonl", lines=True),
        "parquet": pandas.read_parquet(tmp_path / "x.parquet"),
    }
    for frame in frames.values():
        assert tuple(frame.columns) == COLUMNS
        assert frame["seconds"][0] == pytest.approx(lines[0]["seconds"], rel=1e-9)
        assert frame["chip"].tolist() == [line["chip"] for line in lines]
    assert {path.name for path in tmp_path.iterdir()} == {"grid.yaml", "x.csv", "x.jsonl", "x.parquet"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("chips: gtx-98\nnetworks: mlp\n", "grid.yaml:1: chips: no chip named 'gtx-98'; did you mean gtx-980"),
        ("chips: [gtx-980]\n", "networks: is missing; write the networks to predict, or all"),
        ("chips: all\nnetworks: mlp\nbatch: [1, 0]\n", "grid.yaml:3: batch[1]: batch is 0; write a whole number"),
        ("chips: all\nnetworks: mlp\nbatch: []\n", "grid.yaml:3: batch: is empty"),
        ("chips: all\nnetworks: mlp\ndtype: fp33\n", "grid.yaml:3: dtype"),
        ("chips: all\nnetworks: mlp\nstack: eeger\n", "grid.yaml:3: stack: no stack named 'eeger'; did you mean eager"),
        ("chips: all\nnetworks: mlp\nbathc: 3\n", "grid.yaml:3: bathc: unknown key; did you mean batch?"),
        ("chips: all\nnetworks: mlp\nbind: {seq: [1.5]}\n", "grid.yaml:3: bind.seq[0]: 1.5 is no size"),
        ("chips: all\nnetworks: mlp\nset: [{power: [1]}]\n", "grid.yaml:3: set[0].power: write a quantity"),
        ("- chips\n", "expected the keys and values of a grid"),
    ],
)
def test_a_wrong_grid_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "grid.yaml"
    path.write_text(text)
    result = run(str(path), "--out", str(tmp_path / "x.csv"))
    assert result.exit_code == 1
    assert said in result.stderr
    assert not (tmp_path / "x.csv").exists()


def test_too_many_points_and_other_formats(tmp_path: Path) -> None:
    path = tmp_path / "grid.yaml"
    sizes = ", ".join(map(str, range(1, 1001)))
    path.write_text(f"chips: all\nnetworks: all\nbatch: [{sizes}]\nbind: {{seq: [{sizes}]}}\n")
    result = run(str(path))
    assert result.exit_code == 2
    assert "points (" in result.stderr
    assert "1,000 batch x 1,000 seq" in result.stderr
    result = run(str(path), "--out", "x.xlsx")
    assert result.exit_code == 2
    assert "the name must end in one of .csv, .jsonl, .parquet" in result.stderr


def test_a_file_that_cannot_be_written_and_one_that_is_not_finished(grid: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("a file")
    result = run(str(grid), "--out", str(tmp_path / "folder" / "x.csv"))
    assert result.exit_code == 2
    assert "cannot be written" in result.stderr
    target = tmp_path / "x.csv"
    target.write_text("what was there")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("roofline.cli.sweep._csv", lambda made, stream: (_ for _ in ()).throw(KeyboardInterrupt()))
        run(str(grid), "--out", str(target))
    assert target.read_text() == "what was there"
    assert not list(tmp_path.glob(".*.part"))
