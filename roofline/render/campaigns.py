"""Measurement files as tables: what is in one, and how two of them differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from roofline.measurements.difference import Difference, Ratio
from roofline.measurements.summary import Summary, closing_health
from roofline.render.table import UNKNOWN, Column, Table, table
from roofline.render.words import percent, seconds
from roofline.units import plural


def _share(value: float) -> str:
    return f"{value:.1%}"


def _signed(value: float) -> str:
    return f"{value:+.1%}"


def about(summary: Summary) -> list[tuple[str, str]]:
    """What the header says, and the file's state, as lines of a label and a text."""
    rows = sum(group.rows for group in summary.rows)
    lines = []
    if (header := summary.header) is None:
        lines.append(("campaign", "no header: the file is from an older version, or not from 'roofline measure'"))
    else:
        plan = header.get("plan") or {}
        plan_text = ", ".join(f"{name} {value}" for name, value in plan.items() if name != "networks")
        networks = ", ".join(plan.get("networks") or ()) or "none"
        threads = ", ".join(map(str, header.get("threads") or ()))
        lines += [
            ("campaign", f"started {header.get('date')}, roofline {header.get('roofline')}"),
            ("measured", f"{header.get('chip')} ({header.get('machine')}), {header.get('dtype')}, threads {threads}"),
            ("plan", f"{plan_text}; networks: {networks}"),
        ]
    if summary.settings:
        lines.append(("environment", environment_words(summary.settings[0].record)))
    unfinished = "; not finished: repeat the same 'roofline measure' command to resume" if not rows else ""
    lines.append(("contents", f"{plural(rows, 'measurement')} from {plural(summary.samples, 'sample')}{unfinished}"))
    if summary.flags:
        lines.append(("flags", ", ".join(f"{flag} {count:,}" for flag, count in summary.flags.items())))
    if summary.health is not None:
        lines.append(("noise", closing_health(summary.health)))
    lines += [("skipped", f"{label}: {why}") for label, why in list(summary.skipped.items())[:5]]
    if len(summary.skipped) > 5:
        lines.append(("skipped", f"and {len(summary.skipped) - 5} more"))
    return lines


def environment_words(record: Mapping[str, Any]) -> str:
    """The facts of an environment that matter most, in a line."""
    torch, cpu, memory = (record.get(name) or {} for name in ("torch", "cpu", "memory"))
    device = (record.get("gpu") or {}).get("name") or cpu.get("model")
    said = {
        "torch": torch.get("version"),
        "on": device,
        "instructions": torch.get("cpu_capability"),
        "governor": cpu.get("governor"),
        "turbo": cpu.get("turbo"),
        "huge pages": memory.get("transparent_huge_pages"),
        "allocator": {True: "pinned", False: "default"}.get(record.get("allocator_pinned") or False),
        "load": (record.get("load") or [None])[0],
    }
    return ", ".join(f"{name} {UNKNOWN if value is None else value}" for name, value in said.items())


def rows_table(summary: Summary) -> Table:
    """The measurements by kind, family, direction, cache state, precision and threads."""
    columns = (
        Column("kind", "kind", spare=3),
        Column("family", "family"),
        Column("part", "what", spare=2),
        Column("cache", "cache"),
        Column("dtype", "dtype", spare=1),
        Column("threads", "threads", right=True, spare=1),
        Column("rows", "count", lambda n: f"{n:,}", right=True),
        Column("flagged", "flagged", lambda n: f"{n:,}", right=True),
        Column("fastest_s", "fastest", seconds, right=True, spare=2),
        Column("median_s", "median", seconds, right=True),
        Column("slowest_s", "slowest", seconds, right=True, spare=2),
        Column("spread", "median over\nbest round", _signed, right=True),
    )
    rows = [[getattr(group, column.key) for column in columns] for group in summary.rows]
    return table("Measurements", columns, rows)


