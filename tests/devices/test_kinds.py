"""A kind of device is one value: a made-up one from outside the package does everything that those that ship do."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
from plugins import answer, install, roofline

from roofline.calibration.kinds import FITTINGS
from roofline.core.chip import KINDS as NAMES
from roofline.devices.kinds import KINDS, kind_named
from roofline.errors import UnknownName

PACKAGE = Path(__file__).resolve().parents[2] / "roofline"

DATAFLOW = '''\
"""A dataflow chip: every kernel streams through the whole fabric, after the time it takes to be laid out."""

import numpy as np

from roofline.core.times import Times
from roofline.devices import ceiling
from roofline.devices.kinds import DeviceModel
from roofline.devices.timed import Asked, Fitted


def times(asked: Asked) -> Fitted:
    numbers, schedule = asked.fitted.ceilings, asked.schedule
    memory = schedule.bytes / (numbers["share"] * ceiling.dram_bandwidth(asked.chip))
    layout = np.full(len(schedule), numbers["layout"])
    total = memory + layout
    outside = np.zeros(len(schedule))
    found = Times({asked.chip.dram.name: memory, "layout": layout}, total)
    return Fitted(found, ["calibrated"] * len(schedule), 0.8 * total, 1.25 * total, outside, asked.plain.light)


DATAFLOW = DeviceModel("dataflow", "a dataflow chip", times, plural="dataflow chips")
'''
CHIP = """\
name: stream-1
title: Stream 1
kind: dataflow
vendor: Nobody
architecture: stream
sources: {sheet: the sheet}
engines:
  - name: fabric
    kind: vector
    count: {value: 16, source: sheet}
    clock: {boost: {value: 1 GHz, source: sheet}}
    fma_per_clock: {fp32: {value: 128, source: sheet}}
memory:
  - {name: SRAM, capacity: {value: 64 MiB, source: sheet}}
  - {name: DRAM, capacity: {value: 16 GB, source: sheet}, bandwidth: {value: 100 GB/s, source: sheet}}
"""
CALIBRATION = """\
chip: stream-1
architecture: stream
model: dataflow
dtype: any
stack: {framework: pytorch}
ceilings: {share: 0.5, layout: 1.0e-5}
families: {}
"""
ROW = {
    "record": "measurement",
    "schema": 1,
    "kind": "operator",
    "op": "relu",
    "attributes": {},
    "cache": "cold",
    "inputs": [[1024, 1024]],
    "chip": "stream-1",
    "dtype": "fp32",
    "seconds": 2e-4,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty place with the package installed, a chip of its kind, a calibration and one measurement."""
    place = tmp_path_factory.mktemp("dataflow")
    install(place, "dataflow", DATAFLOW, {"roofline.device_kinds": {"dataflow": "dataflow:DATAFLOW"}})
    (place / "hw_specs" / "calibrations" / "stream-1").mkdir(parents=True)
    (place / "hw_specs" / "stream-1.yaml").write_text(CHIP)
    (place / "hw_specs" / "calibrations" / "stream-1" / "own.yaml").write_text(CALIBRATION)
    (place / "rows.jsonl").write_text(json.dumps(ROW) + "\n")
    return place


def test_it_predicts_by_its_own_model(folder: Path) -> None:
    found = answer(folder, "predict", "stream-1", "-w", "mlp")
    assert found["tier"] == "calibrated"
    seconds = found["seconds"]
    assert isinstance(seconds, dict)
    assert seconds["low"] == pytest.approx(0.8 * seconds["middle"])
    plain = answer(folder, "predict", "stream-1", "-w", "mlp", "--calibration", "none")
    assert plain["tier"] == "datasheet"


