"""A CUDA device that exists only here: a clock of the host, a queue, an L2, and a driver that tells of clocks.

Work is queued by :meth:`Gpu.launch`: ``seconds`` of the device from warm caches (``cold`` times as many after a flush),
handed over by the host in ``dispatch_s``. What is recorded as a graph runs without the host between its kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


class FullError(Exception):
    """What it raises when its memory is full."""


class FellOffError(RuntimeError):
    """What everything raises once it fell off the bus."""


@dataclass
class Gpu:
    """``gap_s`` lies before a kernel that is handed over, half of it before one in a graph, three before a graph."""

    name: str = "NVIDIA H200"
    capability: tuple[int, int] = (9, 0)
    dispatch_s: float = 6e-6
    gap_s: float = 2e-6
    stamp_s: float = 5e-7
    flush_s: float = 4e-5
    flushed_bytes: int = 120 << 20
    place: str = "cpu"
    driver: Mapping[str, Any] = field(default_factory=lambda: {"sm_clock_mhz": 1980, "power_w": 400.0, "throttle": 0})
    host_s: float = 100.0
    busy_until_s: float = 100.0
    cold: bool = True
    lost: bool = False
    flushes: int = 0
    waits: int = 0
    released: int = 0
    launches: int = 0
    captures: int = 0
    _recording: list[tuple[float, float]] | None = None
    _waited: bool = True

    def launch(self, seconds: float, cold: float = 1.0) -> None:
        """One kernel."""
        if self.lost:
            raise FellOffError("CUDA error: unspecified launch failure\nsearch for cudaErrorLaunchFailure")
        if self._recording is not None:
            self._recording.append((seconds, cold))
            return
        self.launches += 1
        self.host_s += self.dispatch_s
        self.busy_until_s = max(self.busy_until_s, self.host_s)
        self._work(seconds, cold, self.gap_s)

    def _work(self, seconds: float, cold: float, gap_s: float) -> None:
        self.busy_until_s += gap_s + seconds * (cold if self.cold else 1.0)

    def stamp(self) -> float:
        self.busy_until_s = max(self.busy_until_s, self.host_s) + self.stamp_s
        self._waited = False
        return self.busy_until_s

    def seconds_between(self, start: float, stop: float) -> float:
        assert self._waited, "the time stamps may not have been reached yet"
        return stop - start

    def synchronize(self) -> None:
        if self.lost:
            raise FellOffError("CUDA error: device lost")
        if self._recording is not None:
            raise RuntimeError("CUDA error: operation not permitted when stream is capturing")
        self.host_s = max(self.host_s, self.busy_until_s)
        self.waits += 1
        self._waited = True

    def flush(self) -> None:
        self.flushes += 1
        self.busy_until_s = max(self.busy_until_s, self.host_s) + self.flush_s
        self.cold = True

    def capture(self, function: Callable[[], Any]) -> Callable[[], Any]:
        self.captures += 1
        self._recording = []
        try:
            function()
            kernels = self._recording
        finally:
            self._recording = None

        def replay() -> None:
            self.host_s += self.dispatch_s
            self.busy_until_s = max(self.busy_until_s, self.host_s) + 3 * self.gap_s
            for seconds, cold in kernels:
                self._work(seconds, cold, self.gap_s / 2)
            self.cold = False

        return replay

    def host_seconds(self) -> float:
        return self.host_s

    def look(self) -> Mapping[str, Any]:
        return self.driver

    def title(self) -> str:
        return self.name

    def is_out_of_memory(self, error: Exception) -> bool:
        return isinstance(error, FullError)

    def is_alive(self) -> bool:
        return not self.lost

    def release(self) -> None:
        self.released += 1


def after(gpu: Gpu) -> Callable[[Callable[[], Any], float, float], Callable[[], Any]]:
    """Makes of a real call one that also keeps the device busy: ``(call, seconds, cold)``."""

    def made(call: Callable[[], Any], seconds: float, cold: float = 1.0) -> Callable[[], Any]:
        def run() -> Any:
            result = call()
            gpu.launch(seconds, cold)
            if gpu._recording is None:
                gpu.cold = False
            return result

        return run

    return made
