"""Convolutions on GPUs: blocks and bytes of every plan counted by hand, and which plan a stack takes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roofline import specs
from roofline.analysis.explain import explain
from roofline.core.dtype import precision
from roofline.core.schedule import Schedule
from roofline.core.stack import Stack
from roofline.devices import ceiling
from roofline.devices.gpu import convolution_plans as gpu_plans
from roofline.devices.gpu import convolutions as gpu_convolutions
from roofline.devices.gpu import model as gpu
from roofline.devices.gpu.convolution_plans import Images, Machine
from roofline.devices.gpu.parameters import Parameters
from roofline.lowering import lower, single
from roofline.lowering.nodes import case_of
from roofline.operators import operator_named
from roofline.prediction.predict import predict

FREE = 1e30
TEN = Machine(units=10, rate=1e9, bandwidth=FREE, launch=0.0)
"""Ten multiprocessors of 1e9 multiply-adds a second, memory for nothing."""


def images(count: int, side: int, taps: int, channels: int, out: int, moved: float = 0.0) -> Images:
    flops = 2.0 * count * side**2 * taps * channels * out
    values = (1, count, side, taps, channels, out, moved, flops)
    return Images(*(np.array([float(value)]) for value in values))


def tile(tall: int, broad: int) -> float:
    return tall * broad * (1 + gpu_plans.EDGE * (1 / tall + 1 / broad))


def convolution(*shape: int, **attributes: object) -> Schedule:
    return lower(single("conv2d", {"kernel": 3, "padding": 1, "bias": False, **attributes}, [shape], precision("fp32")))


def both_gradients(*shape: int, dtype: str = "fp32", **attributes: object) -> Schedule:
    """For the data, then for the weights."""
    given = {"kernel": 3, "padding": 1, "bias": False, **attributes}
    work = replace(single("conv2d", given, [shape], precision(dtype)), training=True)
    backward = operator_named("conv2d").backward
    assert backward is not None
    return Schedule.of(backward(case_of(work.nodes[0], work, Stack()), (True,)))


@pytest.mark.parametrize(
    ("count", "side", "out", "turns"),
    [
        (1, 16, 64, 1),  # 256 pixels: two blocks of 128
        (5, 16, 64, 1),  # ten
        (6, 16, 64, 2),  # twelve on ten multiprocessors
        (5, 16, 65, 2),  # a 65th channel doubles them
    ],
)
def test_an_implicit_product_runs_in_waves_of_128_pixels(count: int, side: int, out: int, turns: int) -> None:
    """k = 9 x 3 makes 32 steps and 8 of start."""
    cost = gpu_plans.implicit(images(count, side, 9, 3, out), TEN, ((128, 64),), 8.0)
    assert cost.total == pytest.approx([turns * tile(128, 64) * 40 / 1e9])


def test_small_blocks_cannot_keep_128_lanes_busy_alone() -> None:
    """Ten blocks of 128 x 64 take a wide multiprocessor as long as twenty; of 128 x 128 it does not matter."""
    wide = replace(TEN, wide=True)
    alone, paired = (gpu_plans.implicit(images(n, 16, 9, 3, 64), wide, ((128, 64),), 8.0).total for n in (5, 10))
    assert alone == pytest.approx(paired)
    large = [gpu_plans.implicit(images(5, 16, 9, 3, 64), m, ((128, 128),), 8.0).total for m in (TEN, wide)]
    assert large[0] == pytest.approx(large[1])


@pytest.mark.parametrize(
    ("side", "patches", "blocks"),
    [
        (14, gpu_plans.ONE_PATCHES, 32 * 2 * 1 * 2),  # 7 x 7 patches: two rows of four, one column of eight
        (7, gpu_plans.ONE_PATCHES, 32 * 1 * 1 * 2),  # 4 x 4 patches fill half a block
        (7, gpu_plans.SIX_PATCHES, 16 * 1 * 1 * 2),  # two images to a block
    ],
)
def test_fused_winograd_counts_blocks_of_32_patches_and_32_channels(
    side: int, patches: gpu_plans.Patches, blocks: int
) -> None:
    cost = gpu_plans.fused(images(32, side, 9, 64, 64), TEN, patches, filters=1.0, start=8.0)
    assert cost.total == pytest.approx([np.ceil(blocks / 10) * tile(128, 128) * (64 + 8) / 1e9])
    assert cost.flops == pytest.approx([2 * 16 * 32 * np.ceil(side / 2) ** 2 * 64 * 64])


def test_staged_winograd_pads_images_and_pays_for_its_transforms() -> None:
    """Five images count as sixteen: 16 x 4 patches; 36 products of them, transformed twice and thrice."""
    machine = replace(TEN, bandwidth=1e9, launch=1e-3, rate=FREE)
    x = images(5, 8, 9, 32, 48, moved=1e6)
    cost = gpu_plans.staged(x, machine, gpu_plans.WINOGRAD[9], transform=2.0, filters=3.0, start=8.0)
    patches, weights = 4 * 36 * 64 * (32 + 48) / 1e9, 4 * 36 * 32 * 48 / 1e9
    assert cost.total == pytest.approx([patches + weights + 1e-3 + 2 * patches + 3 * weights + 3e-3])
    assert cost.flops == pytest.approx([min(2 * 5 * 64 * 9 * 32 * 48, 2 * 36 * 64 * 32 * 48)])


def test_gradients_of_weights_are_cut_into_parts_that_add_up() -> None:
    """One tile of 27 x 64 with k = 8192: eight parts side by side."""
    x = images(8, 32, 9, 3, 64)
    cost = gpu_plans.split(x, TEN, ((128, 64),))
    assert cost.total == pytest.approx([tile(128, 64) * (8192 / 8 + gpu_plans.SPLIT_START) / 1e9])
    slow = gpu_plans.split(x, replace(TEN, bandwidth=1e9, rate=FREE), ((128, 64),))
    assert slow.total == pytest.approx([0.0], abs=1e-12)  # one part writes nothing twice


def plans(schedule: Schedule, chip: str = "titan-x-maxwell", **stack: object) -> list[str]:
    labels = gpu.plan_labels(schedule, specs.load_chip(chip), Parameters(), Stack(**stack))  # type: ignore[arg-type]
    return [str(label) for label in labels]


def test_which_plan_runs_is_the_stacks_rule() -> None:
    wide, narrow = convolution(32, 256, 28, 28, out=256), convolution(32, 16, 28, 28, out=64)
    strided = convolution(32, 256, 28, 28, out=256, stride=2)
    assert plans(wide, cudnn=4) == plans(wide, winograd=False) == ["implicit"]
    assert "winograd" in plans(wide, cudnn=6)[0]
    assert plans(narrow, cudnn=6) == ["implicit"]
    assert plans(strided) == ["implicit"]
    assert plans(convolution(32, 16, 28, 28, out=16, groups=4)) == ["implicit"]
    five = convolution(128, 64, 27, 27, out=192, kernel=5, padding=2)
    assert plans(five, cudnn=4) == plans(five, cudnn=6) == ["implicit"]
    assert plans(five, cudnn=4, autotuned=True) == ["fourier"]
    assert plans(five, cudnn=8) == ["winograd in stages"]


def test_gradients_take_plans_of_their_own() -> None:
    behind = both_gradients(32, 64, 28, 28, out=64, stride=2)
    assert behind.op_labels() == ["conv2d_backward_data", "conv2d_backward_weight"]
    assert plans(behind) == ["strided", "split"]
    assert "winograd" in plans(both_gradients(32, 256, 28, 28, out=256), cudnn=6)[0]
    assert plans(both_gradients(32, 256, 28, 28, out=256), cudnn=6)[1] == "split"
    assert plans(both_gradients(32, 256, 28, 28, out=256), cudnn=8)[1] == "winograd in stages"


CHANNELS = st.sampled_from((3, 16, 64, 256))


@given(st.integers(1, 64), CHANNELS, st.sampled_from((7, 14, 56)), CHANNELS, st.sampled_from((1, 3, 5)))
def test_trying_all_plans_is_never_slower_than_a_rule(count: int, inner: int, side: int, out: int, kernel: int) -> None:
    schedule = convolution(count, inner, side, side, out=out, kernel=kernel, padding=kernel // 2)
    chip = specs.load_chip("gtx-980")
    for cudnn in (4, 6, 8):
        tried, ruled = (
            gpu.gpu_times(schedule, chip, Parameters(), Stack(cudnn=cudnn, autotuned=auto)).total
            for auto in (True, False)
        )
        assert (tried <= ruled).all()


def test_channels_that_are_no_multiple_of_eight_leave_tensor_cores_idle() -> None:
    chip = specs.load_chip("tesla-t4")

    def seconds(channels: int) -> float:
        work = single("conv2d", {"out": 256, "kernel": 3, "bias": False}, [(32, channels, 28, 28)], precision("fp16"))
        return float(gpu.gpu_times(lower(work), chip, Parameters()).total[0])

    assert seconds(252) > 2 * seconds(256)
    gradients = both_gradients(32, 64, 28, 28, dtype="fp16", out=64, stride=2)
    assert gpu_convolutions.fills_tensor_cores(gradients).all()


def test_fp64_takes_its_own_rate() -> None:
    chip, work = (
        specs.load_chip("tesla-v100-pcie-32gb"),
        ({"out": 256, "kernel": 3, "bias": False}, [(32, 256, 28, 28)]),
    )
    single_, double = (
        gpu.gpu_times(lower(single("conv2d", *work, precision(name))), chip, Parameters(), Stack(winograd=False)).total
        for name in ("fp32", "fp64")
    )
    assert double == pytest.approx(2 * single_, rel=0.02)


def test_a_bias_is_a_pass_over_the_result() -> None:
    """2 x 32 x 64 x 56 x 56 x 4 bytes at half of 897 GB/s, and a launch; compilers merge it."""
    chip, parameters = specs.load_chip("tesla-v100-pcie-32gb"), Parameters(stream=0.5)
    bare, biased = (convolution(32, 64, 56, 56, out=64, bias=flag) for flag in (False, True))

    def seconds(schedule: Schedule, mode: str = "eager") -> float:
        return float(gpu.gpu_times(schedule, chip, parameters, Stack(mode=mode)).total[0])

    assert chip.launch is not None
    adding = 2 * 32 * 64 * 56 * 56 * 4 / (0.5 * 897e9) + chip.launch.value
    assert seconds(biased) - seconds(bare) == pytest.approx(adding, rel=1e-4)
    assert seconds(biased, "compiled") == pytest.approx(seconds(bare, "compiled"), rel=1e-4)


def test_depthwise_walks_over_the_result_and_its_weights_over_every_tap() -> None:
    chip = specs.load_chip("tesla-v100-pcie-32gb")
    parameters = Parameters(row=1.0, stream=1.0, hold=1.0)
    schedule = convolution(32, 128, 56, 56, out=128, groups=128)
    cost = gpu_convolutions.depthwise(schedule, chip, parameters, Stack())
    results = 32 * 128 * 56 * 56
    assert cost.compute == pytest.approx([results * 9 * 8 / (80 * 64 * 1.38e9)])
    assert cost.memory == pytest.approx([(2 * results + 128 * 9) * 4 / 897e9])
    weight = both_gradients(32, 128, 56, 56, out=128, groups=128).select(np.array([1]))
    slower = gpu_convolutions.depthwise(weight, chip, parameters, Stack()).memory
    assert slower == pytest.approx(cost.memory * (1 + 8 / gpu_convolutions.DEPTHWISE_L2))


def test_light_allows_maxdnn() -> None:
    """maxDNN reached 94.6 % of the peak of a GTX 980 on AlexNet's first layer (arXiv:1501.06633)."""
    first = lower(
        single("conv2d", {"out": 64, "kernel": 11, "stride": 4, "padding": 2}, [(128, 3, 224, 224)], precision("fp32"))
    )
    chip = specs.load_chip("gtx-980")
    reached = first.flops / (0.946 * chip.engines[0].peak(precision("fp32")))
    assert (ceiling.light(first, chip) < reached).all()
    assert (gpu.gpu_times(first, chip, Parameters()).total > ceiling.light(first, chip)).all()


def test_the_plan_is_explained() -> None:
    account = explain("gtx-980", "resnet50", "layer3.0.conv2", batch=32, stack=Stack(cudnn=4))
    assert "plan: implicit" in account.kernels[0].formula
    newer = predict("gtx-980", "vgg16", batch=16, stack=Stack(cudnn=8)).seconds.middle
    assert newer < predict("gtx-980", "vgg16", batch=16, stack=Stack(cudnn=4)).seconds.middle
