"""How does a table look in a terminal, or in a pipe? The only user of rich."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import TextIO

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from roofline.core.plain_text import visible
from roofline.render.table import Table

PIPED_WIDTH = 200
"""Columns where no window sets a limit: wide enough that nothing is cut."""


READING_WIDTH = 110
INDENT, GAP = 2, 2


def console(stream: TextIO | None = None) -> Console:
    """A console of a stream (standard output): without any escape code where NO_COLOR is set."""
    stream = stream or sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else PIPED_WIDTH
    plain = bool(os.environ.get("NO_COLOR"))
    return Console(file=stream, width=width, highlight=False, markup=False, color_system=None if plain else "auto")


def print_table(source: Table, screen: Console) -> None:
    """The table with its caption above and its notes below; spare columns give way in a narrow window."""
    rows = list(source.texts())
    kept = _columns_that_fit(source, rows, screen.width - INDENT)
    drawn = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True)
    drawn.header_style = "bold"
    for index in kept:
        column = source.shown[index]
        drawn.add_column(
            _text(column.heading),
            justify="right" if column.right else "left",
            vertical="top",
            no_wrap=not column.wrap,
            overflow="fold" if column.wrap else "ellipsis",
        )
    for cells in rows:
        drawn.add_row(*(_text(cells[index]) for index in kept))
    if source.caption:
        screen.print(_text(source.caption, style="bold"))
        screen.print()
    screen.print(Padding(drawn, (0, 0, 0, INDENT), expand=False) if kept else "")
    hidden = [
        column.heading.replace("\n", " ")
        for index, column in enumerate(source.shown)
        if index not in kept and column.heading
    ]
    if hidden and kept:
        note = f"hidden to fit the window: {', '.join(hidden)}; use a wider window or --csv"
        print_paragraph(note, screen, style="dim")
    for note in source.notes:
        print_paragraph(note, screen, style="dim")


def _columns_that_fit(source: Table, rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """Numbers of the shown columns to draw."""
    widths = [
        min(max(map(len, (*column.heading.split("\n"), *(row[index] for row in rows)))), READING_WIDTH)
        for index, column in enumerate(source.shown)
    ]
    kept = list(range(len(widths)))
    while sum(widths[index] + GAP for index in kept) > width:
        spare = [index for index in kept if source.shown[index].spare]
        if not spare:
            break
        kept.remove(max(spare, key=lambda index: (source.shown[index].spare, index)))
    return kept


def print_facts(title: str, facts: Iterable[tuple[str, str]], screen: Console) -> None:
    """A headline and lines of ``label  text``, the labels in one column."""
    lines = list(facts)
    left = INDENT + max((len(label) for label, _ in lines), default=0) + GAP
    width = max(min(screen.width, left + READING_WIDTH), left + 20)
    if title:
        screen.print(_text(title, style="bold"), soft_wrap=True)
        screen.print()
    for label, text in lines:
        start = f"{' ' * INDENT}{label}".ljust(left)
        # long words are names and paths: better over the edge than broken
        wrapped = textwrap.wrap(text, width - left, break_long_words=False, break_on_hyphens=False) or [""]
        for index, line in enumerate(wrapped):
            shown = _text((start if index == 0 else " " * left) + line)
            shown.stylize("dim", 0, left)
            screen.print(shown, soft_wrap=True)
    screen.print()


def print_paragraph(text: str, screen: Console, *, lead: str = "", style: str = "") -> None:
    """A sentence, indented and broken at a width good for reading; ``lead`` stands first, in bold."""
    width = min(screen.width, READING_WIDTH) - 2
    for index, line in enumerate(textwrap.wrap(lead + text, width, subsequent_indent="  " if lead else "")):
        shown = _text(f"  {line}", style=style)
        if lead and index == 0:
            shown.stylize("bold", 2, 2 + len(lead))
        screen.print(shown, soft_wrap=True)


def _text(said: str, style: str = "") -> Text:
    """Text that gives no orders to the terminal."""
    return Text(visible(said), style=style)
