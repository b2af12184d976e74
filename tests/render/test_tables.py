"""Is a table the same answer as text, as CSV and in a narrow window?"""

from __future__ import annotations

import csv
import io

import pytest

from roofline import specs
from roofline.prediction.predict import predict
from roofline.render import headline, words
from roofline.render.chips import chips_table
from roofline.render.table import UNKNOWN, Column, table
from roofline.render.tables import bar, fold, layer_table
from roofline.render.terminal import console, print_facts, print_table


def shown(width: int, source: object, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(width))
    out = io.StringIO()
    print_table(source, console(out))  # type: ignore[arg-type]
    return out.getvalue().splitlines()


COLUMNS = (
    Column("name", "name"),
    Column("value", "value", lambda x: f"{x:.1f}", right=True),
    Column("long", "long", spare=1),
    Column("raw", "raw", data_only=True),
    Column("bar", "bar", text_only=True),
)
TABLE = table("A table", COLUMNS, [("a,b", 1.23456789, "x" * 40, 7, "||"), ("[red]c", None, "y", None, "|")])


def test_csv_is_raw_and_quoted() -> None:
    found = list(csv.DictReader(io.StringIO(TABLE.to_csv())))
    assert found[0] == {"name": "a,b", "value": "1.23456789", "long": "x" * 40, "raw": "7"}
    assert found[1]["value"] == found[1]["raw"] == ""


def test_text_is_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown(100, TABLE, monkeypatch)
    assert any("1.2" in line and "x" * 40 in line for line in lines)
    assert any(UNKNOWN in line and "[red]c" in line for line in lines), "no markup is read into data"
    assert not any("raw" in line for line in lines)


def test_spare_columns_give_way(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown(40, TABLE, monkeypatch)
    assert not any("xxx" in line for line in lines)
    assert any("a,b" in line for line in lines)


def test_rows_have_as_many_cells_as_columns() -> None:
    with pytest.raises(ValueError, match="2 cells under 1 column"):
        table("wrong", [Column("a", "a")], [(1, 2)])


def test_folding_loses_nothing() -> None:
    prediction = predict("gtx-980", "resnet50")
    folds = fold(prediction.layers)
    assert len(folds) < len(prediction.layers)
    assert sum(len(group.layers) for group in folds) == len(prediction.layers)
    assert sum(group.seconds for group in folds) == pytest.approx(prediction.seconds.middle)
    names = [group.name for group in folds]
    assert "layer3.*.conv2" in names
    assert "fc" in names


def test_the_top_layers_stay_in_program_order() -> None:
    prediction = predict("gtx-980", "resnet50")
    every, top = layer_table(prediction), layer_table(prediction, 5)
    assert len(top.rows) == 5
    positions = [every.rows.index(row) for row in top.rows]
    assert positions == sorted(positions)
    share = [column.key for column in every.columns].index("share")
    assert min(row[share] for row in top.rows) >= sorted(row[share] for row in every.rows)[-5]
    assert "more layers" in top.notes[0]


@pytest.mark.parametrize(("value", "length"), [(0.0, 1), (10.0, 10), (20.0, 20)])
def test_bars(value: float, length: int) -> None:
    assert len(bar(value, 20.0)) == length


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (25, "25"), (1834.4, "1,834"), (61.56, "61.6"), (0.4237, "0.42"), (0.00012, "0.00012"), (1e7, "10 M")],
)
def test_counts(value: float, text: str) -> None:
    assert words.count(value) == text


@pytest.mark.parametrize(
    ("share", "text"), [(0.0, "0 %"), (0.001, "<1 %"), (0.61, "61 %"), (0.997, ">99 %"), (1.0, "100 %")]
)
def test_percent(share: float, text: str) -> None:
    assert words.percent(share) == text


@pytest.mark.parametrize(("ratio", "text"), [(1.663, "1.66x"), (15.71, "15.7x"), (198.65, "199x")])
def test_times(ratio: float, text: str) -> None:
    assert words.times(ratio) == text


def test_unknown_figures_are_sorted_last() -> None:
    chips = [(name, specs.load_chip(path)) for name, path in specs.list_chips().items()]
    made = chips_table(chips, "price")
    price = [column.key for column in made.columns].index("price")
    known = [row[price] is not None for row in made.rows]
    assert known == sorted(known, reverse=True)


def test_the_headline_is_honest_about_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    chip = specs.load_chip("gtx-980")
    big = predict(chip, "vgg16", batch=1000, calibration="none")
    facts = dict(headline.facts(big))
    assert "does not fit" in facts["memory"]
    assert "upper bound on speed" in facts["tier"]
    monkeypatch.setenv("COLUMNS", "60")
    out = io.StringIO()
    print_facts(headline.title(big), facts.items(), console(out))
    assert max(map(len, out.getvalue().splitlines())) <= 60
