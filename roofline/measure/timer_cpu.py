"""How long does a call take on a CPU that is shared and noisy?

Torch's own timer gives medians that differ by three quarters between two runs on a shared virtual
machine. What repeats: short bursts in several rounds, each sample dropped if the kernel took the
thread off the processor while it ran, and the minimum of the rest. Cold samples first push the
caches full of other data.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

try:
    import resource

    _THREAD: int | None = resource.RUSAGE_THREAD
except (ImportError, AttributeError):  # not Linux: no sample can be told to be clean
    _THREAD = None


def _switches() -> int:
    """How often the kernel took this thread off its processor; 0 where it does not tell."""
    return 0 if _THREAD is None else resource.getrusage(_THREAD).ru_nivcsw


@dataclass(frozen=True)
class Burst:
    """Samples of one burst: seconds per call, thread CPU seconds per call, and whether undisturbed.

    facts : what else was seen while it ran, kept with the sample (a GPU's clocks and power).
    notes : flags that whoever took it sets.
    """

    seconds: tuple[float, ...]
    cpu_seconds: tuple[float, ...]
    clean: tuple[bool, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def typical(self) -> float:
        """Lower quartile of the clean samples, else the minimum thread CPU time.

        A network runs each operator once, so what it adds up are ordinary calls: sums of minima came
        out 6 % faster than networks run, sums of lower quartiles 4 % (six networks).
        """
        kept = sorted(self._kept())
        return kept[(len(kept) - 1) // 4] if kept else min(self.cpu_seconds)

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

    The last two results stay alive, so that an output lands in memory that was last touched a few
    tensors ago, as in a network, and not in the buffer the same call has just left in the cache.
    """
    clock, cpu = time.perf_counter, time.thread_time
    walls: list[float] = []
    cpus: list[float] = []
    clean: list[bool] = []
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
        walls.append(after - before)
        cpus.append(cpu_after - cpu_before)
        clean.append(_switches() == switches)
        held.append(result)
        del result
    return Burst(tuple(walls), tuple(cpus), tuple(clean))


def burst_warm(calls: Iterator[Callable[[], Any]], *, seconds: float = 0.012, block: float = 3e-4) -> Burst:
    """The same call in a loop, in blocks of about ``block`` seconds: everything in the caches."""
    clock, cpu = time.perf_counter, time.thread_time
    call = next(calls)
    before = clock()
    call()
    loops = max(1, int(block / max(clock() - before, 1e-7)))
    walls: list[float] = []
    cpus: list[float] = []
    clean: list[bool] = []
    end = clock() + seconds
    while len(walls) < 3 or clock() < end:
        switches = _switches()
        cpu_before = cpu()
        before = clock()
        for _ in range(loops):
            call()
        after = clock()
        cpu_after = cpu()
        walls.append((after - before) / loops)
        cpus.append((cpu_after - cpu_before) / loops)
        clean.append(_switches() == switches)
    return Burst(tuple(walls), tuple(cpus), tuple(clean))
