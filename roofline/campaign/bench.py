"""How is one question of a campaign timed on a CPU, and what does it call? See :mod:`.bench_cuda` for a CUDA device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import repeat
from typing import Any

from roofline.campaign import devices, networks
from roofline.campaign.bench_cuda import CudaBench
from roofline.campaign.numerics import numerics, torch_dtype
from roofline.campaign.run import Pool, build_calls, import_torch
from roofline.campaign.timer_cpu import Burst, burst_cold, burst_warm
from roofline.core.measurement import Measurement

POOL_BYTES = 2**27
"""Weights come from this much memory in rotation: several times a last-level cache [B]."""
FLUSH_BYTES = 2**22
"""Bytes read between two cold samples: more than a private cache holds."""
BURST_S, WARM_S = 0.004, 0.0015
NETWORK_S = 0.2
"""Seconds of a burst: short, because the best of many rounds repeats better than many calls at one moment."""


def bench_of(device: str, dtype: str) -> Callable[[Measurement], Burst]:
    """A function that takes one burst of samples of a question on a device."""
    torch = import_torch()
    gpu = devices.cuda_device() if device == "cuda" else None
    place, stored = gpu.place if gpu else device, numerics(dtype).storage
    with torch.inference_mode(False):  # gradients need ordinary tensors
        pool = Pool.create(POOL_BYTES // 4, dtype=torch_dtype(dtype), device=place)
    modules: dict[str, Callable[[], Any]] = {}
    other = torch.ones(FLUSH_BYTES // 4)

    def calls_of(row: Measurement) -> Iterator[Callable[[], Any]]:
        if row.kind == "operator":
            return build_calls(row.op, row.attributes, row.inputs, device=place, pool=pool, part=row.part)
        asked = f"{row.network} {sorted(row.symbols.items())} {row.mode}"
        if asked not in modules:
            training = row.mode == "training"  # mixed precision as in the recipe, with fp32 weights
            module, inputs = networks.build(
                row.network, row.symbols, dtype="fp32" if training else stored, device=place
            )
            mixed = torch_dtype(dtype) if stored != "fp32" else None
            step = networks.training_step(module, inputs, mixed) if training else lambda: module(*inputs)
            modules[asked] = step
        return repeat(modules[asked])

    def on_cpu(row: Measurement) -> Burst:
        if row.kind == "operator":
            if row.cache == "warm":
                return burst_warm(calls_of(row), seconds=WARM_S)
            return burst_cold(calls_of(row), other.sum, seconds=BURST_S, at_least=2)
        return burst_cold(calls_of(row), lambda: None, seconds=NETWORK_S, at_least=1, warm_up=1)

    return CudaBench(gpu, calls_of) if gpu else on_cpu
