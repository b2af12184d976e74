"""What is in a measurement file? Its records by type, checked strictly, with tolerance for unfinished files.

Each line is one JSON object whose ``record`` is its type; docs/measurements.md is the contract. An incomplete last line
and records of unknown types are left out with a warning. Everything else that is wrong is an error with file and line.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from roofline.core.measurement import SCHEMA, Measurement
from roofline.errors import DataError, UsageError
from roofline.units import plural

Record = dict[str, Any]
LARGEST_BYTES = 1 << 30
HINT = "expected JSON Lines, one measurement per line (docs/measurements.md)"
_BEGINNING = b'{"record"'


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a JSON number")


_TYPES = ("environment", "sample", "header", "repeat", "reference", "repeatability", "skipped")
"""Records whose schema is checked here; a measurement checks its own."""
_DECODER = json.JSONDecoder(parse_constant=_refuse)


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
        if kind in _TYPES:
            _check_schema(record, where)
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
                key, number = record.get("key"), record.get("round")
                if not isinstance(key, str) or type(number) is not int:
                    raise DataError(f"{where}: a {kind} record needs a key (text) and a round (whole number)")
                (self.samples if kind == "sample" else self.repeats).setdefault((key, number), record)
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
    UsageError : there is no such file, or it cannot be opened.
    DataError : a line is not JSON or not a valid record (with file and line), or there is no measurement.
    """
    path = Path(path)
    try:
        stored = path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    content = Content()
    data = _decompress(stored, path, content) if stored[:2] == b"\x1f\x8b" else stored
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


def _decompress(data: bytes, path: Path, content: Content) -> bytes:
    pieces: list[bytes] = []
    room = LARGEST_BYTES
    try:
        while data:  # a gzip file may have several parts, one after the other
            part = zlib.decompressobj(wbits=31)
            pieces.append(part.decompress(data, room + 1))
            room -= len(pieces[-1])
            if room < 0:
                raise DataError(f"{path}: larger than {LARGEST_BYTES >> 20} MiB when unpacked")
            if not part.eof:
                content.warnings.append(f"{path}: the compressed file is incomplete; its readable part was used")
                break
            data = part.unused_data.lstrip(b"\0")
    except zlib.error as error:
        raise DataError(f"{path}: damaged gzip file: {error}") from None
    return b"".join(pieces)


def parse(data: bytes, path: Path, content: Content) -> int:
    """Read every complete record into ``content``; returns the number of valid bytes at the front of ``data`` [B].

    That is less than all of them if the last line is incomplete.
    """
    end = data.rfind(b"\n") + 1
    try:
        lines = data[:end].decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}:{data.count(10, 0, error.start) + 1}: this is not text; {HINT}") from None
    for number, line in enumerate(lines, start=1):
        if line and not line.isspace():
            where = f"{path}:{number}"
            content.add(decode(line, where), where)
    tail = data[end:]
    if not tail.strip():
        return len(data)
    where = f"{path}:{len(lines)}"
    try:
        record = decode(tail.decode("utf-8-sig"), where)
    except (DataError, UnicodeDecodeError):
        # a stopped writer leaves the beginning of a record, or zeros after a power loss; anything else
        # is another kind of file
        if end or tail.startswith(_BEGINNING) or _BEGINNING.startswith(tail) or not tail.strip(b"\0"):
            return end
        raise DataError(f"{where}: this is not a measurement file; {HINT}") from None
    content.add(record, where)
    return len(data)


def decode(line: str, where: str) -> Record:
    """One line as a record; ``where`` names it in the :class:`DataError` for an invalid line."""
    try:
        record = _DECODER.decode(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not valid JSON: {error}; {HINT}") from None
    if not isinstance(record, dict):
        raise DataError(f"{where}: expected an object in braces; {HINT}")
    return record
