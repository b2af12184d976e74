"""What do the timers need from a CUDA device? Time stamps on its stream, a recorded graph, and the reports of its
driver.

:class:`TorchDevice` is the real one; tests use the same timers with a simulated one. Nothing here changes a setting of
the GPU.
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
"""Bytes of the smallest flush: it must take longer than the host needs to launch it."""


class Device(Protocol):
    """The interface of the timers; tests implement it with a simulated clock."""

    @property
    def place(self) -> str:
        """Torch's name of the device: ``cuda:0``."""

    @property
    def capability(self) -> tuple[int, int]:
        """CUDA's number of the architecture: ``(7, 5)``."""

    @property
    def flushed_bytes(self) -> int:
        """Bytes that :meth:`flush` overwrites."""

    def title(self) -> str:
        """The driver's name, queried each time."""

    def stamp(self) -> Any:
        """Put a time stamp on the stream, after all work queued so far."""

    def seconds_between(self, start: Any, stop: Any) -> float:
        """Seconds from one time stamp to the other; both have been reached."""

    def synchronize(self) -> None:
        """Wait until all queued work is done."""

    def flush(self) -> None:
        """Queue work that replaces the contents of the L2."""

    def capture(self, function: Callable[[], Any]) -> Callable[[], Any]:
        """Record what the function launches as a graph, without running it; returns a function that replays it.

        Raises any error of the recording: a call that waits for the device, or one that is not allowed in a graph.
        """

    def host_seconds(self) -> float:
        """A clock of the host."""

    def look(self) -> Mapping[str, Any]:
        """Clocks, power, temperature and throttling of the GPU at this moment; empty where they are not available."""

    def is_out_of_memory(self, error: Exception) -> bool:
        """Whether an error means that the device's memory is full."""

    def is_alive(self) -> bool:
        """Whether the device still executes work."""

    def release(self) -> None:
        """Release memory that is cached and not in use."""


class TorchDevice:
    """The CUDA device that torch uses, on its current stream."""

    def __init__(self, index: int | None = None) -> None:
        self._torch = torch = import_torch()
        if not torch.cuda.is_available():
            raise UsageError("no CUDA device that this build of PyTorch can use; check the driver and the build")
        self._index = torch.cuda.current_device() if index is None else index
        self.place = f"cuda:{self._index}"
        properties = torch.cuda.get_device_properties(self._index)
        self.capability = (int(properties.major), int(properties.minor))
        self.flushed_bytes = max(2 * (getattr(properties, "L2_cache_size", 0) or _L2_IF_UNKNOWN), _LEAST_FLUSH)
        self._nvml = Nvml(self._index, getattr(properties, "uuid", None))
        self._name = self._nvml.name() or str(properties.name)  # on a partition of a GPU the two may differ
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
        # not torch.cuda.graph: it collects garbage and empties the allocator's cache, 0.1 s for every call
        cuda = self._torch.cuda
        graph, here = cuda.CUDAGraph(), cuda.current_stream(self._index)
        self._aside.wait_stream(here)
        with cuda.stream(self._aside):
            function()  # libraries allocate their workspace at the first call on a stream
            self.synchronize()
            graph.capture_begin()
            try:
                kept = function()
            except BaseException:
                with suppress(Exception):  # reports the failed recording again
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
