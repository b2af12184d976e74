"""What oneDNN does for convolutions on a CPU: the rules as its own log tells them, worked out by hand.

``ONEDNN_VERBOSE=1`` of oneDNN 3.12 (torch 2.13.0) on a Zen 5, and with ``ONEDNN_MAX_CPU_ISA=AVX2``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from synthetic import lower

from roofline.campaign.question import Question
from roofline.core.schedule import Schedule
from roofline.devices.cpu import convolutions as rules
from roofline.devices.cpu.plans import plan_labels

IMAGE = (2, 12, 30, 30)


def conv(shape: tuple[int, ...] = IMAGE, out: int = 64, part: str = "forward", **attributes: Any) -> Schedule:
    size = {"kernel": 3, "padding": 1, "bias": False, **attributes}
    return lower([Question("conv", "conv2d", {"out": out, **size}, (shape,), part)])


@pytest.mark.parametrize("part", ["forward", "data", "weights"])
def test_channels_and_images_are_those_of_the_forward_pass(part: str) -> None:
    schedule = conv((3, 24, 30, 30), 40, part, groups=2, stride=2)
    assert [float(side[0]) for side in rules.channels(schedule)] == [12, 20]
    assert rules.input_elements(schedule)[0] == 3 * 24 * 30 * 30
    assert rules.results_bytes(schedule if part != "data" else conv((3, 24, 30, 30), 40, groups=2, stride=2))[0] == (
        3 * 40 * 15 * 15 * 4
    )


@pytest.mark.parametrize(
    ("channels", "part", "lanes", "thin"),
    [
        (12, "forward", 16, True),  # src abcd
        (12, "forward", 8, False),  # src aBcd8b
        (5, "forward", 8, True),
        (16, "forward", 16, False),
        (3, "weights", 16, True),
        (5, "weights", 8, False),  # src aBcd8b
        (3, "data", 16, False),  # the gradient of an image is blocked
    ],
)
def test_images_of_few_channels_stay_as_they_are(channels: int, part: str, lanes: int, thin: bool) -> None:
    schedule = conv((2, channels, 30, 30), part=part)
    assert rules.thin(schedule, lanes)[0] == thin
    padded = (
        channels if thin else -(-channels // (8 if part == "weights" else lanes)) * (8 if part == "weights" else lanes)
    )
    narrow = 2.0 if part == "weights" and not thin and lanes == 16 else 1.0
    assert rules.blocked_work(schedule, lanes)[0] == pytest.approx(schedule.flops[0] * padded / channels * narrow)
    copied = rules.results_bytes(schedule)[0] if part == "weights" else 0.0
    assert rules.copied_bytes(schedule, lanes)[0] == (copied if thin else schedule.reads[0])


def test_weights_of_few_channels_take_registers_of_256_bits() -> None:
    """jit:avx2 for 13 channels on a machine with AVX-512: 16 channels in two blocks of 8, at half the rate."""
    schedule = conv((4, 13, 112, 112), 80, "weights")
    assert rules.blocked_work(schedule, 16)[0] == pytest.approx(schedule.flops[0] * 16 / 13 * 2)


@pytest.mark.parametrize(
    ("channels", "groups", "plan", "slower"),
    [
        (64, 4, "conv-blocked", 1.0),  # aBcd16b
        (64, 8, "conv-blocked", 2.0),  # aBcd8b
        (72, 2, "conv-blocked", 4.0),  # aBcd4b: 36 channels
        (52, 4, "conv-gemm", None),  # 13 channels: x64:gemm:jit
        (224, 32, "conv-gemm", None),
    ],
)
def test_groups_take_the_registers_that_they_fill(channels: int, groups: int, plan: str, slower: float | None) -> None:
    schedule = conv((2, channels, 28, 28), channels, groups=groups)
    assert plan_labels(schedule) == [plan]
    if slower:
        assert rules.blocked_work(schedule, 16)[0] == pytest.approx(schedule.flops[0] * slower)


def test_a_strided_1x1_reads_one_pixel_in_four_and_copies_all() -> None:
    forward, weights = (
        conv((4, 32, 44, 44), 64, part, kernel=1, padding=0, stride=2) for part in ("forward", "weights")
    )
    image, results = 4 * 32 * 44 * 44 * 4, 4 * 64 * 22 * 22 * 4
    assert forward.reads[0] == image / 4
    assert rules.input_bytes(forward)[0] == image
    assert rules.input_bytes(weights)[0] == image + results
    assert rules.input_bytes(conv((4, 32, 44, 44), 64, "data", kernel=1, padding=0, stride=2))[0] == results


def test_a_strided_gradient_sums_over_channels_as_they_are() -> None:
    """brgconv_strided, weights Bcda32b: 37 output channels stay 37."""
    one, two = (conv((2, 16, 30, 30), 37, "data", stride=stride) for stride in (1, 2))
    assert rules.data_work(one, 16)[0] == pytest.approx(one.flops[0] * 48 / 37)
    assert rules.data_work(two, 16)[0] == pytest.approx(two.flops[0])


def test_products_of_images_have_pixels_as_columns() -> None:
    """An image unfolded is taps x channels by pixels; 1x1 ones are not copied out."""
    schedule = conv((1, 16, 7, 7), 6)
    assert rules.columns(schedule)[0] == 49
    assert rules.unfolded_work(schedule, 16)[0] == pytest.approx(schedule.flops[0] * 8 / 6 * 56 / 49)
    assert rules.unfolded(schedule)[0] == 9 * 16 * 49
    assert rules.unfolded(conv((1, 16, 7, 7), 6, kernel=1, padding=0))[0] == 0
    assert rules.columns(conv((1, 16, 7, 7), 6, "weights"))[0] == 9 * 16


@pytest.mark.parametrize(
    ("channels", "out", "part", "tails"),
    [
        (32, 64, "forward", (False, False)),
        (36, 64, "forward", (True, False)),
        (12, 40, "forward", (False, True)),  # thin: nothing is copied
        (36, 64, "data", (False, True)),
        (32, 40, "weights", (True, False)),
    ],
)
def test_tails_are_of_what_is_read_and_of_what_is_written(
    channels: int, out: int, part: str, tails: tuple[bool, bool]
) -> None:
    assert tuple(bool(side[0]) for side in rules.tails(conv((2, channels, 30, 30), out, part), 16)) == tails


def test_a_net_of_other_kernels_is_left_alone() -> None:
    schedule = lower([Question("", "linear", {"out": 64}, ((8, 64),)), Question("", "relu", {}, ((8, 64),))])
    assert np.isfinite(rules.input_elements(schedule)).all()
    assert (rules.columns(schedule) == schedule.n).all()
