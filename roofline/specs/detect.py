"""Which CPU is this machine, as a :class:`~roofline.core.chip.Chip`?

Reads ``/proc`` and ``/sys`` of Linux and leaves out what is not there. A virtual machine hides the clock and sometimes
the caches; measurements given to :func:`detect_cpu` take precedence.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path

from roofline.core.chip import Chip, Clock, Emulation, Engine, Fact, MemoryLevel, Status
from roofline.core.dtype import Precision, precision
from roofline.specs.machine import Machine
from roofline.specs.microarchitecture import Core, core_of

FALLBACK_HZ = 2.5e9
TURBO = 1.6
"""Highest real clock of the cores over the clock that a virtual machine shows."""


def detect_cpu(
    measured: Mapping[str, float] | None = None,
    *,
    root: Path = Path("/"),
    cpus: Collection[int] | None = None,
) -> Chip:
    """Describe the CPU that this process may use.

    Parameters
    ----------
    measured : ``clock_hz`` [Hz] under load, and ``bandwidth:<level>`` [B/s] of one core, by level (``L1``, ``L2``,
        ``L3``, ``DRAM``). They become facts of status ``measured``.
    root : where ``proc`` and ``sys`` are; other than ``/`` for tests.
    cpus : the logical CPUs to count, by default those this process may run on.
    """
    given = dict(measured or {})
    machine = Machine.read(root, cpus)
    core = core_of(machine.vendor, machine.family, machine.model, machine.name, machine.flags)
    clock = _clock(machine, given.get("clock_hz"))
    return Chip(
        name=f"cpu-{_slug(machine.name)}",
        title=f"{machine.name}, {machine.cores} core{'s' if machine.cores > 1 else ''} usable",
        kind="cpu",
        vendor=machine.vendor,
        architecture=core.architecture,
        engines=_engines(machine, core, clock),
        memory=_memory(machine, given),
        emulation=_emulation(core),
        notes=("A virtual machine: clock and caches are what it shows.",) if machine.virtual else (),
    )


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower().replace("+", "-plus")).strip("-")[:40].strip("-") or "unknown"


def _clock(machine: Machine, measured_hz: float | None) -> Clock:
    hidden = "a virtual machine hides the real clock" if machine.virtual else ""
    shown_hz = machine.hz or FALLBACK_HZ
    status: Status = "derived" if machine.hz else "unverified"
    shown = Fact(shown_hz, machine.hz_source, status, hidden or ("" if machine.hz else "assumed"))
    base = Fact(machine.base_hz, "derived: base_frequency of the operating system", "derived")
    if measured_hz:
        boost = Fact(measured_hz, "measured: under load on this machine", "measured")
        top = boost if measured_hz >= shown_hz else shown
    elif machine.virtual:
        boost = shown
        top = Fact(TURBO * shown_hz, "unverified", "unverified", f"{TURBO} x what the virtual machine shows")
    else:
        boost = top = shown
    return Clock(boost, base if 0 < base.value <= boost.value else None, top)


def _engines(machine: Machine, core: Core, clock: Clock) -> tuple[Engine, ...]:
    count = Fact(float(machine.cores), "derived: physical cores this process may use", "derived")
    source = "unverified" if core.status == "unverified" else f"derived: {core.why}"
    note = core.why if core.status == "unverified" else ""

    def rates(table: Mapping[str, float], source: str, note: str = "") -> dict[Precision, Fact]:
        return {precision(name): Fact(rate, source, core.status, note) for name, rate in table.items()}

    engines = [Engine("cores", "vector", count, clock, rates(core.rates, source, note))]
    if core.matrix:
        amx = rates(core.matrix, source if core.status == "unverified" else "derived: AMX, one tile unit a core")
        engines.append(Engine("tiles", "matrix", count, clock, amx))
    return tuple(engines)


def _memory(machine: Machine, measured: Mapping[str, float]) -> tuple[MemoryLevel, ...]:
    caches = {f"L{cache.level}": cache for cache in machine.caches}
    extra = [name for name in ("L3",) if f"bandwidth:{name}" in measured]
    levels = []
    for name in sorted({"L1", "L2", *caches, *extra}):
        cache = caches.get(name)
        private = cache.private if cache else name in ("L1", "L2")
        capacity = Fact(cache.bytes, "derived: caches shown by the operating system", "derived") if cache else None
        levels.append(MemoryLevel(name, capacity, _bandwidth(measured, name, machine.cores, private), private=private))
    total = Fact(machine.memory_bytes, "derived: MemTotal of /proc/meminfo", "derived")
    dram = MemoryLevel("DRAM", total if total.value else None, _bandwidth(measured, "DRAM", machine.cores, False))
    return (*levels, dram)


def _bandwidth(measured: Mapping[str, float], level: str, cores: int, private: bool) -> Fact | None:
    """Bandwidth of the whole chip: a private level times the cores, a shared one as measured on one core."""
    one_core = measured.get(f"bandwidth:{level}")
    if not one_core:
        return None
    if private and cores > 1:
        return Fact(one_core * cores, f"measured: one core on this machine, x {cores} cores", "measured")
    return Fact(one_core, "measured: one core on this machine", "measured")


def _emulation(core: Core) -> dict[Precision, Emulation]:
    native = {precision(name) for name in (*core.rates, *core.matrix)}
    fp32 = precision("fp32")
    paths = {name: f"{name} is converted to fp32 and computed there" for name in ("fp16", "bf16")}
    return {precision(name): Emulation(fp32, path) for name, path in paths.items() if precision(name) not in native}
