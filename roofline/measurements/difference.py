"""Do two campaigns differ beyond noise, where, and for which reason?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import stdtrit

from roofline.core.measurement import Measurement
from roofline.core.stack import Stack
from roofline.measurements.facts import Differs, differences
from roofline.measurements.health import taken
from roofline.measurements.records import ReadResult, Record
from roofline.measurements.repeatability import repeatability
from roofline.measurements.summary import family_of

ONE_ROUND = 0.17
"""90th percentile of the difference |log| between single-round measurements of two campaigns on a shared machine (warm
rows), used where a file does not contain its own.
"""


@dataclass(frozen=True)
class Ratio:
    """Measurements of both files with the same question: median ratio of the second to the first.

    Parameters
    ----------
    low, high : 95 % interval of the true median ratio.
    apart : number of measurements further from 1 than the noise of both.
    """

    what: str
    cache: str
    rows: int
    ratio: float
    low: float
    high: float
    apart: int

    @property
    def differs(self) -> bool:
        """Whether 1 is outside the interval."""
        return not self.low <= 1.0 <= self.high

    def to_dict(self) -> dict[str, Any]:
        return {**vars(self), "differs": self.differs}


@dataclass(frozen=True)
class Pair:
    """One measurement in both files: the ``noise`` of both together, and how far their ratio is outside it,
    as |log|.
    """

    a: Measurement
    b: Measurement
    noise: float

    @property
    def ratio(self) -> float:
        return self.b.seconds / self.a.seconds

    @property
    def excess(self) -> float:
        return abs(float(np.log(self.ratio))) - self.noise

    def to_dict(self) -> dict[str, Any]:
        own = {"row": self.a.label, "cache": self.a.cache, "a_s": self.a.seconds, "b_s": self.b.seconds}
        return own | {"ratio": self.ratio, "noise": self.noise, "flags": sorted({*self.a.flags, *self.b.flags})}


@dataclass(frozen=True)
class Difference:
    """Two files compared. ``refusals`` says why they do not measure the same thing, if so."""

    refusals: tuple[str, ...]
    total: tuple[Ratio, ...]
    families: tuple[Ratio, ...]
    worst: tuple[Pair, ...]
    facts: tuple[Differs, ...]
    only_a: int
    only_b: int

    @property
    def verdict(self) -> str:
        """``not comparable``, ``different`` or ``same`` (within noise)."""
        if self.refusals or not self.total:
            return "not comparable"
        return "different" if any(ratio.differs for ratio in self.total) else "same"

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema_version": 1,
            "verdict": self.verdict,
            "refusals": list(self.refusals),
            "total": [ratio.to_dict() for ratio in self.total],
            "families": [ratio.to_dict() for ratio in self.families],
            "worst": [pair.to_dict() for pair in self.worst],
            "facts": [{**vars(fact), "refuses": fact.refuses} for fact in self.facts],
            "only_in_a": self.only_a,
            "only_in_b": self.only_b,
        }


def compare(a: ReadResult, b: ReadResult, *, worst: int = 10) -> Difference:
    """Match the measurements of two files and judge how they differ.

    Measurements are matched by their key. If no key is in both files, they are matched by the question only, whatever
    chip, dtype and stack, and the files are not comparable; the ratios then show the effect of that difference::

        interval of the median ratio = ratio * exp(-+ sqrt(sampling error^2 + shared error^2))

    The sampling error is that of a median of so many measurements (order statistics). :func:`shared_error` is the error
    of a whole campaign, estimated from its rounds. Rounds are closer together in time than campaigns, and the best of
    several rounds does not average it out, so it is not divided by their number.

    Parameters
    ----------
    a, b : contents of the files.
    worst : number of measurements to list [1].
    """
    refusals: list[str] = []
    first, second = _by_key(a.measurements, lambda row: row.key), _by_key(b.measurements, lambda row: row.key)
    if not first.keys() & second.keys():
        first, second = _by_key(a.measurements, _question), _by_key(b.measurements, _question)
        both = [key for key in first if key in second]
        refusals += _unlike([first[key] for key in both], [second[key] for key in both])
        if not both:
            refusals.append("they have no measurement in common")
    both = [key for key in first if key in second]
    facts = tuple(differences(_settings(a, first, both), _settings(b, second, both)))
    for one in facts:
        if one.refuses:
            refusals.append(f"{one.fact}: {one.a} and {one.b}, {one.why}")
    for name, read, rows in (("first", a, first), ("second", b, second)):
        if both and not _settings(read, rows, both):
            refusals.append(f"the {name} file records no environment, so its allocator is not known")
    single = (_single(a), _single(b))
    noises = [noise_of(first[key], single[0]) + noise_of(second[key], single[1]) for key in both]
    pairs = [Pair(first[key], second[key], noise) for key, noise in zip(both, noises, strict=True)]
    shared = shared_error(a, b)
    groups: dict[tuple[str, str], list[Pair]] = {}
    for pair in pairs:
        if pair.a.kind == "operator":
            groups.setdefault((family_of(pair.a) + _on(pair.a), pair.a.cache), []).append(pair)
    kinds: dict[tuple[str, str], list[Pair]] = {}
    for pair in pairs:
        kinds.setdefault((f"{pair.a.kind}s" + _on(pair.a), pair.a.cache), []).append(pair)
    return Difference(
        tuple(refusals),
        tuple(_ratio(*key, own, shared) for key, own in sorted(kinds.items())),
        tuple(_ratio(*key, own, shared) for key, own in sorted(groups.items())),
        tuple(pair for pair in sorted(pairs, key=lambda one: -one.excess)[:worst] if pair.excess > 0),
        facts,
        len(first) - len(both),
        len(second) - len(both),
    )


def _on(row: Measurement) -> str:
    return f", {row.stack.threads} threads" if row.stack.threads > 1 else ""


def _by_key(rows: Sequence[Measurement], key: Callable[[Measurement], str]) -> dict[str, Measurement]:
    """Measurements by key; of several with one key the first."""
    found: dict[str, Measurement] = {}
    for row in rows:
        found.setdefault(key(row), row)
    return found


def _question(row: Measurement) -> str:
    """What was run, on any chip and in any precision."""
    return replace(row, chip="", dtype="fp32", stack=Stack()).key


def _unlike(first: Sequence[Measurement], second: Sequence[Measurement]) -> list[str]:
    """Which of chip, dtype and stack differ between matched measurements."""
    found: list[str] = []
    for name in ("chip", "dtype"):
        one, two = ({str(getattr(row, name)) for row in rows} for rows in (first, second))
        if one != two:
            found.append(f"{name}: {', '.join(sorted(one))} and {', '.join(sorted(two))}")
    stacks = [[row.stack.to_dict() for row in rows] for rows in (first, second)]
    for name in Stack().to_dict():
        one, two = ({str(stack[name]) or "not recorded" for stack in side} for side in stacks)
        if one != two:
            found.append(f"stack, {name}: {', '.join(sorted(one))} and {', '.join(sorted(two))}")
    return found


def _settings(read: ReadResult, rows: Mapping[str, Measurement], keys: Sequence[str]) -> list[Record]:
    """The environments of matched measurements, with the processor time that host and other processes took."""
    names = dict.fromkeys(rows[key].environment for key in keys)
    more: Record = {}
    for fact, by in (("stolen", "steal_s"), ("others", "others_s")):
        used = taken(read.references, by)
        if not np.isnan(used).all():
            more[fact] = float(np.nanmean(used))
    return [read.environments[name] | more for name in names if name in read.environments]


def noise_of(row: Measurement, single: float) -> float:
    """Noise of a measurement, as |log| [1]: ``log(median round / best round)``, or ``single / 2`` with one round.

    Parameters
    ----------
    row : the measurement.
    single : 90th percentile of the difference of single rounds, as |log| [1].
    """
    return float(np.log(np.median(row.samples) / row.seconds)) if len(row.samples) > 1 else single / 2.0


def _single(read: ReadResult) -> float:
    """90th percentile of the repeat error of a file's warm measurements, which have the fewest rounds."""
    again = [group["p90"] for group in repeatability(read.measurements, read.repeats) if group["cache"] == "warm"]
    return max(again, default=ONE_ROUND)


