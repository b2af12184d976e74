"""Did the machine stay the same during a measurement? Two reference kernels, timed again and again, show it.

About once a second a campaign times the same two calls: a matrix multiplication in the innermost caches, which only the
clock can change, and a sum over more data than any cache holds, which shows the memory and its other users. They only
flag the samples around them: dividing by them made results worse, because they have noise of their own.
:mod:`roofline.campaign.watch` times them; this module judges them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roofline.core.measurement import Measurement

REFERENCES: Mapping[str, Measurement] = {
    "compute": Measurement("operator", "", "fp32", 0.0, op="matmul", inputs=((192, 192), (192, 192)), cache="warm"),
    "memory": Measurement("operator", "", "fp32", 0.0, op="sum", inputs=((16, 1 << 20),), cache="cold"),
}
"""The reference calls: 0.4 MB and 64 MB in fp32."""
CLOCK, DRIFT = 0.05, 0.15
"""Largest accepted change of the compute kernel, and largest slow change of either kernel. On a quiet shared machine
the 90th percentile of the visits is 1.5 % (compute), 11 % (memory) and 10 % (medians of nine memory visits). Another
process on the second thread of a core makes the compute kernel 12 to 25 % slower.
"""
STOLEN, SHARE, OTHERS = 0.02, 0.95, 0.1
"""Largest share of a processor that the host of a virtual machine may take, least share of time that a thread must get,
and largest share of all processors that other processes may use.
"""
TICKS_S = 0.03
"""The system counts time in hundredths of a second; less than three of them count as nothing."""
SMOOTH = 9
"""Visits in the running median that separates a slow change from a single late visit."""
ENOUGH = 5
"""With fewer visits there is no level to compare with."""
HEALTH_FLAGS = ("throttled", "contended", "unstable clock", "drift")
"""Flags of a sample from the visits around it, the worst first."""

Floats = NDArray[np.float64]


def flags_between(visits: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Flags of the samples taken after each visit and before the next one.

    A level is ``log(seconds / median of all visits with as many threads)``. A sample is *contended* where the host took
    time from this guest, other processes were active, or a visit next to it did not get its thread's time; *unstable
    clock* where the compute kernel was off its level; *drift* where the running median of either kernel is; *throttled*
    where the processor, or the driver of a GPU, reports it.
    """
    threads = _column(visits, "threads")
    levels = {name: _levels(visits, name) for name in REFERENCES}
    slow = [np.abs(_smooth(level, threads)) > DRIFT for level in levels.values()]
    held = np.diff(_column(visits, "throttled"), append=np.nan) > 0
    contended = _beside(_column(visits, "share") < SHARE)
    contended |= taken(visits, "steal_s") > STOLEN
    contended |= taken(visits, "others_s") > OTHERS * _column(visits, "processors")
    of: dict[str, NDArray[np.bool_]] = {
        "throttled": held | _beside(np.array(["throttled" in (one.get("flags") or ()) for one in visits], dtype=bool)),
        "contended": contended,
        # a thread that waited shows nothing about its clock
        "unstable clock": _beside(np.abs(levels["compute"]) > CLOCK) & ~contended,
        "drift": _beside(np.any(slow, axis=0)),
    }
    return [tuple(flag for flag in HEALTH_FLAGS if of[flag][index]) for index in range(len(visits))]


