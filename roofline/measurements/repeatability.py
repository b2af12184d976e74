"""How well does a measurement repeat? A tenth of a campaign is measured again at its end, and compared.

Repeated measurements are separate records and change no measurement. They show the real uncertainty: two values of one
call, taken by the same rule some minutes apart.
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
    """By cache state and threads: how many measurements were repeated, and how large the differences are.

    ``median`` and ``p90`` are of ``|log(again / first)|``; ``shift`` is the median of ``log(again / first)``, the
    slowdown of the machine. As in a measurement, the best of all rounds counts.
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
    """The repeatability of a campaign as a record."""
    return {"record": "repeatability", "schema": SCHEMA, "groups": [dict(group) for group in groups]}
