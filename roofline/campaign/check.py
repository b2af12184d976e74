"""Can this machine be measured now, with so many threads, and if not, why?

It does for about twenty seconds what a campaign does, on a few kernels: how much of its time a busy thread gets, how
the reference kernels vary, who else is active, and whether the kernels repeat.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from roofline.campaign.allocator import pin_allocator
from roofline.campaign.bench import bench_of
from roofline.campaign.environment import attempt, capture
from roofline.campaign.quiet import JITTER, SHARE, listen
from roofline.campaign.run import import_torch
from roofline.campaign.timer_cpu import Burst
from roofline.campaign.watch import visit
from roofline.core.measurement import Measurement
from roofline.measurements.health import OTHERS, STOLEN, health_of
from roofline.units import plural

SECONDS = 18.0
CLOCK, MEMORY = 0.05, 0.30
"""Largest accepted difference between the 10th and 90th percentile of the compute and of the memory kernel. On a quiet
shared machine it was 2 to 3 % and 15 to 20 %.
"""
REPEATS, REPEATS_P90 = 0.03, 0.10
"""Largest accepted difference of the kernels between one four rounds and the next, median and 90th percentile. On that
machine it was 1 and 4 %; two threads on two processors that others also used differed by 22 %.
"""
ROUNDS = 4
"""Rounds of which a campaign takes the best."""
LAZY = ("powersave", "ondemand", "conservative")


def _row(op: str, *inputs: tuple[int, ...], **attributes: Any) -> Measurement:
    return Measurement("operator", "", "fp32", 0.0, op=op, inputs=inputs, attributes=attributes, cache="cold")


KERNELS = (
    _row("linear", (64, 512), out=512),
    _row("linear", (1, 768), out=3072),
    _row("conv2d", (1, 64, 28, 28), out=64, kernel=3, padding=1),
    _row("conv2d", (1, 128, 28, 28), out=128, kernel=3, padding=1, groups=128),
    _row("relu", (512, 1024)),
    _row("add", (256, 1024), (256, 1024)),
    _row("softmax", (256, 512)),
    _row("layer_norm", (512, 768)),
)


@dataclass(frozen=True)
class Finding:
    """One checked property: its value, its limit, whether it passes, and a sentence.

    Parameters
    ----------
    good : None where the system does not report it; that does not fail the check.
    """

    what: str
    value: float | str | None
    limit: float | None
    good: bool | None
    says: str


@dataclass(frozen=True)
class Check:
    """Whether a machine can be measured with so many ``threads``, from a test of ``seconds``."""

    threads: int
    seconds: float
    findings: tuple[Finding, ...]

    @property
    def good(self) -> bool:
        return all(finding.good is not False for finding in self.findings)

    @property
    def reasons(self) -> tuple[str, ...]:
        """The reasons against measuring now."""
        return tuple(finding.says for finding in self.findings if finding.good is False)

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema_version": 1,
            "good": self.good,
            "threads": self.threads,
            "seconds": self.seconds,
            "findings": [dict(vars(finding)) for finding in self.findings],
        }


def check(
    device: str = "cpu",
    *,
    threads: int = 1,
    seconds: float = SECONDS,
    progress: Callable[[int, int, str], None] | None = None,
) -> Check:
    """Test this machine for ``seconds``.

    Raises
    ------
    MissingExtra : torch is not installed.
    """
    torch = import_torch()
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    if device == "cpu":
        pin_allocator()
    shares: list[float] = []
    jitters: list[float] = []
    visits: list[dict[str, Any]] = []
    times: list[list[float]] = []
    load = attempt(lambda: os.getloadavg()[0])
    try:
        with torch.inference_mode():
            bench = bench_of(device, "fp32")
            _round(bench)  # warm-up: libraries load, the clock rises
            start = time.monotonic()
            while len(times) < 2 * ROUNDS or time.monotonic() - start < seconds:
                if progress:
                    progress(min(int(time.monotonic() - start), int(seconds)), int(seconds) + 1, "checking")
                heard = listen()
                shares.append(heard.share if threads == 1 else parallel_share(threads))
                jitters.append(heard.jitter)
                visits.append(visit(bench, len(visits), len(times), threads))
                times.append(_round(bench))
            passed = time.monotonic() - start
    finally:
        torch.set_num_threads(before)
    return Check(threads, round(passed, 1), findings(threads, shares, jitters, visits, times, load, capture(device)))


def _round(bench: Callable[[Measurement], Burst]) -> list[float]:
    return [bench(row).typical for row in KERNELS]


def parallel_share(threads: int, seconds: float = 0.3) -> float:
    """Share of the wall time in which all threads of a matrix multiplication in torch really ran."""
    torch = import_torch()
    x = torch.ones(512, 512)
    start, before = time.perf_counter(), time.process_time()
    while time.perf_counter() - start < seconds:
        x @ x
    wall = time.perf_counter() - start
    return min((time.process_time() - before) / (wall * threads), 1.0)


def findings(
    threads: int,
    shares: Sequence[float],
    jitters: Sequence[float],
    visits: Sequence[dict[str, Any]],
    times: Sequence[Sequence[float]],
    load: float | None,
    facts: dict[str, Any],
) -> tuple[Finding, ...]:
    """Judge the results. ``times`` : of each kernel in each round [s]; ``facts`` : of the environment."""
    health, cpu = health_of(visits), facts.get("cpu") or {}
    there = len(cpu.get("affinity") or ()) or cpu.get("processors") or 1
    share, jitter = float(np.median(shares)), float(np.median(jitters))
    spread = {name: (1 + high) / (1 + low) - 1 for name, (low, high) in health.spread.items()}
    off = repeats(times)
    worker = "a busy thread" if threads == 1 else f"{threads} busy threads"
    found = [
        Finding("processors", there, threads, there >= threads, f"this process may use {plural(there, 'processor')}"),
        _least("share", share, SHARE, f"{worker} got {share:.1%} of the processor time"),
        _most("jitter", jitter, JITTER, f"jitter: equal work takes {jitter:.1%} longer than the fastest run"),
    ]
    for name, limit, means in (("compute", CLOCK, "the clock"), ("memory", MEMORY, "the bandwidth")):
        apart = spread.get(name)
        found.append(_most(means.removeprefix("the "), apart, limit, f"{means} varies by {_share(apart)}"))
    others = None if health.others is None else max(health.others, 0.0) / (cpu.get("processors") or there)
    found += [
        _most("others", others, OTHERS, f"other processes use {_share(others)} of all processors"),
        _most("steal", health.stolen, STOLEN, f"the host takes {_share(health.stolen)} of a processor"),
        Finding("load", load, None, None if load is None else True, f"load was {_number(load)} in the last minute"),
        _governor(cpu, spread.get("compute")),
        _most("repeats", off[0], REPEATS, f"median change of repeated kernels {off[0]:.1%}"),
        _most("repeats, 90th percentile", off[1], REPEATS_P90, f"90th percentile of it {off[1]:.1%}"),
    ]
    return tuple(found)


def repeats(times: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Difference of the best of four rounds from the best of the next four, |log|: median and 90th percentile."""
    rounds = np.asarray(times, dtype=np.float64)
    groups = [rounds[at : at + ROUNDS].min(axis=0) for at in range(0, len(rounds) - ROUNDS + 1, ROUNDS)]
    apart = np.abs(np.diff(np.log(groups), axis=0))
    return float(np.median(apart)), float(np.quantile(apart, 0.9))


def _governor(cpu: dict[str, Any], clock: float | None) -> Finding:
    name = cpu.get("governor")
    if name is None:
        return Finding("governor", None, None, None, "the system reports no clock governor")
    lazy = name in LAZY and clock is not None and clock > CLOCK
    return Finding("governor", name, None, not lazy, f"governor {name}" + (", and the clock varies" if lazy else ""))


def _most(what: str, value: float | None, limit: float, says: str) -> Finding:
    return Finding(what, value, limit, None if value is None else value <= limit, f"{says} (at most {limit:.0%})")


def _least(what: str, value: float, limit: float, says: str) -> Finding:
    return Finding(what, value, limit, value >= limit, f"{says} (at least {limit:.0%})")


def _share(value: float | None) -> str:
    return "an unknown share" if value is None else f"{value:.1%}"


def _number(value: float | None) -> str:
    return "not known" if value is None else f"{value:.2f}"
