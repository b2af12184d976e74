"""How is one question of a campaign timed on a CUDA device, and what is stored with it?

Operators are recorded as a graph and replayed after a flush of the L2. Networks run as their stack says: kernel by
kernel (host time included) or as one graph. Clocks, power and throttling are recorded meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from roofline.campaign import run_eight_bit
from roofline.campaign.device_cuda import Device
from roofline.campaign.dispatch import FACT, measure_launches
from roofline.campaign.nvml import summary
from roofline.campaign.run import import_torch
from roofline.campaign.timer_cpu import Burst
from roofline.campaign.timer_cuda import first_line, time_cuda
from roofline.core.measurement import Measurement
from roofline.errors import DeviceLost, RooflineError, Unsupported

Calls = Callable[[Measurement], Iterator[Callable[[], Any]]]

SAMPLES, WITHIN_S = 10, 0.1
"""Samples of a burst, and the time [s] after which fewer are enough."""
LOOK_S = 0.005
"""Least time between two queries of the clocks [s]: a query may take a millisecond."""


class CudaBench:
    """Times questions on one device; ``calls_of`` makes their calls.

    Raises
    ------
    DeviceLost : the device does not answer any more, or was replaced.
    """

    def __init__(self, device: Device, calls_of: Calls) -> None:
        self._device, self._calls_of = device, calls_of
        self._title = device.title()
        self._unrecorded: dict[str, str] = {}
        tiny = import_torch().ones(256, device=device.place)
        self._launch = tiny.neg

    def __call__(self, row: Measurement) -> Burst:
        device = self._device
        if (title := device.title()) != self._title:
            raise DeviceLost(
                f"the device was {self._title!r} at the start and is {title!r} now; a file holds measurements of one "
                "device: those so far are kept, choose another file with --out for the other device"
            )
        try:
            return self._burst(row)
        except RooflineError:
            raise
        except Exception as error:
            if device.is_out_of_memory(error):
                device.release()
                raise Unsupported(f"out of memory on the device: {first_line(error)}") from None
            if not device.is_alive():
                raise DeviceLost(
                    f"{self._title} does not respond any more ({first_line(error)}); measurements so far are kept; "
                    "repeat the same command to resume when the device is back"
                ) from error
            raise

    def _burst(self, row: Measurement) -> Burst:
        device, looks = self._device, list[Mapping[str, Any]]()
        looked = device.host_seconds() - LOOK_S

        def watch() -> None:
            nonlocal looked
            if (now := device.host_seconds()) - looked >= LOOK_S:
                looks.append(device.look())
                looked = now

        call = next(self._calls(row))
        operator, kind = row.kind == "operator", f"{row.op} {row.part}"
        flush = operator and row.cache != "warm"
        graph = operator or row.stack.mode == "graphs"
        known = self._unrecorded.get(kind, "") if operator else ""
        timed = time_cuda(
            call,
            device,
            samples=SAMPLES,
            within_s=WITHIN_S,
            flush=flush,
            graph=graph and not known,
            watch=watch,
        )
        why = (known or timed.why) if graph else ""
        if why and not operator:
            raise Unsupported(f"{row.network} ({row.mode}) cannot be captured as a CUDA graph: {why}")
        if why:
            self._unrecorded[kind] = why  # other shapes cannot be recorded either, and trying costs time
        facts, flags = summary(looks)
        facts |= {"timed": timed.how, **({"why": why} if why else {})}
        facts |= {"cold": "flush", "flushed_bytes": device.flushed_bytes} if flush else {}
        if not operator and not graph:
            facts[FACT] = measure_launches(self._launch, device).to_dict()
        seconds = timed.seconds
        return Burst(seconds, seconds, (True,) * len(seconds), facts, flags, output=call())

    def _calls(self, row: Measurement) -> Iterator[Callable[[], Any]]:
        if row.kind == "operator" and row.dtype in run_eight_bit.PRODUCTS:
            return run_eight_bit.calls(row.dtype, row.inputs, int(row.attributes["out"]), self._device.place)
        return self._calls_of(row)


def also_recorded(rows: Iterable[Measurement]) -> Iterator[Measurement]:
    """Every network kernel by kernel and as one graph: the difference is the host."""
    for row in rows:
        yield row
        yield replace(row, stack=replace(row.stack, mode="graphs"))
