"""How long does the host take to launch a kernel on a GPU, and at which interval do kernels follow each other?

One tiny elementwise kernel is launched many times: eagerly, and as a recorded graph. The host time is the
``host_dispatch`` of the model (:class:`roofline.core.run.Run`); a network on the same machine is predicted with it.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from roofline.campaign.device_cuda import Device
from roofline.campaign.timer_cuda import empty_interval, first_line

LAUNCHES = 200
"""Launches at a time: enough for a mean, fewer than the launch queue holds (1,024)."""
TIMES = 5
FACT = "launches"
"""Name of these figures among the facts of a sample."""


@dataclass(frozen=True)
class Launches:
    """Seconds for one kernel; None where graphs cannot be recorded.

    Parameters
    ----------
    host_s : of the host, eagerly.
    eager_interval_s : between kernels on the device, eagerly.
    graph_interval_s : between kernels inside one graph.
    replay_interval_s : between graphs of one kernel.
    stamps_s : between two time stamps with nothing between them.
    why : no graph was recorded.
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
    """Time the launch of ``call``, which launches one short kernel."""
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
    """Median host time of one launch over the samples that have it [s]; None if none has."""
    told = [float(sample[FACT]["host_s"]) for sample in samples if isinstance(sample.get(FACT), Mapping)]
    return statistics.median(told) if told else None