def _beside(seen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether it was seen at a visit or at the next."""
    return np.asarray(seen | np.append(seen[1:], False))


def taken(visits: Sequence[Mapping[str, Any]], by: str) -> Floats:
    """Processors taken on average between each visit and the next [1]: ``increase of the counter / elapsed seconds``.

    ``by`` is ``steal_s`` (the host) or ``others_s`` (other processes). NaN where the system does not report it.
    """
    seconds, when = _column(visits, by), _column(visits, "unix_s")
    share = np.full(len(visits), np.nan)
    if len(visits) > 1:
        passed, used = np.diff(when), np.diff(seconds)
        used[(used >= 0) & (used < TICKS_S)] = 0.0
        # the counters restart at a boot; a wall clock may be set back
        fine = (passed > 0) & (used >= 0)
        share[:-1] = np.where(fine, used / np.where(fine, passed, 1.0), np.nan)
    return share


def _column(visits: Sequence[Mapping[str, Any]], name: str) -> Floats:
    return np.array([np.nan if one.get(name) is None else float(one[name]) for one in visits], dtype=np.float64)


def _levels(visits: Sequence[Mapping[str, Any]], name: str) -> Floats:
    """log(seconds / median), for each number of threads separately; NaN where a kernel was not timed."""
    seconds = np.array([float((one.get("seconds") or {}).get(name) or np.nan) for one in visits], dtype=np.float64)
    threads, levels = _column(visits, "threads"), np.full(len(visits), np.nan)
    for count in np.unique(threads):
        own = (threads == count) & ~np.isnan(seconds)
        if own.sum() >= ENOUGH:
            levels[own] = np.log(seconds[own] / np.median(seconds[own]))
    return levels


def _smooth(levels: Floats, threads: Floats) -> Floats:
    """The running median of the levels, for each number of threads separately."""
    smooth = np.full(len(levels), np.nan)
    for count in np.unique(threads):
        own = np.flatnonzero((threads == count) & ~np.isnan(levels))
        if len(own) < SMOOTH:
            continue
        windows = np.lib.stride_tricks.sliding_window_view(levels[own], SMOOTH)
        middle = np.median(windows, axis=1)
        edge = SMOOTH // 2
        smooth[own] = np.concatenate([np.full(edge, middle[0]), middle, np.full(edge, middle[-1])])
    return smooth


@dataclass(frozen=True)
class Health:
    """Summary of the visits to the reference kernels in a whole campaign.

    Parameters
    ----------
    visits : number of visits.
    seconds : median of each kernel [s].
    spread : of each kernel, the 10th and 90th percentile of its level [1].
    drift : of each kernel, the level of the last fifth of the visits minus that of the first fifth [1].
    stolen, others : processors that the host and other processes took, on average [1]; None where it is unknown.
    share : of its time that a thread got, 10th percentile [1]; None where it is unknown.
    flagged : number of intervals between visits with each flag.
    """

    visits: int
    seconds: Mapping[str, float]
    spread: Mapping[str, tuple[float, float]]
    drift: Mapping[str, float]
    stolen: float | None
    others: float | None
    share: float | None
    flagged: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        return {**vars(self), "spread": {name: list(ends) for name, ends in self.spread.items()}}


def health_of(visits: Sequence[Mapping[str, Any]]) -> Health:
    """Summary of the visits of a campaign."""
    seconds: dict[str, float] = {}
    spread: dict[str, tuple[float, float]] = {}
    drift: dict[str, float] = {}
    for name in REFERENCES:
        levels = _levels(visits, name)
        known = levels[~np.isnan(levels)]
        if not len(known):
            continue
        fifth = max(len(known) // 5, 1)
        low, high = np.quantile(known, (0.1, 0.9))
        seconds[name] = float(np.median([one["seconds"][name] for one in visits if name in one["seconds"]]))
        spread[name] = (float(np.expm1(low)), float(np.expm1(high)))
        drift[name] = float(np.expm1(np.median(known[-fifth:]) - np.median(known[:fifth])))
    flags = [flag for said in flags_between(visits) for flag in said]
    return Health(
        len(visits),
        seconds,
        spread,
        drift,
        _known(taken(visits, "steal_s"), np.mean),
        _known(taken(visits, "others_s"), np.mean),
        _known(_column(visits, "share"), lambda share: np.quantile(share, 0.1)),
        {flag: flags.count(flag) for flag in HEALTH_FLAGS if flag in flags},
    )


def _known(values: Floats, judge: Callable[[Floats], Any]) -> float | None:
    known = values[~np.isnan(values)]
    return float(judge(known)) if len(known) else None


def worst_first(flags: Iterable[str]) -> tuple[str, ...]:
    """Flags without repetition: those of :data:`HEALTH_FLAGS` in their order, then the others by name."""
    said = set(flags)
    return (*(flag for flag in HEALTH_FLAGS if flag in said), *sorted(said - set(HEALTH_FLAGS)))