def test_it_explains_plots_compares_and_validates(folder: Path) -> None:
    assert "layout" in roofline(folder, "explain", "stream-1", "-w", "mlp", "--layer", "fc1")
    roofline(folder, "plot", "stream-1", "-w", "mlp", "--out", "picture.svg")
    assert (folder / "picture.svg").read_text().startswith("<?xml")
    assert "stream-1" in roofline(folder, "compare", "stream-1", "rtx-2070", "-w", "mlp", "--dtype", "fp32")
    found = answer(folder, "validate", "rows.jsonl")
    (row,) = found["rows"]  # type: ignore[misc]
    (folder / "fitted.jsonl").write_text(json.dumps({**ROW, "used_for_fit": True}) + "\n")
    assert len(answer(folder, "validate", "fitted.jsonl")["rows"]) == 1  # type: ignore[arg-type]
    moved = 2 * 4 * 1024**2
    assert row["predicted"]["middle"] == pytest.approx(moved / 50e9 + 1e-5)


def test_it_says_which_options_mean_nothing(folder: Path) -> None:
    found = answer(folder, "predict", "stream-1", "-w", "mlp", "--threads", "4")
    text = "--threads has no effect: it applies to CPUs, and stream-1 is a dataflow chip; leave it out"
    assert text in found["warnings"]  # type: ignore[operator]


def test_a_calibration_of_another_kind_is_refused(folder: Path) -> None:
    shipped = str(PACKAGE.parent / "hw_specs" / "calibrations" / "any-gpu" / "public.yaml")
    said = roofline(folder, "predict", "stream-1", "-w", "mlp", "--calibration", shipped, status=2)
    assert "is for any GPU (a GPU), not for stream-1 (a dataflow chip)" in said
    own = "hw_specs/calibrations/stream-1/own.yaml"
    said = roofline(folder, "predict", "rtx-2070", "-w", "mlp", "--calibration", own, status=2)
    assert "is for stream-1" in said
    assert "not for rtx-2070 (a GPU)" in said


def test_what_cannot_be_fitted_is_refused(folder: Path) -> None:
    said = roofline(folder, "calibrate", "rows.jsonl", "--chip", "stream-1", status=2)
    assert "the model of kind 'dataflow' cannot be fitted" in said


def test_a_kind_that_nobody_brings_is_a_fault_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "chip.yaml").write_text(CHIP)
    said = roofline(tmp_path, "predict", "chip.yaml", "-w", "mlp", status=1)
    assert "chip.yaml:3: kind: 'dataflow' is not known; write one of gpu, array, cpu" in said


def test_the_table_and_the_names_that_files_may_write_agree() -> None:
    assert tuple(KINDS) == tuple(NAMES)
    assert FITTINGS.keys() <= KINDS.keys()
    with pytest.raises(UnknownName, match="did you mean gpu"):
        kind_named("gpuu")


ASKS = re.compile(r"\.kind\s*(?:==|!=|in\b|not in\b)|\.model\s*(?:==|!=|in\b)|\[[a-z_.]*\.kind\]")
WORDS = {"gpu", "array", "cpu"}


def test_nobody_else_asks_what_kind_a_chip_is() -> None:
    """No comparison with the name of a kind outside ``devices`` and ``calibration``, and no table by one."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.relative_to(PACKAGE).parts[0] not in ("devices", "calibration"):
            asks_no_kind(path)


def asks_no_kind(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Compare | ast.MatchValue):
            words = {part.value for part in ast.walk(node) if isinstance(part, ast.Constant)} & WORDS
            asked = ast.unparse(node)
            assert not words or _is_torch(asked), f"{path.name}:{node.lineno}: {asked}"
        if isinstance(node, ast.Dict):
            keys = {key.value for key in node.keys if isinstance(key, ast.Constant)}
            assert len(keys) < 2 or not keys <= WORDS, f"{path.name}:{node.lineno}: a table by kinds of device"


def _is_torch(asked: str) -> bool:
    """Whether a comparison is of the device that PyTorch runs on, or of what a record says of one."""
    return asked.startswith(("device ", "wanted ")) or "torch_device" in asked
