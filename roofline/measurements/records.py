"""What is in a measurement file? Its records by type, checked strictly, with tolerance for unfinished files.

Each line is one JSON object whose ``record`` is its type; docs/measurements.md is the contract. An incomplete last line
and records of unknown types are left out with a warning. Everything else that is wrong is an error with file and line.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from roofline.core.measurement import SCHEMA, Measurement
from roofline.errors import DataError
from roofline.files import LONGEST_LINE, MIB, parse_json, read_bytes, unpack
from roofline.measurements.recordfields import FIELDS, check_fields
from roofline.units import plural

Record = dict[str, Any]
LARGEST_BYTES = 256 * MIB
"""Largest file, stored or unpacked; a long campaign has a few MiB."""
HINT = "expected JSON Lines, one measurement per line (docs/measurements.md)"
_BEGINNING = b'{"record"'


@dataclass(frozen=True)
class ReadResult:
    """The contents of a file.

    Parameters
    ----------
    environments : record by id.
    samples, repeats : record by (key, round).
    warnings : what was left out and why.
    header : of the campaign that wrote it, None if absent.
    references : visits to the reference kernels, in order.
    skipped : record by key.
    sha256 : of the file as stored, compressed or not.
    """

    measurements: tuple[Measurement, ...]
    environments: Mapping[str, Record]
    warnings: tuple[str, ...]
    samples: Mapping[tuple[str, int], Record] = field(default_factory=dict)
    repeats: Mapping[tuple[str, int], Record] = field(default_factory=dict)
    references: tuple[Record, ...] = ()
    skipped: Mapping[str, Record] = field(default_factory=dict)
    header: Record | None = None
    sha256: str = ""


@dataclass
class Content:
    """The records of a file by type."""

    measurements: list[Measurement] = field(default_factory=list)
    environments: dict[str, Record] = field(default_factory=dict)
    samples: dict[tuple[str, int], Record] = field(default_factory=dict)
    repeats: dict[tuple[str, int], Record] = field(default_factory=dict)
    references: list[Record] = field(default_factory=list)
    repeatability: list[Record] = field(default_factory=list)
    skipped: dict[str, Record] = field(default_factory=dict)
    headers: list[Record] = field(default_factory=list)
    strangers: dict[str, list[str]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether no record of a known type was read."""
        found = (self.measurements, self.environments, self.samples, self.repeats, self.references)
        return not any((*found, self.repeatability, self.skipped, self.headers))

    def add(self, record: Record, where: str) -> None:
        """Store one record by type; of two samples of one key and round the first counts."""
        kind = record.get("record")
        if isinstance(kind, str) and kind in FIELDS:
            _check_schema(record, where)
            check_fields(record, where)
        match kind:
            case "measurement":
                self.measurements.append(Measurement.from_dict(record, where))
            case "header":
                if record.get("checksum") != checksum(record):
                    self.warnings.append(
                        f"{where}: the header was changed after it was written; check where the file comes from"
                    )
                self.headers.append(record)
            case "environment":
                name = str(record.get("id", ""))
                if len(name) == 16 and name != environment_id(record):
                    self.warnings.append(
                        f"{where}: environment {name} was changed after it was written; check where the file comes from"
                    )
                self.environments.setdefault(name, record)
            case "sample" | "repeat":
                named = (record["key"], record["round"])
                (self.samples if kind == "sample" else self.repeats).setdefault(named, record)
            case "reference":
                self.references.append(record)
            case "repeatability":
                self.repeatability.append(record)
            case "skipped":
                self.skipped.setdefault(str(record.get("key")), record)
            case other:
                self.strangers.setdefault(repr(other), []).append(where)

    def join(self, new: Content) -> None:
        """Add records that were read elsewhere."""
        for name, have in vars(self).items():
            more = getattr(new, name)
            have.extend(more) if isinstance(have, list) else have.update(more)

    def left_out(self) -> list[str]:
        """One line for each unknown type of record."""
        return [
            f"{places[0]}: unknown record type {kind}, left out"
            + (f" (and {len(places) - 1} more)" if len(places) > 1 else "")
            for kind, places in self.strangers.items()
        ]


def _check_schema(record: Record, where: str) -> None:
    schema = record.get("schema", SCHEMA)
    if schema != SCHEMA:
        raise DataError(f"{where}: unknown schema {schema!r}; this version reads schema {SCHEMA}")


def environment_id(facts: Mapping[str, Any]) -> str:
    """Name of an environment: the first 16 hex digits of the SHA-256 of its other fields."""
    rest = {"record": "environment", "schema": SCHEMA} | {name: facts[name] for name in facts if name != "id"}
    return _digest(rest)


