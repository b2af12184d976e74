"""How is a file opened that nobody trusts? One reader for all: a regular file, of bounded size, unpacked with a limit.

A pipe, a device, a folder or a circle of links is refused before it is opened, so nothing waits and nothing is read
without end. A compressed file is unpacked piece by piece and refused as soon as it grows out of proportion. Every
refusal is one message with the path, the reason and the limit: :class:`~roofline.errors.Unreadable`, or DataError where
the contents are damaged.
"""

from __future__ import annotations

import json
import math
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from roofline.errors import DataError, Unreadable

MIB = 1 << 20
RATIO = 100
"""Largest growth of a compressed file. Measurement files grow 10 to 30 times, text of one letter 1,030 times."""
FREE = 4 * MIB
"""What a compressed file may unpack to at any ratio [B]."""
LONGEST_LINE = 4 * MIB
"""Longest line of a text table or of JSON Lines [B]; a measurement has about 1 kB."""
LONGEST_NUMBER = 40
"""Most digits of a whole number in JSON. Longer ones are no count of anything, and do not fit a float."""
_PIECE = MIB
_GZIP = b"\x1f\x8b"
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


@contextmanager
def open_file(path: str | Path, most: int, hint: str = "") -> Iterator[BinaryIO]:
    """A regular file of at most ``most`` bytes, open for reading and seeking: for formats that are read in parts.

    Parameters
    ----------
    most : largest size [B]; ``hint`` says after it what to do about a larger file.

    Raises
    ------
    Unreadable : no file, not a regular file, not allowed, or too large.
    """
    try:
        # looked at first: to open some devices has an effect
        _check(path, os.stat(path), most, hint)
        descriptor = os.open(path, _FLAGS)
    except FileNotFoundError:
        raise Unreadable(path, "no such file", missing=True) from None
    except ValueError:  # a zero in its name
        raise Unreadable(path, "no such file", missing=True) from None
    except OSError as error:
        raise Unreadable(path, f"cannot be read: {error.strerror or error}") from None
    with os.fdopen(descriptor, "rb") as file:
        _check(path, os.fstat(descriptor), most, hint)
        try:
            yield file
        except OSError as error:
            raise Unreadable(path, f"cannot be read: {error.strerror or error}") from None


def _check(path: str | Path, about: os.stat_result, most: int, hint: str) -> None:
    if stat.S_ISDIR(about.st_mode):
        raise Unreadable(path, "cannot be read: is a folder, not a file")
    if not stat.S_ISREG(about.st_mode):
        raise Unreadable(path, "cannot be read: is not a regular file")
    if about.st_size > most:
        raise _large(path, most, hint)


def _large(path: str | Path, most: int, hint: str) -> Unreadable:
    size = f"{most >> 20} MiB" if most >= MIB else f"{most // 1000} kB"
    return Unreadable(path, f"larger than {size}" + (f"; {hint}" if hint else ""))


def read_bytes(path: str | Path, most: int, hint: str = "") -> bytes:
    """The contents of a regular file of at most ``most`` bytes; raises as :func:`open_file`."""
    with open_file(path, most, hint) as file:
        pieces, size = [], 0
        while size <= most and (piece := file.read(min(_PIECE, most + 1 - size))):
            pieces.append(piece)
            size += len(piece)
    if size > most:  # a file of /proc has no size, and another may grow
        raise _large(path, most, hint)
    return b"".join(pieces)


def unpack(data: bytes, path: str | Path, most: int) -> tuple[bytes, bool]:
    """The contents of gzip data and whether they are whole; data that are not gzip as they are.

    Parameters
    ----------
    most : largest size of the result [B]. Beyond :data:`FREE` it may be :data:`RATIO` times what was unpacked.

    Raises
    ------
    DataError : damaged, too large, or out of proportion.
    """
    if not data.startswith(_GZIP):
        return data, True
    pieces: list[bytes] = []
    made, total = 0, len(data)
    part, rest = zlib.decompressobj(wbits=31), data
    try:
        while rest:
            pieces.append(part.decompress(rest, _PIECE))
            made += len(pieces[-1])
            rest = part.unconsumed_tail
            if part.eof:  # a gzip file may have several parts, one after the other
                rest = part.unused_data.lstrip(b"\0")
                if rest:
                    part = zlib.decompressobj(wbits=31)
            if made > most:
                raise DataError(f"{path}: larger than {most >> 20} MiB when unpacked")
            if made > FREE + RATIO * (total - len(rest)):
                raise DataError(f"{path}: unpacks to more than {RATIO} times its size, which no data do")
    except zlib.error as error:
        raise DataError(f"{path}: damaged gzip file: {error}") from None
    return b"".join(pieces), part.eof


def read_json(path: str | Path, most: int, hint: str = "") -> Any:
    """A JSON file as plain data, with finite numbers.

    Raises
    ------
    Unreadable : as :func:`open_file`.
    ValueError : not JSON, or nested too deeply, with a reason.
    """
    return parse_json(read_bytes(path, most, hint))


def parse_json(text: str | bytes) -> Any:
    """JSON as plain data.

    Raises
    ------
    ValueError : not JSON, nested too deeply, or with a number that is NaN, infinite or absurdly long.
    """
    try:
        return _DECODER.decode(text if isinstance(text, str) else text.decode("utf-8-sig"))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:40]} is larger than any number")
    return value


def _whole(text: str) -> int:
    if len(text) > LONGEST_NUMBER:
        raise ValueError(f"a whole number of {len(text)} digits")
    return int(text)


_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite, parse_int=_whole)
