"""What can be saved from a damaged measurement file? Every line that is a valid record, in a new file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roofline.errors import DataError, OutputError
from roofline.files import read_bytes, unpack
from roofline.measurements.records import HINT, LARGEST_BYTES, Content, decode, lines_of, text_of

MARK = b"\xef\xbb\xbf"
"""A byte order mark, which some editors put before a text, and a joined file has in its middle."""


@dataclass(frozen=True)
class Recovered:
    """What was saved and what was dropped.

    Parameters
    ----------
    kept : number of records in the new file.
    dropped : of each line that is not in it, ``file:line: reason``.
    """

    file: str
    out: str
    kept: int
    dropped: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        return {"schema_version": 1, **vars(self), "dropped": list(self.dropped)}


def recover(path: Path, out: Path) -> Recovered:
    """Write every line of ``path`` that is a valid record to the new file ``out``, unchanged and in order.

    Raises
    ------
    Unreadable : it is not a regular file, or too large.
    DataError : no record can be read.
    OutputError : ``out`` exists, or cannot be written.
    """
    data, whole = unpack(read_bytes(path, LARGEST_BYTES), path, LARGEST_BYTES)
    dropped: list[str] = [] if whole else [f"{path}: the end of the compressed file is missing"]
    content, good = Content(), list[bytes]()
    for number, line in enumerate(_lines(data), start=1):
        where = f"{path}:{number}"
        if not line.strip(b"\0 \t\r"):
            dropped += [f"{where}: {len(line)} empty bytes"] if b"\0" in line else []
            continue
        try:
            content.add(decode(text_of(line, where), where), where)
        except DataError as error:
            dropped.append(str(error).replace(f"; {HINT}", ""))
        else:
            good.append(line)
    if content.empty:
        raise DataError(f"{path}: no record can be saved from it; {HINT}")
    try:
        with out.open("xb") as file:
            file.write(b"\n".join([*good, b""]))
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        raise OutputError(f"{out}: exists already; name another file with --out") from None
    except OSError as error:
        raise OutputError(f"{out}: cannot be written: {error.strerror or error}") from None
    return Recovered(str(path), str(out), len(good), tuple(dropped))


def _lines(data: bytes) -> Iterator[bytes]:
    return (line.removeprefix(MARK).rstrip(b"\r") for line in lines_of(data))
