"""The kernels of one direction of an operator are those a training step launches for it."""

from __future__ import annotations

from typing import Any

import pytest

from roofline.core.dtype import precision
from roofline.core.schedule import Kernel
from roofline.core.stack import Stack
from roofline.errors import UnknownName, Unsupported, UsageError
from roofline.lowering import lower, part_kernels, single

FP32 = precision("fp32")
CONV: dict[str, Any] = {"out": 5, "kernel": 3, "padding": 1, "stride": 2}
IMAGES = [(2, 4, 8, 8)]


def parts(op: str, attributes: dict[str, Any], shapes: list[tuple[int, ...]], part: str) -> list[Kernel]:
    return part_kernels(op, attributes, shapes, FP32, part)


def test_forward_is_what_lowering_says() -> None:
    for op, attributes, shapes in (("conv2d", CONV, IMAGES), ("lstm", {"hidden": 4}, [(2, 3, 4)])):
        work = single(op, attributes, shapes)
        assert parts(op, attributes, shapes, "forward") == list(lower(work))


def test_gradients_of_a_convolution_by_hand() -> None:
    # 2 images, 4 -> 5 channels, 8 x 8 -> 4 x 4 pixels, 9 taps
    (data,) = parts("conv2d", CONV | {"bias": False}, IMAGES, "data")
    assert (data.op, data.m, data.n, data.flops) == ("conv2d_backward_data", 2 * 64, 4, 2 * 32 * 5 * 36)
    assert (data.reads, data.weights, data.writes) == (2 * 5 * 16 * 4, 5 * 36 * 4, 2 * 4 * 64 * 4)
    (weights,) = parts("conv2d", CONV | {"bias": False}, IMAGES, "weights")
    assert (weights.op, weights.m, weights.n, weights.k) == ("conv2d_backward_weight", 36, 5, 32)
    assert weights.writes == 5 * 36 * 4
    assert {data.phase, weights.phase} == {"backward"}


@pytest.mark.parametrize(
    ("op", "attributes", "shapes"),
    [
        ("conv2d", CONV, IMAGES),
        ("linear", {"out": 6}, [(3, 4)]),
        ("lstm", {"hidden": 4, "layers": 2}, [(2, 3, 4)]),
        ("rnn", {"hidden": 4, "skip_input": True}, [(2, 3, 4)]),
    ],
)
def test_both_gradients_are_the_two_together(op: str, attributes: dict[str, Any], shapes: list[Any]) -> None:
    both, data, weights = (parts(op, attributes, shapes, part) for part in ("backward", "data", "weights"))
    assert len(both) == len(data) + len(weights)
    assert all(kernel in both for kernel in data + weights)
    assert not any(kernel in data for kernel in weights)
    assert "bias_backward" in [kernel.op for kernel in weights]
    work = sum(kernel.flops * kernel.repeats for kernel in both if kernel.kind == "matmul")
    forward = parts(op, attributes, shapes, "forward")
    assert work == 2 * sum(kernel.flops * kernel.repeats for kernel in forward if kernel.kind == "matmul")


def test_what_has_no_such_part_says_so() -> None:
    with pytest.raises(UnknownName, match="no part of an operator named 'wieghts'; did you mean weights"):
        parts("linear", {"out": 6}, [(3, 4)], "wieghts")
    with pytest.raises(Unsupported, match="opaque has no backward pass"):
        parts("opaque", {"operations": 7}, [(3, 4)], "data")
    with pytest.raises(Unsupported, match="relu launches no kernel in its weights part"):
        parts("relu", {}, [(3, 4)], "weights")
    with pytest.raises(UsageError, match="must be at least 1"):
        parts("linear", {"out": 0}, [(3, 4)], "data")


def test_a_number_has_no_gradient() -> None:
    (one,) = parts("mul", {}, [(4, 6), ()], "backward")
    assert one.writes == 96
    assert len(parts("mul", {}, [(4, 6), (4, 6)], "backward")) == 2


def test_the_stack_decides_on_the_plan() -> None:
    heads = [(1, 2, 8, 4)] * 3
    fused, unfused = (
        part_kernels("attention", {}, heads, FP32, "backward", Stack(fused_attention=how)) for how in (True, False)
    )
    assert len(unfused) > len(fused)
