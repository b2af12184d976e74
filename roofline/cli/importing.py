"""``roofline import``: public data sets as a measurement file."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from roofline.cli.output import warn
from roofline.core.stack import Stack
from roofline.errors import DataError, OutputError, RooflineError

if TYPE_CHECKING:
    from roofline.core.measurement import Measurement


@click.command(short_help="convert public measurements to a measurement file")
@click.argument("name", metavar="SET")
@click.argument("path", metavar="PATH", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.jsonl",
    help="Write to this file instead of standard output.",
)
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Stop after N measurements.")
@click.option(
    "--chip", metavar="CHIP", default="", help="Convert only this chip; or name the chip, if the files do not."
)
def command(name: str, path: Path, out: Path | None, limit: int | None, chip: str) -> None:
    """Convert a public data set (neusight, deepbench, caffe, aiconfigurator, or one from another installed package)
    or a profile (kineto) to a measurement file.

    PATH is a folder or a file of the public repository, or of a tidied copy. Measurements go to standard output as
    JSON Lines; what was skipped, and why, goes to standard error. docs/measurements.md lists the supported files.

    \b
      roofline import deepbench DeepBench/results > rows.jsonl
      roofline import kineto trace.json --chip rtx-2070 > rows.jsonl
      roofline validate rows.jsonl
    """
    from roofline.measurements.public import read_public
    from roofline.units import plural

    skipped: Counter[str] = Counter()
    chips: Counter[str] = Counter()
    with _writing(out) as file:
        for row in islice(read_public(name, path, chip=chip, skipped=skipped), limit):
            file.write(_line(row))
            chips[row.chip] += 1
    warn(f"{count:,} skipped: {why}" for why, count in skipped.items())
    found = ", ".join(f"{count:,} of {which}" for which, count in chips.items())
    click.echo(plural(chips.total(), "measurement") + (f": {found}" if found else ""), err=True)
    if not chips and chip:
        warn([f"no measurement of {chip} found; check the name after --chip"])
    if chips or chip:
        return
    if out is not None:
        out.unlink(missing_ok=True)
    left = "all of them were skipped" if skipped else "it has no file of this data set"
    raise DataError(f"{path}: no measurements of {name}: {left}; docs/measurements.md lists the supported files")


@contextmanager
def _writing(out: Path | None) -> Iterator[TextIO]:
    """Standard output, or a file that is made with its folder; no half of it stays where the set is faulty."""
    if out is None:
        yield sys.stdout
        return
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("w", encoding="utf-8") as file:
            yield file
    except RooflineError:
        out.unlink(missing_ok=True)
        raise
    except OSError as error:
        raise OutputError(f"{out}: cannot be written: {error.strerror or error}") from None


def _line(row: Measurement) -> str:
    """A row without what a reader takes for granted where it is absent: there may be hundreds of thousands."""
    kept = row.to_dict()
    for name in ("attributes", "samples", "flags", "environment", "used_for_fit"):
        if not kept.get(name, True):
            del kept[name]
    kept["stack"] = _said(row.stack)
    return _JSON.encode(kept) + "\n"


_JSON = json.JSONEncoder(ensure_ascii=False, check_circular=False)
_STACK = Stack().to_dict()


@lru_cache(maxsize=64)
def _said(stack: Stack) -> dict[str, object]:
    """What of a stack is not as usual."""
    return {name: value for name, value in stack.to_dict().items() if value != _STACK[name]}
