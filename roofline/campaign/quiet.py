"""Is this machine quiet enough to measure on?"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from roofline.campaign.environment import attempt

SHARE, JITTER = 0.97, 0.1
"""Least share of its time that a busy thread must get, and how much longer than the quickest work may take."""


@dataclass(frozen=True)
class Quiet:
    """What one busy thread got: ``share`` of the wall time in which it really ran.

    jitter : how much longer the median of equal pieces of work took than the shortest tenth, as a share.
    load : of the last minute, None where the system does not tell.
    """

    share: float
    jitter: float
    load: float | None

    @property
    def good(self) -> bool:
        return self.share > SHARE and self.jitter < JITTER


def listen(seconds: float = 0.3) -> Quiet:
    """Keep one thread busy for a moment and see what the system leaves of it."""
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
