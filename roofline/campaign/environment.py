"""What could have changed a measured time? Machine, system and software during the measurement.

Every fact is None where the system does not report it; recording never fails. Host name, user name and paths are left
out, because a record is meant to be published.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

_CPU = Path("/sys/devices/system/cpu")
_CGROUP = Path("/sys/fs/cgroup")
_VARIABLES = re.compile(
    r"(OMP|KMP|GOMP|MKL|OPENBLAS|BLIS|DNNL|ONEDNN|ATEN|TORCH|PYTORCH|CUDA|CUDNN|CUBLAS|MALLOC|TCMALLOC)_\w+"
    r"|NVIDIA_TF32_OVERRIDE|GLIBC_TUNABLES|LD_PRELOAD|PYTHONMALLOC"
)


def capture(device: str = "cpu") -> dict[str, Any]:
    """Everything about this machine and its software that can change a measured time.

    Parameters
    ----------
    device : ``cpu``, or ``cuda`` or ``cuda:1`` to add the driver's information on that GPU.

    Returns
    -------
    facts : plain values by topic, ready for :meth:`roofline.measurements.store.Store.append_environment`; the fields
        are listed in docs/measurements.md.
    """
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": device,
        "roofline": installed("roofline"),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "numpy": installed("numpy"),
        "torch": attempt(_torch),
        "system": attempt(_system),
        "cpu": attempt(_cpu),
        "memory": attempt(_memory),
        "load": attempt(lambda: [round(value, 2) for value in os.getloadavg()]),
        "variables": {name: _anonymous(os.environ[name]) for name in sorted(os.environ) if _VARIABLES.fullmatch(name)},
        "gpu": attempt(lambda: _gpu(device)) if device.startswith("cuda") else None,
    }


def attempt(question: Callable[[], T]) -> T | None:
    """The answer, or None where this system cannot give it."""
    try:
        return question()
    except Exception:
        return None


def installed(package: str) -> str | None:
    """Version of a package, None if it is not installed."""
    return attempt(lambda: version(package))


def _anonymous(text: str) -> str:
    """The value of a variable without paths and device identities; a library keeps its file name."""
    text = re.sub(r"(GPU|MIG)-[0-9a-fA-F]{8}[\w-]*", r"\1", text)
    return re.sub(r"[^\s:=,;]*[/\\][^\s:=,;]*", _file_name, text)


def _file_name(path: re.Match[str]) -> str:
    name = re.split(r"[/\\]", path.group())[-1]
    return name if re.search(r"\.(so|dll|dylib)\b", name) else "(path)"


def _line(path: Path | str) -> str | None:
    with suppress(OSError, UnicodeDecodeError):
        return Path(path).read_text().strip() or None
    return None


def _chosen(text: str | None) -> str | None:
    """The word in brackets of a kernel setting such as ``always [madvise] never``."""
    match = re.search(r"\[(\w+)\]", text or "")
    return match.group(1) if match else text


def _fields(path: Path | str, names: Iterable[str], separator: str = ":") -> dict[str, str]:
    """First value of each ``name : value`` line of a file in /proc."""
    wanted, found = set(names), dict[str, str]()
    for line in (_line(path) or "").splitlines():
        name, _, value = line.partition(separator)
        if name.strip() in wanted:
            found.setdefault(name.strip(), value.strip())
    return found


def _system() -> dict[str, Any]:
    return {
        "name": platform.system() or None,
        "release": platform.release() or None,
        "machine": platform.machine() or None,
        "libc": " ".join(part for part in platform.libc_ver() if part) or None,
        "clock_source": _line("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        "steal_s": attempt(steal_s),
    }


def steal_s() -> float:
    """Seconds since boot in which the host of this guest ran something else, summed over processors."""
    ticks = int((_line("/proc/stat") or "").split("\n")[0].split()[8])
    return ticks / os.sysconf("SC_CLK_TCK")


def others_s() -> float:
    """Processor seconds since boot of other processes and the kernel: all busy ones minus our own."""
    user, nice, kernel, _, _, irq, soft = map(int, (_line("/proc/stat") or "").split("\n")[0].split()[1:8])
    own = os.times()
    return (user + nice + kernel + irq + soft) / os.sysconf("SC_CLK_TCK") - own.user - own.system


def _cpu() -> dict[str, Any]:
    numbers = ("cpu family", "model", "stepping")
    facts = _fields("/proc/cpuinfo", ("vendor_id", "model name", "microcode", "cpu MHz", *numbers))
    flags = _fields("/proc/cpuinfo", ("flags", "Features"))
    words = " ".join(flags.values()).split()
    frequency = _CPU / "cpu0/cpufreq"
    return {
        "model": facts.get("model name") or platform.processor() or None,
        "vendor": facts.get("vendor_id"),
        "family_model_stepping": attempt(lambda: [int(facts[name]) for name in numbers]),
        "microcode": facts.get("microcode"),
        "clock_mhz": attempt(lambda: float(facts["cpu MHz"])),
        "processors": os.cpu_count(),
        "affinity": attempt(lambda: sorted(os.sched_getaffinity(0))),
        "smt": _line(_CPU / "smt/active"),
        "caches": attempt(_caches),
        "hypervisor": "hypervisor" in words if words else None,
        "governor": _line(frequency / "scaling_governor"),
        "clock_limits_khz": [_line(frequency / f"scaling_{end}_freq") for end in ("min", "max")],
        "turbo": attempt(_turbo),
        "clock_now_khz": _line(frequency / "scaling_cur_freq"),
        "power_limit_uw": _line("/sys/class/powercap/intel-rapl:0/constraint_0_power_limit_uw"),
        "quota": attempt(_quota),
        "throttled": throttled(),
        "nice": attempt(lambda: os.nice(0)),
        "isa": [word for word in words if re.match(r"(avx|amx|fma$|sve|asimd|f16c|neon)", word)] or None,
    }


def _turbo() -> bool | None:
    """Whether the clock may rise above its nominal value."""
    if (boost := _line(_CPU / "cpufreq/boost")) is not None:
        return boost == "1"
    if (off := _line(_CPU / "intel_pstate/no_turbo")) is not None:
        return off == "0"
    return None


def _quota() -> float | None:
    """Number of processors that the group of this process may use, None if unlimited."""
    allowed, period = (_line(_CGROUP / "cpu.max") or "max 1").split()
    return None if allowed == "max" else int(allowed) / int(period)


def throttled() -> int | None:
    """How often so far this processor was throttled, or the group of this process was held back."""
    events = [_line(_CPU / f"cpu0/thermal_throttle/{part}_throttle_count") for part in ("core", "package")]
    events.append(_fields(_CGROUP / "cpu.stat", ("nr_throttled",), " ").get("nr_throttled"))
    counts = [int(count) for count in events if count and count.isdigit()]
    return sum(counts) if counts else None


def machine_name(device: str) -> str:
    """The system's name of the processor or GPU, which distinguishes two kinds with one chip name."""
    if device.startswith("cuda"):
        torch = import_module("torch")
        properties = torch.cuda.get_device_properties(int(device.partition(":")[2] or torch.cuda.current_device()))
        return f"{properties.name}, {properties.total_memory >> 20} MiB"
    facts = attempt(_cpu) or {}
    numbers = facts.get("family_model_stepping")
    kind = ", family {} model {} stepping {}".format(*numbers) if numbers else ""
    return f"{facts.get('model') or 'unknown processor'}{kind}"


