"""Exact work, bytes and gradients of the operators that image nets brought along, worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from roofline.core.dtype import precision
from roofline.core.schedule import Kernel
from roofline.core.stack import Stack
from roofline.core.workload import Workload
from roofline.errors import UsageError
from roofline.lowering import lower, single
from roofline.operators import Case, operator_named
from roofline.operators.case import Saved

Shapes = list[tuple[int, ...]]


def kernel(op: str, attributes: dict[str, Any], shapes: Shapes, dtype: str = "fp32") -> Kernel:
    (found,) = lower(single(op, attributes, shapes, precision(dtype)))
    return found


def outcome(op: str, attributes: dict[str, Any], *shapes: tuple[int, ...]) -> tuple[int, ...]:
    workload = single(op, attributes, shapes)
    return workload.tensors[workload.outputs[0]].shape


def case(op: str, attributes: dict[str, Any], shapes: Shapes) -> Case:
    """The node of one operator in training."""
    workload = single(op, attributes, shapes)
    (node,) = workload.nodes
    inputs, weights, outputs = (
        tuple(workload.tensors[name] for name in names) for names in (node.inputs, node.weights, node.outputs)
    )
    checked = operator_named(op).attributes(node.attributes)
    return Case(node, inputs, weights, outputs, checked, workload.precision, Stack(), training=True)


def gradients(op: str, attributes: dict[str, Any], shapes: Shapes, *, data: bool = True) -> list[Kernel]:
    backward = operator_named(op).backward
    assert backward is not None
    return backward(case(op, attributes, shapes), (data,) * len(shapes))


def saved(op: str, attributes: dict[str, Any], shapes: Shapes) -> Saved:
    return operator_named(op).saves(case(op, attributes, shapes))


def in_training(workload: Workload) -> Workload:
    return replace(workload, training=True)


# --- transposed convolution ---------------------------------------------------------------------------

ENLARGE = {"out": 8, "kernel": 4, "stride": 2, "padding": 1}


def test_transposed_convolution() -> None:
    # 2 images of 6 x 5 x 5: every pixel meets 16 taps and 8 outputs: 2 x 50 x 8 x (16 x 6) = 76,800
    k = kernel("conv_transpose2d", ENLARGE, [(2, 6, 5, 5)])
    assert (k.family, k.kind, k.batch, k.m, k.n, k.k) == ("conv", "matmul", 1, 50, 8, 96)
    assert (k.taps, k.stride, k.images, k.flops) == (16, 2, 2, 76_800)
    assert (k.reads, k.weights, k.writes) == (2 * 6 * 25 * 4, (6 * 8 * 16 + 8) * 4, 2 * 8 * 100 * 4)


def test_transposed_convolution_does_as_much_as_the_convolution_it_turns_round() -> None:
    back = kernel("conv2d", {"out": 6, "kernel": 4, "stride": 2, "padding": 1}, [(2, 8, 10, 10)])
    assert kernel("conv_transpose2d", ENLARGE, [(2, 6, 5, 5)]).flops == back.flops


def test_transposed_convolution_in_groups() -> None:
    # 3 groups of 2 -> 4 channels: 3 x 2 x 25 x 4 x (9 x 2) = 10,800
    k = kernel("conv_transpose2d", {"out": 12, "kernel": 3, "groups": 3}, [(1, 6, 5, 5)])
    assert (k.family, k.batch, k.m, k.n, k.k, k.flops) == ("conv", 3, 25, 4, 18, 10_800)
    assert kernel("conv_transpose2d", {"out": 6, "kernel": 3, "groups": 6}, [(1, 6, 5, 5)]).family == "depthwise"
    assert kernel("conv_transpose2d", {"out": 4, "kernel": 1}, [(1, 6, 5, 5)]).family == "conv1x1"


@pytest.mark.parametrize("size", [1, 4, 7])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "extra"), [(4, 2, 1, 0), (3, 2, 1, 1), (2, 2, 0, 0), (4, 1, 0, 0)]
)
def test_sizes_of_transposed_convolutions_are_those_of_torch(
    size: int, kernel: int, stride: int, padding: int, extra: int
) -> None:
    torch = pytest.importorskip("torch")
    layer = torch.nn.ConvTranspose2d(3, 2, kernel, stride, padding, extra, device="meta")
    given = {"out": 2, "kernel": kernel, "stride": stride, "padding": padding, "output_padding": extra}
    shape = (1, 3, size, size + 1)
    assert outcome("conv_transpose2d", given, shape) == tuple(layer(torch.empty(shape, device="meta")).shape)


def test_gradients_of_a_transposed_convolution() -> None:
    # x 2 x 6 x 25, y 2 x 8 x 100 elements; three kernels: dX and dW as many operations as forward, db one sum
    data, weight, bias = gradients("conv_transpose2d", ENLARGE, [(2, 6, 5, 5)])
    x, y, w = 2 * 6 * 25 * 4, 2 * 8 * 100 * 4, 6 * 8 * 16 * 4
    assert (data.op, data.family, data.m, data.n, data.k) == ("conv_transpose2d_backward_data", "conv", 50, 6, 16 * 8)
    assert (data.flops, data.reads, data.weights, data.writes) == (76_800, y, w, x)
    assert (weight.op, weight.m, weight.n, weight.k) == ("conv_transpose2d_backward_weight", 16 * 8, 6, 50)
    assert (weight.flops, weight.reads, weight.weights, weight.writes) == (76_800, x + y, 0, w)
    assert (bias.op, bias.family, bias.m, bias.k, bias.flops) == ("bias_backward", "reduction", 8, 200, 1600)
    assert saved("conv_transpose2d", ENLARGE, [(2, 6, 5, 5)]) == Saved(inputs=(0,))
    first = gradients("conv_transpose2d", {**ENLARGE, "bias": False}, [(2, 6, 5, 5)], data=False)
    assert [k.op for k in first] == ["conv_transpose2d_backward_weight"]


# --- local response norm ------------------------------------------------------------------------------


def test_local_response_norm() -> None:
    # 2 x 16 pixels of 6 channels: 7 operations an element, one row per pixel
    k = kernel("local_response_norm", {"size": 5}, [(2, 6, 4, 4)])
    assert (k.family, k.m, k.k, k.taps, k.flops) == ("norm", 32, 6, 5, 7 * 192)
    assert (k.reads, k.weights, k.writes, k.passes) == (768, 0, 768, 2)


def test_local_response_norm_keeps_what_torch_keeps() -> None:
    torch = pytest.importorskip("torch")
    x = torch.ones(2, 6, 4, 4, requires_grad=True)
    kept: dict[int, int] = {}

    def pack(tensor: Any) -> Any:
        kept[tensor.untyped_storage().data_ptr()] = tensor.numel() * tensor.element_size()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        y = torch.nn.functional.local_response_norm(x, 5)
    beside = sum(size for place, size in kept.items() if place != x.untyped_storage().data_ptr())
    assert y.requires_grad
    # squares with 4 more channels, scaled sums, their power: 32 x (10 + 6 + 6) numbers
    assert beside == 32 * 22 * 4
    assert saved("local_response_norm", {"size": 5}, [(2, 6, 4, 4)]) == Saved(inputs=(0,), extra=beside)


def test_local_response_norm_in_training() -> None:
    (forward,) = lower(in_training(single("local_response_norm", {"size": 5}, [(2, 6, 4, 4)])))
    assert (forward.reads, forward.writes) == (768, 768 + 2816)
    (backward,) = gradients("local_response_norm", {"size": 5}, [(2, 6, 4, 4)])
    assert (backward.family, backward.m, backward.k, backward.flops) == ("norm", 32, 6, 9 * 192)
    assert (backward.reads, backward.writes) == (2 * 768 + 2816, 768)


# --- dropout ------------------------------------------------------------------------------------------


def test_dropout_is_a_view_in_inference() -> None:
    workload = single("dropout", {"percent": 20}, [(3, 5)])
    assert len(lower(workload)) == 0
    assert workload.owners == {"dropout": "input"}


def test_dropout_in_training() -> None:
    # 15 numbers read and written, and a mask of a byte each
    workload = in_training(single("dropout", {}, [(3, 5)]))
    assert workload.owners == {}
    (forward,) = lower(workload)
    assert (forward.family, forward.op, forward.flops) == ("elementwise", "dropout", 30)
    assert (forward.reads, forward.writes) == (60, 60 + 15)
    (backward,) = gradients("dropout", {}, [(3, 5)])
    assert (backward.op, backward.flops, backward.reads, backward.writes) == ("dropout_backward", 30, 60 + 15, 60)
    assert saved("dropout", {}, [(3, 5)]) == Saved(extra=15)


# --- larger images ------------------------------------------------------------------------------------


def test_upsampling() -> None:
    k = kernel("upsample2d", {"scale": 2}, [(2, 3, 4, 5)])
    assert (k.family, k.flops, k.elements, k.reads, k.writes) == ("copy", 0, 480, 480, 1920)
    assert outcome("upsample2d", {"scale": (1, 3)}, (2, 3, 4, 5)) == (2, 3, 4, 15)
    k = kernel("upsample2d", {"scale": 2, "bilinear": True}, [(2, 3, 4, 5)])
    assert (k.family, k.flops, k.reads, k.writes) == ("elementwise", 7 * 480, 480, 1920)


@pytest.mark.parametrize(("bilinear", "operations"), [(False, 1), (True, 8)])
def test_gradients_of_upsampling(bilinear: bool, operations: int) -> None:
    given = {"scale": 2, "bilinear": bilinear}
    (backward,) = gradients("upsample2d", given, [(2, 3, 4, 5)])
    assert (backward.family, backward.op) == ("elementwise", "upsample2d_backward")
    assert (backward.flops, backward.reads, backward.writes) == (480 * operations, 1920, 480)
    assert saved("upsample2d", given, [(2, 3, 4, 5)]) == Saved()


# --- pooling that rounds up ---------------------------------------------------------------------------


@pytest.mark.parametrize("op", ["max_pool2d", "avg_pool2d"])
@pytest.mark.parametrize("size", [5, 8, 11, 12, 13])
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 2, 0), (3, 2, 1), (2, 3, 1), (2, 2, 0), (1, 3, 0)])
def test_windows_that_round_up_are_those_of_torch(op: str, size: int, kernel: int, stride: int, padding: int) -> None:
    torch = pytest.importorskip("torch")
    if 2 * padding > kernel:
        pytest.skip("torch wants less padding")
    function = getattr(torch.nn.functional, op)
    x = torch.empty((1, 2, size, size + 1), device="meta")
    for ceil_mode in (False, True):
        given = {"kernel": kernel, "stride": stride, "padding": padding, "ceil_mode": ceil_mode}
        theirs = tuple(function(x, kernel, stride, padding, ceil_mode=ceil_mode).shape)
        assert outcome(op, given, (1, 2, size, size + 1)) == theirs


def test_a_window_beyond_the_border_counts_like_any_other() -> None:
    # 3x3 windows of stride 2 on 8 x 8: 3 fit, a fourth starts at pixel 6: 4 x 4 x 9 taps
    k = kernel("max_pool2d", {"kernel": 3, "stride": 2, "ceil_mode": True}, [(1, 2, 8, 8)])
    assert (k.m, k.n, k.k, k.flops, k.reads, k.writes) == (2, 16, 9, 288, 2 * 64 * 4, 2 * 16 * 4)


# --- what does not fit --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("op", "attributes", "shapes", "message"),
    [
        ("conv_transpose2d", {"out": 4, "kernel": 3, "groups": 2}, [(1, 3, 8, 8)], "do not divide into 2 groups"),
        (
            "conv_transpose2d",
            {"out": 4, "kernel": 3, "padding": 2},
            [(1, 3, 1, 1)],
            "a padding of 2 removes all 3 pixels",
        ),
        ("conv_transpose2d", {"out": 4, "kernel": 3, "output_padding": 1}, [(1, 3, 8, 8)], "smaller than the stride"),
        ("conv_transpose2d", {"out": 4, "kernel": 3}, [(3, 8)], "images (batch, channels, height, width)"),
        ("dropout", {"percent": 100}, [(3, 8)], "write 1 to 99"),
        ("dropout", {"percent": 0}, [(3, 8)], "at least 1"),
        ("local_response_norm", {}, [(3, 8)], "images (batch, channels, height, width)"),
        ("upsample2d", {"scale": 2}, [(3, 8)], "images (batch, channels, height, width)"),
    ],
)
def test_refused(op: str, attributes: dict[str, Any], shapes: Shapes, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        single(op, attributes, shapes)
    assert message in str(caught.value)


# --- as measured --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("op", "attributes", "shape"),
    [
        ("conv_transpose2d", {**ENLARGE, "output_padding": 1, "groups": 2}, (2, 6, 5, 5)),
        ("conv_transpose2d", {"out": 4, "kernel": (2, 3), "bias": False}, (2, 6, 5, 5)),
        ("upsample2d", {"scale": (2, 3)}, (2, 6, 5, 5)),
        ("upsample2d", {"scale": 2, "bilinear": True}, (2, 6, 5, 5)),
        ("local_response_norm", {"size": 3}, (2, 6, 5, 5)),
        ("max_pool2d", {"kernel": 2, "ceil_mode": True}, (2, 6, 5, 5)),
        ("leaky_relu", {}, (2, 6)),
        ("hardsigmoid", {"inplace": True}, (2, 6)),
        ("hardswish", {"inplace": True}, (2, 6)),
        ("leaky_relu", {"inplace": True}, (2, 6)),
    ],
)
def test_what_is_measured_has_the_same_shape(op: str, attributes: dict[str, Any], shape: tuple[int, ...]) -> None:
    torch = pytest.importorskip("torch")
    from roofline.campaign.run import Pool, build_calls

    pool = Pool.create(1 << 20, dtype=torch.float32, device="cpu")
    call = next(build_calls(op, attributes, [shape], device="cpu", pool=pool))
    assert tuple(call().shape) == outcome(op, attributes, shape)