def shared_error(a: ReadResult, b: ReadResult) -> float:
    """Error of the ratio of two whole campaigns, as |log| at 95 % [1]; 0 where neither has rounds.

    There are few rounds, so their standard deviations are multiplied by Student's factor: ``t * deviation``.
    """
    shifts = [round_shifts(read) for read in (a, b)]
    degrees = sum(len(own) - 1 for own in shifts if len(own) > 1)
    if not degrees:
        return 0.0
    squares = sum(float(np.var(own, ddof=1)) for own in shifts if len(own) > 1)
    return float(stdtrit(degrees, 0.975) * np.sqrt(squares))


def round_shifts(read: ReadResult) -> list[float]:
    """Slowdown of each round, as log [1]: the median over measurements of ``log(sample / median of the
    measurement)``.
    """
    rounds: dict[str, dict[int, float]] = {}
    for (key, number), sample in read.samples.items():
        rounds.setdefault(key, {})[number] = float(sample.get("seconds") or np.nan)
    logs: dict[int, list[float]] = {}
    for values in rounds.values():
        if len(values) > 1:
            middle = float(np.median(list(values.values())))
            for number, seconds in values.items():
                logs.setdefault(number, []).append(float(np.log(seconds / middle)))
    return [float(np.nanmedian(own)) for own in logs.values()]


def _ratio(what: str, cache: str, pairs: Sequence[Pair], shared: float) -> Ratio:
    logs = np.sort(np.log([pair.ratio for pair in pairs]))
    count, middle = len(logs), float(np.median(logs))
    reach = 1.96 * np.sqrt(count) / 2.0  # binomial, approximated by a normal distribution
    low, high = logs[max(int(count / 2.0 - reach), 0)], logs[min(int(np.ceil(count / 2.0 + reach)), count - 1)]
    return Ratio(
        what,
        cache,
        count,
        float(np.exp(middle)),
        float(np.exp(middle - np.hypot(middle - low, shared))),
        float(np.exp(middle + np.hypot(high - middle, shared))),
        sum(pair.excess > 0 for pair in pairs),
    )
