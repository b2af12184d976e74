"""How are the matrix multiplications of aiconfigurator read? From data-centre GPUs, as serving frameworks run them.

It reads the tables ``systems/data/<system>/<framework>/<version>/gemm_perf.txt`` (CSV: framework, version, device,
kernel_source, gemm_dtype, m, n, k, latency; fetched by 'git lfs pull') and tidy copies with the columns dtype, m, n, k,
latency_ms, which are of an H200 SXM with TensorRT-LLM 1.3.0rc20. Newer ``.parquet`` tables are not read.

Latencies are in milliseconds, from replayed CUDA graphs at locked clocks. In fp8 a kernel that quantizes the input runs
first and the result is stored in 16 bits, so every precision is a set with its own launch floor.

Source: ai-dynamo/aiconfigurator @ 095f58a, Apache-2.0.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from roofline.core.measurement import Measurement
from roofline.core.stack import Stack
from roofline.measurements.public.devices import chip_named
from roofline.measurements.public.files import Source, header, stem, table, understood

COMMIT = "ai-dynamo/aiconfigurator @ 095f58a"
CHIP = "h200-sxm"
STACK = Stack(framework="tensorrt-llm", version="1.3.0rc20", mode="graphs")
FRAMEWORKS = {"trtllm": "tensorrt-llm"}
DTYPES = {"bfloat16": "bf16", "float16": "fp16", "fp8": "fp8_e4m3"}

TIDY = ("dtype", "m", "n", "k", "latency_ms")
PUBLIC = ("framework", "version", "device", "gemm_dtype", "m", "n", "k", "latency")


def read(source: Source) -> Iterator[Measurement]:
    """The matrix multiplications, table by table."""
    paths = [path for path in source.files(".txt", ".csv") if _own(path) or path == source.path]
    understood(source.path, paths, f"gemm_perf.txt ({', '.join(PUBLIC)}) or a table with {', '.join(TIDY)}")
    for path in paths:
        tidy = set(TIDY) <= set(header(path))
        dtype, latency = ("dtype", "latency_ms") if tidy else ("gemm_dtype", "latency")
        stacks: dict[tuple[str, str], Stack] = {}
        for line in table(path, *(TIDY if tidy else PUBLIC)):
            chip = CHIP if tidy else chip_named(line["device"])
            if not source.wants(chip):
                continue
            if line[dtype] not in DTYPES:
                source.skip(f"GEMM in {line[dtype]}")
                continue
            stack = STACK
            if not tidy:
                software = line["framework"].lower(), line["version"]
                stack = stacks.setdefault(software, _stack(*software))
            name = DTYPES[line[dtype]]
            yield Measurement(
                kind="operator",
                chip=chip,
                dtype=name,
                seconds=line.seconds(latency),
                stack=stack,
                op="linear",
                attributes={"out": line.whole("n"), "bias": False},
                inputs=((line.whole("m"), line.whole("k")),),
                cache="unknown",
                kernel=line.values.get("kernel_source", ""),
                set=f"aiconfigurator/{name}",
                provenance=f"aiconfigurator ({COMMIT}), gemm",
            )


def _own(path: Path) -> bool:
    return stem(path)[0] == "gemm_perf" or set(TIDY) <= set(header(path))


def _stack(framework: str, version: str) -> Stack:
    return Stack(framework=FRAMEWORKS.get(framework, framework), version=version, mode="graphs")
