"""What is a table, before it is text, CSV or HTML?

One value serves all of them: cells hold raw numbers in SI units, and each column knows how a person wants
to read it. ``None`` is "not known".
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from roofline.core.plain_text import cell

UNKNOWN = "–"


@dataclass(frozen=True)
class Column:
    """``key`` heads the column in CSV, ``heading`` everywhere else.

    show : makes the text of a cell that is known.
    right : aligned right, as numbers are. ``wrap``: long text, which may be broken over lines.
    spare : where space is short, columns of the highest number above 0 are left out first.
    data_only, text_only : ``data_only`` columns appear in CSV alone, ``text_only`` never.
    """

    key: str
    heading: str
    show: Callable[[Any], str] = str
    right: bool = False
    wrap: bool = False
    spare: int = 0
    data_only: bool = False
    text_only: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of raw values under columns; ``notes`` are sentences to be read with it."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"{self.caption}: a row of {len(row)} cells under {len(self.columns)} columns")

    @property
    def shown(self) -> tuple[Column, ...]:
        """The columns a person sees."""
        return tuple(column for column in self.columns if not column.data_only)

    def texts(self) -> Iterator[tuple[str, ...]]:
        """The cells a person sees, as text."""
        for row in self.rows:
            yield tuple(
                UNKNOWN if value is None else column.show(value)
                for column, value in zip(self.columns, row, strict=True)
                if not column.data_only
            )

    def to_csv(self) -> str:
        """RFC 4180 text with ``\\n`` line ends; unknown is an empty cell."""
        keep = [index for index, column in enumerate(self.columns) if not column.text_only]
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([self.columns[index].key for index in keep])
        for row in self.rows:
            writer.writerow(["" if row[index] is None else cell(row[index]) for index in keep])
        return text.getvalue()


def table(caption: str, columns: Sequence[Column], rows: Sequence[Sequence[Any]], *notes: str) -> Table:
    """A :class:`Table` of any sequences."""
    return Table(caption, tuple(columns), tuple(tuple(row) for row in rows), notes)
