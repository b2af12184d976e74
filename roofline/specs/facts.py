"""How is a figure read from YAML together with its source?

``{value: 448 GB/s, source: datasheet-2018}``, where the source is

* a tag of the file's own ``sources`` table, or several with commas between;
* ``derived: <arithmetic>`` (status ``derived``) or ``measured: <how and where>`` (``measured``);
* ``unverified`` (status ``unverified``).

``status`` and ``note`` may stand beside it.
"""

from __future__ import annotations

from typing import cast

from roofline import units
from roofline.core.chip import STATUSES, Fact, Status
from roofline.core.fact import ABSURD, LEAST, MOST
from roofline.specs.fields import Fields

INLINE: dict[str, Status] = {"derived": "derived", "measured": "measured", "unverified": "unverified"}
PLACEHOLDER = Fact(1.0, "")
"""Replaces a wrong or missing figure, so that reading can continue to the next fault."""


def source_status(source: str) -> Status:
    """The status that a source implies if none is written."""
    return INLINE.get(source.partition(":")[0].strip(), "datasheet")


class FactReader:
    """Reads figures of one file, with its table of sources."""

    def __init__(self, root: Fields) -> None:
        self.root = root
        self.sources: dict[str, str] = {}
        table = root.mapping("sources")
        if table is not None:
            self.sources = {tag: table.text(tag) for tag in table.each()}
            for tag, citation in self.sources.items():
                if not citation.strip():
                    table.note("is empty; write a document's name or an address", tag)
                if tag in INLINE:
                    table.note("this word is reserved; choose another tag", tag)

    def fact(self, fields: Fields, key: str, dimension: str, *, required: str = "", whole: bool = False) -> Fact | None:
        """The fact at a key, None if absent; a placeholder if it is wrong."""
        entry = self.entry(fields, key, required=required)
        if entry is None:
            return PLACEHOLDER if required or key in fields else None
        found = self.facts(entry, dimension, whole=whole)
        entry.finish()
        return found

    def entry(self, fields: Fields, key: str, *, required: str = "") -> Fields | None:
        """The keys of a figure, None if it is absent or lacks its source."""
        if key in fields and not isinstance(fields.data[key], dict | None):
            raw = fields.raw(key)
            shown = "..." if isinstance(raw, list) else str(raw)[:40]
            fields.note(f"a figure needs its source; write {{value: {shown}, source: ...}}", key)
            return None
        return fields.mapping(key, required=required)

    def facts(self, entry: Fields, dimension: str, *, whole: bool = False) -> Fact:
        """The value, source, status and note of one entry, which may have further keys; else a placeholder."""
        value = self.quantity(entry, "value", dimension, whole=whole)
        source, status = self.source(entry)
        note = entry.text("note")
        return PLACEHOLDER if value is None else Fact(value, source, status, note)

    def quantity(self, entry: Fields, key: str, dimension: str, *, whole: bool = False) -> float | None:
        """The number at a key in SI units, above zero; None if it is wrong."""
        raw = entry.raw(key, required="a number with its unit" if dimension else "a number")
        if raw is None:
            return None
        if isinstance(raw, bool | dict | list):
            entry.note("expected a number with a unit", key)
            return None
        value = entry.attempt(lambda: units.parse(raw, dimension), key)
        if value is None:
            return None
        if value <= 0:
            entry.note(f"{raw} must be above zero; leave the figure out where it is unknown", key)
            return None
        if not LEAST <= value <= MOST:
            entry.note(f"{raw}: {ABSURD}", key)
            return None
        if whole and value != int(value):
            entry.note(f"{raw} must be a whole number", key)
        return value

    def source(self, entry: Fields) -> tuple[str, Status]:
        """The full source, and the status."""
        written = entry.text("source", required="a tag of the sources table, 'derived: ...' or unverified")
        status = entry.choice("status", STATUSES)
        return self.cite(entry, written), self.status(entry, written, status)

    def status(self, entry: Fields, written: str, status: str) -> Status:
        implied = source_status(written)
        if written and implied == "unverified" and status not in ("", "unverified"):
            entry.note(f"{status}, but its source is unverified", "status")
        return cast(Status, status or implied)

    def cite(self, entry: Fields, written: str) -> str:
        head, colon, rest = written.partition(":")
        if not written or written in self.sources:
            return self.sources.get(written, "")
        if head.strip() in INLINE:
            if head.strip() != "unverified" and not (colon and rest.strip()):
                entry.note(f"write how: '{head.strip()}: ...'", "source")
            return written
        tags = [tag.strip() for tag in written.split(",")]
        unknown = [tag for tag in tags if tag not in self.sources]
        for tag in unknown:
            have = ", ".join(self.sources) or "none yet"
            entry.note(f"no source tagged {tag!r}; add it to the sources table (there: {have})", "source")
        return "; ".join(self.sources[tag] for tag in tags if tag in self.sources)
