"""How long does the host take to hand a kernel to a GPU, and how far apart do kernels follow each other?

One tiny elementwise kernel, handed over many times: eagerly, and recorded as a graph. What the host takes is what the
model calls ``host_dispatch`` (:class:`roofline.core.run.Run`); a network on the same machine is predicted by it.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from roofline.campaign.device_cuda import Device
from roofline.campaign.timer_cuda import empty_interval, first_line

LAUNCHES = 200
"""Handed over at a time: enough to divide by, fewer than the queue of launches holds (1,024)."""
TIMES = 5
FACT = "launches"
"""Name of these figures among the facts of a sample."""


@dataclass(frozen=True)
class Launches:
    """Seconds for one kernel; None where graphs cannot be recorded.

    host_s : of the host, eagerly. eager_interval_s : between kernels on the device, eagerly; graph_interval_s : inside
    one graph. replay_interval_s : between graphs of one kernel. stamps_s : between two time stamps by themselves.
    """

    host_s: float
    eager_interval_s: float
    graph_interval_s: float | None
    replay_interval_s: float | None
    stamps_s: float
    why: str = ""

    def to_dict(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value not in (None, "")}


def measure_launches(call: Callable[[], Any], device: Device) -> Launches:
    """Time the hand-over of ``call``, which launches one short kernel."""
    host_s, eager_s = _intervals(call, device, LAUNCHES)
    stamps_s = empty_interval(device)
    try:
        one, many = device.capture(call), device.capture(lambda: [call() for _ in range(LAUNCHES)])
    except Exception as error:
        if not device.is_alive():
            raise
        return Launches(host_s, eager_s, None, None, stamps_s, first_line(error))
    replay_s = _intervals(one, device, LAUNCHES)[1]
    return Launches(host_s, eager_s, _intervals(many, device, 1)[1] / LAUNCHES, replay_s, stamps_s)


def _intervals(call: Callable[[], Any], device: Device, count: int) -> tuple[float, float]:
    """Seconds of the host and of the device for one of ``count`` calls; medians, without the first time."""
    host, inside = [], []
    for _ in range(TIMES + 1):
        device.synchronize()
        begin = device.host_seconds()
        start = device.stamp()
        for _ in range(count):
            call()
        stop = device.stamp()
        host.append((device.host_seconds() - begin) / count)
        device.synchronize()
        inside.append(device.seconds_between(start, stop) / count)
    return statistics.median(host[1:]), statistics.median(inside[1:])


def host_dispatch(samples: Iterable[Mapping[str, Any]]) -> float | None:
    """Median seconds of the host for one launch over the samples that tell; None where none does."""
    told = [float(sample[FACT]["host_s"]) for sample in samples if isinstance(sample.get(FACT), Mapping)]
    return statistics.median(told) if told else None
