"""In what do two environments differ, and which of that is known to change a measured time?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

KNOWN: Mapping[str, str] = {
    "allocator_pinned": "where freed memory goes back to the system, a fresh output costs 1.8 us a page of 4 KiB: "
    "large outputs are up to six times slower",
    "variables.LD_PRELOAD": "another allocator or library is loaded first",
    "variables.MALLOC": "the allocator is told otherwise when to give memory back",
    "variables.GLIBC_TUNABLES": "the allocator is told otherwise when to give memory back",
    "variables.PYTORCH_CUDA_ALLOC_CONF": "another allocator of device memory",
    "cpu.model": "another processor",
    "cpu.family_model_stepping": "another processor, though it may have the same name",
    "gpu.name": "another card",
    "torch.version": "other kernels, and other rules of which one runs",
    "torch.build": "other versions of the libraries of products and convolutions",
    "torch.cpu_capability": "kernels built for other vector instructions",
    "torch.mkldnn": "convolutions and products by another library",
    "torch.cudnn": "other convolutions: 10 to 25 % between stacks",
    "torch.cuda": "other libraries of products",
    "torch.tf32": "products of fp32 in fewer bits",
    "torch.threads": "more threads, or fewer",
    "gpu.driver": "another driver",
    "gpu.nvml.power_limit_w": "the clock of a card falls until it keeps its power limit",
    "gpu.nvml.sm_clock_max_mhz": "another clock",
    "gpu.nvml.ecc": "error correction takes bandwidth",
    "gpu.nvml.mig": "a part of the card",
    "cpu.governor": "the clock rises late, or not at all",
    "cpu.turbo": "the clock stays at its nominal value, or does not",
    "cpu.clock_limits_khz": "another clock",
    "cpu.power_limit_uw": "the clock falls until the processor keeps its power limit",
    "cpu.quota": "the group of the process may use fewer processors",
    "cpu.affinity": "other processors, which may share caches or a core with somebody",
    "cpu.smt": "two threads share a core",
    "cpu.processors": "a machine of another size",
    "cpu.caches": "other caches",
    "cpu.nice": "another priority",
    "memory.transparent_huge_pages": "pages of 2 MiB save misses of address translation on large tensors",
    "memory.huge_pages": "pages of 2 MiB save misses of address translation on large tensors",
    "variables.OMP": "threads wait or are bound otherwise",
    "variables.KMP": "threads wait or are bound otherwise",
    "variables.MKL": "the library of products is told otherwise",
    "variables.DNNL": "the library of convolutions is told otherwise",
    "variables.ONEDNN": "the library of convolutions is told otherwise",
    "stolen": "the host of the virtual machine ran something else",
    "others": "other processes ran meanwhile: less cache and bandwidth for this one",
    "load": "other work on the machine: less cache and bandwidth for this one",
    "cpu.clock_mhz": "another clock, as the system says",
    "cpu.microcode": "mitigations of faults of the processor come with it",
    "system.release": "another kernel",
    "system.libc": "another allocator and other functions",
}
"""Facts that are known to matter (or the beginning of their names) and why, the most important first."""

ALLOCATOR = (
    "allocator_pinned",
    "variables.LD_PRELOAD",
    "variables.MALLOC",
    "variables.GLIBC_TUNABLES",
    "variables.PYTORCH_CUDA_ALLOC_CONF",
)
MACHINE = ("cpu.model", "cpu.family_model_stepping", "gpu.name")
"""Facts in which two groups of rows must agree to be compared at all."""

MOVING: Mapping[str, float] = {"load": 0.5, "stolen": 0.01, "others": 0.05, "cpu.clock_mhz": 50.0}
"""Facts that never stay the same, and how far their medians must lie apart to be worth a word."""
_PASSING = (
    *("record", "schema", "id", "date", "roofline", "system.steal_s", "memory.available_kib", "memory.total_kib"),
    *("cpu.clock_now_khz", "cpu.throttled", "gpu.memory_free_bytes"),
    *(f"gpu.nvml.{name}" for name in ("sm_clock_mhz", "memory_clock_mhz", "power_w", "temperature_c")),
    *(f"gpu.nvml.{name}" for name in ("throttle_reasons", "utilization_percent")),
)
"""Facts that say when it was, not in what."""


@dataclass(frozen=True)
class Differs:
    """One fact in which two groups of rows differ: its values in the first and the second, and why that matters."""

    fact: str
    a: str
    b: str
    why: str

    @property
    def refuses(self) -> bool:
        """Whether rows with this difference do not mean the same thing."""
        return self.fact.startswith((*ALLOCATOR, *MACHINE))


def flat(environment: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The facts of an environment by dotted names, those that only say when it was left out."""
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
    """The facts that do not change by themselves: environments with equal ones are one environment, met twice."""
    return {name: value for name, value in flat(environment).items() if name not in MOVING}


def differences(first: Sequence[Mapping[str, Any]], second: Sequence[Mapping[str, Any]]) -> list[Differs]:
    """The facts in which the environments of two groups of rows differ, the most important first.

    A fact that one of them does not record is no difference. Of :data:`MOVING` ones the medians are compared.
    """
    a, b = _values(first), _values(second)
    found = []
    # a variable that is not set is a value; any other fact that is not there was not asked for
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
    """Every value of every fact. Variables that one environment does not set count as such."""
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
    return sorted({"not told" if value is None else str(value) for value in values})


def _numbers(values: Iterable[Any]) -> list[float]:
    return [float(value) for value in values if isinstance(value, int | float)]


def _rank(fact: str) -> int:
    return next((index for index, known in enumerate(KNOWN) if fact.startswith(known)), len(KNOWN))


def _why(fact: str) -> str:
    return next((why for known, why in KNOWN.items() if fact.startswith(known)), "not known to matter")
