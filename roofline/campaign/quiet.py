"""Is this machine quiet enough to measure on?"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from roofline.campaign.environment import attempt

SHARE, JITTER = 0.97, 0.1
"""Least share of its time that a busy thread must get, and largest accepted jitter."""


@dataclass(frozen=True)
class Quiet:
    """Result for one busy thread: ``share`` of the wall time in which it really ran.

    Parameters
    ----------
    jitter : median time of equal pieces of work over that of the fastest tenth, minus 1.
    load : of the last minute, None where the system does not report it.
    """

    share: float
    jitter: float
    load: float | None

    @property
    def good(self) -> bool:
        return self.share > SHARE and self.jitter < JITTER


def listen(seconds: float = 0.3) -> Quiet:
    """Keep one thread busy for a moment and measure how much of the time it gets."""
    pieces: list[float] = []
    start, cpu = time.perf_counter(), time.thread_time()
    while (now := time.perf_counter()) - start < seconds:
        sum(range(20_000))
        pieces.append(time.perf_counter() - now)
    wall = time.perf_counter() - start
    pieces.sort()
    load = attempt(lambda: os.getloadavg()[0])
    share = min((time.thread_time() - cpu) / wall, 1.0)
    return Quiet(share, pieces[len(pieces) // 2] / pieces[len(pieces) // 10] - 1.0, load)
