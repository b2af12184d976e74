"""Where are measurements stored? In a JSON Lines file that only grows and survives a killed writer.

One record per line, written at once and never rewritten. So everything measured before a crash, a full disk or ``kill
-9`` is still there. :class:`Store` knows what the file contains, so a campaign continues where it stopped and nothing
is written twice.
"""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from roofline.core.measurement import SCHEMA, Measurement
from roofline.errors import DataError, OutputError
from roofline.files import read_bytes
from roofline.measurements.header import same_campaign
from roofline.measurements.openfile import changed, holder
from roofline.measurements.records import (
    HINT,
    LARGEST_BYTES,
    Content,
    ReadResult,
    Record,
    decode,
    environment_id,
    parse,
    read_measurements,
)

try:
    import fcntl
except ImportError:  # not a Unix: no lock against a second writer
    fcntl = None  # type: ignore[assignment]

__all__ = ["ReadResult", "Record", "Store", "environment_id", "read_measurements"]

_DIGITS = 7  # of a raw sample: a tenth of a nanosecond in a millisecond, finer than any clock here
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)


class Store:
    """A measurement file open for appending, by one writer at a time.

    Opening it takes a lock, reads the contents and cuts off an incomplete last line. ``notes`` has the messages about
    that.

    Parameters
    ----------
    path : the file; it is created, with its folder, if it does not exist.
    sync_s : longest time between writes to the disk [s]. A killed process loses nothing; a power loss loses at most
        this.

    Raises
    ------
    OutputError : the file cannot be written, is no plain file, or another process writes to it.
    DataError : the file contains something other than measurements; it is not changed.
    """

    def __init__(self, path: Path | str, *, sync_s: float = 0.5) -> None:
        self.path = Path(path)
        self.notes: list[str] = []
        self._sync_s = sync_s
        self._synced_s = time.monotonic()
        self._content = Content()
        self._lost = ""
        if self.path.suffix == ".gz":
            raise self._problem("cannot append to a compressed file; write .jsonl and compress it later")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.exists() and not self.path.is_file():  # to open a pipe or a device has an effect
                raise self._problem("cannot be written: not a plain file")
            self._file = os.open(self.path, _FLAGS, 0o644)
        except (OSError, ValueError) as error:
            raise self._problem(f"cannot be written: {getattr(error, 'strerror', None) or error}") from None
        try:
            self._lock()
            self._bytes = os.fstat(self._file).st_size
            self._open()
        except BaseException:
            os.close(self._file)
            raise
        self._measured = {row.key for row in self._content.measurements}

    def _problem(self, what: str) -> OutputError:
        return OutputError(f"{self.path}: {what}")

    def _lock(self) -> None:
        if not stat.S_ISREG(os.fstat(self._file).st_mode):
            raise self._problem("not a plain file")
        if fcntl is None:
            self.notes.append(f"{self.path}: this system has no file locks; let only one process write to the file")
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            writer = holder(self._file)
            raise self._problem(f"{writer} is writing to it; wait for that process, or stop it") from None
        except OSError as error:  # some network file systems
            self.notes.append(f"{self.path}: cannot lock the file ({error.strerror}); let only one process write to it")

    def _open(self) -> None:
        if os.fstat(self._file).st_size > LARGEST_BYTES:
            raise self._problem(f"larger than {LARGEST_BYTES >> 20} MiB; start a new file")
        data, content = read_bytes(self.path, LARGEST_BYTES), self._content
        kept = parse(data, self.path, content)
        if content.strangers and content.empty:
            raise DataError(f"{self.path}: does not contain measurements; {HINT}")
        self.notes += [*content.warnings, *content.left_out()]
        if kept < len(data):
            self.notes.append(f"{self.path}: an incomplete last line was cut off ({len(data) - kept} bytes)")
            try:
                os.ftruncate(self._file, kept)
                self._bytes = kept
            except OSError as error:
                raise self._problem(f"its incomplete last line cannot be cut off: {error.strerror}") from None
        elif data and not data.endswith(b"\n"):
            self._write(b"\n")

    @property
    def done(self) -> frozenset[tuple[str, int]]:
        """The (key, round) pairs that have a sample."""
        return frozenset(self._content.samples)

    @property
    def measured(self) -> frozenset[str]:
        """The keys that have a measurement."""
        return frozenset(self._measured)

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        return tuple(self._content.measurements)

    @property
    def environments(self) -> dict[str, Record]:
        """Environment records by id."""
        return dict(self._content.environments)

    def samples(self) -> dict[tuple[str, int], Record]:
        """The sample record of each (key, round)."""
        return dict(self._content.samples)

    def repeats(self) -> dict[tuple[str, int], Record]:
        """The record of each (key, round) that was measured again at the end."""
        return dict(self._content.repeats)

    @property
    def references(self) -> tuple[Record, ...]:
        """Visits to the reference kernels, in order."""
        return tuple(self._content.references)

    def begin(self, header: Mapping[str, Any]) -> None:
        """Write the header of a campaign as the first line, or check that the existing one is of the same campaign.

        Raises
        ------
        UsageError : the file belongs to another campaign, or has measurements without a header; says what differs.
        DataError : its header was changed after it was written.
        """
        if self._content.empty:
            self.append(header)
        else:
            same_campaign(self._content.headers, header, self.path)

    def append(self, record: Mapping[str, Any]) -> bool:
        """Write one record as one line; False if an equal one exists and nothing was written.

        Equal are measurements of one key, samples (repeats) of one key and round, environments of one id, skipped
        records of one key. There is one header, and one record of repeatability.

        Raises
        ------
        OutputError : disk full, or the file was deleted, renamed, replaced or changed by another program; says what
            was kept and where.
        DataError : this file cannot contain the record.
        """
        try:
            # no NaN or infinity in the file: other readers of JSON refuse them
            line = json.dumps(dict(record), allow_nan=False, ensure_ascii=False) + "\n"
            data = line.encode()
        except (TypeError, ValueError) as error:
            raise DataError(f"a record cannot be stored: {error}") from None
        new, have = Content(), self._content
        new.add(decode(line, "new record"), "new record")
        if problems := [*new.warnings, *new.left_out()]:
            raise DataError(problems[0])
        keys = {row.key for row in new.measurements}
        if (
            keys & self._measured
            or new.samples.keys() & have.samples.keys()
            or new.repeats.keys() & have.repeats.keys()
            or new.environments.keys() & have.environments.keys()
            or new.skipped.keys() & have.skipped.keys()
            or (new.headers and have.headers)
            or (new.repeatability and have.repeatability)
        ):
            return False
        self._write(data)
        self._measured |= keys
        have.join(new)
        return True

    def append_environment(self, facts: Mapping[str, Any]) -> str:
        """Write the result of :func:`roofline.campaign.environment.capture`; returns the id that
        measurements refer to.
        """
        rest = {key: value for key, value in facts.items() if key not in ("record", "schema", "id")}
        name = environment_id(rest)
        self.append({"record": "environment", "schema": SCHEMA, "id": name} | rest)
        return name

    def append_sample(
        self,
        key: str,
        round: int,
        *,
        seconds: float,
        blocks: Sequence[float] = (),
        flags: Iterable[str] = (),
        repeat: bool = False,
        **more: Any,
    ) -> bool:
        """Write the result of one round for one measurement: its best ``seconds`` [s] and every raw block behind it.

        Parameters
        ----------
        repeat : measured again at the end, to see how well measurements repeat; not a sample of the measurement.
        """
        raw = [float(f"{block:.{_DIGITS}g}") for block in blocks]
        record: Record = {"record": "repeat" if repeat else "sample", "key": key, "round": round}
        record |= {"seconds": seconds, "blocks": raw}
        return self.append(record | {"flags": list(flags)} | more)

    def _write(self, data: bytes) -> None:
        self._same_file()
        before = self._bytes
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._file, rest) :]
            if time.monotonic() - self._synced_s >= self._sync_s:
                os.fsync(self._file)
                self._synced_s = time.monotonic()
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._file, before)
            raise self._problem(f"cannot be written: {error.strerror}; the measurements before are kept") from None
        self._bytes = before + len(data)

    def _same_file(self) -> None:
        self._lost = self._lost or changed(self._file, self.path, self._bytes)
        if self._lost:
            raise self._problem(self._lost)

    def close(self) -> None:
        """Write everything to the disk and release the lock. Closing twice does nothing."""
        if self._file < 0:
            return
        descriptor = self._file
        try:
            self._same_file()
            os.fsync(descriptor)
        except OSError as error:
            raise self._problem(f"cannot be written: {error.strerror}") from None
        finally:
            self._file = -1
            with suppress(OSError):
                os.close(descriptor)

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
            return
        with suppress(OutputError):  # the first error is the one to report
            self.close()
