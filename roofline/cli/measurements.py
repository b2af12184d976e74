"""``roofline measurements``: what is in a measurement file, and how do two of them differ?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from roofline.cli.app import Verbs
from roofline.cli.options import format_options
from roofline.cli.output import emit, warn

if TYPE_CHECKING:
    from rich.console import Console

    from roofline.measurements.records import ReadResult

_file = click.Path(path_type=Path)


@click.group(cls=Verbs, short_help="what is in a measurement file, how two of them differ: show, diff")
def command() -> None:
    """Look into files that 'roofline measure' wrote.

    \b
      roofline measurements show here.jsonl
      roofline measurements diff before.jsonl after.jsonl
    """


@command.command("show")
@click.argument("file", type=_file)
@format_options
def show_(file: Path, form: str) -> None:
    """Show the rows of FILE by family, the environments they were taken in, and how far they can be trusted.

    \b
      roofline measurements show here.jsonl
    """
    from roofline.measurements.summary import summarize
    from roofline.render import campaigns

    summary = summarize(_read(file))

    def show(screen: Console) -> None:
        from roofline.render.terminal import print_facts, print_table

        print_facts(str(file), campaigns.about(summary), screen)
        for made in (campaigns.rows_table(summary), *campaigns.trust_tables(summary)):
            print_table(made, screen)
            screen.print()

    emit(form, summary.to_dict, lambda: campaigns.rows_table(summary), show)


@command.command("diff")
@click.argument("file_a", type=_file)
@click.argument("file_b", type=_file)
@click.option("--worst", type=click.IntRange(0), default=10, show_default=True, metavar="N", help="Rows to show.")
@format_options
def diff_(file_a: Path, file_b: Path, worst: int, form: str) -> None:
    """Say whether two campaigns differ beyond noise: how much longer FILE_B took, family by family, and why it might.

    Exit status 1 where they differ or cannot be compared.

    \b
      roofline measurements diff before.jsonl after.jsonl
    """
    from roofline.measurements.difference import compare
    from roofline.render import campaigns

    found = compare(_read(file_a), _read(file_b), worst=worst)

    def show(screen: Console) -> None:
        from roofline.render.terminal import print_paragraph, print_table

        print_paragraph(campaigns.verdict(found, str(file_a), str(file_b)), screen)
        screen.print()
        for made in campaigns.difference_tables(found):
            print_table(made, screen)
            screen.print()

    emit(form, found.to_dict, lambda: campaigns.ratio_table(found), show)
    if found.verdict != "same":
        raise click.exceptions.Exit(1)


def _read(file: Path) -> ReadResult:
    from roofline.measurements.records import read_measurements

    read = read_measurements(file, unfinished=True)
    warn(read.warnings)
    return read
