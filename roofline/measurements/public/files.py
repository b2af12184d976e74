"""How are the files of public sets read? Line by line, compressed or not, with file and line for every error."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from roofline.errors import DataError, UsageError
from roofline.files import LONGEST_LINE, MIB, read_bytes, unpack

LFS = "version https://git-lfs.github.com"
"""First line of a file that Git stores elsewhere."""
LARGEST_SIZE = 10**15
"""Largest size of a measured tensor [elements]."""
LARGEST_BYTES = 128 * MIB
"""Largest file of a public set, unpacked; the largest known has 6 MB."""


@dataclass(frozen=True)
class Source:
    """The input of a reader.

    Parameters
    ----------
    path : a folder or a file of the set.
    chip : whose measurements to return, all if empty; where the files do not name the device, the chip they are of.
    skipped : measurements and files left out, counted by reason.
    """

    path: Path
    chip: str = ""
    skipped: Counter[str] = field(default_factory=Counter)

    def skip(self, why: str, count: int = 1) -> None:
        self.skipped[why] += count

    def wants(self, chip: str) -> bool:
        return not self.chip or self.chip == chip

    def needs_chip(self, what: str) -> str:
        """The given chip.

        Raises
        ------
        UsageError : no chip was given.
        """
        if not self.chip:
            raise UsageError(f"{what} does not name the measured device: add --chip")
        return self.chip

    def files(self, *suffixes: str) -> list[Path]:
        """The file itself, or all files in the folder with these suffixes, compressed (``.gz``) ones included."""
        if not self.path.exists():
            raise UsageError(f"{self.path}: no such file or folder")
        if self.path.is_file():
            return [self.path]
        return sorted(path for path in self.path.rglob("*") if path.is_file() and stem(path)[1] in suffixes)


def stem(path: Path) -> tuple[str, str]:
    """``("conv", ".csv")`` of ``conv.csv`` and of ``conv.csv.gz``."""
    plain = path.with_suffix("") if path.suffix == ".gz" else path
    return plain.stem, plain.suffix


@dataclass(frozen=True)
class Line:
    """One line of a table, with its place for messages."""

    file: Path
    number: int
    values: Mapping[str, str]

    @property
    def place(self) -> str:
        return f"{self.file}:{self.number}"

    def __getitem__(self, name: str) -> str:
        return self.values[name]

    def whole(self, name: str) -> int:
        """A size: an integer above zero."""
        return self.count(name, least=1)

    def count(self, name: str, least: int = 0) -> int:
        text = self.values[name]
        try:
            number = int(text)
        except ValueError:
            raise self.fault(name, f"expected a whole number, got {text!r}") from None
        if number < least:
            raise self.fault(name, f"expected a whole number of at least {least}, got {text!r}")
        if number > LARGEST_SIZE:
            raise self.fault(name, f"no size is above {LARGEST_SIZE:,}, got {text[:40]!r}")
        return number

    def seconds(self, name: str, per_second: float = 1e3) -> float:
        """A time above zero [s]: ``value / per_second``, with ``per_second`` 1e3 for milliseconds."""
        text = self.values[name]
        try:
            value = float(text) / per_second
        except ValueError:
            value = math.nan
        if not 0.0 < value < 1e9:
            raise self.fault(name, f"expected a time above zero, got {text!r}")
        return value

    def fault(self, name: str, what: str) -> DataError:
        return DataError(f"{self.place}: {name}: {what}")


@contextmanager
def opened(path: Path) -> Iterator[TextIO]:
    """A text file, compressed or not.

    Raises
    ------
    DataError : no text, an incomplete archive, or a line longer than any of these sets has.
    Unreadable : no regular file, or too large.
    """
    data, whole = unpack(read_bytes(path, LARGEST_BYTES), path, LARGEST_BYTES)
    if not whole:
        raise DataError(f"{path}: damaged gzip file: its end is missing")
    start = 0
    while len(data) - start > LONGEST_LINE:
        end = data.rfind(b"\n", start, start + LONGEST_LINE)
        if end < 0:
            raise DataError(f"{path}:{data.count(10, 0, start) + 1}: a line of more than {LONGEST_LINE >> 20} MiB")
        start = end + 1
    try:
        yield io.TextIOWrapper(io.BytesIO(data), encoding="utf-8-sig", newline="")
    except UnicodeDecodeError:
        raise DataError(f"{path}: this is not text") from None


def header(path: Path) -> list[str]:
    """The column names of a table; empty for a file without a line."""
    with opened(path) as file:
        try:
            names = next(csv.reader(file), [])
        except csv.Error as error:
            raise DataError(f"{path}:1: {error}") from None
    if names and names[0].startswith(LFS):
        raise DataError(f"{path}: a Git LFS pointer, not the data; run 'git lfs pull' to fetch it")
    return names


def table(path: Path, *needed: str) -> Iterator[Line]:
    """The lines of a CSV file that has these columns.

    Raises
    ------
    DataError : a column is missing, or a line is shorter or longer than the first line.
    """
    missing = set(needed) - set(header(path))
    if missing:
        raise DataError(f"{path}:1: no column {', '.join(sorted(missing))}; expected {', '.join(needed)}")
    with opened(path) as file:
        rows = csv.DictReader(file)
        try:
            for values in rows:
                if None in values or None in values.values():
                    raise DataError(f"{path}:{rows.line_num}: expected {len(rows.fieldnames or ())} columns")
                yield Line(path, rows.line_num, values)
        except csv.Error as error:
            raise DataError(f"{path}:{rows.line_num}: {error}") from None


def understood(path: Path, found: Sequence[object], what: str) -> None:
    """Refuse a folder without a readable file."""
    if not found:
        raise DataError(f"{path}: nothing to read; expected {what}")
