"""Rows on a CUDA device that is simulated, under real tensors of a CPU: what is kept, and what can go wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from simulated_gpu import FullError, Gpu, after

from roofline import specs
from roofline.campaign import bench, campaign, devices, run_eight_bit, watch
from roofline.campaign.bench_cuda import CudaBench
from roofline.campaign.campaign import run_campaign
from roofline.campaign.numerics import NUMERICS, computing_in, precision_of, refuse
from roofline.campaign.nvml import Nvml, summary
from roofline.campaign.rounds import has_nan
from roofline.cli.app import cli
from roofline.core.measurement import Measurement
from roofline.core.stack import Stack
from roofline.errors import DeviceLost, UnknownName, Unsupported
from roofline.measurements.health import REFERENCES
from roofline.measurements.kernels import kernels_of
from roofline.measurements.plan import Plan
from roofline.measurements.store import read_measurements

torch = pytest.importorskip("torch")

RELU = Measurement("operator", "h200-sxm", "fp32", 1.0, op="relu", inputs=((8, 16),), cache="cold")
NET = Measurement("network", "h200-sxm", "fp32", 1.0, network="mlp", symbols={"batch": 2}, cache="warm")
KERNEL_S = 1e-5


def benched(gpu: Gpu, work: Callable[[], Any] = lambda: torch.ones(4), seconds: float = KERNEL_S) -> CudaBench:
    def calls_of(row: Measurement) -> Iterator[Callable[[], Any]]:
        while True:
            yield after(gpu)(work, seconds, 4.0)

    return CudaBench(gpu, calls_of)


def test_what_is_kept_with_a_cold_operator() -> None:
    gpu = Gpu()
    burst = benched(gpu)(RELU)
    assert burst.typical == pytest.approx(3.5 * gpu.gap_s + 4 * KERNEL_S + gpu.stamp_s)
    assert burst.flags == ()
    assert burst.facts == {
        "sm_clock_mhz": 1980,
        "sm_clock_range_mhz": [1980, 1980],
        "power_w": 400.0,
        "throttle": [],
        "timed": "graph",
        "cold": "flush",
        "flushed_bytes": gpu.flushed_bytes,
    }
    json.dumps(burst.facts, allow_nan=False)


def test_a_net_runs_as_its_stack_says_and_tells_how_fast_the_host_is() -> None:
    gpu = Gpu(dispatch_s=2e-5)
    bench_of = benched(gpu)
    eager = bench_of(NET)
    graph = bench_of(Measurement.from_dict({**NET.to_dict(), "stack": Stack(mode="graphs").to_dict()}))
    assert (eager.facts["timed"], graph.facts["timed"]) == ("events", "graph")
    assert "cold" not in eager.facts
    assert eager.facts["launches"]["host_s"] < 2.1e-5
    assert "launches" not in graph.facts


def test_a_net_that_cannot_be_recorded_is_skipped_and_an_operator_is_not() -> None:
    gpu = Gpu()

    def waits() -> None:
        if gpu._recording is not None:
            gpu.synchronize()

    bench_of = benched(gpu, waits)
    burst = bench_of(RELU)
    assert (burst.facts["timed"], burst.facts["why"][:10]) == ("events", "CUDA error")
    tried = gpu.captures
    assert bench_of(RELU).facts["why"] == burst.facts["why"]
    assert gpu.captures == tried, "tried once for an operator"
    with pytest.raises(Unsupported, match=r"mlp .inference. cannot be captured as a CUDA graph: CUDA error"):
        bench_of(Measurement.from_dict({**NET.to_dict(), "stack": Stack(mode="graphs").to_dict()}))


def test_an_output_comes_with_every_burst_for_whoever_looks_for_nan() -> None:
    bench_of = benched(Gpu(), lambda: (torch.ones(3), [torch.tensor([1.0, float("nan")])]))
    assert has_nan(bench_of(RELU).output)
    assert not has_nan(benched(Gpu())(RELU).output)
    assert not has_nan((torch.ones(3), torch.arange(4), None, torch.ones(0)))


@pytest.mark.parametrize(
    ("looks", "flags", "throttle"),
    [
        ([{"sm_clock_mhz": 1500, "throttle": 0x1}, {"sm_clock_mhz": 1485, "throttle": 0x2}], (), []),
        ([{"sm_clock_mhz": 1500, "throttle": 0x4}], ("throttled",), ["power cap"]),
        ([{"sm_clock_mhz": c, "throttle": 0x48} for c in (1900, 1500)],
         ("throttled", "unstable clock"), ["hardware slowdown", "hardware thermal"]),
        ([{"sm_clock_mhz": 1980}, {"sm_clock_mhz": 345}, {}], ("unstable clock",), None),
        ([], (), None),
    ],
)  # fmt: skip
def test_clocks_become_facts_and_flags(looks: list[dict[str, Any]], flags: Any, throttle: Any) -> None:
    facts, found = summary(looks)
    assert found == flags
    assert facts.get("throttle") == throttle
    assert ("sm_clock_mhz" in facts) == bool(looks)


def test_without_nvml_nothing_is_told_and_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pynvml", None)
    silent = Nvml(0)
    assert (silent.name(), silent.look()) == (None, {})


def test_nvml_is_only_read(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Driver:
        NVML_CLOCK_SM, NVML_CLOCK_MEM, NVML_TEMPERATURE_GPU = 1, 2, 0

        def __getattr__(self, name: str) -> Callable[..., Any]:
            asked.append(name)
            if name == "nvmlDeviceGetTemperature":
                raise OSError("not supported")
            return lambda *arguments: b"NVIDIA T4" if name.endswith("GetName") else 70000

    monkeypatch.setitem(__import__("sys").modules, "pynvml", Driver())
    nvml = Nvml(0, "abc")
    assert nvml.name() == "NVIDIA T4"
    assert nvml.look() == {"sm_clock_mhz": 70000, "memory_clock_mhz": 70000, "power_w": 70.0, "throttle": 70000}
    assert all("Get" in name or name == "nvmlInit" for name in asked if name.startswith("nvml"))


# Campaigns -------------------------------------------------------------------------------------------------------


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Gpu:
    """Calls of campaigns keep this device busy."""
    gpu = Gpu()
    monkeypatch.setattr(devices, "cuda_device", lambda: gpu)
    real = bench.build_calls

    def busy(*arguments: Any, **options: Any) -> Iterator[Callable[[], Any]]:
        for call in real(*arguments, **options):
            yield after(gpu)(call, KERNEL_S, 4.0)

    monkeypatch.setattr(bench, "build_calls", busy)
    return gpu


SMALL = Plan(rows=13, rounds=2, networks={})


def few(monkeypatch: pytest.MonkeyPatch) -> None:
    from roofline.campaign.question import Question

    asked = [
        Question("linear", "linear", {"out": 32, "bias": True}, ((32, 64),)),
        Question("elementwise", "relu", {}, ((64, 64),)),
        Question("elementwise", "add", {}, ((64,), (64,))),
    ]
    monkeypatch.setattr(campaign, "design", lambda rows, seed=0, training=True: asked)
    monkeypatch.setattr(campaign, "ladder", list)
    small = {name: replace(row, inputs=((4, 4),) * len(row.inputs)) for name, row in REFERENCES.items()}
    monkeypatch.setattr(watch, "REFERENCES", small)


def test_a_campaign_ends_with_rows_and_facts(card: Gpu, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    few(monkeypatch)
    read = read_measurements(run_campaign(tmp_path / "r.jsonl", "h200-sxm", SMALL, device="cuda"))
    assert len(read.measurements) == 3
    assert {sample["timed"] for sample in read.samples.values()} == {"graph"}


def test_a_card_that_falls_off_the_bus_ends_it_and_nothing_is_lost(
    card: Gpu, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    few(monkeypatch)
    path = tmp_path / "r.jsonl"
    enough = 2

    def look() -> dict[str, Any]:
        card.lost = path.read_text().count('{"record": "sample"') >= enough
        return {}

    monkeypatch.setattr(card, "look", look)
    with pytest.raises(DeviceLost, match=r"NVIDIA H200 does not respond any more .*to resume"):
        run_campaign(path, "h200-sxm", SMALL, device="cuda")
    kept = [json.loads(line) for line in path.read_text().splitlines()]
    done = [record["key"] for record in kept if record["record"] == "sample"]
    assert 0 < len(done) < 6
    assert not [record for record in kept if record["record"] == "skipped"]
    enough, card.lost = 10**6, False
    read = read_measurements(run_campaign(path, "h200-sxm", SMALL, device="cuda"))
    assert (len(read.measurements), len(read.samples)) == (3, 6)


def test_a_card_that_is_another_one_now_ends_it(card: Gpu, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    few(monkeypatch)
    monkeypatch.setattr(card, "look", lambda: setattr(card, "name", "NVIDIA L4") or {})
    with pytest.raises(DeviceLost, match="was 'NVIDIA H200' at the start and is 'NVIDIA L4' now"):
        run_campaign(tmp_path / "r.jsonl", "h200-sxm", SMALL, device="cuda")


def test_a_row_without_memory_or_with_a_wrong_clock_is_skipped(
    card: Gpu, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    few(monkeypatch)
    launch, between = card.launch, card.seconds_between
    queued: list[str] = []

    def full(seconds: float, cold: float) -> None:
        if queued == ["linear"]:
            raise FullError("CUDA out of memory. Tried to allocate 20 GiB")
        launch(seconds, cold)

    monkeypatch.setattr(card, "launch", full)
    monkeypatch.setattr(card, "seconds_between", lambda a, b: -1.0 if queued == ["add"] else between(a, b))
    real = bench.build_calls

    def noted(op: str, *arguments: Any, **options: Any) -> Any:
        queued[:] = [op]
        return real(op, *arguments, **options)

    monkeypatch.setattr(bench, "build_calls", noted)
    path = run_campaign(tmp_path / "r.jsonl", "h200-sxm", SMALL, device="cuda")
    records = [json.loads(line) for line in path.read_text().splitlines()]
    why = {r["label"].split()[0]: r["why"] for r in records if r["record"] == "skipped"}
    assert set(why) == {"linear", "add"}
    assert why["linear"].startswith("out of memory on the device: CUDA out of memory")
    assert why["add"].startswith("the clock of the device gave an interval of -1.0 s")
    assert [row.op for row in read_measurements(path).measurements] == ["relu"]


# Precisions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["fp8_e4m3", "int8", "tf32", "fp16", "bf16", "fp16/fp16"])
def test_products_in_a_precision_and_all_else_as_its_nets_would(
    dtype: str, card: Gpu, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    few(monkeypatch)
    product = run_eight_bit.product

    def once(*asked: Any) -> Callable[[], Any]:
        result = product(*asked)()  # some processors take milliseconds for each of the thousands of calls
        return lambda: result

    monkeypatch.setattr(run_eight_bit, "product", once)
    rows = read_measurements(
        run_campaign(tmp_path / "r.jsonl", "h200-sxm", Plan(rows=1, rounds=1), dtype=dtype, device="cuda")
    ).measurements if NUMERICS[dtype].only else read_measurements(
        run_campaign(tmp_path / "r.jsonl", "h200-sxm", SMALL, dtype=dtype, device="cuda")
    ).measurements  # fmt: skip
    found = {row.op: row.dtype for row in rows if row.kind == "operator"}
    others = NUMERICS[dtype].storage if NUMERICS[dtype].only else dtype
    assert found == {"linear": dtype, "relu": others, "add": others}
    assert all(row.kind == "operator" for row in rows), "no nets in what only products have"


@pytest.mark.parametrize(("dtype", "bytes_each"), [("int8", 4), ("fp8_e4m3", 2)])
def test_results_of_products_in_8_bits_are_wider(dtype: str, bytes_each: int) -> None:
    layer = {"out": 48, "bias": False}
    row = Measurement("operator", "h200-sxm", dtype, 1.0, op="linear", attributes=layer, inputs=((32, 64),))
    (kernel,) = kernels_of(row)
    call = run_eight_bit.product(dtype, (32, 64), 48, "cpu")
    assert kernel.writes == call().numel() * call().element_size() == 32 * 48 * bytes_each


def test_switches_are_put_back() -> None:
    matmul = torch.backends.cuda.matmul
    before = (matmul.allow_tf32, matmul.allow_fp16_accumulation, torch.backends.cudnn.allow_tf32)
    with computing_in("tf32"):
        assert (matmul.allow_tf32, torch.backends.cudnn.allow_tf32) == (True, True)
    with computing_in("fp16/fp16"):
        assert (matmul.allow_tf32, matmul.allow_fp16_accumulation) == (False, True)
    with computing_in("fp16"):
        assert not matmul.allow_fp16_accumulation
    assert (matmul.allow_tf32, matmul.allow_fp16_accumulation, torch.backends.cudnn.allow_tf32) == before
    assert (precision_of("linear", "fp8"), precision_of("relu", "fp8")) == ("fp8_e4m3", "bf16")


def test_what_a_device_cannot_do_is_refused_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    turing = Gpu(name="Tesla T4", capability=(7, 5))
    for dtype in NUMERICS:
        refuse(dtype, Gpu(), specs.load_chip("h200-sxm"))
    for dtype in ("bf16", "tf32", "fp8_e4m3"):
        with pytest.raises(Unsupported, match=r"Tesla T4 has CUDA capability 7\.5; .* needs 8\."):
            refuse(dtype, turing)
    refuse("int8", turing)
    with pytest.raises(Unsupported):
        refuse("bf16", turing, specs.load_chip("tesla-t4"))
    with pytest.raises(Unsupported, match="int8 can be measured on CUDA devices only; on a CPU choose fp32,"):
        refuse("int8", None)
    with pytest.raises(UnknownName):
        refuse("int4", None)
    monkeypatch.delattr(torch, "float8_e4m3fn")
    with pytest.raises(Unsupported, match=r"PyTorch .* has no float8_e4m3fn, which fp8_e4m3 needs"):
        refuse("fp8_e4m3", Gpu())
    monkeypatch.delattr(torch, "_int_mm")
    with pytest.raises(Unsupported, match=r"has no _int_mm"):
        refuse("int8", Gpu())


def test_a_product_that_torch_refuses_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: Any, **__: Any) -> None:
        raise RuntimeError("no kernel image is available for execution on the device\nmore")

    monkeypatch.setattr(torch, "_int_mm", refuses)
    with pytest.raises(Unsupported, match=r"NVIDIA H200 .* cannot compute in int8: no kernel image is available"):
        refuse("int8", Gpu())


def test_the_command_refuses_before_anything_is_measured(
    card: Gpu, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    card.name, card.capability = "Tesla T4", (7, 5)
    monkeypatch.setattr(devices, "cuda_title", lambda: card.name)
    path = tmp_path / "rows.jsonl"

    def answer(*said: str) -> str:
        result = CliRunner().invoke(cli, ["measure", "--out", str(path), *said])
        assert result.exit_code == 2, result.output
        assert not path.exists()
        return result.output

    assert "tesla-t4" in answer("--device", "cuda", "--dtype", "bf16")
    assert "on a CPU choose fp32, fp16, bf16" in answer("--device", "cpu", "--dtype", "int8")
    assert "no networks in int8" in answer("--device", "cuda", "--dtype", "int8", "-w", "mlp")
    assert card.launches == 0


# Names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("title", "chip"),
    [
        ("NVIDIA H100 80GB HBM3", "h100-sxm"),
        ("NVIDIA H100 PCIe", "h100-pcie"),
        ("NVIDIA H200", "h200-sxm"),
        ("Tesla V100-SXM2-16GB", "tesla-v100-sxm2"),
        ("Tesla P100-PCIE-16GB", "tesla-p100-pcie"),
        ("Tesla T4", "tesla-t4"),
        ("NVIDIA GeForce RTX 2070", "rtx-2070"),
        ("NVIDIA GeForce GTX 980", "gtx-980"),
        ("NVIDIA A100-SXM4-80GB", "a100-sxm-80gb"),
        ("NVIDIA A100-SXM4-40GB", None),
        ("NVIDIA H100 NVL", None),
    ],
)
def test_titles_of_drivers(title: str, chip: str | None) -> None:
    assert devices.match_chip(title, specs.list_chips()) == chip