def _caches() -> dict[str, str]:
    """Size of each cache of the first processor, such as ``{"L1d": "48K"}``."""
    found: dict[str, str] = {}
    for folder in sorted((_CPU / "cpu0/cache").glob("index*")):
        kind = {"Data": "d", "Instruction": "i"}.get(_line(folder / "type") or "", "")
        found[f"L{_line(folder / 'level')}{kind}"] = _line(folder / "size") or ""
    return found


def _memory() -> dict[str, Any]:
    facts = _fields("/proc/meminfo", ("MemTotal", "MemAvailable", "HugePages_Total"))
    huge = Path("/sys/kernel/mm/transparent_hugepage")
    return {
        "total_kib": attempt(lambda: int(facts["MemTotal"].split()[0])),
        "available_kib": attempt(lambda: int(facts["MemAvailable"].split()[0])),
        "huge_pages": attempt(lambda: int(facts["HugePages_Total"])),
        "transparent_huge_pages": _chosen(_line(huge / "enabled")),
        "defrag": _chosen(_line(huge / "defrag")),
        "overcommit": _line("/proc/sys/vm/overcommit_memory"),
        "numa_nodes": len(list(Path("/sys/devices/system/node").glob("node[0-9]*"))) or None,
    }


def _torch() -> dict[str, Any]:
    torch = import_module("torch")
    # the build settings contain folders of the build machine; they are left out
    build = [line.strip(" -") for line in torch.__config__.show().splitlines()[1:]]
    mkldnn = torch.backends.mkldnn
    return {
        "version": str(torch.__version__),
        "git": attempt(lambda: torch.version.git_version),
        "build": [line for line in build if line and not line.startswith("Build settings")],
        "cpu_capability": attempt(lambda: torch.backends.cpu.get_cpu_capability()),
        "threads": attempt(lambda: torch.get_num_threads()),
        "interop_threads": attempt(lambda: torch.get_num_interop_threads()),
        "mkldnn": attempt(lambda: bool(mkldnn.is_available() and mkldnn.enabled)),
        "matmul_precision": attempt(lambda: torch.get_float32_matmul_precision()),
        "deterministic": attempt(lambda: torch.are_deterministic_algorithms_enabled()),
        "cuda": attempt(lambda: torch.version.cuda),
        "cudnn": attempt(lambda: torch.backends.cudnn.version()),
        "cudnn_benchmark": attempt(lambda: bool(torch.backends.cudnn.benchmark)),
        "tf32_matmul": attempt(lambda: bool(torch.backends.cuda.matmul.allow_tf32)),
        "tf32_convolution": attempt(lambda: bool(torch.backends.cudnn.allow_tf32)),
    }


