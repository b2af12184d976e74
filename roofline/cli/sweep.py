"""``roofline sweep``: many predictions in one table."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from roofline.cli.output import clean
from roofline.cli.progress import progress_bar
from roofline.core.plain_text import cell
from roofline.errors import MissingExtra, OutputError, UsageError

if TYPE_CHECKING:
    from roofline.analysis.rows import Row
    from roofline.analysis.sweep import Sweep

FORMATS = (".csv", ".jsonl", ".parquet")
CHUNK = 10_000
"""Rows of a Parquet file that are held in memory."""


@click.command(short_help="predict every combination of chips, networks, batches and more, as a table")
@click.argument("grid", metavar="GRID.yaml", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The table, in the format its name ends in: .csv, .jsonl or .parquet. [default: CSV on standard output]",
)
def command(grid: Path, out: Path | None) -> None:
    """Predict every combination in a grid; one row for each, in a fixed order.

    The grid is a YAML file with the lists chips, networks, batch, dtype, mode, optimizer, stack, bind, set. A point
    that cannot be predicted is a row with the reason in its column 'refusal'. FILE appears when it is complete.

    \b
      roofline sweep grid.yaml --out sweep.csv
    """
    from roofline.analysis.sweep import sweep
    from roofline.specs.gridfile import read_grid

    if out is not None and out.suffix not in FORMATS:
        raise UsageError(f"{out}: the name must end in one of {', '.join(FORMATS)}")
    with progress_bar() as progress:
        made = sweep(**read_grid(grid), progress=progress)
        if out is None:
            _csv(made, sys.stdout)
            return
        with _complete(out) as part:
            _written(made, part, out.suffix)
    click.echo(f"wrote {len(made):,} rows to {out}", err=True)


@contextmanager
def _complete(out: Path) -> Iterator[Path]:
    """A file beside ``out`` that takes its place when it is complete; removed if it is not."""
    part = out.with_name(f".{out.name}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        yield part
        os.replace(part, out)
    except OSError as error:
        raise OutputError(f"{out}: cannot be written: {error.strerror or error}") from None
    finally:
        with suppress(OSError):
            part.unlink()


def _written(made: Sweep, path: Path, suffix: str) -> None:
    if suffix == ".parquet":
        _parquet(made, path)
        return
    write: Callable[[Sweep, TextIO], None] = _csv if suffix == ".csv" else _jsonl
    with path.open("w", encoding="utf-8", newline="") as stream:
        write(made, stream)


def _csv(made: Sweep, stream: TextIO) -> None:
    from roofline.analysis.rows import COLUMNS

    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_cells(row) for row in made)


def _cells(row: Row) -> list[Any]:
    """The values of a row; unknown is empty, truth is ``true`` or ``false``."""
    shown = {None: "", True: "true", False: "false"}
    return [shown[value] if value is None or isinstance(value, bool) else cell(value) for value in vars(row).values()]


def _jsonl(made: Sweep, stream: TextIO) -> None:
    for row in made:
        stream.write(json.dumps(clean(vars(row)), ensure_ascii=False) + "\n")


def _parquet(made: Sweep, path: Path) -> None:
    """In groups of :data:`CHUNK` rows, so that memory stays bounded."""
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError:
        raise MissingExtra("a Parquet file", "parquet") from None
    from itertools import islice

    kinds = {"int": arrow.int64(), "float": arrow.float64(), "bool": arrow.bool_(), "str": arrow.string()}
    schema = arrow.schema([(name, kinds[kind]) for name, kind in _kinds()])
    rows = iter(made)
    with parquet.ParquetWriter(path, schema) as writer:
        while group := [vars(row) for row in islice(rows, CHUNK)]:
            writer.write_table(arrow.Table.from_pylist(group, schema=schema))


def _kinds() -> Iterator[tuple[str, str]]:
    """The type of every column: ``int``, ``float``, ``bool`` or ``str``."""
    from dataclasses import fields

    from roofline.analysis.rows import Row

    for field in fields(Row):
        yield field.name, str(field.type).removesuffix(" | None")
