"""When are the reference kernels timed during a campaign, and what is recorded?

Why they are timed, and what they say of the samples between them: :mod:`roofline.measurements.health`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from roofline.campaign.environment import attempt, others_s, steal_s, throttled
from roofline.campaign.timer_cpu import Burst
from roofline.core.measurement import SCHEMA, Measurement
from roofline.errors import DeviceLost, RooflineError
from roofline.measurements.health import HEALTH_FLAGS, REFERENCES, flags_between
from roofline.measurements.records import Record

PERIOD_S = 1.0
"""Seconds between visits. A visit takes some 20 ms: 2 % of a campaign."""
LEAST_WAIT = 20.0
"""Where a visit takes longer, as on a GPU, the next one waits this many times as long."""
RECENT = 120
"""Number of visits that describe the current state."""


def visit(bench: Callable[[Measurement], Burst], number: int, round_: int, threads: int) -> Record:
    """Time the reference kernels once, and record what the system reports."""
    seconds: dict[str, float] = {}
    facts: dict[str, Any] = {}
    flags: set[str] = set()
    wall = cpu = 0.0
    # the GEMM twice: a single late burst of 3 ms is no change of the clock
    for name in ("compute", "compute", "memory"):
        try:
            burst = bench(REFERENCES[name])
        except DeviceLost:
            raise
        except (RooflineError, RuntimeError):  # not on this device, or not in this precision
            continue
        # the clock shows in the fastest block, the memory in an ordinary one
        best = min(burst.seconds) if name == "compute" else burst.typical
        seconds[name] = min(seconds.get(name, best), float(f"{best:.6g}"))
        wall, cpu = wall + sum(burst.seconds), cpu + sum(burst.cpu_seconds)
        facts |= burst.facts
        flags |= {flag for flag in burst.flags if flag in HEALTH_FLAGS}
    return facts | {
        "record": "reference",
        "schema": SCHEMA,
        "visit": number,
        "round": round_,
        "threads": threads,
        "unix_s": round(time.time(), 3),
        "seconds": seconds,
        "share": round(min(cpu / wall, 1.0), 4) if wall else None,
        "steal_s": attempt(steal_s),
        "others_s": attempt(lambda: round(others_s(), 3)),
        "processors": os.cpu_count(),
        "load": attempt(lambda: round(os.getloadavg()[0], 2)),
        "throttled": throttled(),
        "flags": sorted(flags),
    }


@dataclass
class Watch:
    """Times the reference kernels during a campaign, and describes the state of the machine in a word.

    Parameters
    ----------
    visits : those of earlier runs of the same campaign first. ``write`` stores one.
    """

    bench: Callable[[Measurement], Burst]
    write: Callable[[Record], object]
    visits: list[Record]
    state: str = ""
    _next_s: float = field(default=0.0, repr=False)
    _wait_s: float = field(default=0.0, repr=False)

    def look(self, round_: int, threads: int, *, now: bool = False) -> int:
        """Time them if it is due, or ``now``; returns the number of the latest visit."""
        # a clock set back must not stop the visits
        if now or not 0 < self._next_s - time.monotonic() <= self._wait_s:
            if not self._next_s:  # the first calls of a process load libraries
                visit(self.bench, 0, round_, threads)
            begun = time.monotonic()
            record = visit(self.bench, len(self.visits), round_, threads)
            self._wait_s = max(PERIOD_S, LEAST_WAIT * (time.monotonic() - begun)) if PERIOD_S else 0.0
            self.write(record)
            self.visits.append(record)
            # the last two visits show the current state, compared with those of the last two minutes
            self.state = ", ".join((flags_between(self.visits[-RECENT:])[-2:] or [()])[0])
            self._next_s = time.monotonic() + self._wait_s
        return len(self.visits) - 1
