"""Streams and walks along rows, counted by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from roofline import specs
from roofline.core.chip import Chip
from roofline.core.dtype import precision
from roofline.core.schedule import Schedule
from roofline.devices.gpu import model as gpu
from roofline.devices.gpu.parameters import Parameters
from roofline.devices.gpu.streams import TAP_CLOCKS, missed, streamed
from roofline.lowering import lower, single

PLAIN = Parameters(
    stream=0.5,
    inline=1.0,
    row=1.0,
    early=0.5,
    softmax_early=0.5,
    norm_early=0.5,
    row_clocks=0.0,
    element_clocks=0.0,
    kept=1e9,
    again=0.0,
)
"""Half of the DRAM bandwidth, half of the launch before a kernel, no arithmetic, caches that keep everything."""

V100 = specs.load_chip("tesla-v100-pcie-32gb")
"""80 multiprocessors of 64 lanes at 1.38 GHz, 897 GB/s, a launch of 5 us, 6 MiB of L2 and 80 x 128 KiB of L1."""


def schedule_of(op: str, attributes: dict[str, object], *shapes: tuple[int, ...], dtype: str = "fp32") -> Schedule:
    return lower(single(op, attributes, list(shapes), precision(dtype)))


def seconds(schedule: Schedule, parameters: Parameters = PLAIN, chip: Chip = V100) -> float:
    return float(gpu.gpu_times(schedule, chip, parameters).total.sum())


def moved(megabytes: float) -> float:
    return megabytes * 2**20 / (0.5 * 897e9)


def test_a_long_stream_pays_the_early_part_of_its_launch() -> None:
    assert seconds(schedule_of("relu", {}, (1024, 1024))) == pytest.approx(2.5e-6 + moved(8))
    assert seconds(schedule_of("add", {}, (1024, 1024), (1024, 1024))) == pytest.approx(2.5e-6 + moved(12))


def test_a_short_stream_is_hidden_behind_its_launch() -> None:
    """1 MiB takes 2.3 us, which pass beside the second half of the launch."""
    assert moved(1) < 2.5e-6
    assert seconds(schedule_of("relu", {}, (128, 1024))) == pytest.approx(5e-6)


@pytest.mark.parametrize(
    ("name", "share"),
    [
        ("rtx-2070", 0.9),
        ("a100-pcie-40gb", 0.9),
        ("gtx-1080", 0.9),
        ("gtx-980", 0.9 * 0.79),
        ("tesla-p100-pcie", 0.9 * 0.83),
        ("tesla-t4", 0.81),  # error correction in GDDR6
        ("tesla-p4", 0.81),
        ("tesla-m40", 0.81 * 0.79),  # both
    ],
)
def test_which_share_of_its_bandwidth_a_card_streams_at(name: str, share: float) -> None:
    chip = specs.load_chip(name)
    assert streamed(chip, Parameters(stream=0.9, inline=0.9)) == pytest.approx(
        share * (chip.dram.total_bandwidth or 0.0)
    )


def test_rows_reach_their_share_of_a_stream() -> None:
    """A softmax over 1024 elements stays in the registers of a warp: read once, written once."""
    softmax = schedule_of("softmax", {}, (1024, 1024))
    assert seconds(softmax, replace(PLAIN, row=0.5)) == pytest.approx(2.5e-6 + 2 * moved(8))


def test_a_long_softmax_reads_again_and_computes() -> None:
    softmax = schedule_of("softmax", {}, (1024, 2048))
    assert seconds(softmax, replace(PLAIN, again=0.5)) == pytest.approx(2.5e-6 + moved(16 + 4))
    busy = replace(PLAIN, element_clocks=100.0)
    assert seconds(softmax, busy) == pytest.approx(2.5e-6 + 100 * 1024 * 2048 / (80 * 1.38e9))
    short = schedule_of("softmax", {}, (2048, 1024))
    assert seconds(short, replace(busy, again=0.5)) == pytest.approx(2.5e-6 + moved(16))


def test_a_norm_of_short_rows_is_bound_by_its_rows() -> None:
    """16384 rows of 64 elements: 800 clocks each, on 80 multiprocessors."""
    norm = schedule_of("layer_norm", {}, (16384, 64))
    expected = 2.5e-6 + 800 * 16384 / (80 * 1.38e9)
    assert seconds(norm, replace(PLAIN, row_clocks=800.0)) == pytest.approx(expected)


def test_rows_in_flight_that_fill_the_caches_are_half_missed() -> None:
    """16 rows on each of 80 multiprocessors: 1280 rows of 4 KiB are 5 MiB; with ``kept`` x 16 MiB as large, a half."""
    norm = schedule_of("layer_norm", {}, (4096, 1024))
    parameters = replace(PLAIN, kept=5 / 16)
    assert missed(norm, V100, parameters) == pytest.approx([0.5])
    assert seconds(norm, parameters) == pytest.approx(2.5e-6 + (norm.bytes[0] + 0.5 * norm.reads[0]) / (0.5 * 897e9))
    few = schedule_of("layer_norm", {}, (640, 1024))  # 2.5 MiB, all in flight: 1 / (1 + 2^2)
    assert missed(few, V100, parameters) == pytest.approx([0.2])


def test_batch_norm_in_training_reads_whole_channels_first() -> None:
    """64 MiB pass before the second walk, so nothing is left of the first in 16 MiB; no row is reduced by itself."""
    (norm,) = (
        kernel
        for kernel in _training("batch_norm", (64, 256, 32, 32))
        if kernel.family_names() == ["norm"] and kernel.phase[0] == 0
    )
    assert missed(norm, V100, replace(PLAIN, kept=1.0)) == pytest.approx([16 / 17])
    assert seconds(norm, replace(PLAIN, row_clocks=1e9)) == pytest.approx(seconds(norm))


def _training(op: str, shape: tuple[int, ...]) -> list[Schedule]:
    from roofline.core.run import Recipe, Run
    from roofline.lowering import lower

    whole = lower(single(op, {}, [shape], precision("fp32")), Run("training", Recipe("none")))
    return [whole.select(np.array([row])) for row in range(len(whole))]


def test_overlapping_windows_read_every_tap() -> None:
    """3x3 without stride: 9 taps for each of 32 x 64 x 30 x 30 results, on 5120 lanes."""
    pool = schedule_of("max_pool2d", {"kernel": 3, "stride": 1}, (32, 64, 32, 32))
    assert seconds(pool, replace(PLAIN, stream=1.0)) == pytest.approx(
        2.5e-6 + TAP_CLOCKS * 9 * 32 * 64 * 900 / (5120 * 1.38e9)
    )
    wide = schedule_of("max_pool2d", {"kernel": 2}, (32, 64, 32, 32))
    assert seconds(wide) == pytest.approx(2.5e-6 + moved(8 + 2))


def test_half_the_bytes_half_the_time_but_as_many_rows() -> None:
    halves = schedule_of("relu", {}, (4096, 1024), dtype="fp16")
    assert seconds(halves) == pytest.approx(2.5e-6 + moved(16))
    norm = schedule_of("layer_norm", {}, (16384, 64), dtype="fp16")
    busy = replace(PLAIN, row_clocks=800.0)
    assert seconds(norm, busy) == pytest.approx(seconds(schedule_of("layer_norm", {}, (16384, 64)), busy))
