"""How many multiply-adds per clock does one core of this CPU execute?

From vendor, family, model and feature flags as the kernel reports them. Processors that are not in the tables below are
estimated from the widest vector flag and marked ``unverified``.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from roofline.core.chip import Status

AMX_FMA = {"bf16": 512.0, "int8": 1024.0}
"""FMA per clock of one core: a 16 x 16 tile of depth 32 (bf16) or 64 (int8) takes at least 16 cycles, which gives the
1024 bf16 and 2048 int8 operations per cycle that Intel states.
"""


@dataclass(frozen=True)
class Core:
    """One core: multiply-adds per clock by precision, and how reliable they are.

    ``matrix`` is a tile unit beside the vector units, where there is one.
    """

    architecture: str
    rates: dict[str, float]
    status: Status
    why: str
    matrix: dict[str, float] = field(default_factory=dict)


def core_of(vendor: str, family: int, model: int, name: str, flags: Collection[str]) -> Core:
    """The core of an x86 or ARM processor.

    Parameters
    ----------
    vendor : ``AMD``, ``Intel``, ``ARM`` or another name from the kernel.
    family, model : CPUID numbers; on ARM the implementer and the part.
    name : of the processor.
    flags : CPU feature flags.
    """
    if vendor == "AMD":
        architecture, fma, status, why = _amd(family, model, flags)
    elif vendor == "Intel":
        architecture, fma, status, why = _intel(name, flags)
    elif vendor in ("ARM", "Apple"):
        architecture, fma, status, why = _arm(family, model)
    else:
        fma, why = _by_flags(flags)
        architecture, status = "unknown", "unverified"
    rates = {"fp32": fma, "fp64": fma / 2}
    if "avx512_bf16" in flags:
        rates["bf16"] = 2 * fma
    if "avx512_fp16" in flags or "asimdhp" in flags:
        rates["fp16/fp16"] = 2 * fma
    if flags_any(flags, "avx512_vnni", "avx_vnni", "asimddp"):
        rates["int8"] = 4 * fma
    matrix = {name: rate for name, rate in AMX_FMA.items() if f"amx_{name}" in flags}
    return Core(architecture, rates, status, why, matrix)


def flags_any(flags: Collection[str], *wanted: str) -> bool:
    return any(flag in flags for flag in wanted)


_Answer = tuple[str, float, Status, str]


def _amd(family: int, model: int, flags: Collection[str]) -> _Answer:
    if family == 26:
        if model < 0x20 or 0x40 <= model < 0x50:
            return "zen5", 32.0, "derived", "Zen 5 with the full data path: 2 FMA units x 512 bit"
        return (
            "zen5",
            16.0,
            "derived",
            "mobile Zen 5: 2 FMA units x 256 bit, 512-bit operations in two halves",
        )
    if family == 25 and "avx512f" in flags:
        return "zen4", 16.0, "derived", "Zen 4: 2 FMA units x 256 bit, 512-bit operations in two halves"
    if family == 25:
        return "zen3", 16.0, "derived", "Zen 3: 2 FMA units x 256 bit"
    if family == 23 and model >= 0x30:
        return "zen2", 16.0, "derived", "Zen 2: 2 FMA units x 256 bit"
    if family == 23:
        return "zen", 8.0, "derived", "Zen: 2 FMA units x 128 bit"
    fma, why = _by_flags(flags)
    return "amd-unknown", fma, "unverified", why


def _intel(name: str, flags: Collection[str]) -> _Answer:
    if "avx512f" in flags and "xeon" in name.lower():
        why = "Xeon: 2 FMA units x 512 bit (some Bronze, Silver and D models have one)"
        return "intel-amx" if "amx_tile" in flags else "intel-avx512", 32.0, "derived", why
    if "avx512f" in flags:
        return "intel-avx512-client", 16.0, "derived", "client AVX-512: the work of 2 FMA units x 256 bit"
    if "avx2" in flags and "fma" in flags:
        return "intel-avx2", 16.0, "derived", "Haswell and later: 2 FMA units x 256 bit"
    fma, why = _by_flags(flags)
    return "intel-unknown", fma, "unverified", why


_ARM_PARTS: dict[tuple[int, int], tuple[str, float, str]] = {
    (0x41, 0xD08): ("cortex-a72", 4.0, "1 FMA per clock x 128 bit, sustained"),
    (0x41, 0xD0C): ("neoverse-n1", 8.0, "2 x 128 bit"),
    (0x41, 0xD40): ("neoverse-v1", 16.0, "2 x 256 bit SVE"),
    (0x41, 0xD49): ("neoverse-n2", 8.0, "2 x 128 bit"),
    (0x41, 0xD4F): ("neoverse-v2", 16.0, "4 x 128 bit"),
}


def _arm(implementer: int, part: int) -> _Answer:
    if (implementer, part) in _ARM_PARTS:
        architecture, fma, why = _ARM_PARTS[implementer, part]
        return architecture, fma, "unverified", why
    if implementer == 0x61:
        return "apple", 16.0, "unverified", "Apple performance core: 4 x 128 bit"
    return "arm-unknown", 8.0, "unverified", "assumed 2 x 128 bit NEON"


def _by_flags(flags: Collection[str]) -> tuple[float, str]:
    if "avx512f" in flags:
        return 32.0, "assumed from the flag avx512f: 2 x 512 bit"
    if "avx2" in flags:
        return 16.0, "assumed from the flag avx2: 2 x 256 bit"
    if "avx" in flags:
        return 8.0, "assumed from the flag avx: one 256-bit multiply and one add"
    if flags_any(flags, "asimd", "neon"):
        return 8.0, "assumed from NEON: 2 x 128 bit"
    return 4.0, "assumed: one 128-bit unit"
