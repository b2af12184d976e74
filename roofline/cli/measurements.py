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


@click.group(cls=Verbs, short_help="measurement files: show, diff, recover")
def command() -> None:
    """Summarize a measurement file, compare two of them, or save what a damaged one has.

    \b
      roofline measurements show here.jsonl
      roofline measurements diff before.jsonl after.jsonl
      roofline measurements recover damaged.jsonl
    """


@command.command("show", short_help="summarize a file: measurements, environments, repeatability")
@click.argument("file", type=_file)
@format_options
def show_(file: Path, form: str) -> None:
    """Summarize FILE: measurements by operator family, their environments, and how well they repeat.

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


@command.command("diff", short_help="test whether two files differ beyond noise")
@click.argument("file_a", type=_file)
@click.argument("file_b", type=_file)
@click.option(
    "--worst", type=click.IntRange(0), default=10, show_default=True, metavar="N", help="Measurements to list."
)
@format_options
def diff_(file_a: Path, file_b: Path, worst: int, form: str) -> None:
    """Test whether two measurement files differ beyond noise.

    Print the ratio of times (FILE_B over FILE_A) for each operator family, and the differences of the environments
    that may explain it. Exit status 1 if the files differ or cannot be compared.

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


@command.command("recover", short_help="save the valid records of a damaged file")
@click.argument("file", type=_file)
@click.option("--out", type=_file, help="The new file. [default: FILE with .recovered before its suffix]")
def recover_(file: Path, out: Path | None) -> None:
    """Save every valid record of a damaged FILE in a new file, and say which lines were dropped and why.

    FILE itself is not changed. Exit status 1 if a line was dropped.

    \b
      roofline measurements recover damaged.jsonl
    """
    from roofline.measurements.recover import recover

    plain = file.with_suffix("") if file.suffix == ".gz" else file
    saved = recover(file, out or plain.with_suffix(f".recovered{plain.suffix}"))
    for line in saved.dropped:
        click.echo(f"dropped {line}", err=True)
    click.echo(f"saved {saved.kept:,} records in {saved.out}; dropped {len(saved.dropped):,} lines")
    if saved.dropped:
        raise click.exceptions.Exit(1)


def _read(file: Path) -> ReadResult:
    from roofline.measurements.records import read_measurements

    read = read_measurements(file, unfinished=True)
    warn(read.warnings)
    return read
