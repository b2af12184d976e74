"""docs/extending.md is followed word for word: its blocks are put into a copy, and what they add works."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from plugins import install

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"<!-- (adds|adds to): (\S+) -->\n```\w+\n(.*?)```", re.DOTALL)


def section(title: str) -> str:
    return TEXT.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def files_in_the_table(what: str) -> int:
    (row,) = re.findall(rf"^\| {what} \|.*\| (\d) \|$", TEXT, re.MULTILINE)
    return int(row)


def apply(title: str, place: Path) -> set[str]:
    """Put the blocks of a section into a copy of the program; the files touched."""
    touched = set()
    for how, name, text in BLOCK.findall(section(title)):
        path = place / name
        if how == "adds":
            assert not path.exists(), f"{name} is there already"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        else:
            path.write_text(patched(path.read_text(encoding="utf-8"), text), encoding="utf-8")
        touched.add(name)
    return touched


def patched(whole: str, diff: str) -> str:
    """The text with the hunks of a diff without line numbers applied; each must stand there exactly once."""
    for hunk in diff.split(" ...\n"):
        lines = hunk.splitlines()
        before = "".join(f"{line[1:]}\n" for line in lines if line[0] in " -")
        after = "".join(f"{line[1:]}\n" for line in lines if line[0] in " +")
        assert whole.count(before) == 1, f"not there exactly once:\n{before}"
        whole = whole.replace(before, after)
    return whole


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A copy of the program and its data."""
    for folder in ("roofline", "hw_specs", "workloads"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    yield tmp_path
    shutil.rmtree(tmp_path, ignore_errors=True)


def run(place: Path, *words: str) -> str:
    """A command in the copy."""
    env = {**os.environ, "PYTHONPATH": str(place), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, *words], cwd=place, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def roofline(place: Path, *words: str) -> str:
    return run(place, "-m", "roofline", *words)


def run_tests(place: Path, *files: str) -> None:
    run(place, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", str(place), "-p", "no:cacheprovider", *files)


def test_a_chip(place: Path) -> None:
    assert len(apply("A chip", place)) == files_in_the_table("a chip")
    roofline(place, "specs", "check", "hw_specs/my-chip.yaml")
    assert json.loads(roofline(place, "predict", "my-chip", "-w", "mlp", "--json"))["chip"] == "my-chip"


def test_an_operator(place: Path) -> None:
    touched = apply("An operator", place)
    assert len(touched) == files_in_the_table("an operator")
    run_tests(place, *(name for name in touched if name.startswith("tests/")))
    (place / "net.yaml").write_text(
        "title: a gate\nsource: a test\nsymbols: {batch: 4}\ninputs: {x: [batch, 64], y: [batch, 64]}\n"
        "layers:\n  - gate: {op: gated, from: [x, y]}\n"
    )
    answer = json.loads(roofline(place, "predict", "tesla-t4", "-w", "net.yaml", "--json"))
    assert [layer["kind"] for layer in answer["layers"]] == ["gated"]
    assert answer["tier"] == "borrowed"


def test_a_plan(place: Path) -> None:
    touched = apply("A plan of a CPU", place)
    assert len(touched) == files_in_the_table("a plan of a CPU")
    run_tests(place, *(name for name in touched if name.startswith("tests/")))


def test_a_kind_of_device(place: Path) -> None:
    assert len(apply("A kind of device", place)) == files_in_the_table("a kind of device")
    code = (place / "dataflow.py").read_text()
    install(place, "dataflow", code, {"roofline.device_kinds": {"dataflow": "dataflow:DATAFLOW"}})
    apply("A chip", place)
    chip = place / "hw_specs" / "my-chip.yaml"
    chip.write_text(chip.read_text().replace("kind: gpu ", "kind: dataflow "))
    (place / "own.yaml").write_text(
        "{chip: my-chip, architecture: example-1, model: dataflow, dtype: any, stack: {framework: pytorch}, "
        "ceilings: {share: 0.5, layout: 1.0e-5}, families: {}}\n"
    )
    answer = json.loads(roofline(place, "predict", "my-chip", "-w", "mlp", "--calibration", "own.yaml", "--json"))
    assert answer["tier"] == "calibrated"


def test_a_data_set(place: Path) -> None:
    assert len(apply("A public data set", place)) == files_in_the_table("a public data set")
    (place / "tables").mkdir()
    (place / "tables" / "tesla-t4.csv").write_text("m,n,k,us\n512,512,512,70\n")
    (place / "rows.jsonl").write_text(roofline(place, "import", "tables", "tables"))
    answer = json.loads(roofline(place, "validate", "rows.jsonl", "--json"))
    assert len(answer["rows"]) == 1
