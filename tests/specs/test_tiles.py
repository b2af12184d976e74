"""Tiles of libraries and neighbouring architectures, as files say them."""

from __future__ import annotations

import pytest
from toy import GOOD, chip_of

from roofline import specs
from roofline.core.chip import TileList
from roofline.errors import SpecError
from roofline.specs.extends import is_part
from roofline.specs.yamlio import load_document

TILES = """\
tiles:
  linear: {shapes: [[128, 64], [32, 32]], source: sheet}
  tensor: {shapes: [[256, 128]], source: unverified}
neighbours: [maxwell, volta]
"""


def test_what_is_read() -> None:
    chip = chip_of(GOOD + TILES)
    assert chip.tiles == {
        "linear": TileList(((128, 64), (32, 32)), "the sheet"),
        "tensor": TileList(((256, 128),), "unverified", "unverified"),
    }
    assert chip.neighbours == ("maxwell", "volta")


def test_it_survives_being_written_and_read() -> None:
    chip = chip_of(GOOD + TILES)
    again = chip_of(specs.dump_chip(chip))
    assert (again.tiles, again.neighbours) == (chip.tiles, chip.neighbours)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("[32, 32]", "[32]", "toy.yaml:34: tiles.linear.shapes[1]: expected [rows, columns]"),
        ("[32, 32]", "[32, true]", "expected [rows, columns]"),
        ("[32, 32]", "[0, 32]", "whole numbers of 1 to 1024"),
        ("[[256, 128]]", "256", "expected a list of [rows, columns]"),
        ("[[256, 128]]", "[]", "expected a list of [rows, columns]"),
        ("linear:", "lineal:", "did you mean linear?"),
        ("shapes: [[256, 128]], ", "", "is missing; write a list of [rows, columns]"),
        (", source: unverified", "", "is missing; write a tag of the sources table"),
    ],
)
def test_each_fault_is_named(old: str, new: str, says: str) -> None:
    text = GOOD + TILES
    assert old in text
    with pytest.raises(SpecError) as caught:
        chip_of(text.replace(old, new))
    assert says in str(caught.value)


def test_neighbours_are_architectures_there_are() -> None:
    parts = {path.stem for path in specs.list_parts() if is_part(load_document(path))}
    for name in specs.list_chips():
        chip = specs.load_chip(name)
        assert set(chip.neighbours) <= parts, name
        assert chip.kind == "gpu" or not chip.neighbours
        assert chip.vendor != "NVIDIA" or chip.neighbours, name
