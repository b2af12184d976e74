"""How well does a row repeat? A tenth of a campaign is measured once more at its end, and held against the rows.

What was measured again is kept as records of its own and changes no row. It is the honest width of a row: two
values of one call, taken by the same rule some minutes apart.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from roofline.core.measurement import SCHEMA, Measurement

SHARE = 0.1


def chosen(rows: Sequence[Measurement], seed: int) -> list[Measurement]:
    """A tenth of the operators of each cache state, at least one of each; equal seeds choose the same."""
    picked: list[Measurement] = []
    for cache in dict.fromkeys(row.cache for row in rows):
        own = [row for row in rows if row.kind == "operator" and row.cache == cache]
        count = min(len(own), max(1, round(SHARE * len(own))))
        picked += random.Random(f"{seed}/again/{cache}").sample(own, count)
    return picked


def repeatability(
    rows: Iterable[Measurement], repeats: Mapping[tuple[str, int], Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """By cache state and threads: how many rows were measured again, and how far off that came out.

    ``median`` and ``p90`` are of |log(again / row)|, ``shift`` is the median of log(again / row): how much slower the
    machine was throughout. As in a row, the best of all rounds counts.
    """
    again: dict[str, float] = {}
    for (key, _), record in repeats.items():
        again[key] = min(again.get(key, float("inf")), float(record["seconds"]))
    groups: dict[tuple[str, int], list[float]] = {}
    for row in rows:
        if row.key in again:
            groups.setdefault((row.cache, row.stack.threads), []).append(float(np.log(again[row.key] / row.seconds)))
    return [
        {
            "cache": cache,
            "threads": threads,
            "rows": len(apart),
            "median": float(np.median(np.abs(apart))),
            "p90": float(np.quantile(np.abs(apart), 0.9)),
            "shift": float(np.median(apart)),
        }
        for (cache, threads), apart in sorted(groups.items())
    ]


def record_of(groups: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The judgement of a whole campaign, ready to be stored."""
    return {"record": "repeatability", "schema": SCHEMA, "groups": [dict(group) for group in groups]}
