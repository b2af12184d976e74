"""What is in a measurement file: which measurements, in which environments, and how reliable are they?"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from roofline.core.measurement import Measurement
from roofline.errors import RooflineError
from roofline.measurements.facts import Differs, differences, standing
from roofline.measurements.health import Health, health_of, worst_first
from roofline.measurements.kernels import kernels_of
from roofline.measurements.records import ReadResult, Record
from roofline.measurements.repeatability import repeatability
from roofline.units import plural


@dataclass(frozen=True)
class RowGroup:
    """Measurements of one kind, family, cache state, precision and number of threads.

    Parameters
    ----------
    spread : slowdown of the median round over the best round, median over measurements; None if none has several
        rounds.
    """

    kind: str
    family: str
    part: str
    cache: str
    dtype: str
    threads: int
    rows: int
    flagged: int
    fastest_s: float
    median_s: float
    slowest_s: float
    spread: float | None

    def to_dict(self) -> dict[str, Any]:
        return dict(vars(self))


@dataclass(frozen=True)
class Setting:
    """Environments that agree in all lasting facts, and the number of measurements taken in them."""

    rows: int
    first: str
    last: str
    record: Record
    differs: tuple[Differs, ...]

    @property
    def comparable(self) -> bool:
        """Whether it is comparable with the first setting of the file."""
        return not any(one.refuses for one in self.differs)

    def to_dict(self) -> dict[str, Any]:
        facts = standing(self.record)
        return {
            "rows": self.rows,
            "from": self.first,
            "to": self.last,
            "comparable_with_the_first": self.comparable,
            "differs_from_the_first": [vars(one) for one in self.differs],
            "facts": facts,
        }


@dataclass(frozen=True)
class Summary:
    """A measurement file in a few tables; ``samples`` of ``wanted`` were taken, where a header has the number."""

    header: Record | None
    rows: tuple[RowGroup, ...]
    settings: tuple[Setting, ...]
    health: Health | None
    repeats: tuple[Mapping[str, Any], ...]
    flags: Mapping[str, int]
    skipped: Mapping[str, str]
    samples: int

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema_version": 1,
            "header": self.header,
            "samples": self.samples,
            "rows": [group.to_dict() for group in self.rows],
            "environments": [setting.to_dict() for setting in self.settings],
            "health": None if self.health is None else self.health.to_dict(),
            "repeatability": [dict(group) for group in self.repeats],
            "flags": dict(self.flags),
            "skipped": dict(self.skipped),
        }


def family_of(row: Measurement) -> str:
    """The family of a measurement in tables: that of its (first) kernel, the operator where it has none, or network."""
    if row.kind == "network":
        return "network"
    try:
        return kernels_of(row)[0].family
    except (RooflineError, IndexError):
        return row.op


def summarize(read: ReadResult) -> Summary:
    """The tables of a file that :func:`roofline.measurements.records.read_measurements` has read."""
    groups: dict[tuple[str, str, str, str, str, int], list[Measurement]] = {}
    for row in read.measurements:
        part = row.part if row.kind == "operator" else row.mode
        key = (row.kind, family_of(row), part, row.cache, row.dtype, row.stack.threads)
        groups.setdefault(key, []).append(row)
    return Summary(
        read.header,
        tuple(_group(*key, rows) for key, rows in sorted(groups.items())),
        settings_of(read),
        health_of(read.references) if read.references else None,
        tuple(repeatability(read.measurements, read.repeats)),
        flag_counts(read.measurements),
        {str(one.get("label")): str(one.get("why")) for one in read.skipped.values()},
        len(read.samples),
    )


def _group(
    kind: str, family: str, part: str, cache: str, dtype: str, threads: int, rows: Sequence[Measurement]
) -> RowGroup:
    seconds = [row.seconds for row in rows]
    several = [statistics.median(row.samples) / min(row.samples) - 1.0 for row in rows if len(row.samples) > 1]
    return RowGroup(
        kind,
        family,
        part,
        cache,
        dtype,
        threads,
        len(rows),
        sum(bool(row.flags) for row in rows),
        min(seconds),
        statistics.median(seconds),
        max(seconds),
        statistics.median(several) if several else None,
    )


def flag_counts(rows: Iterable[Measurement]) -> dict[str, int]:
    """Number of measurements with each flag."""
    counts = Counter(flag for row in rows for flag in row.flags)
    return {flag: counts[flag] for flag in worst_first(counts)}


def settings_of(read: ReadResult) -> tuple[Setting, ...]:
    """The environments of a file, equal ones as one, each compared with the first."""
    rows = Counter(row.environment for row in read.measurements)
    alike: dict[str, list[Record]] = {}
    for record in read.environments.values():
        alike.setdefault(str(sorted(standing(record).items())), []).append(record)
    made: list[Setting] = []
    first: list[Record] = []
    for records in alike.values():
        first = first or records
        dates = sorted(str(record.get("date") or "") for record in records)
        count = sum(rows[str(record.get("id"))] for record in records)
        differs = () if records is first else tuple(differences(first, records))
        made.append(Setting(count, dates[0], dates[-1], records[0], differs))
    return tuple(made)


def closing_words(
    rows: Sequence[Measurement],
    visits: Sequence[Mapping[str, Any]],
    repeats: Mapping[tuple[str, int], Mapping[str, Any]],
) -> list[str]:
    """What the user should know at the end of a campaign, one sentence a line."""
    said = [f"reference kernels, {closing_health(health_of(visits))}"] if visits else []
    if flags := flag_counts(rows):
        flagged = sum(bool(row.flags) for row in rows)
        each = ", ".join(f"{flag} {count:,}" for flag, count in flags.items())
        said.append(f"{flagged:,} of {plural(len(rows), 'measurement')} flagged: {each}")
    for group in repeatability(rows, repeats):
        said.append(
            f"repeatability of {plural(group['rows'], group['cache'] + ' measurement')}"
            + (f" on {group['threads']} threads" if group["threads"] > 1 else "")
            + f": median change {group['median']:.1%}, 90th percentile {group['p90']:.1%}, "
            f"common shift {group['shift']:+.1%}"
        )
    return said


def closing_health(health: Health) -> str:
    """The result of the visits to the reference kernels, in a line."""
    parts = [
        f"{name} varies from {low:+.1%} to {high:+.1%}, drift {health.drift[name]:+.1%}"
        for name, (low, high) in health.spread.items()
    ]
    for name, took in (("the host", health.stolen), ("other processes", health.others)):
        parts += [f"{name} took {took:.1%} of a processor"] if took is not None else []
    return f"{plural(health.visits, 'visit')}: {'; '.join(parts)}"
