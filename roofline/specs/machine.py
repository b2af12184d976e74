"""What does the operating system report about this machine's processor and memory?

Linux only: ``/proc`` and ``/sys``. Missing information is 0 or empty, never an error.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from roofline.specs.microarchitecture import core_of


@dataclass(frozen=True)
class Cache:
    level: int
    bytes: float
    private: bool


@dataclass(frozen=True)
class Machine:
    """The operating system's information; missing values are 0 or empty."""

    vendor: str
    family: int
    model: int
    name: str
    flags: frozenset[str]
    cores: int
    hz: float
    base_hz: float
    hz_source: str
    caches: tuple[Cache, ...]
    memory_bytes: float

    @property
    def virtual(self) -> bool:
        return "hypervisor" in self.flags

    @classmethod
    def read(cls, root: Path, cpus: Collection[int] | None) -> Machine:
        blocks = _cpuinfo(_text(root / "proc/cpuinfo"))
        first = next(iter(blocks.values()), {})
        listed = set(blocks) or set(range(os.cpu_count() or 1))
        usable = set(cpus if cpus is not None else _affinity(root, listed)) & listed or listed
        system = root / "sys/devices/system/cpu"
        core_ids = {cpu: _core_id(system, cpu, blocks.get(cpu, {})) for cpu in usable}
        vendor = _VENDORS.get(first.get("vendor_id", ""), first.get("vendor_id", ""))
        arm = "CPU implementer" in first or (not first and _machine() in ("arm64", "aarch64"))
        apple = arm and (first.get("CPU implementer") == "0x61" or (not first and sys.platform == "darwin"))
        hz, source = _highest_clock(system, usable, blocks)
        return cls(
            vendor="Apple" if apple else "ARM" if arm else vendor or "unknown",
            family=0x61 if apple else _integer(first.get("CPU implementer" if arm else "cpu family", "")),
            model=_integer(first.get("CPU part" if arm else "model", "")),
            name=_name(first, arm),
            flags=frozenset((first.get("flags") or first.get("Features") or "").split()),
            cores=len(set(core_ids.values())) or 1,
            hz=hz,
            base_hz=1e3 * max((_number(_cpufreq(system, cpu, "base_frequency")) for cpu in usable), default=0),
            hz_source=source,
            caches=_caches(system, core_ids),
            memory_bytes=_memory_bytes(_text(root / "proc/meminfo")),
        )


_VENDORS = {"AuthenticAMD": "AMD", "GenuineIntel": "Intel", "HygonGenuine": "Hygon"}


def _machine() -> str:
    return platform.machine().lower()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _number(text: str) -> float:
    match = re.match(r"\s*(\d+(?:\.\d+)?)", text)
    return float(match.group(1)) if match else 0.0


def _integer(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        return 0


def _cpuinfo(text: str) -> dict[int, dict[str, str]]:
    """The blocks of ``/proc/cpuinfo`` by processor number."""
    blocks: dict[int, dict[str, str]] = {}
    for block in re.split(r"\n\s*\n", text):
        pairs = (line.partition(":") for line in block.splitlines() if ":" in line)
        entry = {key.strip(): value.strip() for key, _, value in pairs}
        if entry.get("processor", "").isdecimal():
            blocks[int(entry["processor"])] = entry
    return blocks


def _affinity(root: Path, listed: set[int]) -> Collection[int]:
    if root == Path("/") and hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return listed


def _core_id(system: Path, cpu: int, block: Mapping[str, str]) -> tuple[str, str]:
    """Names the physical core of a logical CPU; a separate core where nothing is known."""
    topology = system / f"cpu{cpu}/topology"
    package = _text(topology / "physical_package_id").strip() or block.get("physical id", "0")
    core = _text(topology / "core_id").strip() or block.get("core id", f"cpu{cpu}")
    return package, core


def _cpufreq(system: Path, cpu: int, name: str) -> str:
    return _text(system / f"cpu{cpu}/cpufreq/{name}")


def _highest_clock(system: Path, usable: Collection[int], blocks: Mapping[int, Mapping[str, str]]) -> tuple[float, str]:
    khz = max((_number(_cpufreq(system, cpu, "cpuinfo_max_freq")) for cpu in usable), default=0.0)
    if khz > 0:
        return khz * 1e3, "derived: cpuinfo_max_freq of the operating system"
    mhz = max((_number(blocks.get(cpu, {}).get("cpu MHz", "")) for cpu in usable), default=0.0)
    if mhz > 0:
        return mhz * 1e6, "derived: cpu MHz of /proc/cpuinfo"
    return 0.0, "unverified"


def _cpu_list(text: str) -> set[int]:
    """``0-3,8`` as a set."""
    found: set[int] = set()
    for part in text.strip().split(","):
        low, _, high = part.partition("-")
        if low.isdecimal():
            found.update(range(int(low), int(high if high.isdecimal() else low) + 1))
    return found


_CACHE_UNITS = {"K": 2.0**10, "M": 2.0**20, "G": 2.0**30}


def _caches(system: Path, core_ids: Mapping[int, tuple[str, str]]) -> tuple[Cache, ...]:
    """Data caches of the usable cores, each physical cache counted once."""
    sizes: dict[int, dict[frozenset[int], float]] = {}
    for cpu in core_ids:
        for index in sorted((system / f"cpu{cpu}/cache").glob("index*")):
            if _text(index / "type").strip() == "Instruction":
                continue
            level = _integer(_text(index / "level").strip())
            written = _text(index / "size").strip()
            size = _number(written) * _CACHE_UNITS.get(written[-1:], 1.0)
            sharers = frozenset(_cpu_list(_text(index / "shared_cpu_list")) or {cpu})
            if level > 0 and size > 0:
                sizes.setdefault(level, {})[sharers] = size
    return tuple(
        Cache(
            level,
            sum(found.values()),
            all(len({core_ids[cpu] for cpu in sharers if cpu in core_ids}) <= 1 for sharers in found) and level < 3,
        )
        for level, found in sorted(sizes.items())
    )


def _memory_bytes(text: str) -> float:
    match = re.search(r"^MemTotal:\s*(\d+)\s*kB", text, re.MULTILINE)
    return float(match.group(1)) * 1024.0 if match else 0.0


def _name(block: Mapping[str, str], arm: bool) -> str:
    written = block.get("model name") or block.get("Model") or block.get("Hardware") or ""
    written = re.sub(r"\((?:R|TM|C)\)|\bCPU\b|\bProcessor\b|\b\d+-Core\b|\bwith .*|@.*", " ", written, flags=re.I)
    written = re.sub(r"\b\d+(?:st|nd|rd|th) Gen\b", " ", written, flags=re.I)
    name = " ".join(written.split())
    if not name and arm and block:
        core = core_of("ARM", _integer(block.get("CPU implementer", "")), _integer(block.get("CPU part", "")), "", ())
        name = core.architecture.replace("-", " ").title()
    return name or _machine() or "unknown"
