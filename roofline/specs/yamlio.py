"""How does a YAML file become plain data with line numbers, without trusting the file?

Loading is limited in size, depth, aliases and number of nodes, and creates only dictionaries, lists, text, numbers,
booleans and None. Keys are always text; :mod:`roofline.specs.yamlscalars` converts other scalars. Errors become a
:class:`~roofline.errors.Fault` with its line.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import yaml

from roofline.core.plain_text import CONTROL
from roofline.errors import Fault, SpecError, Unreadable
from roofline.files import read_bytes
from roofline.specs.remembered import note
from roofline.specs.yamlfaults import syntax_fault
from roofline.specs.yamlscalars import MAX_DIGITS, is_number, plain_value

MAX_BYTES = 1_000_000
MAX_DEPTH = 32
MAX_ALIASES = 200
MAX_NODES = 50_000

KeyPath = tuple[str | int, ...]

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PLAIN_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("map", "seq")}
_TEXT_TAGS = {"tag:yaml.org,2002:str", "!"}


@dataclass
class Place:
    """The place of a node and of its children; ``size`` counts the nodes below it."""

    file: str
    line: int
    size: int = 1
    children: dict[str | int, Place] = field(default_factory=dict)


@dataclass(frozen=True)
class Document:
    """A loaded file: plain ``data`` and the place of every key path.

    Data merged from several files (see :mod:`roofline.specs.extends`) have places in all of them; ``files`` lists them,
    this one first.
    """

    data: Any
    file: str
    root: Place = field(repr=False)
    files: tuple[str, ...] = ()

    def place(self, path: KeyPath = ()) -> Place:
        """The place of the key or list item at ``path``.

        A path that goes beyond the file gives the place of its last existing part, where the missing part belongs.
        """
        place = self.root
        for key in path:
            if key not in place.children:
                break
            place = place.children[key]
        return place

    def line(self, path: KeyPath = ()) -> int:
        """The line (from 1) of :meth:`place`."""
        return self.place(path).line

    def fault(self, path: KeyPath, message: str) -> Fault:
        """A fault at a key path, in the file that contains it."""
        place = self.place(path)
        return Fault(place.file, place.line, spell(path), message)


def spell(path: KeyPath) -> str:
    """A key path in readable form: ``engines[0].rates.fp16``."""
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text


def load_document(path: str | Path) -> Document:
    """Read a YAML file.

    Raises
    ------
    SpecError : unreadable, not text, too large or too deep, not YAML, duplicate keys, object tags,
        empty, or several documents.
    """
    return parse_document(_read(Path(path)), str(path))


def parse_document(text: str, file: str = "<text>") -> Document:
    """As :func:`load_document`, from text; ``file`` is the name in faults."""
    if len(text) > MAX_BYTES:
        raise _error(file, None, f"larger than {MAX_BYTES // 1000} kB, which no specification needs")
    builder = _Builder(file)
    try:
        data, root = builder.document(_events(text))
    except yaml.YAMLError as error:
        raise SpecError([*builder.faults, syntax_fault(error, text, file)]) from None
    if builder.faults:
        raise SpecError(sorted(builder.faults, key=lambda fault: fault.line or 0))
    return Document(data, file, root, (file,))


def _read(path: Path) -> str:
    note(path)
    try:
        raw = read_bytes(path, MAX_BYTES, "no specification needs as much")
    except Unreadable as error:
        raise _error(path, None, error.reason) from None
    if b"\0" in raw:
        raise _error(path, None, "is binary, not YAML text")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise _error(path, line, f"is not UTF-8 text (byte 0x{raw[error.start]:02x})") from None


def _error(file: str | Path, line: int | None, message: str) -> SpecError:
    return SpecError([Fault(str(file), line, "", message)])


def _events(text: str) -> Iterator[Any]:
    loader = _LOADER(text)
    try:
        while loader.check_event():
            yield loader.get_event()
    finally:
        loader.dispose()


class _Builder:
    """Converts events to data within the limits; continues after faults where possible."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.faults: list[Fault] = []
        self.anchors: dict[str, tuple[Any, Place]] = {}
        self.aliases = 0
        self.nodes = 0

    def document(self, events: Iterator[Any]) -> tuple[Any, Place]:
        result: tuple[Any, Place] | None = None
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                if result is not None:
                    self.stop(event, (), "a second document starts here; write one document a file")
                result = self.node(next(events), events, (), 0)
        if result is None or result[0] is None:
            raise _error(self.file, None, "is empty")
        return result

    def note(self, event: Any, path: KeyPath, message: str) -> None:
        self.faults.append(Fault(self.file, _line(event), spell(path), message))

    def stop(self, event: Any, path: KeyPath, message: str) -> NoReturn:
        self.note(event, path, message)
        raise SpecError(self.faults)

    def node(self, event: Any, events: Iterator[Any], path: KeyPath, depth: int) -> tuple[Any, Place]:
        if depth > MAX_DEPTH:
            self.stop(event, path[:4], f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event, path)
        self.count(event, path, 1)
        place = Place(self.file, _line(event))
        value: Any
        if isinstance(event, yaml.MappingStartEvent):
            self.check_tag(event, path)
            value = self.mapping(events, path, depth, place)
        elif isinstance(event, yaml.SequenceStartEvent):
            self.check_tag(event, path)
            value = []
            while not isinstance(item := next(events), yaml.SequenceEndEvent):
                here = (*path, len(value))
                child, place.children[len(value)] = self.node(item, events, here, depth + 1)
                place.size += place.children[len(value)].size
                value.append(child)
        else:
            value = self.scalar(event, path)
        if event.anchor is not None:
            self.anchors[event.anchor] = (value, place)
        return value, place

    def mapping(self, events: Iterator[Any], path: KeyPath, depth: int, place: Place) -> dict[str, Any]:
        value: dict[str, Any] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                self.stop(event, path, "a key must be plain text")
            key = str(event.value)
            line = _line(event)
            self.printable(event, path)
            here = (*path, key)
            if key in value:
                self.note(event, here, f"given twice (first in line {place.children[key].line}); keep one")
            elif key == "<<" and not event.style:
                self.note(event, here, "merge keys are not supported; write the keys out")
            child, found = self.node(next(events), events, here, depth + 1)
            value.setdefault(key, child)
            place.size += found.size
            place.children.setdefault(key, Place(self.file, line, found.size, found.children))
        return value

    def alias(self, event: Any, path: KeyPath) -> tuple[Any, Place]:
        self.aliases += 1
        if self.aliases > MAX_ALIASES:
            self.stop(event, path, f"more than {MAX_ALIASES} aliases")
        if event.anchor not in self.anchors:
            self.stop(event, path, f"alias *{event.anchor} refers to nothing written before it")
        value, place = self.anchors[event.anchor]
        self.count(event, path, place.size)
        return value, Place(self.file, _line(event), place.size, place.children)

    def count(self, event: Any, path: KeyPath, nodes: int) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            self.stop(event, path[:4], f"expands to more than {MAX_NODES} values (are aliases nested?)")

    def check_tag(self, event: Any, path: KeyPath) -> None:
        if event.tag is not None and event.tag not in _PLAIN_TAGS:
            self.note(event, path, f"tag {_short(event.tag)} is not allowed; write plain values")

    def printable(self, event: Any, path: KeyPath) -> None:
        if found := CONTROL.search(event.value):
            self.note(event, path, f"contains the control character U+{ord(found[0]):04X}; write plain text")

    def scalar(self, event: Any, path: KeyPath) -> Any:
        text = event.value
        self.printable(event, path)
        if event.tag in _TEXT_TAGS:
            return text
        if event.tag is not None:
            self.note(event, path, f"tag {_short(event.tag)} is not allowed; write plain values")
            return None
        if event.style:
            return text
        if len(text) > MAX_DIGITS and is_number(text):
            self.note(event, path, f"a number of {len(text)} characters")
            return 0
        value = plain_value(text)
        if value != value:
            self.note(event, path, f"{text} is no value; leave out what is not known")
            return 0
        return value


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _short(tag: str) -> str:
    return tag.replace("tag:yaml.org,2002:", "!!")[:80]
