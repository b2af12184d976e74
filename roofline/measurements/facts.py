"""How do two environments differ, and which differences are known to change a measured time?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

KNOWN: Mapping[str, str] = {
    "allocator_pinned": "if freed memory goes back to the system, a new output costs 1.8 us per page of 4 KiB: "
    "large outputs are up to six times slower",
    "variables.LD_PRELOAD": "another allocator or library is preloaded",
    "variables.MALLOC": "the allocator has other settings for returning memory",
    "variables.GLIBC_TUNABLES": "the allocator has other settings for returning memory",
    "variables.PYTORCH_CUDA_ALLOC_CONF": "other settings of the device memory allocator",
    "cpu.model": "another processor",
    "cpu.family_model_stepping": "another processor, though it may have the same name",
    "gpu.name": "another GPU",
    "torch.version": "other kernels, and other rules to choose one",
    "torch.build": "other versions of the GEMM and convolution libraries",
    "torch.cpu_capability": "kernels built for other vector instructions",
    "torch.mkldnn": "GEMM and convolutions from another library",
    "torch.cudnn": "other convolution kernels: 10 to 25 % between versions",
    "torch.cuda": "another GEMM library",
    "torch.tf32": "fp32 GEMM in fewer bits",
    "torch.threads": "another number of threads",
    "gpu.driver": "another driver",
    "gpu.nvml.power_limit_w": "the GPU lowers its clock to keep its power limit",
    "gpu.nvml.sm_clock_max_mhz": "another clock",
    "gpu.nvml.ecc": "error correction takes bandwidth",
    "gpu.nvml.mig": "only a part of the GPU (MIG)",
    "cpu.governor": "the clock rises late or not at all",
    "cpu.turbo": "the clock may exceed its nominal value or not",
    "cpu.clock_limits_khz": "another clock",
    "cpu.power_limit_uw": "the processor lowers its clock to keep its power limit",
    "cpu.quota": "the process group has a limit on processor time",
    "cpu.affinity": "other processors, which may share a cache or a core with another process",
    "cpu.smt": "two threads share a core",
    "cpu.processors": "a machine of another size",
    "cpu.caches": "other caches",
    "cpu.nice": "another priority",
    "memory.transparent_huge_pages": "2 MiB pages avoid TLB misses on large tensors",
    "memory.huge_pages": "2 MiB pages avoid TLB misses on large tensors",
    "variables.OMP": "threads wait or are pinned in another way",
    "variables.KMP": "threads wait or are pinned in another way",
    "variables.MKL": "other settings of the GEMM library",
    "variables.DNNL": "other settings of the convolution library",
    "variables.ONEDNN": "other settings of the convolution library",
    "stolen": "the host of the virtual machine ran other work",
    "others": "other processes used cache and bandwidth",
    "load": "other work used cache and bandwidth",
    "cpu.clock_mhz": "another clock, as the system reports",
    "cpu.microcode": "microcode contains mitigations of processor faults",
    "system.release": "another operating system kernel",
    "system.libc": "another C library with its allocator",
}
"""Facts (or the beginning of their names) that are known to change times, and why; the most important first."""

ALLOCATOR = (
    "allocator_pinned",
    "variables.LD_PRELOAD",
    "variables.MALLOC",
    "variables.GLIBC_TUNABLES",
    "variables.PYTORCH_CUDA_ALLOC_CONF",
)
MACHINE = ("cpu.model", "cpu.family_model_stepping", "gpu.name")
"""Facts that must agree for two groups of measurements to be comparable."""

MOVING: Mapping[str, float] = {"load": 0.5, "stolen": 0.01, "others": 0.05, "cpu.clock_mhz": 50.0}
"""Facts that never stay the same, and the difference of their medians that is reported."""
_PASSING = (
    *("record", "schema", "id", "date", "roofline", "system.steal_s", "memory.available_kib", "memory.total_kib"),
    *("cpu.clock_now_khz", "cpu.throttled", "gpu.memory_free_bytes"),
    *(f"gpu.nvml.{name}" for name in ("sm_clock_mhz", "memory_clock_mhz", "power_w", "temperature_c")),
    *(f"gpu.nvml.{name}" for name in ("throttle_reasons", "utilization_percent")),
)
"""Facts about the time of a measurement, not its conditions."""


@dataclass(frozen=True)
class Differs:
    """One fact that differs between two groups of measurements: its values, and why it matters."""

    fact: str
    a: str
    b: str
    why: str

    @property
    def refuses(self) -> bool:
        """Whether measurements with this difference are not comparable."""
        return self.fact.startswith((*ALLOCATOR, *MACHINE))


def flat(environment: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The facts of an environment by dotted names, without those about its time."""
    facts: dict[str, Any] = {}
    for name, value in environment.items():
        if isinstance(value, Mapping):
            facts |= flat(value, f"{prefix}{name}.")
        elif prefix + name not in _PASSING:
            facts[prefix + name] = value
    if not prefix and isinstance(facts.get("load"), list):
        facts["load"] = facts["load"][0]
    return facts


def standing(environment: Mapping[str, Any]) -> dict[str, Any]:
    """The facts that do not change by themselves; environments with equal ones count as one."""
    return {name: value for name, value in flat(environment).items() if name not in MOVING}


def differences(first: Sequence[Mapping[str, Any]], second: Sequence[Mapping[str, Any]]) -> list[Differs]:
    """The facts that differ between the environments of two groups of measurements, the most important first.

    A fact that one of them does not record is no difference. Of :data:`MOVING` facts the medians are compared.
    """
    a, b = _values(first), _values(second)
    found = []
    # an unset variable is a value; any other missing fact was not recorded
    variables = {name for name in (*a, *b) if name.startswith("variables.")}
    for name in (a.keys() & b.keys()) | variables:
        one, two = a.get(name, ["not set"]), b.get(name, ["not set"])
        if name in MOVING:
            low, high = (float(np.median(known)) if (known := _numbers(v)) else None for v in (one, two))
            if low is not None and high is not None and abs(low - high) > MOVING[name]:
                found.append(Differs(name, f"{low:.4g}", f"{high:.4g}", _why(name)))
        elif _texts(one) != _texts(two):
            found.append(Differs(name, *_apart(one, two), _why(name)))
    return sorted(found, key=lambda one: (_rank(one.fact), one.fact))


def _values(environments: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Every value of every fact. A variable that one environment does not set counts as a value."""
    facts = [flat(environment) for environment in environments]
    names = dict.fromkeys(name for one in facts for name in one)
    return {
        name: [one.get(name, "not set" if name.startswith("variables.") else None) for one in facts] for name in names
    }


def _apart(one: Sequence[Any], two: Sequence[Any]) -> tuple[str, str]:
    """Both sides as text; of lists only what the other side does not have."""
    if all(isinstance(item, str) for value in (*one, *two) for item in (value if isinstance(value, list) else [None])):
        first, second = ({item for value in side for item in value} for side in (one, two))
        if first != second:
            only = [", ".join(sorted(side)) or "none of these" for side in (first - second, second - first)]
            return only[0], only[1]
    return ", ".join(_texts(one)), ", ".join(_texts(two))


def _texts(values: Iterable[Any]) -> list[str]:
    return sorted({"not recorded" if value is None else str(value) for value in values})


def _numbers(values: Iterable[Any]) -> list[float]:
    return [float(value) for value in values if isinstance(value, int | float)]


def _rank(fact: str) -> int:
    return next((index for index, known in enumerate(KNOWN) if fact.startswith(known)), len(KNOWN))


def _why(fact: str) -> str:
    return next((why for known, why in KNOWN.items() if fact.startswith(known)), "not known to matter")