def checksum(header: Mapping[str, Any]) -> str:
    """The first 16 hex digits of the SHA-256 of the other fields of a header."""
    return _digest({name: value for name, value in header.items() if name != "checksum"})


def _digest(plain: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]


def read_measurements(path: Path | str, *, unfinished: bool = False) -> ReadResult:
    """Everything in a measurement file (``.jsonl``, or compressed as ``.jsonl.gz``).

    The result has at least one measurement, unless ``unfinished`` allows a campaign that was stopped before its first
    one.

    Raises
    ------
    Unreadable : there is no such file, it is no regular file, too large, or a damaged archive.
    DataError : a line is not JSON or not a valid record (with file and line), or there is no measurement.
    """
    path = Path(path)
    stored = read_bytes(path, LARGEST_BYTES)
    content = Content()
    data, whole = unpack(stored, path, LARGEST_BYTES)
    if not whole:
        content.warnings.append(f"{path}: the compressed file is incomplete; its readable part was used")
    if not data.strip():
        raise DataError(f"{path}: the file is empty; {HINT}")
    warnings = content.warnings
    if parse(data, path, content) < len(data):
        warnings.append(f"{path}: the last line is incomplete (the program was stopped); it was left out")
    warnings += content.left_out()
    if not content.measurements and not (unfinished and not content.empty):
        samples = len(content.samples)
        resume = f", only {plural(samples, 'sample')} of an unfinished campaign; repeat 'roofline measure' to resume it"
        raise DataError(f"{path}: no measurement in it{resume if samples else ''}; {HINT}")
    missing = {row.environment for row in content.measurements} - {"", *content.environments}
    if missing:
        names = ", ".join(sorted(missing))
        warnings.append(f"{path}: measurements refer to environment {names}, which is not in the file")
    return ReadResult(
        measurements=tuple(content.measurements),
        environments=content.environments,
        warnings=tuple(warnings),
        samples=content.samples,
        repeats=content.repeats,
        references=tuple(content.references),
        skipped=content.skipped,
        header=content.headers[0] if content.headers else None,
        sha256=hashlib.sha256(stored).hexdigest(),
    )


def parse(data: bytes, path: Path, content: Content) -> int:
    """Read every complete record into ``content``; returns the number of valid bytes at the front of ``data`` [B].

    That is less than all of them if the last line is incomplete.
    """
    end = data.rfind(b"\n") + 1
    number = 0
    for number, line in enumerate(lines_of(data[:end]), start=1):
        where = f"{path}:{number}"
        if line.strip():
            try:
                content.add(decode(text_of(line, where, first=number == 1), where), where)
            except DataError as error:
                if number > 1 and not content.empty:
                    raise DataError(f"{error}; 'roofline measurements recover {path}' saves the rest") from None
                raise
    tail = data[end:]
    if not tail.strip():
        return len(data)
    where = f"{path}:{number + 1}"
    try:
        record = decode(text_of(tail, where, first=not end), where)
    except DataError:
        # a stopped writer leaves the beginning of a record, or zeros after a power loss; anything else
        # is another kind of file
        if end or tail.startswith(_BEGINNING) or _BEGINNING.startswith(tail) or not tail.strip(b"\0"):
            return end
        raise DataError(f"{where}: this is not a measurement file; {HINT}") from None
    content.add(record, where)
    return len(data)


def lines_of(data: bytes) -> Iterator[bytes]:
    """The lines of ``data``, one at a time and without a copy of them all."""
    start = 0
    while start < len(data):
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end
        yield data[start:end]
        start = end + 1


def text_of(line: bytes, where: str, *, first: bool = False) -> str:
    """A line as text; only the first one may begin with a byte order mark."""
    if len(line) > LONGEST_LINE:
        raise DataError(f"{where}: a line of more than {LONGEST_LINE >> 20} MiB, which no record has; {HINT}")
    try:
        return line.decode("utf-8-sig" if first else "utf-8")
    except UnicodeDecodeError:
        raise DataError(f"{where}: this is not text; {HINT}") from None


def decode(line: str, where: str) -> Record:
    """One line as a record; ``where`` names it in the :class:`DataError` for an invalid line."""
    try:
        record = parse_json(line)
    except ValueError as error:
        raise DataError(f"{where}: not valid JSON: {error}; {HINT}") from None
    if not isinstance(record, dict):
        raise DataError(f"{where}: expected an object in braces; {HINT}")
    return record
