"""The CPU of a machine is described from what Linux shows of it, and from nothing at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from roofline import specs
from roofline.core.chip import Chip
from roofline.core.dtype import precision
from roofline.specs.chipfile import read_chip
from roofline.specs.detect import detect_cpu
from roofline.specs.machine import _cpu_list
from roofline.specs.yamlio import parse_document

AVX512 = "fma avx2 avx512f avx512_vnni avx512_bf16"


def tree(
    root: Path,
    block: Mapping[str, str],
    cores: int,
    threads: int = 1,
    *,
    caches: Mapping[int, tuple[str, int]] | None = None,
    max_khz: int = 0,
    topology: bool = True,
    mem_kib: int = 16_000_000,
) -> Path:
    """A machine of ``cores`` x ``threads``; caches are level -> (size, logical CPUs that share one)."""
    count = cores * threads
    lines = ["\n".join([f"processor\t: {cpu}", *(f"{k}\t: {v}" for k, v in block.items())]) for cpu in range(count)]
    (root / "proc").mkdir(parents=True)
    (root / "proc/cpuinfo").write_text("\n\n".join(lines) + "\n\n")
    (root / "proc/meminfo").write_text(f"MemTotal:       {mem_kib} kB\nMemFree: 1 kB\n")
    for cpu in range(count):
        here = root / f"sys/devices/system/cpu/cpu{cpu}"
        files = {"cpufreq/cpuinfo_max_freq": str(max_khz)} if max_khz else {}
        if topology:
            files |= {"topology/core_id": str(cpu // threads), "topology/physical_package_id": "0"}
        for index, (level, (size, sharers)) in enumerate((caches or {}).items()):
            first = cpu // sharers * sharers
            kind = {"type": "Unified" if level > 1 else "Data", "level": str(level), "size": size}
            kind["shared_cpu_list"] = f"{first}-{first + sharers - 1}" if sharers > 1 else str(cpu)
            files |= {f"cache/index{index}/{name}": value for name, value in kind.items()}
        files |= {"cache/index9/type": "Instruction", "cache/index9/level": "1", "cache/index9/size": "64K"}
        for name, value in files.items():
            path = here / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(value + "\n")
    return root


def rate(chip: Chip, name: str) -> float:
    return chip.engines[0].rates[precision(name)].value


def test_intel_laptop(tmp_path: Path) -> None:
    block = {
        "vendor_id": "GenuineIntel",
        "cpu family": "6",
        "model": "142",
        "model name": "Intel(R) Core(TM) i7-8550U CPU @ 1.80GHz",
        "cpu MHz": "800.1",
        "flags": "fma avx avx2",
    }
    caches = {1: ("32K", 2), 2: ("256K", 2), 3: ("8192K", 8)}
    chip = detect_cpu(root=tree(tmp_path, block, 4, 2, caches=caches, max_khz=4_000_000))
    assert chip.name == "cpu-intel-core-i7-8550u"
    assert (chip.vendor, chip.architecture, chip.kind) == ("Intel", "intel-avx2", "cpu")
    engine = chip.engines[0]
    assert engine.count.value == 4  # cores, not threads
    assert engine.clock.hz() == engine.clock.hz("top") == 4e9
    assert engine.clock.boost.status == "derived"
    assert rate(chip, "fp32") == 16
    assert rate(chip, "fp64") == 8
    assert [(m.name, m.capacity.value if m.capacity else None, m.private) for m in chip.memory] == [
        ("L1", 4 * 32 * 2**10, True),
        ("L2", 4 * 256 * 2**10, True),
        ("L3", 8 * 2**20, False),
        ("DRAM", 16_000_000 * 1024, False),
    ]
    assert all(level.bandwidth is None for level in chip.memory)
    assert chip.resolve(precision("bf16"))[0] == precision("fp32")


def test_zen_4_behind_a_hypervisor_with_measurements(tmp_path: Path) -> None:
    block = {
        "vendor_id": "AuthenticAMD",
        "cpu family": "25",
        "model": "17",
        "model name": "AMD EPYC 9654 96-Core Processor",
        "cpu MHz": "2400.000",
        "flags": AVX512 + " hypervisor",
    }
    caches = {1: ("32K", 2), 2: ("1024K", 2), 3: ("32768K", 4)}
    root = tree(tmp_path, block, 4, 2, caches=caches)
    chip = detect_cpu(root=root)
    assert chip.name == "cpu-amd-epyc-9654"
    assert chip.architecture == "zen4"
    assert (rate(chip, "fp32"), rate(chip, "bf16"), rate(chip, "int8")) == (16, 32, 64)
    clock = chip.engines[0].clock
    assert clock.hz() == 2.4e9
    assert "hides" in clock.boost.note
    assert clock.hz("top") > 3.6e9
    assert clock.top is not None
    assert clock.top.status == "unverified"
    assert chip.level("L3").capacity.value == 2 * 32 * 2**20  # type: ignore[union-attr]

    measured = {"clock_hz": 3.66e9, "bandwidth:L1": 4e11, "bandwidth:L3": 1e11, "bandwidth:DRAM": 2.5e10}
    chip = detect_cpu(measured, root=root)
    clock = chip.engines[0].clock
    assert clock.hz() == clock.hz("top") == 3.66e9
    assert clock.boost.status == "measured"
    assert [level.total_bandwidth for level in chip.memory] == [16e11, None, 1e11, 2.5e10]
    assert chip.dram.bandwidth is not None
    assert chip.dram.bandwidth.status == "measured"


def test_a_clock_measured_below_the_shown_one_keeps_the_limit(tmp_path: Path) -> None:
    block = {"vendor_id": "GenuineIntel", "model name": "Intel Xeon", "flags": "avx2 fma"}
    root = tree(tmp_path, block, 2, max_khz=4_000_000)
    clock = detect_cpu({"clock_hz": 3.1e9}, root=root).engines[0].clock
    assert (clock.hz(), clock.hz("top")) == (3.1e9, 4e9)


def test_only_usable_cpus_count(tmp_path: Path) -> None:
    block = {"vendor_id": "AuthenticAMD", "cpu family": "23", "model": "49", "model name": "AMD EPYC 7742"}
    root = tree(tmp_path, block, 8, 2, caches={1: ("32K", 2), 3: ("16384K", 8)})
    chip = detect_cpu(root=root, cpus=[0, 1, 2])
    assert chip.engines[0].count.value == 2
    assert chip.level("L1").capacity.value == 2 * 32 * 2**10  # type: ignore[union-attr]
    assert chip.level("L3").capacity.value == 16 * 2**20  # type: ignore[union-attr]
    assert detect_cpu(root=root, cpus=[99]).engines[0].count.value == 8  # nothing known of those: count all


@pytest.mark.parametrize(
    ("block", "fp32", "status"),
    [
        ({"vendor_id": "AuthenticAMD", "cpu family": "26", "model": "2", "flags": AVX512}, 32, "derived"),
        ({"vendor_id": "AuthenticAMD", "cpu family": "26", "model": "68", "flags": AVX512}, 32, "derived"),
        ({"vendor_id": "AuthenticAMD", "cpu family": "26", "model": "36", "flags": AVX512}, 16, "derived"),
        ({"vendor_id": "AuthenticAMD", "cpu family": "25", "model": "97", "flags": AVX512}, 16, "derived"),
        ({"vendor_id": "AuthenticAMD", "cpu family": "25", "model": "33", "flags": "avx2"}, 16, "derived"),
        ({"vendor_id": "AuthenticAMD", "cpu family": "23", "model": "1", "flags": "avx2"}, 8, "derived"),
        ({"vendor_id": "AuthenticAMD", "cpu family": "99", "model": "1", "flags": "avx2"}, 16, "unverified"),
        (
            {"vendor_id": "GenuineIntel", "model name": "Intel(R) Xeon(R) 8380", "flags": AVX512},
            32,
            "derived",
        ),
        ({"vendor_id": "GenuineIntel", "model name": "11th Gen i7-1165G7", "flags": AVX512}, 16, "derived"),
        ({"vendor_id": "GenuineIntel", "model name": "Core i5-2400", "flags": "avx"}, 8, "unverified"),
        ({"vendor_id": "HygonGenuine", "flags": "avx512f"}, 32, "unverified"),
        ({"vendor_id": "Other", "flags": "sse2"}, 4, "unverified"),
    ],
)
def test_fma_per_clock(tmp_path: Path, block: dict[str, str], fp32: float, status: str) -> None:
    fact = detect_cpu(root=tree(tmp_path, block, 2)).engines[0].rates[precision("fp32")]
    assert (fact.value, fact.status) == (fp32, status)


def test_amx_is_a_matrix_engine(tmp_path: Path) -> None:
    flags = AVX512 + " avx512_fp16 amx_tile amx_bf16 amx_int8"
    block = {"vendor_id": "GenuineIntel", "model name": "Intel(R) Xeon(R) Platinum 8480+", "flags": flags}
    chip = detect_cpu(root=tree(tmp_path, block, 2))
    assert chip.name == "cpu-intel-xeon-platinum-8480-plus"
    assert chip.engines[1].rates[precision("bf16")].value == 512
    assert chip.engine_for(precision("bf16"), matrix=True).name == "tiles"
    assert chip.engine_for(precision("bf16"), matrix=False).name == "cores"


def test_arm_box(tmp_path: Path) -> None:
    block = {
        "BogoMIPS": "243.75",
        "Features": "fp asimd asimdhp asimddp",
        "CPU implementer": "0x41",
        "CPU architecture": "8",
        "CPU part": "0xd0c",
    }
    chip = detect_cpu(root=tree(tmp_path, block, 4, topology=False, caches={1: ("64K", 1), 2: ("1024K", 1)}))
    assert chip.name == "cpu-neoverse-n1"
    assert (chip.vendor, chip.architecture) == ("ARM", "neoverse-n1")
    assert chip.engines[0].count.value == 4
    assert rate(chip, "fp32") == 8
    assert rate(chip, "fp16/fp16") == 16
    assert chip.engines[0].rates[precision("fp32")].status == "unverified"
    assert chip.engines[0].clock.boost.status == "unverified"
    assert [level.name for level in chip.memory] == ["L1", "L2", "DRAM"]


def test_an_empty_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for machine in ("x86_64", "arm64", ""):
        monkeypatch.setattr("platform.machine", lambda machine=machine: machine)
        chip = detect_cpu(root=tmp_path)
        assert chip.engines[0].count.value >= 1
        assert chip.name.startswith("cpu-")
        assert chip.dram.capacity is None
        assert [level.name for level in chip.memory] == ["L1", "L2", "DRAM"]
        assert round_trip(chip) == chip


def test_garbage_does_not_matter(tmp_path: Path) -> None:
    block = {"vendor_id": "AuthenticAMD", "cpu family": "x", "model": "", "cpu MHz": "fast", "flags": ""}
    root = tree(tmp_path, block, 2, caches={1: ("big", 1)})
    (root / "proc/meminfo").write_bytes(b"\xff\xfeMemTotal: many")
    chip = detect_cpu(root=root)
    assert chip.level("L1").capacity is None  # type: ignore[union-attr]
    assert chip.dram.capacity is None


def round_trip(chip: Chip) -> Chip:
    return replace(read_chip(parse_document(specs.dump_chip(chip))), file="")


def test_this_machine_round_trips() -> None:
    measured = {
        "clock_hz": 3.7123456789e9,
        "bandwidth:L1": 4.23e11,
        "bandwidth:L2": 2e11,
        "bandwidth:DRAM": 2.6e10,
    }
    for chip in (specs.detect_cpu(), specs.detect_cpu(measured)):
        assert round_trip(chip) == chip
        assert chip.engines[0].count.value >= 1


def test_lists_of_cpus() -> None:
    assert _cpu_list("0-3,8,10-11\n") == {0, 1, 2, 3, 8, 10, 11}
    assert _cpu_list("") == set()
