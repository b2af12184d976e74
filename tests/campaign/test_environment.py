"""The record of the machine is complete, never fails, and tells nothing about its owner."""

import getpass
import json
import os
import platform
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from roofline.campaign import environment
from roofline.campaign.environment import attempt, capture
from roofline.measurements.store import Store, read_measurements

FIELDS = {
    "date",
    "device",
    "roofline",
    "python",
    "numpy",
    "torch",
    "system",
    "cpu",
    "memory",
    "load",
    "variables",
    "gpu",
}


def without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)


def test_it_has_every_field_and_is_plain_json(monkeypatch: pytest.MonkeyPatch) -> None:
    without_torch(monkeypatch)
    facts = capture()
    assert set(facts) == FIELDS
    assert facts["torch"] is None
    assert facts["gpu"] is None
    assert facts["device"] == "cpu"
    assert facts["date"].endswith("+00:00")
    assert facts["python"] == f"{platform.python_implementation()} {platform.python_version()}"
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts


@pytest.mark.skipif(platform.system() != "Linux", reason="reads /proc and /sys")
def test_linux_tells_what_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    without_torch(monkeypatch)
    facts = capture()
    assert facts["cpu"]["affinity"] == sorted(os.sched_getaffinity(0))
    assert facts["cpu"]["hypervisor"] in (True, False, None)
    assert facts["memory"]["total_kib"] > facts["memory"]["available_kib"] > 0
    assert facts["system"]["steal_s"] >= 0
    assert len(facts["load"]) == 3


def test_torch_is_described_where_it_is() -> None:
    torch = pytest.importorskip("torch")
    facts = capture()["torch"]
    assert facts["version"] == torch.__version__
    assert facts["threads"] == torch.get_num_threads()
    assert facts["build"]
    assert not any("/" in line and "Build settings" in line for line in facts["build"])


def test_a_missing_gpu_is_none() -> None:
    facts = capture("cuda:7")
    assert facts["device"] == "cuda:7"
    assert facts["gpu"] is None


def test_the_owner_stays_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    without_torch(monkeypatch)
    monkeypatch.setenv("LD_PRELOAD", "/home/owner/lib/libjemalloc.so.2:/home/owner/lib/libother.so")
    monkeypatch.setenv("CUDA_HOME", "/home/owner")
    monkeypatch.setenv("TORCH_HOME", "C:\\Users\\owner\\torch")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-8f2e91c4-1111-2222-3333-444455556666,1")
    monkeypatch.setenv("PYTORCH_CUDA_ALLOC_CONF", "max_split_size_mb:128,expandable_segments:True")
    monkeypatch.setenv("MY_SECRET", "owner")
    facts = capture()
    variables = facts["variables"]
    assert variables["LD_PRELOAD"] == "libjemalloc.so.2:libother.so"
    assert variables["CUDA_HOME"] == "(path)"
    assert variables["CUDA_VISIBLE_DEVICES"] == "GPU,1"
    assert variables["PYTORCH_CUDA_ALLOC_CONF"] == "max_split_size_mb:128,expandable_segments:True"
    text = json.dumps(facts)
    assert "owner" not in text
    assert platform.node() not in [*_words(facts)]
    assert getpass.getuser() not in [*_words(facts)]
    assert str(Path.home()) not in text


def _words(value: object) -> list[str]:
    if isinstance(value, dict):
        return [word for item in value.values() for word in _words(item)]
    if isinstance(value, list):
        return [word for item in value for word in _words(item)]
    return str(value).split()


def test_a_system_that_tells_nothing_gives_none(monkeypatch: pytest.MonkeyPatch) -> None:
    without_torch(monkeypatch)

    def refuse(*_: object, **__: object) -> None:
        raise OSError("not here")

    monkeypatch.setattr(Path, "read_text", refuse)
    for name in ("sched_getaffinity", "getloadavg", "sysconf"):
        monkeypatch.setattr(os, name, refuse, raising=False)
    facts = capture()
    assert set(facts) == FIELDS
    assert facts["load"] is None
    assert facts["cpu"]["affinity"] is None
    assert facts["cpu"]["governor"] is None
    assert facts["cpu"]["turbo"] is None
    assert facts["memory"]["total_kib"] is None
    assert facts["memory"]["transparent_huge_pages"] is None
    assert facts["system"]["clock_source"] is None


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpufreq/boost": "1"}, True),
        ({"cpufreq/boost": "0"}, False),
        ({"intel_pstate/no_turbo": "1"}, False),
        ({"intel_pstate/no_turbo": "0"}, True),
        ({}, None),
    ],
)
def test_turbo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], expected: object) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    monkeypatch.setattr(environment, "_CPU", tmp_path)
    assert environment._turbo() is expected


def test_a_gpu_is_described_by_its_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    properties = SimpleNamespace(
        name="Tesla T4", major=7, minor=5, multi_processor_count=40, total_memory=15 << 30, uuid="secret-uuid"
    )
    torch = ModuleType("torch")
    torch.cuda = SimpleNamespace(  # type: ignore[attr-defined]
        current_device=lambda: 0,
        get_device_properties=lambda index: properties,
        mem_get_info=lambda index: (1, 2),
    )
    nvml = ModuleType("pynvml")
    shut = []
    answers = {
        "nvmlInit": lambda: None,
        "nvmlShutdown": lambda: shut.append(True),
        "nvmlDeviceGetHandleByUUID": lambda name: {"GPU-secret-uuid": "handle"}[name],
        "nvmlSystemGetDriverVersion": lambda: b"550.54",
        "nvmlDeviceGetClockInfo": lambda handle, which: {0: 1590, 1: 5001}[which],
        "nvmlDeviceGetEnforcedPowerLimit": lambda handle: 70_000,
        "NVML_CLOCK_SM": 0,
        "NVML_CLOCK_MEM": 1,
    }
    for name, value in answers.items():
        setattr(nvml, name, value)
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    facts = capture("cuda")
    gpu = facts["gpu"]
    assert gpu["name"] == "Tesla T4"
    assert gpu["compute_capability"] == "7.5"
    assert gpu["l2_bytes"] is None
    assert gpu["nvml"]["driver"] == "550.54"
    assert gpu["nvml"]["sm_clock_mhz"] == 1590
    assert gpu["nvml"]["memory_clock_mhz"] == 5001
    assert gpu["nvml"]["power_limit_w"] == 70
    assert gpu["nvml"]["temperature_c"] is None
    assert shut == [True]
    assert "secret" not in json.dumps(facts)


def test_attempt() -> None:
    assert attempt(lambda: 3) == 3
    assert attempt(lambda: 1 / 0) is None


def test_it_can_be_stored_and_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_torch(monkeypatch)
    facts = capture()
    row = {
        "record": "measurement",
        "kind": "network",
        "network": "mlp",
        "chip": "x",
        "dtype": "fp32",
        "seconds": 1,
    }
    with Store(tmp_path / "rows.jsonl") as store:
        name = store.append_environment(facts)
        store.append(row | {"environment": name})
    read = read_measurements(tmp_path / "rows.jsonl")
    assert read.environments[name]["cpu"] == facts["cpu"]
    assert read.warnings == ()