def _gpu(device: str) -> dict[str, Any]:
    torch = import_module("torch")
    index = int(device.partition(":")[2] or torch.cuda.current_device())
    properties = torch.cuda.get_device_properties(index)
    return {
        "name": properties.name,
        "compute_capability": f"{properties.major}.{properties.minor}",
        "multiprocessors": properties.multi_processor_count,
        "memory_bytes": properties.total_memory,
        "memory_free_bytes": attempt(lambda: torch.cuda.mem_get_info(index)[0]),
        "l2_bytes": getattr(properties, "L2_cache_size", None),
        "driver": _driver(),
        "nvml": attempt(lambda: _nvml(index, properties)),
    }


def _driver() -> str | None:
    """Version of the kernel driver, where NVML is not available."""
    match = re.search(r"Kernel Module\D*?(\d+\.[\d.]+)", _line("/proc/driver/nvidia/version") or "")
    return match.group(1) if match else None


def _nvml(index: int, properties: Any) -> dict[str, Any]:
    """The driver's information on clocks and power. Only reads; never changes a setting."""
    nvml = import_module("pynvml")
    nvml.nvmlInit()
    try:
        # torch counts only the devices visible to it, so query by identity; the identity is not stored
        uuid = getattr(properties, "uuid", None)
        handle = attempt(lambda: nvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}"))
        handle = handle or nvml.nvmlDeviceGetHandleByIndex(index)
        sm, memory = nvml.NVML_CLOCK_SM, nvml.NVML_CLOCK_MEM
        questions: dict[str, Callable[[], Any]] = {
            "driver": lambda: _decoded(nvml.nvmlSystemGetDriverVersion()),
            "sm_clock_mhz": lambda: nvml.nvmlDeviceGetClockInfo(handle, sm),
            "sm_clock_max_mhz": lambda: nvml.nvmlDeviceGetMaxClockInfo(handle, sm),
            "memory_clock_mhz": lambda: nvml.nvmlDeviceGetClockInfo(handle, memory),
            "memory_clock_max_mhz": lambda: nvml.nvmlDeviceGetMaxClockInfo(handle, memory),
            "power_w": lambda: nvml.nvmlDeviceGetPowerUsage(handle) / 1000,
            "power_limit_w": lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1000,
            "temperature_c": lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU),
            "throttle_reasons": lambda: nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle),
            "utilization_percent": lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu,
            "persistence": lambda: bool(nvml.nvmlDeviceGetPersistenceMode(handle)),
            "ecc": lambda: bool(nvml.nvmlDeviceGetEccMode(handle)[0]),
            "mig": lambda: bool(nvml.nvmlDeviceGetMigMode(handle)[0]),
            "pcie_generation": lambda: nvml.nvmlDeviceGetCurrPcieLinkGeneration(handle),
            "pcie_width": lambda: nvml.nvmlDeviceGetCurrPcieLinkWidth(handle),
        }
        return {name: attempt(question) for name, question in questions.items()}
    finally:
        nvml.nvmlShutdown()


def _decoded(text: str | bytes) -> str:
    return text.decode() if isinstance(text, bytes) else text
