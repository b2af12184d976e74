"""Do names and titles stay text, wherever they are shown?"""

from __future__ import annotations

from pathlib import Path

import pytest

from roofline.core.plain_text import cell, markup, visible
from roofline.errors import SpecError
from roofline.render.table import Column, table
from roofline.specs.yamlio import parse_document


def test_orders_are_written_out() -> None:
    assert visible("a\x1b[31m\x07\u202eb\nc\td é 你") == "a\\x1b[31m\\x07\\u202eb\nc\td é 你"
    assert markup('<"\x1b">') == "&lt;&quot;\\x1b&quot;&gt;"
    assert visible("\ud800") == "\\ud800"


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-cmd|x", "@sum", " =a", "\t=a"])
def test_a_spreadsheet_gets_no_formula(text: str) -> None:
    assert cell(text) == f"'{text}"
    assert table("", [Column("a", "a")], [[text]]).to_csv().splitlines()[1].lstrip('"').startswith("'")


@pytest.mark.parametrize("value", [-1.5, "-1.5", "+3e5", "a=b", "", None, 7])
def test_numbers_and_words_stay_as_they_are(value: object) -> None:
    assert cell(value) == value


@pytest.mark.parametrize("text", ['a: "\\e[31m"', '"\\a": 1', 'a: ["\\u202e"]', "a: .nan"])
def test_a_file_with_them_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(SpecError, match=r"mine.yaml:2: .*(control character U\+|is no value)"):
        parse_document(f"name: mine\n{text}\n", "mine.yaml")


def test_a_picture_is_well_formed(tmp_path: Path) -> None:
    from xml.etree import ElementTree

    from matplotlib.figure import Figure

    from roofline.render.style import figure_svg, save_figure

    figure = Figure()
    figure.add_subplot().set_title("a\x1b[31m\x00")
    save_figure(figure, tmp_path / "a.svg")
    ElementTree.fromstring((tmp_path / "a.svg").read_text())
    drawn = figure_svg(figure, "\x1b")
    assert "\x1b" not in drawn
    assert "\\x1b" in drawn
