"""The table of keys names what the readers ask for, no more and no less; the page is made from it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from toy import GOOD, chip_of

from roofline import specs
from roofline.render.reference import COMMAND, page
from roofline.specs.chipkeys import CHIP
from roofline.specs.fields import Fields
from roofline.specs.keys import Section
from roofline.specs.netfile import load_network
from roofline.specs.netkeys import NET
from roofline.specs.yamlio import KeyPath

ROOT = Path(__file__).parents[2]
Asked = dict[tuple[KeyPath, str], bool]

MORE = """\
process: {value: 12 nm, source: sheet}
emulation:
  fp16: {as: fp32, path: storage only}
links:
  - {name: PCIe, bandwidth: {value: 16 GB/s, source: sheet}}
"""
ENGINE = """\
    array: {rows: 16, cols: 8, source: sheet}
    stated_peaks:
      fp32: {value: 4.096 TFLOP/s, source: sheet}
memory:
"""
TINY = """\
title: tiny
source: nobody
symbols: {batch: 1}
inputs:
  ids: {shape: [batch, 4], dtype: int64}
blocks:
  rows:
    parameters: {width: 8}
    layers:
      - table: {op: embedding, entries: 9, features: width}
layers:
  - one: {block: rows}
"""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Every key that is asked for from now on: where, and whether it is required."""
    found: Asked = {}
    real = Fields.raw

    def raw(self: Fields, key: str, *, required: str = "") -> Any:
        found[self.path, key] = found.get((self.path, key), False) or bool(required)
        return real(self, key, required=required)

    monkeypatch.setattr(Fields, "raw", raw)
    return found


def section_at(path: KeyPath, sections: Mapping[str, Section], root: str) -> str:
    """The section that describes the mapping at a path."""
    here = root
    for part in path:
        if isinstance(part, int):
            continue
        section = sections[here]
        below = {key.name: key.of for key in section.keys}
        here = section.of if section.free else below[part]
        assert here, f"{path}: nothing describes what stands below {part}"
    # an entry of a list of layers is a mapping of one free key
    return here


def compare(asked: Asked, sections: Mapping[str, Section], root: str) -> None:
    seen: dict[str, dict[str, bool]] = {}
    for (path, key), required in asked.items():
        name = section_at(path, sections, root)
        if not sections[name].free:
            keys = seen.setdefault(name, {})
            keys[key] = keys.get(key, False) or required
    for name, section in sections.items():
        if not section.free:
            assert seen.get(name) == {key.name: key.required for key in section.keys}, name


def test_keys_of_a_chip(asked: Asked) -> None:
    chip_of(GOOD.replace("memory:\n", ENGINE, 1) + MORE)
    for path in specs.list_chips().values():
        specs.check(path)
    compare(asked, CHIP, "chip")


def test_keys_of_a_net(asked: Asked, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY, encoding="utf-8")
    load_network(tmp_path / "tiny.yaml")
    for path in specs.list_networks().values():
        load_network(path)
    compare(asked, NET, "net")


def test_sections_are_there_and_used() -> None:
    for sections, root in ((CHIP, "chip"), (NET, "net")):
        used = {key.of for section in sections.values() for key in section.keys}
        used |= {section.of for section in sections.values()}
        assert used - {""} == set(sections) - {root}
        for section in sections.values():
            assert bool(section.keys) != bool(section.free)


def test_the_page_is_made_from_the_tables() -> None:
    committed = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    assert committed == page(), f"docs/reference.md is not up to date; run: {COMMAND}"
