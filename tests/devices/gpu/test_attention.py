"""Fused attention on GPUs: what a mask, shared heads, split keys, pages and stored bits change."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from roofline import specs
from roofline.core.attention import kept, square
from roofline.core.dtype import precision
from roofline.core.schedule import Schedule
from roofline.core.stack import Stack
from roofline.devices import ceiling
from roofline.devices.gpu.attention import work_of
from roofline.devices.gpu.attention_kernels import KERNELS, chosen
from roofline.devices.gpu.model import gpu_times
from roofline.devices.gpu.parameters import Parameters
from roofline.errors import UnknownName
from roofline.lowering import lower, single
from roofline.lowering.parts import part_kernels
from roofline.prediction.predict import predict

SERVING = Stack(framework="vllm", mode="graphs", kv_cache="paged")
NAMES = [kernel.name for kernel in KERNELS]


def call(
    shape: tuple[int, ...], stack: Stack = SERVING, dtype: str = "bf16", width: int = 0, **attributes: Any
) -> Schedule:
    """B, H, key heads, S, T, D."""
    b, h, kv, s, t, d = shape
    shapes = [(b, h, s, d), (b, kv, t, d), (b, kv, t, width or d)]
    return lower(single("attention", attributes, shapes, precision(dtype)), stack)


def seconds(schedule: Schedule, chip: str = "h200-sxm", stack: Stack = SERVING) -> float:
    return float(gpu_times(schedule, specs.load_chip(chip), Parameters(), stack).total.sum())


@pytest.mark.parametrize("chip", ["h200-sxm", "a100-sxm-80gb", "rtx-3090", "tesla-t4", "gtx-1080-ti"])
def test_a_mask_halves_long_prompts(chip: str) -> None:
    dtype = "fp32" if chip.startswith("gtx") else "fp16"
    half, full = (call((1, 16, 4, 8192, 8192, 128), Stack(), dtype, causal=causal) for causal in (True, False))
    assert 0.45 < seconds(half, chip, Stack()) / seconds(full, chip, Stack()) < 0.6


def test_a_window_costs_what_it_sees() -> None:
    wide, narrow = (call((8, 16, 4, 8192, 8192, 64), causal=True, window=window) for window in (0, 512))
    assert seconds(narrow) < 0.25 * seconds(wide)


def test_queries_of_a_group_share_their_tile() -> None:
    """In decoding 8 key heads of 64 query heads cost about as much as 8 query heads, and 64 key heads eight times."""
    one, grouped, apart = (call((64, heads, kv, 1, 4096, 128)) for heads, kv in ((8, 8), (64, 8), (64, 64)))
    assert seconds(grouped) < 1.1 * seconds(one)
    assert seconds(apart) > 5 * seconds(one)


def test_few_heads_split_long_keys() -> None:
    short, long = (call((1, 8, 1, 1, keys, 128)) for keys in (4096, 65536))
    assert seconds(long) < 4 * seconds(short)


def test_caches_of_eight_bits_are_read_faster() -> None:
    whole, small = (call((64, 32, 8, 1, 16384, 128), cache_bits=bits) for bits in (0, 8))
    assert 0.45 < seconds(small) / seconds(whole) < 0.7


def test_pages_cost_the_write_of_new_keys() -> None:
    shape = (256, 32, 8, 1, 128, 128)
    contiguous = Stack(framework="vllm", mode="graphs")
    assert seconds(call(shape)) > seconds(call(shape, contiguous), stack=contiguous) + 2.5e-6


def test_the_backward_costs_its_five_products() -> None:
    shapes = ((4, 16, 4096, 128), (4, 4, 4096, 128), (4, 4, 4096, 128))
    found = {}
    for causal in (True, False):
        kernels = part_kernels("attention", {"causal": causal}, shapes, precision("bf16"), "backward", Stack())
        schedule = Schedule.of(kernels)
        found[causal] = seconds(schedule, "a100-sxm-80gb", Stack())
        forward = seconds(call((4, 16, 4, 4096, 4096, 128), Stack(), causal=causal), "a100-sxm-80gb", Stack())
        assert 2 < found[causal] / forward < 4
    assert 0.45 < found[True] / found[False] < 0.6


@pytest.mark.parametrize(
    ("chip", "shape", "dtype", "width", "stack", "name"),
    [
        ("h200-sxm", (1, 8, 8, 64, 64, 128), "bf16", 0, Stack(), "flash-2"),
        ("h200-sxm", (1, 8, 8, 64, 64, 128), "bf16", 0, SERVING, "flash-3"),
        ("h200-sxm", (1, 8, 8, 64, 64, 512), "bf16", 0, SERVING, "flash-4"),
        ("h200-sxm", (1, 8, 8, 64, 64, 192), "bf16", 128, SERVING, "flash-3"),
        ("h200-sxm", (1, 128, 1, 1, 64, 576), "bf16", 512, SERVING, "flash-3"),
        ("a100-sxm-80gb", (1, 8, 8, 64, 64, 192), "bf16", 128, SERVING, "efficient"),
        ("a100-sxm-80gb", (1, 8, 8, 64, 64, 128), "bf16", 0, SERVING, "flash-2"),
        ("a100-sxm-80gb", (1, 8, 8, 64, 64, 128), "bf16", 0, Stack(attention="cudnn"), "cudnn"),
        ("a100-sxm-80gb", (1, 8, 8, 64, 64, 128), "bf16", 0, Stack(attention="flash-3"), "flash-2"),
        ("tesla-t4", (1, 8, 8, 64, 64, 128), "fp16", 0, Stack(), "efficient"),
        ("a100-sxm-80gb", (1, 8, 8, 64, 64, 128), "tf32", 0, Stack(), "efficient"),
    ],
)
def test_the_stack_chooses_a_kernel_that_can_run(
    chip: str, shape: tuple[int, ...], dtype: str, width: int, stack: Stack, name: str
) -> None:
    schedule = call(shape, stack, dtype, width)
    wide = np.array([float(width or shape[-1])])
    found = chosen(schedule, wide, specs.load_chip(chip).architecture, precision(dtype).storage.bytes, stack)
    assert [NAMES[code] for code in found] == [name]


def test_names_of_kernels_are_checked() -> None:
    with pytest.raises(UnknownName, match="flash-2"):
        Stack(attention="flash2")
    assert not Stack(attention="math").fused_attention


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("window", [0, 100])
def test_tiles_walk_over_no_less_than_the_mask_leaves(causal: bool, window: int) -> None:
    schedule = call((2, 8, 2, 1000, 3000, 128), causal=causal, window=window)
    work = work_of(schedule, np.array([NAMES.index("flash-2")]))
    mean = kept(1000, 3000, causal, window) / 1000
    assert mean <= work.seen[0] <= 3000 + 128
    assert work.longest[0] <= 3000
    assert square(schedule)[0] == pytest.approx(3000 / mean)


def test_no_prediction_is_below_the_bound_of_what_the_mask_leaves() -> None:
    chip = specs.load_chip("a100-sxm-80gb")
    for queries, keys in ((1, 2048), (512, 512), (2048, 8192)):
        schedule = call((16, 32, 8, queries, keys, 128), causal=True)
        assert seconds(schedule, chip.name) >= ceiling.light(schedule, chip).sum()
        assert schedule.flops[0] == 4 * 16 * 32 * kept(queries, keys, True) * 128


@pytest.mark.parametrize(
    ("chip", "shape", "measured"),
    [  # aiconfigurator @ 095f58a: vLLM 0.24.0 on the H200, 0.14.0 on the A100, bf16; [ms]
        ("h200-sxm", (128, 40, 1, 1, 512, 64), 0.0160),
        ("a100-sxm-80gb", (64, 64, 1, 64, 64, 128), 0.1668),
        ("h200-sxm", (128, 8, 1, 256, 256, 128), 0.1366),
    ],
)
def test_measured_calls(chip: str, shape: tuple[int, ...], measured: float) -> None:
    b, h, kv, s, t, d = shape
    work = single("attention", {"causal": s > 1}, [(b, h, s, d), (b, kv, t, d), (b, kv, t, d)], precision("bf16"))
    found = predict(chip, work, dtype="bf16", stack=SERVING)
    assert found.seconds.middle * 1e3 == pytest.approx(measured, rel=0.25)
    assert found.seconds.low < measured / 1e3 < found.seconds.high
