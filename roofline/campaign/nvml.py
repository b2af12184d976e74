"""What is the state of a GPU during a measurement? Clocks, power, temperature and throttling from NVML.

It only reads; no setting of a GPU is changed. Without ``roofline[gpu]`` there is no information, and no error.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, TypeVar

from roofline.campaign.environment import attempt

T = TypeVar("T")

THROTTLES: Mapping[int, str] = {
    0x04: "power cap",
    0x08: "hardware slowdown",
    0x10: "sync boost",
    0x20: "software thermal",
    0x40: "hardware thermal",
    0x80: "power brake",
}
"""Bits of ``nvmlClocksThrottleReason*`` (nvml.h) that lower a clock below the requested one. Not included: 0x1, an idle
GPU; 0x2 and 0x100, clocks that a user has set.
"""
UNSTABLE = 0.05
"""Range of the SM clock over its median above which it counts as unstable: more than three steps of 15 MHz."""


class Nvml:
    """NVML's information on one GPU; None or empty where it is not available.

    Parameters
    ----------
    index, uuid : torch's number and identity of the GPU. Torch counts only the devices visible to it, so the identity
        is used first; it is not stored.
    """

    def __init__(self, index: int, uuid: Any = None) -> None:
        self._nvml: Any = attempt(lambda: _initialized(import_module("pynvml")))
        self._handle: Any = None
        if self._nvml is not None:
            by_uuid = attempt(lambda: self._nvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")) if uuid else None
            self._handle = by_uuid or attempt(lambda: self._nvml.nvmlDeviceGetHandleByIndex(index))

    def name(self) -> str | None:
        """The driver's name of the GPU."""
        name: str | bytes | None = self._ask(lambda nvml, gpu: nvml.nvmlDeviceGetName(gpu))
        return name.decode() if isinstance(name, bytes) else name

    def look(self) -> dict[str, Any]:
        """The current ``sm_clock_mhz``, ``memory_clock_mhz``, ``power_w``, ``temperature_c``, ``throttle`` (bits)."""
        questions: dict[str, Callable[[Any, Any], Any]] = {
            "sm_clock_mhz": lambda nvml, gpu: nvml.nvmlDeviceGetClockInfo(gpu, nvml.NVML_CLOCK_SM),
            "memory_clock_mhz": lambda nvml, gpu: nvml.nvmlDeviceGetClockInfo(gpu, nvml.NVML_CLOCK_MEM),
            "power_w": lambda nvml, gpu: nvml.nvmlDeviceGetPowerUsage(gpu) / 1000,
            "temperature_c": lambda nvml, gpu: nvml.nvmlDeviceGetTemperature(gpu, nvml.NVML_TEMPERATURE_GPU),
            "throttle": lambda nvml, gpu: nvml.nvmlDeviceGetCurrentClocksThrottleReasons(gpu),
        }
        answers = {name: self._ask(question) for name, question in questions.items()}
        return {name: answer for name, answer in answers.items() if answer is not None}

    def _ask(self, question: Callable[[Any, Any], T]) -> T | None:
        return None if self._handle is None else attempt(lambda: question(self._nvml, self._handle))


def summary(looks: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Facts of one burst and its flags, from the state at several moments.

    Returns
    -------
    facts : median ``sm_clock_mhz`` with its range, median ``memory_clock_mhz``, largest ``power_w`` and
        ``temperature_c``, ``throttle`` (reasons seen at any moment); unknown facts are absent.
    flags : ``throttled``, ``unstable clock``.
    """
    seen: dict[str, list[Any]] = {}
    for look in looks:
        for name, value in look.items():
            seen.setdefault(name, []).append(value)
    facts: dict[str, Any] = {}
    flags = []
    if clocks := seen.get("sm_clock_mhz"):
        facts |= {"sm_clock_mhz": statistics.median(clocks), "sm_clock_range_mhz": [min(clocks), max(clocks)]}
    if "memory_clock_mhz" in seen:
        facts["memory_clock_mhz"] = statistics.median(seen["memory_clock_mhz"])
    facts |= {name: max(seen[name]) for name in ("power_w", "temperature_c") if name in seen}
    if "throttle" in seen:
        facts["throttle"] = [why for bit, why in THROTTLES.items() if any(int(bits) & bit for bits in seen["throttle"])]
        flags += ["throttled"] if facts["throttle"] else []
    if clocks and max(clocks) - min(clocks) > UNSTABLE * statistics.median(clocks):
        flags.append("unstable clock")
    return facts, tuple(flags)


def _initialized(nvml: Any) -> Any:
    nvml.nvmlInit()  # kept open until the process ends: opening it takes longer than a query
    return nvml
