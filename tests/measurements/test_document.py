"""docs/measurements.md keeps its word: its examples are read, its fields are the ones there are."""

import json
import re
from pathlib import Path

from roofline.campaign.environment import capture
from roofline.core.measurement import Measurement
from roofline.core.stack import Stack
from roofline.measurements.store import read_measurements

TEXT = (Path(__file__).parents[2] / "docs" / "measurements.md").read_text()
EXAMPLES = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)]


LATER = ("part", "kernel", "set", "order")
"""Fields that stand in a row only where they say something."""


def example(record: str, kind: str = "") -> dict[str, object]:
    return next(e for e in EXAMPLES if e["record"] == record and e.get("kind", "") == kind)


def test_there_is_an_example_of_each_record_on_one_line() -> None:
    kinds = {(one["record"], one.get("kind", "")) for one in EXAMPLES}
    assert kinds == {
        ("measurement", "operator"),
        ("measurement", "network"),
        *((record, "") for record in ("header", "environment", "sample", "reference", "repeat")),
        *((record, "") for record in ("repeatability", "skipped")),
    }
    for block in re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL):
        assert block.count("\n") == 1, "one record is one line"


def test_the_examples_are_a_file_without_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(one) for one in EXAMPLES))
    read = read_measurements(path)
    assert len(read.measurements) == 3
    assert len(read.environments) == len(read.samples) == len(read.repeats) == len(read.references) == 1
    assert read.header is not None
    assert len(read.skipped) == 1
    assert read.warnings == ()


def test_the_examples_of_measurements_are_complete() -> None:
    for kind in ("operator", "network"):
        row = example("measurement", kind)
        assert Measurement.from_dict(row).to_dict() == row


def test_every_field_is_described() -> None:
    rows = [example("measurement", "operator"), example("measurement", "network")]
    rows += [example(record) for record in ("sample", "header", "reference", "repeat", "repeatability", "skipped")]
    facts = capture("cuda")
    names = {name for row in rows for name in row} | set(Stack().to_dict()) | {"id", *facts, *LATER}
    for part in facts.values():
        names |= set(part) if isinstance(part, dict) else set()
    names -= set(facts["variables"])
    missing = {name for name in names if f"`{name}`" not in TEXT}
    assert missing == set()
