"""How is one row of a campaign timed, on a CPU and on a CUDA device?"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from itertools import repeat
from typing import Any

from roofline.core.measurement import Measurement
from roofline.measure import networks
from roofline.measure.run import Pool, build_calls, import_torch
from roofline.measure.timer_cpu import Burst, burst_cold, burst_warm

POOL_BYTES = 2**27
"""Weights are cut from this much memory in turn: several times a last-level cache."""
FLUSH_BYTES = 2**22
"""Read between two cold samples: more than a private cache holds."""
BURST_S, WARM_S = 0.008, 0.003
CUDA_CALLS = 8
"""Calls with different weights that a CUDA sample takes in turn."""
NETWORK_S = 0.4


def bench_of(device: str, dtype: str) -> Callable[[Measurement], Burst]:
    """A function that takes one burst of samples of a row on a device."""
    torch = import_torch()
    kind = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[dtype]
    with torch.inference_mode(False):  # gradients need ordinary tensors
        pool = Pool.create(POOL_BYTES // 4, dtype=kind, device=device)
    modules: dict[str, Callable[[], Any]] = {}
    other = torch.ones(FLUSH_BYTES // 4)

    def calls_of(row: Measurement) -> Iterator[Callable[[], Any]]:
        if row.kind == "operator":
            return build_calls(row.op, row.attributes, row.inputs, device=device, pool=pool, part=row.part)
        if row.key not in modules:
            module, inputs = networks.build(row.network, row.symbols, dtype=dtype, device=device)
            step = networks.training_step(module, inputs) if row.mode == "training" else lambda: module(*inputs)
            modules[row.key] = step
        return repeat(modules[row.key])

    def on_cpu(row: Measurement) -> Burst:
        if row.kind == "operator":
            if row.cache == "warm":
                return burst_warm(calls_of(row), seconds=WARM_S)
            return burst_cold(calls_of(row), other.sum, seconds=BURST_S)
        return burst_cold(calls_of(row), lambda: None, seconds=NETWORK_S, at_least=2, warm_up=1)

    def on_cuda(row: Measurement) -> Burst:
        from roofline.measure.timer_cuda import time_cuda

        calls = calls_of(row)
        ready = itertools.cycle([next(calls) for _ in range(CUDA_CALLS)])  # made before the clock runs
        samples = time_cuda(lambda: next(ready)(), samples=10, flush=row.kind == "operator")
        return Burst(tuple(samples), tuple(samples), (True,) * len(samples))

    return on_cuda if device == "cuda" else on_cpu
