"""Products on tensor cores, counted by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roofline import specs
from roofline.core.chip import TileList
from roofline.core.dtype import precision
from roofline.core.schedule import Kernel, Schedule
from roofline.core.stack import Stack
from roofline.devices.gpu import model as gpu
from roofline.devices.gpu import tensor_cores as gpu_tensor
from roofline.devices.gpu.parameters import Parameters
from roofline.devices.gpu.products import Sizes
from roofline.devices.gpu.tensor_cores import Array, array_of, product_seconds
from roofline.lowering import lower, single

TEN = Array(units=10, rate=1e9, port=1e12, fill=0.0, bandwidth=1e12, adding=1e-3, tiles=((128, 64),))
"""Ten multiprocessors of 10^9 multiply-adds a second."""


def sizes(batch: int, m: int, n: int, k: int, moved: float = 0.0) -> Sizes:
    one = (np.array([float(value)]) for value in (batch, m, n, k, moved))
    return Sizes(*one, 2.0)


def schedule_of(*shapes: tuple[int, ...], dtype: str = "fp16") -> Schedule:
    return lower(single("matmul", {}, list(shapes), precision(dtype)))


@pytest.mark.parametrize(
    ("batch", "m", "n", "tiles"),
    [
        (1, 128, 64, 10),  # one tile takes as long as ten on ten multiprocessors
        (1, 1280, 64, 10),
        (1, 1281, 64, 11),  # waves are not whole
        (3, 300, 65, 18),  # 3 x 3 x 2
    ],
)
def test_tiles_share_the_multiprocessors(batch: int, m: int, n: int, tiles: int) -> None:
    """k = 65 makes 128 steps of a tile of 8192 multiply-adds."""
    compute, _ = product_seconds(sizes(batch, m, n, 65), TEN)
    assert compute == pytest.approx([tiles / 10 * 128 * 8192 / 1e9])


def test_a_block_loses_the_steps_that_fill_it() -> None:
    compute, _ = product_seconds(sizes(1, 128, 64, 64), replace(TEN, fill=100.0))
    assert compute == pytest.approx([164 * 8192 / 1e9])


def test_a_narrow_port_holds_up_a_tile() -> None:
    """Each step brings (128 + 64) numbers of 2 bytes: 384 B at 10^7 B/s are longer than 8192 multiply-adds."""
    compute, _ = product_seconds(sizes(1, 128, 64, 64), replace(TEN, port=1e7))
    assert compute == pytest.approx([64 * 384 / 1e7])


def test_the_fastest_tile_is_taken() -> None:
    """64 x 64 needs less of the port for a product that fills no more; 128 x 128 for one that does."""
    both = replace(TEN, port=1e7, tiles=((64, 64), (128, 128)))
    small, large = (product_seconds(sizes(1, side, side, 64), both)[0] for side in (64, 1280))
    assert small == pytest.approx([64 * 256 / 1e7])
    assert large == pytest.approx([100 / 10 * 64 * 512 / 1e7])


def test_a_long_k_is_cut_where_multiprocessors_idle() -> None:
    """One tile in 8 parts of 512 steps on as many multiprocessors, and a second launch; 16 parts would be too short."""
    compute, memory = product_seconds(sizes(1, 128, 64, 4096, 1e6), replace(TEN, units=8))
    assert compute == pytest.approx([512 * 8192 / 1e9 + 1e-3])
    assert memory == pytest.approx([1e6 / 1e12 + 1e-3])
    dear, _ = product_seconds(sizes(1, 128, 64, 4096), replace(TEN, adding=1.0))
    assert dear == pytest.approx([4096 * 8192 / 1e9])


def test_nothing_is_cut_that_fills_the_chip() -> None:
    """20 tiles on ten multiprocessors: two parts would make four of each."""
    compute, _ = product_seconds(sizes(1, 1280, 128, 4096), replace(TEN, adding=0.0))
    assert compute == pytest.approx([2 * 4096 * 8192 / 1e9])


def test_a_chip_brings_its_numbers() -> None:
    """An H200: 2048 multiply-adds a clock, 132 multiprocessors at 1.83 GHz, 4.8 TB/s, launches of 2.4 us."""
    chip = specs.load_chip("h200-sxm")
    array = array_of(chip, "bf16", Parameters(tensor=0.5, port=64.0, fill=7.0, panel=0.5))
    assert (array.units, array.fill, array.adding) == (132, 7.0, 2.4e-6)
    assert array.rate == pytest.approx(0.5 * 2048 * 1.83e9)
    assert array.port == pytest.approx(64 * 1.83e9)
    assert array.bandwidth == pytest.approx(2.4e12)
    assert array_of(chip, "fp8_e4m3", Parameters(tensor=0.5)).rate == pytest.approx(2 * array.rate)
    listed = replace(chip, tiles={"tensor": TileList(((16, 8),), "made up")})
    assert array_of(listed, "bf16", Parameters()).tiles == ((16, 8),)


def test_decoding_one_token_reads_the_weights() -> None:
    """(1 x 16384) . (16384 x 16384) in bf16 on an H200: 537 MB, at 0.84 of 4.8 TB/s (measured: 126 us)."""
    chip = specs.load_chip("h200-sxm")
    schedule = schedule_of((1, 16384), (16384, 16384), dtype="bf16")
    total = gpu.gpu_times(schedule, chip, Parameters(panel=0.84)).total
    assert total > schedule.bytes / (0.84 * 4.8e12)
    assert total == pytest.approx(schedule.bytes / (0.84 * 4.8e12) + 2.4e-6, rel=0.05)


def test_fused_attention_multiplies_twice() -> None:
    """32 heads of 1024 positions and 64 channels: scores of k = 64, then values of k = 1024; DRAM sees the operands."""
    chip = specs.load_chip("a100-pcie-40gb")
    kernel = Kernel("attention", "attention", "matmul", precision="fp16", batch=32, m=1024, n=1024, k=64, itemsize=2.0)
    schedule = Schedule.of([replace(kernel, reads=2e6, writes=1e6, flops=4.0 * 32 * 1024 * 1024 * 64)])
    compute, memory, flops = gpu_tensor.products(schedule, chip, "fp16", Parameters(), Stack())
    array = array_of(chip, "fp16", Parameters())
    scores, values = (product_seconds(sizes(32, 1024, n, k), array)[0] for n, k in ((1024, 64), (64, 1024)))
    assert compute == pytest.approx(scores + values)
    assert memory == pytest.approx([3e6 / array.bandwidth])
    assert flops == pytest.approx(schedule.flops)


@given(st.sampled_from(("tesla-t4", "rtx-2070", "rtx-4090", "h200-sxm")), *(st.integers(1, 5000) for _ in range(3)))
def test_never_faster_than_the_peak_or_the_memory(name: str, m: int, n: int, k: int) -> None:
    chip, schedule = specs.load_chip(name), schedule_of((m, k), (k, n))
    total = gpu.gpu_times(schedule, chip, Parameters()).total
    engine = chip.engine_for(precision("fp16"), matrix=True)
    assert total >= schedule.flops / engine.peak(precision("fp16"))
    assert total >= schedule.bytes / (chip.dram.total_bandwidth or 0.0)


@given(*(st.integers(1, 3000) for _ in range(3)))
def test_doubling_a_side_gains_nothing_but_a_launch(m: int, n: int, k: int) -> None:
    """Twice the rows may spare the launch that adds up parts of k, because they fill the chip without cuts."""
    chip = specs.load_chip("h200-sxm")
    once, deep, tall = (
        float(gpu.gpu_times(schedule_of((a, c), (c, b)), chip, Parameters()).total[0])
        for a, b, c in ((m, n, k), (m, n, 2 * k), (2 * m, n, k))
    )
    assert deep >= 0.999 * once
    assert chip.launch is not None
    assert tall >= 0.999 * once - chip.launch.value
