"""How long does a call take on a CUDA device? Time stamps on the stream, nothing subtracted.

A time stamp (a CUDA event) is placed before and after the call by the device itself; the difference
is what the device needed, with a resolution of about half a microsecond. Two ways:

flush : before every sample a buffer of twice the L2 is overwritten, outside the time stamps, so that
    operands come from memory. One call per sample. The host runs ahead while the flush is busy; a
    call of many short kernels may still wait for the host between them, and that is in the sample.
warm : without flush, the call is repeated between two time stamps until the interval is long beside
    their resolution, and divided. Operands stay in L2 if they fit; time the host needs to launch
    shows where the kernels are shorter.

The interval of two time stamps with nothing in between is not zero: :func:`empty_interval` measures
it, so that it can be recorded beside the samples. The card's clocks, power and mode are never touched.
Order and rounds are the campaign's business.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

from roofline.errors import DataError, Unsupported, UsageError
from roofline.measure.run import import_torch

WARM_UP_S = 0.02
WARM_INTERVAL_S = 3e-4
_LARGEST_REPEATS = 100_000
_L2_IF_UNKNOWN = 128 << 20


class OutOfMemory(Unsupported):
    """The call does not fit into the device's memory: this row is skipped, the others go on."""


class Device(Protocol):
    """What the timer needs of a device; tests drive it with a simulated clock."""

    def stamp(self) -> Any:
        """Put a time stamp on the stream, behind all work queued so far."""

    def seconds_between(self, start: Any, stop: Any) -> float:
        """Seconds from one time stamp to the other; both have been reached."""

    def synchronize(self) -> None:
        """Wait until all queued work is done."""

    def flush(self) -> None:
        """Queue work that replaces what the L2 holds."""

    def is_out_of_memory(self, error: Exception) -> bool:
        """Whether that error says that the device's memory is full."""

    def release(self) -> None:
        """Give back memory that is cached and not in use."""


class TorchDevice:
    """The CUDA device that torch uses, on its current stream."""

    def __init__(self, index: int | None = None) -> None:
        self._torch = import_torch()
        cuda = self._torch.cuda
        if not cuda.is_available():
            raise UsageError("no CUDA device that this build of torch can use")
        self._index = cuda.current_device() if index is None else index
        l2_bytes = getattr(cuda.get_device_properties(self._index), "L2_cache_size", 0) or _L2_IF_UNKNOWN
        self.flushed_bytes = 2 * l2_bytes
        self._buffer = self._torch.empty(self.flushed_bytes // 4, dtype=self._torch.int32, device=f"cuda:{self._index}")

    def stamp(self) -> Any:
        event = self._torch.cuda.Event(enable_timing=True)
        event.record(self._torch.cuda.current_stream(self._index))
        return event

    def seconds_between(self, start: Any, stop: Any) -> float:
        return float(start.elapsed_time(stop)) / 1e3

    def synchronize(self) -> None:
        self._torch.cuda.synchronize(self._index)

    def flush(self) -> None:
        self._buffer.zero_()

    def is_out_of_memory(self, error: Exception) -> bool:
        return isinstance(error, self._torch.cuda.OutOfMemoryError)

    def release(self) -> None:
        self._torch.cuda.empty_cache()


def time_cuda(
    function: Callable[[], Any],
    *,
    samples: int = 20,
    flush: bool = True,
    warm_up_s: float = WARM_UP_S,
    device: Device | None = None,
) -> list[float]:
    """Seconds per call, one value per sample, in the order they were taken.

    Parameters
    ----------
    function : launches its work on the current stream and does not wait for it.
    samples : how many values to take.
    flush : overwrite the L2 before each sample; without, repeat the call inside each sample.
    warm_up_s : run the call at least three times and this long [s] first, unmeasured: libraries load
        and choose their kernels, clocks rise.
    device : what to measure on; the current CUDA device unless given.

    Raises
    ------
    OutOfMemory : the call does not fit into the device's memory.
    DataError : the device's clock gave an impossible interval.
    """
    if samples < 1:
        raise UsageError(f"samples: expected at least 1, got {samples}")
    device = TorchDevice() if device is None else device
    try:
        call_s = _warm_up(function, device, warm_up_s)
        repeats = 1 if flush else _repeats(call_s)
        return _take(function, device, samples=samples, repeats=repeats, flush=flush)
    except Exception as error:
        if not device.is_out_of_memory(error):
            raise
        reason = (str(error).splitlines() or ["no details"])[0]
    # raised out here, so that no trace hangs on it that would keep the operands of the call alive
    device.release()
    raise OutOfMemory(f"out of memory on the device: {reason}")


def empty_interval(device: Device | None = None, *, samples: int = 20) -> float:
    """Median seconds between two time stamps with nothing between them: what a sample contains too much."""
    device = TorchDevice() if device is None else device
    stamps = [(device.stamp(), device.stamp()) for _ in range(samples)]
    device.synchronize()
    return sorted(device.seconds_between(start, stop) for start, stop in stamps)[samples // 2]


def _warm_up(function: Callable[[], Any], device: Device, seconds: float) -> float:
    """Run the call until ``seconds`` have passed on the device; seconds of a call in the last group."""
    spent, calls, group = 0.0, 0, 1
    while True:
        start = device.stamp()
        for _ in range(group):
            function()
        stop = device.stamp()
        device.synchronize()
        interval = _checked(device.seconds_between(start, stop))
        spent, calls = spent + interval, calls + group
        if calls >= 3 and (spent >= seconds or calls >= _LARGEST_REPEATS):
            return interval / group
        # groups grow, so that a call of a microsecond does not take thousands of waits
        group = min(2 * group, _LARGEST_REPEATS)


def _repeats(call_s: float) -> int:
    return min(_LARGEST_REPEATS, math.ceil(WARM_INTERVAL_S / max(call_s, 1e-9)))


def _take(function: Callable[[], Any], device: Device, *, samples: int, repeats: int, flush: bool) -> list[float]:
    stamps = []
    for _ in range(samples):
        if flush:
            device.flush()
        start = device.stamp()
        for _ in range(repeats):
            function()
        stamps.append((start, device.stamp()))
        # the queue of launches is bounded; waiting after each sample also keeps the next one apart
        device.synchronize()
    return [_checked(device.seconds_between(start, stop)) / repeats for start, stop in stamps]


def _checked(seconds: float) -> float:
    if not math.isfinite(seconds) or seconds <= 0:
        raise DataError(f"the clock of the device gave an interval of {seconds} s; measure again")
    return seconds
