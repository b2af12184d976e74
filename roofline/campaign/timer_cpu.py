"""How long does a call take on a CPU that is shared and noisy?

The medians of torch's own timer differ by up to 75 % between two runs on a shared virtual machine. Short bursts in
several rounds repeat better: each sample during which the operating system took the thread off the processor is
dropped. Cold samples first fill the caches with other data.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from roofline.errors import DataError

try:
    import resource
except ImportError:  # not a Unix: disturbed samples cannot be detected
    resource = None  # type: ignore[assignment]

BACKWARDS = "clock went backwards"
PATIENCE = 100
"""Samples of one burst that the clock may spoil before the measurement is given up."""


def _switches() -> int:
    """How often the operating system took a thread of this process off its processor; 0 where it does not report it.

    All threads count, because a call on two threads is as late as the later of them.
    """
    return 0 if resource is None else resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


@dataclass(frozen=True)
class Burst:
    """Samples of one burst: seconds per call, thread CPU seconds per call, and whether undisturbed.

    Parameters
    ----------
    facts : other observations during the burst, stored with the sample (a GPU's clocks and power).
    notes : flags from the timer.
    output : one result of the call, checked once.
    """

    seconds: tuple[float, ...]
    cpu_seconds: tuple[float, ...]
    clean: tuple[bool, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    output: Any = field(default=None, repr=False, compare=False)

    @property
    def typical(self) -> float:
        """Lower quartile of the clean samples, else the minimum thread CPU time [s].

        A network runs each operator once, so ordinary calls add up: over six networks, sums of minima were 6 % below
        the measured time of the network, sums of lower quartiles 4 %.
        """
        kept = sorted(self._kept())
        if kept:
            return kept[(len(kept) - 1) // 4]
        # a coarse thread clock cannot time a short call
        return min((one for one in self.cpu_seconds if one > 0), default=min(self.seconds))

    def _kept(self) -> list[float]:
        return [s for s, ok in zip(self.seconds, self.clean, strict=True) if ok]

    @property
    def flags(self) -> tuple[str, ...]:
        """What may be wrong with it: ``contended`` where no sample was undisturbed."""
        return self.notes if any(self.clean) else (*self.notes, "contended")


def burst_cold(
    calls: Iterator[Callable[[], Any]],
    flush: Callable[[], Any],
    *,
    seconds: float = 0.012,
    at_least: int = 3,
    warm_up: int = 0,
) -> Burst:
    """One call at a time, each after ``flush``; the flush is not timed.

    The last two results stay alive, so that an output gets memory that was last used a few tensors ago, as in a
    network, and not the buffer that the same call has just left in the cache.
    """
    clock, cpu = time.perf_counter, time.thread_time
    walls: list[float] = []
    cpus: list[float] = []
    clean: list[bool] = []
    spoiled = 0
    for _ in range(warm_up):
        next(calls)()
    held: deque[Any] = deque(maxlen=2)
    end = clock() + seconds
    while len(walls) < at_least or clock() < end:
        call = next(calls)
        flush()
        switches = _switches()
        cpu_before = cpu()
        before = clock()
        result = call()
        after = clock()
        cpu_after = cpu()
        if after <= before or cpu_after < cpu_before:
            spoiled = _spoiled(spoiled)
            end = min(end, clock() + seconds)  # a clock set back by an hour would delay the end by an hour
            continue
        walls.append(after - before)
        cpus.append(cpu_after - cpu_before)
        clean.append(_switches() == switches)
        held.append(result)
        del result
    notes = (BACKWARDS,) if spoiled else ()
    return Burst(tuple(walls), tuple(cpus), tuple(clean), notes=notes, output=held[-1])


def burst_warm(calls: Iterator[Callable[[], Any]], *, seconds: float = 0.012, block: float = 3e-4) -> Burst:
    """The same call in a loop, in blocks of about ``block`` seconds: everything is in the caches."""
    clock, cpu = time.perf_counter, time.thread_time
    call = next(calls)
    spoiled = 0
    while True:
        before = clock()
        call()
        if (once := clock() - before) > 0:
            break
        spoiled = _spoiled(spoiled)
    loops = max(1, int(block / max(once, 1e-7)))
    walls: list[float] = []
    cpus: list[float] = []
    clean: list[bool] = []
    end = clock() + seconds
    while len(walls) < 2 or clock() < end:
        switches = _switches()
        cpu_before = cpu()
        before = clock()
        for _ in range(loops):
            call()
        after = clock()
        cpu_after = cpu()
        if after <= before or cpu_after < cpu_before:
            spoiled = _spoiled(spoiled)
            end = min(end, clock() + seconds)
            continue
        walls.append((after - before) / loops)
        cpus.append((cpu_after - cpu_before) / loops)
        clean.append(_switches() == switches)
    notes = (BACKWARDS,) if spoiled else ()
    return Burst(tuple(walls), tuple(cpus), tuple(clean), notes=notes, output=call())


def _spoiled(count: int) -> int:
    """One more sample that was dropped because a clock did not go forward.

    Raises
    ------
    DataError : there were too many.
    """
    if count >= PATIENCE:
        raise DataError(f"the system clock did not advance in {PATIENCE} samples; nothing can be timed here")
    return count + 1
