"""How is a tree of plain data read into values, reporting every fault instead of the first?

A :class:`Fields` is one mapping of a document. Its methods read keys from it, record a fault if something is missing or
of the wrong kind, and continue; :meth:`Fields.finish` reports unknown keys. A reader calls :meth:`Reading.check` at the
end, which raises all faults.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any, TypeVar

from roofline.errors import Fault, SpecError, UsageError
from roofline.specs.yamlio import Document, KeyPath

T = TypeVar("T")


class Reading:
    """The faults found while one document is read."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.faults: list[Fault] = []

    def note(self, path: KeyPath, message: str) -> None:
        self.faults.append(self.document.fault(path, message))

    def root(self, what: str) -> Fields:
        """The document as a mapping; anything else ends the reading immediately."""
        if not isinstance(self.document.data, dict):
            self.note((), f"expected the keys and values of {what}, got {_kind(self.document.data)}")
            raise SpecError(self.faults)
        return Fields(self, (), self.document.data)

    def check(self) -> None:
        """Raise all recorded faults, file by file and in the order of each."""
        files = self.document.files
        if self.faults:
            raise SpecError(sorted(self.faults, key=lambda fault: (files.index(fault.file), fault.line or 0)))


class Fields:
    """One mapping of the document, with its place."""

    def __init__(self, reading: Reading, path: KeyPath, data: dict[str, Any]) -> None:
        self.reading = reading
        self.path = path
        self.data = data
        self.partial = False
        """Whether required keys may be missing, because other files add them."""
        self._asked: list[str] = []

    def note(self, message: str, *keys: str | int) -> None:
        """Record a fault here or at a key below."""
        self.reading.note((*self.path, *keys), message)

    def spot(self, *keys: str | int) -> str:
        """``file:line`` of this mapping or of a key below."""
        place = self.reading.document.place((*self.path, *keys))
        return f"{place.file}:{place.line}"

    def __contains__(self, key: str) -> bool:
        return key in self.data

    def raw(self, key: str, *, required: str = "") -> Any:
        """The unconverted value, None if absent. ``required`` says what to write for it."""
        self._asked.append(key)
        value = self.data.get(key)
        if value is None:
            if required and (key in self.data or not self.partial):
                self.note(f"is missing; write {required}", key)
            elif key in self.data:
                self.note("has no value; fill it in or leave the key out", key)
        return value

    def text(self, key: str, default: str = "", *, required: str = "") -> str:
        """A text; a number is taken as it is written."""
        value = self.raw(key, required=required)
        if value is None:
            return default
        if isinstance(value, bool | dict | list):
            self.note(f"expected text, got {_kind(value)}", key)
            return default
        return str(value)

    def choice(self, key: str, options: Sequence[str], default: str = "", *, required: str = "") -> str:
        """One of several words."""
        value = self.text(key, default, required=required)
        if value and value not in options:
            near = get_close_matches(value, options, n=1, cutoff=0.5)
            meant = f"; did you mean {near[0]}?" if near else f"; write one of {', '.join(options)}"
            self.note(f"{value!r} is not known{meant}", key)
            return default or options[0]
        return value

    def flag(self, key: str, default: bool = False) -> bool:
        value = self.raw(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.note(f"expected true or false, got {_shown(value)}", key)
            return default
        return value

    def integer(self, key: str, default: int = 0, *, least: int = 1, required: str = "") -> int:
        """An integer of at least ``least``."""
        value = self.raw(key, required=required)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int):
            self.note(f"expected a whole number, got {_shown(value)}", key)
            return default
        if value < least:
            self.note(f"{value} is too small; at least {least} is needed", key)
            return default
        return value

    def number(self, key: str, default: float = 0.0, *, required: str = "") -> float:
        """A finite plain number of any sign."""
        value = self.raw(key, required=required)
        if value is None:
            return default
        return finite(value, lambda message: self.note(message, key), default)

    def mapping(self, key: str, *, required: str = "") -> Fields | None:
        """The mapping below a key, None if absent or of another type."""
        value = self.raw(key, required=required)
        return None if value is None else self._as_fields(value, key)

    def items(self, key: str, *, required: str = "") -> list[Fields]:
        """The mappings in the list below a key."""
        value = self.raw(key, required=required)
        if value is None:
            return []
        if not isinstance(value, list):
            self.note(f"expected a list (lines that start with '- '), got {_kind(value)}", key)
            return []
        if required and not value:
            self.note(f"is empty; write {required}", key)
        found = (self._as_fields(entry, key, index) for index, entry in enumerate(value))
        return [fields for fields in found if fields is not None]

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts; a single text is a list of one."""
        value = self.raw(key)
        if value is None:
            return ()
        entries = value if isinstance(value, list) else [value]
        for index, entry in enumerate(entries):
            if not isinstance(entry, str):
                self.note(f"expected text, got {_shown(entry)}", key, index)
        return tuple(str(entry) for entry in entries)

    def _as_fields(self, value: Any, *keys: str | int) -> Fields | None:
        if isinstance(value, dict):
            return Fields(self.reading, (*self.path, *keys), value)
        self.note(f"expected keys and values, got {_kind(value)}", *keys)
        return None

    def each(self) -> Iterator[str]:
        """Every key of a mapping with free keys, counted as known."""
        self._asked.extend(self.data)
        yield from self.data

    def attempt(self, make: Callable[[], T], *keys: str | int) -> T | None:
        """The value made, or None and a fault with the message of the usage error."""
        try:
            return make()
        except UsageError as error:
            self.note(str(error), *keys)
            return None

    def finish(self) -> None:
        """Report unknown keys."""
        known = sorted(set(self._asked))
        for key in self.data:
            if key in known:
                continue
            if " " in key.strip():
                self.note("unknown key; put text with a comma or a colon in quotes", key)
                continue
            near = get_close_matches(key, known, n=1, cutoff=0.6)
            meant = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
            self.note(f"unknown key; {meant}", key)


def finite(value: Any, note: Callable[[str], None], default: float = 0.0) -> float:
    """A finite number, or ``default`` and a fault."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        note(f"expected a number, got {_shown(value)}")
        return default
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        note(f"{str(value)[:20]} is not a finite number")
        return default
    return number


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return "keys and values"
    return "a list" if isinstance(value, list) else _shown(value)


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return _kind(value)
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value if len(str(value)) <= 60 else str(value)[:57] + "...")