def trust_tables(summary: Summary) -> list[Table]:
    """How well measurements repeat, and the environments they were taken in."""
    repeat = (
        Column("cache", "cache"),
        Column("threads", "threads", right=True),
        Column("rows", "count", right=True),
        Column("median", "median", _share, right=True),
        Column("p90", "90th\npercentile", _share, right=True),
        Column("shift", "common\nshift", _signed, right=True),
    )
    tables = []
    if summary.repeats:
        rows = [[group[column.key] for column in repeat] for group in summary.repeats]
        tables.append(table("Repeatability: change when measured again at the end", repeat, rows))
    setting = (
        Column("rows", "count", lambda n: f"{n:,}", right=True),
        Column("from", "from"),
        Column("to", "to", spare=1),
        Column("what", "differences from the first", wrap=True),
    )
    found = []
    for index, one in enumerate(summary.settings):
        facts = "; ".join(f"{fact.fact}: first {fact.a}, here {fact.b}" for fact in one.differs)
        refused = "not comparable with the first: " if not one.comparable else ""
        found.append([one.rows, one.first, one.last, "" if index == 0 else refused + facts])
    if len(found) > 1:
        tables.append(table("Environments", setting, found))
    return tables


def verdict(found: Difference, a: str, b: str) -> str:
    """One paragraph: do they differ?"""
    if found.verdict == "not comparable":
        return f"{a} and {b} cannot be compared: {'; '.join(found.refusals)}."
    said = [
        f"{ratio.what} ({ratio.cache}) {_slower(ratio)}, "
        + ("beyond noise" if ratio.differs else "within noise")
        + f" ({ratio.low - 1:+.1%} to {ratio.high - 1:+.1%})"
        for ratio in found.total
    ]
    alike = "do not differ beyond noise" if found.verdict == "same" else "differ beyond noise"
    return f"{a} and {b} {alike}. Times of the second file: {'; '.join(said)}."


def _slower(ratio: Ratio) -> str:
    apart = max(ratio.ratio, 1 / ratio.ratio) - 1
    return f"{apart:.1%} {'slower' if ratio.ratio >= 1 else 'faster'}"


def ratio_table(found: Difference) -> Table:
    """Median ratios of times, second over first, by family and cache state."""
    columns = (
        Column("what", "family"),
        Column("cache", "cache"),
        Column("rows", "count", lambda n: f"{n:,}", right=True),
        Column("ratio", "second\nover first", lambda x: f"{x:.3f}", right=True),
        Column("low", "from", lambda x: f"{x:.3f}", right=True),
        Column("high", "to", lambda x: f"{x:.3f}", right=True),
        Column("differs", "beyond\nnoise", lambda x: "yes" if x else "no"),
        Column("apart", "beyond\nown noise", lambda n: f"{n:,}", right=True),
    )
    rows = [[getattr(ratio, column.key) for column in columns] for ratio in (*found.total, *found.families)]
    unlike = ["the two files do not measure the same thing; the ratios include that difference"]
    lone = [f"{plural(found.only_a, 'measurement')} only in the first file, {found.only_b:,} only in the second"]
    notes = (unlike if found.refusals else []) + (lone if found.only_a or found.only_b else [])
    return table("Ratios of times: second file over first", columns, rows, *notes)


def difference_tables(found: Difference) -> list[Table]:
    """Ratios, the measurements that differ most beyond noise, and the facts in which the environments differ."""
    tables = [ratio_table(found)] if found.total else []
    if found.worst:
        columns = (
            Column("row", "measurement", wrap=True),
            Column("cache", "cache"),
            Column("a_s", "first", seconds, right=True),
            Column("b_s", "second", seconds, right=True),
            Column("ratio", "ratio", lambda x: f"{x:.2f}", right=True),
            Column("noise", "joint noise", percent, right=True),
            Column("flags", "flags", ", ".join, wrap=True, spare=1),
        )
        rows = [[pair.to_dict()[column.key] for column in columns] for pair in found.worst]
        tables.append(table("Measurements that differ most beyond noise", columns, rows))
    facts = (
        Column("fact", "fact"),
        Column("a", "first", wrap=True),
        Column("b", "second", wrap=True),
        Column("why", "why it matters", wrap=True),
    )
    rows = [[fact.fact, fact.a, fact.b, fact.why] for fact in found.facts]
    note = () if rows else ("no recorded fact differs",)
    tables.append(table("Differences of the environments, most important first", facts, rows, *note))
    return tables
