"""What do timers need of a CUDA device? Time stamps on its stream, a recorded graph, and what its driver tells.

:class:`TorchDevice` is the real one; tests drive the same timers with a simulated one. Nothing here changes
a setting of the card.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol

from roofline.campaign.nvml import Nvml
from roofline.campaign.run import import_torch
from roofline.errors import UsageError

_L2_IF_UNKNOWN = 128 << 20
_LEAST_FLUSH = 32 << 20
"""Bytes of the smallest flush: it must take longer than the host needs to hand it over."""


class Device(Protocol):
    """What the timers need; tests drive them with a simulated clock."""

    @property
    def place(self) -> str:
        """Where its tensors lie, as torch names it: ``cuda:0``."""

    @property
    def capability(self) -> tuple[int, int]:
        """What CUDA calls the architecture: ``(7, 5)``."""

    @property
    def flushed_bytes(self) -> int:
        """How much :meth:`flush` overwrites."""

    def title(self) -> str:
        """What the driver calls it, asked anew."""

    def stamp(self) -> Any:
        """Put a time stamp on the stream, behind all work queued so far."""

    def seconds_between(self, start: Any, stop: Any) -> float:
        """Seconds from one time stamp to the other; both have been reached."""

    def synchronize(self) -> None:
        """Wait until all queued work is done."""

    def flush(self) -> None:
        """Queue work that replaces what the L2 holds."""

    def capture(self, function: Callable[[], Any]) -> Callable[[], Any]:
        """Record what the function launches as a graph, without running it; a function that replays it.

        Raises whatever stands in the way: a call that waits for the device, one that is not allowed while recording.
        """

    def host_seconds(self) -> float:
        """A clock of the host."""

    def look(self) -> Mapping[str, Any]:
        """Clocks, power, temperature and what throttles the card at this moment; empty where nobody tells."""

    def is_out_of_memory(self, error: Exception) -> bool:
        """Whether that error says that the device's memory is full."""

    def is_alive(self) -> bool:
        """Whether it still does any work at all."""

    def release(self) -> None:
        """Give back memory that is cached and not in use."""


class TorchDevice:
    """The CUDA device that torch uses, on its current stream."""

    def __init__(self, index: int | None = None) -> None:
        self._torch = torch = import_torch()
        if not torch.cuda.is_available():
            raise UsageError("no CUDA device that this build of torch can use")
        self._index = torch.cuda.current_device() if index is None else index
        self.place = f"cuda:{self._index}"
        properties = torch.cuda.get_device_properties(self._index)
        self.capability = (int(properties.major), int(properties.minor))
        self.flushed_bytes = max(2 * (getattr(properties, "L2_cache_size", 0) or _L2_IF_UNKNOWN), _LEAST_FLUSH)
        self._nvml = Nvml(self._index, getattr(properties, "uuid", None))
        self._name = self._nvml.name() or str(properties.name)  # of a part of a card the two may differ
        self._buffer = torch.empty(self.flushed_bytes // 4, dtype=torch.int32, device=self.place)
        self._aside = torch.cuda.Stream(device=self._index)  # graphs are recorded on another stream than the default

    def title(self) -> str:
        return self._nvml.name() or self._name

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

    def capture(self, function: Callable[[], Any]) -> Callable[[], Any]:
        # not torch.cuda.graph: it collects garbage and empties the allocator's cache, 0.1 s for every row
        cuda = self._torch.cuda
        graph, here = cuda.CUDAGraph(), cuda.current_stream(self._index)
        self._aside.wait_stream(here)
        with cuda.stream(self._aside):
            function()  # libraries take their workspace of a stream at the first call
            self.synchronize()
            graph.capture_begin()
            try:
                kept = function()
            except BaseException:
                with suppress(Exception):  # says again that recording failed
                    graph.capture_end()
                raise
            graph.capture_end()
        here.wait_stream(self._aside)

        def replay() -> Any:
            graph.replay()
            return kept, function  # operands and results live as long as the graph that holds their addresses

        return replay

    def host_seconds(self) -> float:
        return time.perf_counter()

    def look(self) -> Mapping[str, Any]:
        return self._nvml.look()

    def is_out_of_memory(self, error: Exception) -> bool:
        return isinstance(error, self._torch.cuda.OutOfMemoryError)

    def is_alive(self) -> bool:
        try:
            self._torch.ones(8, device=self.place).add_(1)
            self.synchronize()
        except Exception as error:
            return self.is_out_of_memory(error)
        return True

    def release(self) -> None:
        self._torch.cuda.empty_cache()
