"""Is the page one good HTML file that needs nothing else?"""

from __future__ import annotations

import re
from xml.dom import minidom

from roofline.render.charts import Pair, scatter_figure
from roofline.render.page import Section, render_page
from roofline.render.style import figure_svg
from roofline.render.table import Column, table

HOSTILE = '<script>alert("x")</script> & "quoted"'


def page() -> str:
    figure = figure_svg(scatter_figure([Pair("conv", 1.1e-3, 1e-3)]), "Predicted against measured")
    columns = (Column("net", HOSTILE), Column("x", "two\nlines", right=True), Column("raw", "raw", data_only=True))
    rows = [(HOSTILE, 1.5, "hidden"), ("mlp", None, "hidden")]
    return render_page(
        HOSTILE,
        [
            Section("Networks", (HOSTILE,), figure, table(f"Caption {HOSTILE}", columns, rows, HOSTILE)),
            Section("Networks"),
            Section("***"),
        ],
    )


def parsed() -> minidom.Document:
    return minidom.parseString(page().removeprefix("<!DOCTYPE html>\n"))


def test_it_is_well_formed_and_escaped() -> None:
    document = parsed()
    assert page().startswith("<!DOCTYPE html>")
    assert not document.getElementsByTagName("script")
    assert "hidden" not in page()


def test_it_needs_no_network() -> None:
    text = page()
    assert not re.search(r"""(?:src|href)=["']\s*(?!#)""", text), "only links within the page"
    assert not re.search(r"url\(\s*['\"]?(?!#)", text)
    assert "@import" not in text
    assert "<link" not in text


def test_headings_have_distinct_anchors_that_links_reach() -> None:
    document = parsed()
    ids = [node.getAttribute("id") for node in document.getElementsByTagName("section")]
    assert ids == ["networks", "networks-2", "section"]
    links = {node.getAttribute("href") for node in document.getElementsByTagName("a")}
    assert {f"#{name}" for name in (*ids, "main")} == links


def test_tables_are_accessible() -> None:
    document = parsed()
    (drawn,) = document.getElementsByTagName("table")
    assert drawn.getElementsByTagName("caption")
    scopes = [node.getAttribute("scope") for node in drawn.getElementsByTagName("th")]
    assert scopes == ["col", "col", "row", "row"]
    region = drawn.parentNode
    assert isinstance(region, minidom.Element)
    assert region.getAttribute("tabindex") == "0", "scrolls by keyboard"
    assert region.getAttribute("aria-label").startswith("Caption")


def test_it_knows_light_dark_and_print() -> None:
    text = page()
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text
    assert 'lang="en"' in text
    assert 'name="viewport"' in text
