"""Exact work and bytes of every backward pass, worked out by hand, and PyTorch's opinion about them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from operator_cases import Question, questions

from roofline import specs
from roofline.core.dtype import precision
from roofline.core.run import Recipe
from roofline.core.schedule import KINDS, Kernel, Schedule
from roofline.core.stack import Stack
from roofline.core.workload import Tensor, Workload
from roofline.errors import Unsupported, UsageError
from roofline.lowering import build, lower, lower_training, single, training_step
from roofline.lowering.build import node_of
from roofline.lowering.nodes import case_of, lowered
from roofline.operators import OPERATORS, cuda, operator_named
from roofline.operators.elementwise import UNARY_FLOPS

Shape = tuple[int, ...]
Layer = tuple[str, str, dict[str, Any], tuple[str, ...]]
FP32 = precision("fp32")
UNFUSED = Stack(fused_attention=False)


def gradients(
    op: str,
    attributes: dict[str, Any],
    shapes: Sequence[Shape],
    needs: tuple[bool, ...] | None = None,
    stack: Stack = Stack(),  # noqa: B008 (a frozen value)
) -> list[Kernel]:
    """The backward kernels of one operator; every input needs its gradient unless told."""
    work = replace(single(op, attributes, shapes), training=True)
    function = operator_named(op).backward
    assert function is not None
    return function(case_of(work.nodes[0], work, stack), needs or (True,) * len(shapes))


def dimensions(k: Kernel) -> tuple[int, int, int, int]:
    return k.batch, k.m, k.n, k.k


def moved(k: Kernel) -> tuple[float, float, float]:
    return k.reads, k.weights, k.writes


def net(inputs: dict[str, Shape], *layers: Layer) -> Workload:
    """A net of named layers: (name, operator, attributes, inputs); the last one is its output."""
    tensors = {name: Tensor(name, shape, FP32.storage, "input") for name, shape in inputs.items()}
    nodes = tuple(node_of(op, name, read, given, tensors, FP32.storage) for name, op, given, read in layers)
    return Workload("net", "", nodes, tensors, tuple(inputs), nodes[-1].outputs, {}, FP32)


def steps_back(work: Workload, stack: Stack = Stack()) -> list[Kernel]:  # noqa: B008 (a frozen value)
    """The backward kernels of a training step."""
    step = training_step(work, Recipe("none"), stack, cuda=True)
    return [kernel for kernel in lower_training(step) if kernel.phase == "backward"]


def test_linear() -> None:
    # (4, 8, 32) . (32, 64) + 64: m = 32 rows; each product 2 x 32 x 64 x 32 = 131,072 operations
    data, weight, bias = gradients("linear", {"out": 64}, [(4, 8, 32)])
    x, y, w = 4 * 8 * 32 * 4, 4 * 8 * 64 * 4, 64 * 32 * 4
    assert (data.op, data.family, data.kind) == ("linear_backward_data", "linear", "matmul")
    # dX (32 x 32) = dY (32 x 64) . W (64 x 32)
    assert (dimensions(data), data.flops, moved(data)) == ((1, 32, 32, 64), 131_072, (y, w, x))
    # dW (64 x 32) = dY^T (64 x 32) . X (32 x 32)
    assert (weight.op, dimensions(weight), weight.flops) == ("linear_backward_weight", (1, 64, 32, 32), 131_072)
    assert moved(weight) == (y + x, 0, w)
    # db: 64 sums of 32 numbers
    assert (bias.op, bias.family, bias.kind, bias.m, bias.k) == ("bias_backward", "reduction", "stream", 64, 32)
    assert (bias.flops, moved(bias)) == (64 * 32, (y, 0, 64 * 4))


def test_linear_without_bias_and_without_a_gradient_of_its_input() -> None:
    assert len(gradients("linear", {"out": 64, "bias": False}, [(4, 8, 32)])) == 2
    only = gradients("linear", {"out": 64}, [(4, 8, 32)], (False,))
    assert [k.op for k in only] == ["linear_backward_weight", "bias_backward"]


def test_matmul() -> None:
    # 6 x (5, 7) . (7, 9): 2 x 6 x 5 x 9 x 7 = 3,780 for each gradient
    a, b, c = 6 * 35 * 4, 6 * 63 * 4, 6 * 45 * 4
    left, right = gradients("matmul", {}, [(2, 3, 5, 7), (2, 3, 7, 9)])
    assert (left.family, left.op, left.flops, right.flops) == ("bmm", "matmul_backward", 3780, 3780)
    assert (dimensions(left), moved(left)) == ((6, 5, 7, 9), (c + b, 0, a))
    assert (dimensions(right), moved(right)) == ((6, 7, 9, 5), (c + a, 0, b))
    swapped = gradients("matmul", {"transpose_b": True}, [(2, 3, 5, 7), (2, 3, 9, 7)])
    assert [(k.flops, moved(k)) for k in swapped] == [(k.flops, moved(k)) for k in (left, right)]
    (one,) = gradients("matmul", {}, [(2, 3, 5, 7), (2, 3, 7, 9)], (False, True))
    assert one == right


def test_a_shared_right_operand_is_one_product_over_all_rows() -> None:
    # 30 rows of 7 times (7, 9): dB sums over all 30
    left, right = gradients("matmul", {}, [(2, 3, 5, 7), (7, 9)])
    assert (dimensions(left), dimensions(right)) == ((1, 30, 7, 9), (1, 7, 9, 30))
    assert left.flops == right.flops == 2 * 30 * 7 * 9
    assert moved(right) == ((30 * 9 + 30 * 7) * 4, 0, 63 * 4)


def test_convolution() -> None:
    # 2 images 3 x 32 x 32, 3x3, padding 1, stride 2 -> 8 x 16 x 16: 221,184 operations each way
    shapes = [(2, 3, 32, 32)]
    data, weight, bias = gradients("conv2d", {"out": 8, "kernel": 3, "padding": 1, "stride": 2}, shapes)
    x, y, w = 2 * 3 * 1024 * 4, 2 * 8 * 256 * 4, 8 * 27 * 4
    assert (data.op, data.family, data.flops, moved(data)) == ("conv2d_backward_data", "conv", 221_184, (y, w, x))
    # 2048 input pixels, 3 channels; 9 taps x 8 channels of a quarter of the pixels reach one: 18
    assert (dimensions(data), data.taps, data.stride, data.images) == ((1, 2048, 3, 18), 9, 2, 2)
    assert (weight.op, weight.flops, moved(weight)) == ("conv2d_backward_weight", 221_184, (x + y, 0, w))
    assert dimensions(weight) == (1, 27, 8, 512)
    assert (bias.op, bias.m, bias.k, moved(bias)) == ("bias_backward", 8, 512, (y, 0, 32))
    first = gradients("conv2d", {"out": 8, "kernel": 3, "bias": False}, shapes, (False,))
    assert [k.op for k in first] == ["conv2d_backward_weight"]


def test_one_by_one_convolution_of_stride_two_writes_every_pixel_and_reads_a_quarter() -> None:
    given = {"out": 16, "kernel": 1, "stride": 2, "bias": False}
    data, weight = gradients("conv2d", given, [(1, 4, 56, 56)])
    assert (data.family, data.writes) == ("conv1x1", 4 * 3136 * 4)
    assert weight.reads == (4 * 784 + 16 * 784) * 4


def test_grouped_and_depthwise_convolution() -> None:
    # 2 groups of 4 -> 8 channels on 10 x 10: 115,200 operations each way
    data, weight = gradients(
        "conv2d", {"out": 16, "groups": 2, "kernel": 3, "padding": 1, "bias": False}, [(1, 8, 10, 10)]
    )
    assert (data.family, dimensions(data), data.flops) == ("conv", (2, 100, 4, 72), 115_200)
    assert (dimensions(weight), weight.flops, weight.writes) == ((2, 36, 8, 100), 115_200, 16 * 36 * 4)
    # one filter for each of 8 channels: 14,400
    data, weight = gradients(
        "conv2d", {"out": 8, "groups": 8, "kernel": 3, "padding": 1, "bias": False}, [(1, 8, 10, 10)]
    )
    assert (data.family, dimensions(data), data.flops) == ("depthwise", (8, 100, 1, 9), 14_400)
    assert (weight.family, dimensions(weight), weight.flops) == ("depthwise", (8, 9, 1, 100), 14_400)


QUERIES, KEYS = (2, 4, 3, 8), (2, 2, 5, 8)


def test_fused_attention_computes_five_products() -> None:
    # B 2, H 4, S 3, T 5, D 8: a product is 2 x 2 x 4 x 3 x 5 x 8 = 1,920
    (k,) = gradients("attention", {}, [QUERIES, KEYS, KEYS])
    assert (k.family, k.kind, dimensions(k), k.flops) == ("attention", "matmul", (8, 3, 5, 8), 5 * 1920)
    # a causal mask leaves 3 + 4 + 5 of 15 scores, and as many bytes
    (masked,) = gradients("attention", {"causal": True}, [QUERIES, KEYS, KEYS])
    assert (masked.flops, moved(masked)) == (5 * 1920 * 12 // 15, moved(k))
    # reads q, k, v, the result and its gradient; writes dq, dk, dv: 192 elements of queries, 160 of keys
    assert moved(k) == ((3 * 192 + 2 * 160) * 4, 0, (192 + 2 * 160) * 4)


def test_unfused_attention_computes_four_products_and_what_lies_between() -> None:
    found = gradients("attention", {}, [QUERIES, (2, 4, 5, 8), (2, 4, 5, 8)], stack=UNFUSED)
    products, between = ["matmul_backward"] * 2, ["softmax_backward", "scale_backward"]
    assert [k.op for k in found] == ["copy", *products, *between, *products]
    q, kv, table = 192 * 4, 2 * 4 * 5 * 8 * 4, 2 * 4 * 3 * 5 * 4
    given, value, scores, softmax, scale, key, query = found
    assert {k.flops for k in (value, scores, query, key)} == {1920}
    assert moved(given) == (q, 0, q)  # dO comes with the heads of a row side by side
    assert (dimensions(value), moved(value)) == ((8, 5, 8, 3), (table + q, 0, kv))  # dV = P^T dO
    assert (dimensions(scores), moved(scores)) == ((8, 3, 5, 8), (q + kv, 0, table))  # dP = dO V^T
    assert (softmax.m, softmax.k, moved(softmax)) == (24, 5, (2 * table, 0, table))
    assert moved(scale) == (table, 0, table)
    assert (dimensions(key), moved(key)) == ((8, 8, 5, 3), (table + q, 0, kv))  # dK^T = Q^T dS
    assert (dimensions(query), moved(query)) == ((8, 3, 8, 5), (table + kv, 0, q))  # dQ = dS K


def test_gpus_launch_two_kernels_for_softmax_and_layer_norm() -> None:
    (k,) = gradients("softmax", {}, [(2, 5, 16)])
    product, softmax = cuda.launches(k)
    assert (product.family, product.elements, moved(product)) == ("elementwise", 160, (2 * 640, 0, 640))
    assert (softmax.op, softmax.m, softmax.k, moved(softmax)) == ("softmax_backward", 10, 16, (2 * 640, 0, 640))
    assert product.flops + softmax.flops == k.flops
    (k,) = gradients("layer_norm", {}, [(2, 5, 16)])
    data, sums = cuda.launches(k)
    assert (data.family, data.m, data.k, moved(data)) == ("norm", 10, 16, (2 * 640, 0, 640))
    assert (sums.family, sums.m, sums.k, moved(sums)) == ("reduction", 16, 10, (2 * 640, 0, 2 * 16 * 4))
    assert data.flops + sums.flops == k.flops
    (k,) = gradients("batch_norm", {}, [(2, 3, 4, 4)])
    assert cuda.launches(k) == [k]
    work = trainable(("softmax", {}, [(2, 5, 16)]))
    there, here = (lower_training(training_step(work, Recipe("none"), Stack(), cuda=gpu)) for gpu in (True, False))
    assert there.op_labels().count("mul") == here.op_labels().count("mul") + 1


def test_norms_and_softmax() -> None:
    # reads x and dY (384 bytes each), writes dX and two vectors of 3; two passes
    (k,) = gradients("batch_norm", {}, [(2, 3, 4, 4)])
    assert (k.family, k.m, k.k, k.passes, k.flops) == ("norm", 6, 16, 2, 12 * 96)
    assert (k.reads, k.writes) == (2 * 384, 384 + 2 * 3 * 4)
    (k,) = gradients("layer_norm", {}, [(2, 5, 16)])
    assert (k.family, k.m, k.k, k.passes, k.flops) == ("norm", 10, 16, 2, 12 * 160)
    assert (k.reads, k.writes) == (2 * 640, 640 + 2 * 16 * 4)
    (k,) = gradients("softmax", {}, [(2, 5, 16)])
    assert (k.family, k.op, k.m, k.k, k.flops) == ("softmax", "softmax_backward", 10, 16, 4 * 160)
    assert moved(k) == (2 * 640, 0, 640)


@pytest.mark.parametrize("op", UNARY_FLOPS)
def test_unary(op: str) -> None:
    (k,) = gradients(op, {}, [(3, 5)])
    reads, flops = (60, 15) if op == "neg" else (120, 15 * (UNARY_FLOPS[op] + 1))
    assert (k.family, k.op, k.flops, moved(k)) == ("elementwise", f"{op}_backward", flops, (reads, 0, 60))


def test_sums_of_equal_shapes_are_free_and_differences_turn_a_sign() -> None:
    assert gradients("add", {}, [(4, 5), (4, 5)]) == []
    (k,) = gradients("sub", {}, [(4, 5), (4, 5)])
    assert (k.flops, moved(k)) == (20, (80, 0, 80))


def test_a_broadcast_operand_is_summed_over_what_it_was_spread_over() -> None:
    (k,) = gradients("add", {}, [(4, 5), (5,)])
    assert (k.op, k.family, k.m, k.k, k.flops, moved(k)) == ("sum_backward", "reduction", 5, 4, 20, (80, 0, 20))
    first, second, summed = gradients("mul", {}, [(4, 5), (5,)])
    assert moved(first) == (80 + 20, 0, 80)  # dA = dY B
    assert moved(second) == (160, 0, 80)  # dY A, as large as the result
    assert (summed.op, moved(summed)) == ("sum_backward", (80, 0, 20))
    assert len(gradients("mul", {}, [(4, 5), (5,)], (True, False))) == 1
    assert len(gradients("mul", {}, [(4, 5), (5,)], (False, True))) == 2
    quotient = gradients("div", {}, [(4, 5), (4, 5)])
    assert [k.flops for k in quotient] == [20, 60]
    power = gradients("pow", {}, [(4, 5), (4, 5)])  # six steps each, masks of zeros among them
    assert [(k.flops, moved(k)) for k in power] == [(120, (12 * 80, 0, 80))] * 2
    (square,) = gradients("pow", {}, [(4, 5), ()], (True, False))  # B A^(B - 1) dY
    assert (square.flops, moved(square)) == (60, (5 * 80 + 4, 0, 80))


def test_reductions() -> None:
    (k,) = gradients("mean", {}, [(4, 5)])
    assert (k.family, k.flops, moved(k)) == ("elementwise", 20, (16, 0, 80))
    assert gradients("sum", {}, [(4, 5)]) == []
    (k,) = gradients("global_avg_pool", {}, [(2, 3, 4, 4)])
    assert (k.flops, moved(k)) == (96, (24, 0, 384))


def test_pooling() -> None:
    # 2 x 3 planes of 8 x 8, windows of 3x3 with stride 2: 4 x 4 results each, with their places
    window = {"kernel": 3, "stride": 2, "padding": 1}
    (k,) = gradients("max_pool2d", window, [(2, 3, 8, 8)])
    assert (k.family, k.op, k.m, k.n, k.k, k.flops) == ("pool", "max_pool2d_backward", 6, 16, 9, 96)
    assert moved(k) == (96 * (4 + 8), 0, 6 * 64 * 4)
    (k,) = gradients("avg_pool2d", window, [(2, 3, 8, 8)])
    assert (k.flops, moved(k)) == (96 * 9, (96 * 4, 0, 6 * 64 * 4))


def test_tables() -> None:
    # zeros for 100 rows of 16, then 6 rows of dY added to their places
    (k,) = gradients("embedding", {"entries": 100, "features": 16}, [(2, 3)])
    assert (k.family, k.kind, k.m, k.n, k.k, k.flops) == ("embedding", "gather", 6, 100, 16, 96)
    assert moved(k) == (6 * 8 + 6 * 64, 0, 100 * 64 + 6 * 64)
    # every row hit many times: the table is written twice at most
    (k,) = gradients("embedding", {"entries": 2, "features": 16}, [(2, 3)])
    assert k.writes == 2 * 2 * 64


def test_views_and_copies_give_views_back() -> None:
    views: dict[str, dict[str, Any]] = {"view": {"shape": (-1,)}, "transpose": {"dims": (1, 0)}}
    for op in ("view", "transpose", "copy", "transpose_copy"):
        assert gradients(op, views.get(op, {}), [(4, 5)]) == []
    assert gradients("concat", {"dim": 0}, [(4, 5), (3, 5)]) == []
    (k,) = gradients("expand", {"shape": (3, 4, 5)}, [(4, 5)])
    assert (k.op, moved(k)) == ("sum_backward", (240, 0, 80))


def sliced(*lengths: int) -> Workload:
    """A linear layer of 12 outputs, cut into parts of these lengths that are summed."""
    layers: list[Layer] = [("fc", "linear", {"out": 12, "bias": False}, ("x",))]
    start = 0
    for index, length in enumerate(lengths):
        layers.append((f"part{index}", "slice", {"dim": 1, "start": start, "length": length}, ("fc",)))
        layers.append((f"mean{index}", "mean", {}, (f"part{index}",)))
        start += length
    sums = [f"mean{index}" for index in range(len(lengths))]
    for index, name in enumerate(sums[1:]):
        layers.append((f"sum{index}", "add", {}, (f"sum{index - 1}" if index else sums[0], name)))
    return net({"x": (2, 6)}, *layers)


def test_cuts_that_tile_a_tensor_give_back_one_copy() -> None:
    copies = [k for k in steps_back(sliced(4, 4, 4)) if k.family == "copy"]
    assert [(k.op, moved(k)) for k in copies] == [("split_backward", (96, 0, 96))]


def test_cuts_that_leave_something_fill_it_with_zeros_first() -> None:
    # the whole, 96 bytes, is set to zero, then parts of 2 x (4 + 4) numbers are copied into it
    copies = [k for k in steps_back(sliced(4, 4)) if k.family == "copy"]
    assert [moved(k) for k in copies] == [(64, 0, 96 + 64)]


def test_losses() -> None:
    table, picked = gradients("cross_entropy", {}, [(6, 10)])
    assert (table.op, moved(table)) == ("nll_loss_backward", (6 * 8, 0, 240))
    assert (picked.op, picked.family, picked.m, picked.k, moved(picked)) == (
        "log_softmax_backward",
        "softmax",
        6,
        10,
        (480, 0, 240),
    )
    (k,) = gradients("mean_squares", {}, [(6, 10)])
    assert moved(k) == (480, 0, 240)


def test_the_loss_a_net_gets() -> None:
    classes = net({"x": (6, 8)}, ("fc", "linear", {"out": 10}, ("x",)))
    loss = training_step(classes, Recipe(), Stack(), cuda=True).workload.nodes[-1]
    assert (loss.op, loss.attributes["dim"]) == ("cross_entropy", -1)
    images = net({"x": (2, 3, 8, 8)}, ("conv", "conv2d", {"out": 5, "kernel": 1}, ("x",)))
    loss = training_step(images, Recipe(), Stack(), cuda=True).workload.nodes[-1]
    assert (loss.op, loss.attributes["dim"]) == ("cross_entropy", 1)
    number = net({"x": (6, 8)}, ("fc", "linear", {"out": 1}, ("x",)))
    assert training_step(number, Recipe(), Stack(), cuda=True).workload.nodes[-1].op == "mean_squares"
    own = net({"x": (6, 8)}, ("fc", "linear", {"out": 4}, ("x",)), ("mine", "mean_squares", {}, ("fc",)))
    assert len(training_step(own, Recipe(), Stack(), cuda=True).workload.nodes) == 2


def test_gradients_that_meet_are_added() -> None:
    # fc feeds relu and the sum: two gradients of fc
    fork = net(
        {"x": (6, 8)},
        ("fc", "linear", {"out": 8}, ("x",)),
        ("relu", "relu", {}, ("fc",)),
        ("sum", "add", {}, ("relu", "fc")),
    )
    (k,) = [k for k in steps_back(fork) if k.op == "add_gradients"]
    assert (k.family, k.flops, moved(k)) == ("elementwise", 48, (2 * 192, 0, 192))


@pytest.mark.parametrize(("op", "products"), [("add", 0), ("mul", 2)])
def test_a_tensor_used_twice_by_one_node_gets_the_sum_of_two_gradients(op: str, products: int) -> None:
    twice = net({"x": (6, 8)}, ("fc", "linear", {"out": 8}, ("x",)), ("twice", op, {}, ("fc", "fc")))
    names = [k.op for k in steps_back(twice)]
    assert names.count("add_gradients") == 1
    assert names.count(f"{op}_backward") == products


def test_nobody_computes_gradients_of_images_and_of_what_comes_of_them_alone() -> None:
    early = net(
        {"x": (2, 3, 8, 8)},
        ("relu", "relu", {}, ("x",)),
        ("conv", "conv2d", {"out": 4, "kernel": 3}, ("relu",)),
        ("mean", "global_avg_pool", {}, ("conv",)),
        ("flat", "view", {"shape": (2, -1)}, ("mean",)),
    )
    names = [k.op for k in steps_back(early)]
    assert "relu_backward" not in names
    assert "conv2d_backward_data" not in names
    assert {"conv2d_backward_weight", "bias_backward"} <= set(names)


def trainable(question: Question) -> Workload:
    """One operator whose float inputs are learned tensors, so that gradients reach all of them."""
    op, attributes, shapes = question
    work = single(op, attributes, shapes)
    tensors = {name: t for name, t in work.tensors.items() if t.role == "input" and t.dtype.kind == "int"}
    inputs, nodes = tuple(tensors), []
    for name in work.inputs:
        if name not in tensors:
            given = {"shape": work.tensors[name].shape}
            nodes.append(node_of("parameter", name, (), given, tensors, FP32.storage))
    nodes.append(node_of(op, op, work.inputs, attributes, tensors, FP32.storage))
    return replace(work, nodes=tuple(nodes), tensors=tensors, inputs=inputs)


@given(questions(), st.booleans())
def test_every_operator_is_trained_or_refused_by_name(question: Question, fused: bool) -> None:
    work, recipe, stack = trainable(question), Recipe("adamw"), Stack(fused_attention=fused)
    if OPERATORS[question[0]].backward is None:
        with pytest.raises(Unsupported, match=f"{question[0]} has no backward pass"):
            training_step(work, recipe, stack, cuda=True)
        return
    schedule = lower_training(training_step(work, recipe, stack, cuda=True))
    for column in (schedule.flops, schedule.reads, schedule.weights, schedule.writes):
        assert (column >= 0).all()
    assert (schedule.batch * schedule.m * schedule.n * schedule.k >= 1).all()
    assert (schedule.repeats >= 1).all()


@given(questions())
def test_an_input_that_needs_no_gradient_saves_work(question: Question) -> None:
    op, attributes, shapes = question
    if OPERATORS[op].backward is None or op in ("kv_cache", "opaque"):
        return
    whole = gradients(op, attributes, shapes)
    for index in range(len(shapes)):
        needs = tuple(place != index for place in range(len(shapes)))
        part = gradients(op, attributes, shapes, needs)
        for what in ("flops", "bytes"):
            less, more = (float(getattr(Schedule.of(found), f"all_{what}").sum()) for found in (part, whole))
            assert less <= more
        if op in ("linear", "matmul", "conv2d", "conv_transpose2d"):
            assert len(part) == len(whole) - 1


PRODUCTS = ("linear", "matmul", "conv2d", "conv_transpose2d")


@given(questions().filter(lambda question: question[0] in PRODUCTS))
def test_the_products_of_a_backward_do_twice_the_work_of_the_forward(question: Question) -> None:
    work = single(*question)
    forward = lower(work).flops.sum()
    products = [k for k in gradients(*question) if k.kind == "matmul"]
    assert [k.flops for k in products] == [forward, forward]


@given(questions())
def test_the_forward_kernels_of_a_step_are_those_of_the_net(question: Question) -> None:
    work = trainable(question)
    if OPERATORS[question[0]].backward is None:
        return
    step = training_step(work, Recipe("none"), Stack(), cuda=True)
    forward = [k for k in lower_training(step) if k.phase == "forward" and k.layer == len(work.nodes) - 1]
    last = case_of(step.workload.nodes[len(work.nodes) - 1], step.workload, Stack())
    assert len(forward) == len(lowered(last).kernels)


@pytest.mark.parametrize("name", ["int8", "fp8"])
def test_nobody_trains_in_less_than_sixteen_bits(name: str) -> None:
    work = replace(single("linear", {"out": 4}, [(2, 3)]), precision=precision(name))
    with pytest.raises(UsageError, match=f"training in {name}.* is not modelled"):
        training_step(work, Recipe(), Stack(), cuda=True)


# What PyTorch does -----------------------------------------------------------------------------------------------

FREE = (
    *("view", "t", "transpose", "expand", "detach", "alias", "as_strided", "unsqueeze", "squeeze", "slice"),
    *("select", "permute", "_unsafe_view", "split", "empty_like"),
)
"""Calls that launch nothing."""


def launched(function: Callable[..., Any], shapes: Sequence[Shape]) -> list[tuple[int, int]]:
    """(bytes read, bytes written) of every kernel of the backward of a function of random tensors."""
    torch = pytest.importorskip("torch")
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    found: list[tuple[int, int]] = []

    def size(values: Any) -> int:
        tensors = [value for value in tree_leaves(values) if isinstance(value, torch.Tensor)]
        return sum({tensor.data_ptr(): tensor.nbytes for tensor in tensors}.values())

    class Log(TorchDispatchMode):  # type: ignore[misc]
        def __torch_dispatch__(self, call: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            out = call(*args, **(kwargs or {}))
            if call.overloadpacket.__name__ not in FREE:
                found.append((size((args, kwargs)), size(out)))
            return out

    inputs = [torch.rand(shape).add(0.1).requires_grad_(True) for shape in shapes]
    result = function(*inputs)
    ones = torch.ones_like(result)
    with Log():
        torch.autograd.grad(result, inputs, ones)
    return sorted(found)


def torch_case(name: str) -> tuple[str, dict[str, Any], list[Shape], Callable[..., Any]]:
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    one, pair, spread = [(4, 6)], [(4, 6), (4, 6)], [(4, 6), (6,)]
    unary = {
        **{op: getattr(torch, op) for op in ("relu", "tanh", "sigmoid", "exp", "neg")},
        **{op: getattr(functional, op) for op in ("silu", "gelu", "hardswish", "relu6", "hardsigmoid", "leaky_relu")},
        "gelu_tanh": lambda x: functional.gelu(x, approximate="tanh"),
    }

    def steps(x: Any) -> Any:
        return 0.5 * x * (1.0 + torch.tanh(0.7978845608 * (x + 0.044715 * torch.pow(x, 3.0))))

    cases: dict[str, tuple[str, dict[str, Any], list[Shape], Callable[..., Any]]] = {
        **{op: (op, {}, one, function) for op, function in unary.items()},
        "gelu_tanh in steps": ("gelu_tanh", {"steps": True}, one, steps),
        "add": ("add", {}, pair, torch.add),
        "add a vector": ("add", {}, spread, torch.add),
        "sub": ("sub", {}, pair, torch.sub),
        "mul": ("mul", {}, pair, torch.mul),
        "mul with a vector": ("mul", {}, spread, torch.mul),
        "softmax": ("softmax", {}, one, lambda x: x.softmax(-1)),
        "matmul": ("matmul", {}, [(2, 3, 6), (2, 6, 5)], torch.matmul),
        "matmul, shared": ("matmul", {}, [(2, 3, 6), (6, 5)], torch.matmul),
        "concat": ("concat", {"dim": 1}, spread[:1] * 2, lambda a, b: torch.cat([a, b], 1)),
        "copy": ("transpose_copy", {}, one, lambda x: x.t().contiguous()),
    }
    return cases[name]


@pytest.mark.parametrize(
    "name",
    [
        *("relu", "tanh", "sigmoid", "exp", "neg", "silu", "gelu", "hardswish", "relu6", "hardsigmoid", "leaky_relu"),
        *(
            "gelu_tanh",
            "gelu_tanh in steps",
            "add",
            "add a vector",
            "sub",
            "mul",
            "mul with a vector",
            "softmax",
            "matmul",
        ),
        *("matmul, shared", "concat", "copy"),
    ],
)
def test_pytorch_launches_the_same_kernels_on_the_same_bytes(name: str) -> None:
    op, attributes, shapes, function = torch_case(name)
    ours = sorted((k.reads + k.weights, k.writes) for k in gradients(op, attributes, shapes))
    assert ours == launched(function, shapes)


@pytest.mark.parametrize("shape", [(4, 6), (2, 4, 6)])
def test_pytorch_trains_a_linear_layer_with_the_same_kernels(shape: Shape) -> None:
    torch = pytest.importorskip("torch")
    ours = sorted((k.reads + k.weights, k.writes) for k in gradients("linear", {"out": 5}, [shape]))
    assert ours == launched(torch.nn.functional.linear, [shape, (5, 6), (5,)])


def test_pytorch_gives_pieces_back_in_one_copy() -> None:
    torch = pytest.importorskip("torch")

    def cut(x: Any) -> Any:
        first, second, third = x.chunk(3, 1)
        return torch.relu(first) + torch.tanh(second) + torch.sigmoid(third)

    assert (96, 96) in launched(cut, [(4, 6)])  # one copy of all, beside three functions of a third each
    assert len(launched(cut, [(4, 6)])) == 4


def matrix_flops(name: str, sizes: dict[str, int], stack: Stack) -> float:
    work = build(specs.load_network(name), sizes)
    schedule = lower_training(training_step(work, Recipe("none"), stack, cuda=True))
    return float(schedule.all_flops[schedule.kind == KINDS.index("matmul")].sum())


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("mlp", {"batch": 8}),
        ("resnet18", {"batch": 2, "image": 64}),
        ("gpt-small", {"batch": 1, "seq": 16}),
    ],
)
def test_pytorch_counts_the_same_work(name: str, sizes: dict[str, int]) -> None:
    """Its counter is wrong about the weights of grouped convolutions (as many times too much as there are groups)."""
    torch = pytest.importorskip("torch")
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    from roofline.campaign.networks import build as module_of

    module, inputs = module_of(name, sizes)
    module.train().requires_grad_(True)
    # it does not know the fused attention of CPUs
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        rows = module(*inputs).flatten(0, -2)
        torch.nn.functional.cross_entropy(rows, torch.zeros(len(rows), dtype=torch.long)).backward()
    assert matrix_flops(name, sizes, UNFUSED) == counter.get_total_flops()
