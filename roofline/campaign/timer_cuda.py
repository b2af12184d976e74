"""How long does a call take on a CUDA device? Time stamps on the stream, nothing subtracted.

The device itself places a time stamp (a CUDA event) before and after the call; the difference is the device time, with
a resolution of about half a microsecond. Between them is

- graph: the call as a recorded CUDA graph. Its kernels follow each other without the host, so the interval contains the
  kernels and one launch of a graph, however slowly Python launches them.
- events: the call itself, eagerly. Used where a call cannot be recorded, which is reported.

Two cache states:

- flush: before every sample a buffer of twice the L2 is overwritten, outside the time stamps, so operands come from
  memory. This is repeated until the host has launched the call (with a very slow host, a sample may contain a wait).
  One call per sample.
- warm: without flush, the call is repeated between two time stamps until the interval is long relative to their
  resolution, and divided; one more call goes before them, as in a loop. Operands stay in L2 if they fit. Where the host
  is slower than the device, the interval is the host's.

The GPU's clocks, power and mode are never changed. Order and rounds are decided by the campaign.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from roofline.campaign.device_cuda import Device
from roofline.errors import DataError, Unsupported, UsageError

WARM_UP_S = 0.01
WARM_INTERVAL_S = 3e-4
FEWEST = 3
AHEAD, MOST_FLUSHES = 2.0, 64
"""The flushes before a sample take this many times as long as the host needs to launch the call; and their largest
number.
"""
_LARGEST_REPEATS = 100_000


class OutOfMemory(Unsupported):
    """The call does not fit into the device's memory: this measurement is skipped, the others continue."""


@dataclass(frozen=True)
class Timed:
    """Seconds per call in the order they were taken, and how: ``graph`` or ``events``, and ``why`` no graph."""

    seconds: tuple[float, ...]
    how: str
    why: str = ""


def time_cuda(
    function: Callable[[], Any],
    device: Device,
    *,
    samples: int = 10,
    within_s: float = math.inf,
    flush: bool = True,
    graph: bool = True,
    warm_up_s: float = WARM_UP_S,
    watch: Callable[[], object] = lambda: None,
) -> Timed:
    """Time a call.

    Parameters
    ----------
    function : launches its work on the current stream and does not wait for it.
    device : the device.
    samples : number of samples [1]; for a long call fewer, at least three.
    within_s : time for the samples of a long call [s].
    flush : overwrite the L2 before each sample; if False, repeat the call inside each sample.
    graph : record the call and time its replay; if False, or if it cannot be recorded, time the call itself.
    warm_up_s : run the call at least three times and this long first, untimed [s]: libraries load and choose their
        kernels, clocks rise.
    watch : called while the device works on a sample.

    Raises
    ------
    OutOfMemory : the call does not fit into the device's memory.
    DataError : the device's clock gave an impossible interval.
    """
    if samples < 1:
        raise UsageError(f"samples: expected at least 1, got {samples}")
    with_memory = _Guard(device)
    call_s = with_memory(lambda: _warm_up(function, device, warm_up_s))
    run, why = function, "not asked for"
    if graph:
        run, why = with_memory(lambda: _recorded(function, device))
    if not why and not flush:  # a replay may be shorter than the eager call
        call_s = min(call_s, with_memory(lambda: _interval(run, device, 1)))
    repeats = 1 if flush else min(_LARGEST_REPEATS, math.ceil(WARM_INTERVAL_S / max(call_s, 1e-9)))
    count = min(samples, max(FEWEST, int(within_s / max(call_s, 1e-9)))) if within_s < math.inf else samples
    before = with_memory(lambda: _flushes(run, device)) if flush else run
    taken = with_memory(lambda: _take(run, device, before, samples=count, repeats=repeats, watch=watch))
    return Timed(tuple(taken), "events" if why else "graph", why)


def _recorded(function: Callable[[], Any], device: Device) -> tuple[Callable[[], Any], str]:
    """A replay of the call after its first run, or the call itself and why it cannot be recorded."""
    try:
        replay = device.capture(function)
        replay()  # the first one uploads it
        device.synchronize()
    except Exception as error:
        if device.is_out_of_memory(error) or not device.is_alive():
            raise
        return function, first_line(error)
    return replay, ""


class _Guard:
    """Runs a step; full memory becomes :class:`OutOfMemory`."""

    def __init__(self, device: Device) -> None:
        self._device = device

    def __call__(self, step: Callable[[], Any]) -> Any:
        try:
            return step()
        except Exception as error:
            if not self._device.is_out_of_memory(error):
                raise
            reason = first_line(error)
        # raised outside the handler, so that no traceback keeps the operands of the call alive
        self._device.release()
        raise OutOfMemory(f"out of memory on the device: {reason}")


def first_line(error: BaseException) -> str:
    """The first line of an error, or its type where it has no message."""
    return (str(error).splitlines() or [type(error).__name__])[0] or type(error).__name__


def empty_interval(device: Device, *, samples: int = 20) -> float:
    """Median seconds between two time stamps with nothing between them: the excess of a sample."""
    stamps = [(device.stamp(), device.stamp()) for _ in range(samples)]
    device.synchronize()
    return sorted(device.seconds_between(start, stop) for start, stop in stamps)[samples // 2]


def _warm_up(function: Callable[[], Any], device: Device, seconds: float) -> float:
    """Run the call until ``seconds`` have passed on the device; returns seconds of a call in the last group."""
    spent, calls, group = 0.0, 0, 1
    while True:
        interval = _interval(function, device, group)
        spent, calls = spent + interval, calls + group
        if calls >= 3 and (spent >= seconds or calls >= _LARGEST_REPEATS):
            return interval / group
        # groups grow, so that a call of a microsecond does not take thousands of waits
        group = min(2 * group, _LARGEST_REPEATS)


def _interval(
    function: Callable[[], Any], device: Device, calls: int, watch: Callable[[], object] = lambda: None
) -> float:
    """Seconds of some calls together."""
    start = device.stamp()
    for _ in range(calls):
        function()
    stop = device.stamp()
    watch()
    device.synchronize()
    return _checked(device.seconds_between(start, stop))


def _flushes(function: Callable[[], Any], device: Device) -> Callable[[], object]:
    """Queues enough flushes that the host has launched the call before the device has finished them."""
    device.synchronize()
    begin = device.host_seconds()
    function()
    handed = device.host_seconds() - begin
    device.synchronize()
    flush_s = _interval(device.flush, device, 4) / 4
    count = min(MOST_FLUSHES, max(1, math.ceil(AHEAD * handed / flush_s)))

    def queue() -> None:
        for _ in range(count):
            device.flush()

    return queue


def _take(
    function: Callable[[], Any],
    device: Device,
    before: Callable[[], object],
    *,
    samples: int,
    repeats: int,
    watch: Callable[[], object],
) -> list[float]:
    taken = []
    for _ in range(samples):
        before()
        # wait for each sample: the launch queue is bounded, and the next sample stays separate
        taken.append(_interval(function, device, repeats, watch) / repeats)
    return taken


def _checked(seconds: float) -> float:
    if not math.isfinite(seconds) or seconds <= 0:
        raise DataError(f"the clock of the device gave an interval of {seconds} s; measure again")
    return seconds
