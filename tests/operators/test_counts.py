"""Exact work and bytes of every operator, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from operator_cases import OPS

from roofline.core import attention
from roofline.core.dtype import precision
from roofline.core.schedule import Kernel
from roofline.core.stack import Stack
from roofline.lowering import lower, single
from roofline.operators import OPERATORS
from roofline.operators.elementwise import UNARY_FLOPS


def kernel(op: str, attributes: dict, shapes: list, dtype: str = "fp32") -> Kernel:
    kernels = list(lower(single(op, attributes, shapes, precision(dtype))))
    assert len(kernels) == 1
    return kernels[0]


def outcome(op: str, attributes: dict, *shapes: tuple) -> tuple:
    workload = single(op, attributes, shapes)
    return workload.tensors[workload.outputs[0]].shape


def dimensions(k: Kernel) -> tuple[int, int, int, int]:
    return k.batch, k.m, k.n, k.k


def test_every_operator_is_asked_about_in_the_property_tests():
    assert sorted(OPS) == sorted(OPERATORS)


def test_linear():
    # (4, 8, 32) . (32, 64) + 64: m = 4 x 8 = 32; 2 x 32 x 64 x 32 = 131,072 operations
    k = kernel("linear", {"out": 64}, [(4, 8, 32)])
    assert (k.family, k.kind, dimensions(k)) == ("linear", "matmul", (1, 32, 64, 32))
    assert k.flops == 131_072
    assert k.reads == 4 * 8 * 32 * 4
    assert k.weights == (32 * 64 + 64) * 4
    assert k.writes == 4 * 8 * 64 * 4
    assert k.elements == 4 * 8 * 64
    assert kernel("linear", {"out": 64, "bias": False}, [(4, 8, 32)]).weights == 32 * 64 * 4


def test_matmul():
    # 6 x (5, 7) . (7, 9): 2 x 6 x 5 x 9 x 7 = 3,780
    k = kernel("matmul", {}, [(2, 3, 5, 7), (2, 3, 7, 9)])
    assert (k.family, dimensions(k), k.flops) == ("bmm", (6, 5, 9, 7), 3780)
    assert (k.reads, k.weights, k.writes) == ((6 * 35 + 6 * 63) * 4, 0, 6 * 45 * 4)
    swapped = kernel("matmul", {"transpose_b": True}, [(2, 3, 5, 7), (2, 3, 9, 7)])
    assert (dimensions(swapped), swapped.flops) == ((6, 5, 9, 7), 3780)
    # a second operand of two dimensions is shared: the leading dimensions join m
    assert dimensions(kernel("matmul", {}, [(2, 3, 5, 7), (7, 9)])) == (1, 30, 9, 7)


@pytest.mark.parametrize("causal", [False, True])
def test_attention(causal: bool):
    # B 2, H 4, S 3, T 5, D 8: 4 x 2 x 4 x 3 x 5 x 8 = 3,840; a causal mask leaves 3 + 4 + 5 = 12 of 15 scores
    left = 12 if causal else 15
    k = kernel("attention", {"causal": causal}, [(2, 4, 3, 8), (2, 2, 5, 8), (2, 2, 5, 8)])
    assert (k.family, k.kind, dimensions(k), k.flops) == ("attention", "matmul", (8, 3, 5, 8), 3840 * left // 15)
    # q and out 2 x 4 x 3 x 8 = 192 elements, k and v 2 x 2 x 5 x 8 = 160 each: grouped heads read less
    assert (k.reads, k.writes, k.elements) == ((192 + 2 * 160) * 4, 192 * 4, 2 * 4 * left)


@pytest.mark.parametrize(
    ("queries", "keys", "causal", "window"),
    [
        (1, 1, True, 0),
        (5, 5, True, 0),
        (3, 7, True, 0),
        (7, 3, True, 0),
        (6, 6, False, 2),
        (2, 9, True, 4),
        (4, 4, True, 9),
    ],
)
def test_a_mask_leaves_the_scores_that_a_table_counts(queries: int, keys: int, causal: bool, window: int):
    place = np.arange(queries)[:, None] + keys - queries
    before = place - np.arange(keys)
    table = (before >= 0) & (before < (window or keys + queries))
    assert attention.kept(queries, keys, causal, window) == table.sum()
    assert attention.span(queries, keys, window) >= table.any(0).sum()


def test_a_window_reads_its_keys_alone():
    # one query on 9 keys sees 4 of them: 2 heads x 4 keys, 8 numbers in each key and value
    k = kernel("attention", {"window": 4}, [(1, 2, 1, 8), (1, 2, 9, 8), (1, 2, 9, 8)])
    assert (k.flops, k.elements, k.reads) == (4 * 8 * 8, 8, (16 + 2 * 8 * 8) * 4)


def test_values_narrower_than_keys():
    # latent attention: keys of 24 numbers, values of 16
    shapes = [(1, 2, 3, 24), (1, 2, 5, 24), (1, 2, 5, 16)]
    k = kernel("attention", {}, shapes)
    assert (k.flops, k.k, k.taps) == (2 * 2 * 15 * (24 + 16), 24, 16)
    assert (k.reads, k.writes) == ((2 * 3 * 24 + 2 * 5 * (24 + 16)) * 4, 2 * 3 * 16 * 4)
    assert outcome("attention", {}, *shapes) == (1, 2, 3, 16)


def test_stored_keys_of_eight_bits_and_pages():
    shapes, given = [(1, 4, 1, 8), (1, 2, 5, 8), (1, 2, 5, 8)], {"cache_bits": 8}
    paged = Stack(framework="vllm", kv_cache="paged")
    plain, small = (kernel("attention", attributes, shapes, "bf16") for attributes in ({}, given))
    (written,) = lower(single("attention", given, shapes, precision("bf16")), paged)
    assert plain.reads - small.reads == 2 * 2 * 5 * 8
    assert written.writes - small.writes == 2 * 2 * 8  # the new key and value of each head, one byte a number


def test_attention_in_steps_does_the_same_products():
    workload = single("attention", {"causal": True}, [(2, 4, 3, 8), (2, 4, 5, 8), (2, 4, 5, 8)])
    found = list(lower(workload, Stack(fused_attention=False)))
    assert [k.op for k in found] == ["matmul", "scale", "mask", "softmax", "matmul", "copy"]
    first, scale, mask, softmax, last, copy = found
    assert first.flops + last.flops == 3840
    scores = 2 * 4 * 3 * 5 * 4  # bytes of the table between the kernels
    assert first.writes == scale.reads == scale.writes == mask.writes == softmax.reads == softmax.writes == scores
    assert mask.reads == scores + 3 * 5  # a flag for every pair of query and key
    assert copy.reads == copy.writes == last.writes == 192 * 4  # the heads of a row side by side
    # q 0, k 1, v 2, result 3; temporaries beyond
    assert [(k.source, k.source2, k.target) for k in found] == [
        *[(0, 1, 4), (4, -1, 5), (5, -1, 6), (6, -1, 7)],
        *[(7, 2, 8), (8, -1, 3)],
    ]


def test_gelu_in_steps():
    found = list(lower(single("gelu_tanh", {"steps": True}, [(3, 5)])))
    assert [k.op for k in found] == ["mul", "pow", "mul", "add", "mul", "tanh", "add", "mul"]
    assert sum(k.flops for k in found) == 15 * UNARY_FLOPS["gelu_tanh"]
    assert [k.reads for k in found] == [60, 60, 60, 120, 60, 60, 60, 120]
    assert {k.writes for k in found} == {60}
    assert [(k.source, k.source2, k.target) for k in found[-2:]] == [(3, -1, 4), (2, 4, 1)]
    (k,) = lower(single("gelu_tanh", {"steps": True}, [(3, 5)]), Stack(mode="compiled"))
    assert (k.op, k.flops, k.reads, k.writes) == ("gelu_tanh", 15 * 9, 60, 60)


def test_convolution():
    # 2 images of 3 x 32 x 32, 3x3, padding 1, stride 2: 16 x 16 results of 8 channels
    # m = 2 x 256 = 512, n = 8, k = 9 x 3 = 27: 2 x 512 x 8 x 27 = 221,184
    k = kernel("conv2d", {"out": 8, "kernel": 3, "padding": 1, "stride": 2}, [(2, 3, 32, 32)])
    assert (k.family, dimensions(k), k.images, k.taps, k.stride) == ("conv", (1, 512, 8, 27), 2, 9, 2)
    assert (k.flops, k.reads, k.weights, k.writes) == (
        221_184,
        2 * 3 * 1024 * 4,
        (8 * 27 + 8) * 4,
        2 * 8 * 256 * 4,
    )


def test_one_by_one_convolution_with_stride_reads_the_pixels_it_uses():
    # 56 x 56 with stride 2 touches 28 x 28 pixels
    k = kernel("conv2d", {"out": 16, "kernel": 1, "stride": 2, "bias": False}, [(1, 4, 56, 56)])
    assert (k.family, dimensions(k)) == ("conv1x1", (1, 784, 16, 4))
    assert (k.reads, k.writes) == (4 * 784 * 4, 16 * 784 * 4)


def test_depthwise_and_grouped_convolution():
    # one 3x3 filter for each of 8 channels: 2 x 8 x 100 x 9 = 14,400
    k = kernel("conv2d", {"out": 8, "groups": 8, "kernel": 3, "padding": 1}, [(1, 8, 10, 10)])
    assert (k.family, dimensions(k), k.flops) == ("depthwise", (8, 100, 1, 9), 14_400)
    # 2 groups of 4 -> 8 channels: 2 x 2 x 100 x 8 x 36 = 115,200
    k = kernel("conv2d", {"out": 16, "groups": 2, "kernel": 3, "padding": 1}, [(1, 8, 10, 10)])
    assert (k.family, dimensions(k), k.flops) == ("conv", (2, 100, 8, 36), 115_200)


def test_convolution_windows():
    shape = (1, 2, 10, 20)
    assert outcome("conv2d", {"out": 1, "kernel": (1, 7), "padding": (0, 3)}, shape) == (1, 1, 10, 20)
    assert outcome("conv2d", {"out": 1, "kernel": 3, "dilation": 2}, shape) == (1, 1, 6, 16)
    assert outcome("max_pool2d", {"kernel": 3, "stride": 2, "padding": 1}, shape) == (1, 2, 5, 10)
    assert outcome("avg_pool2d", {"kernel": 2}, shape) == (1, 2, 5, 10)


def test_norms_and_softmax():
    # batch norm: 2 x 3 rows of 16; 2 operations an element; four vectors of 3
    k = kernel("batch_norm", {}, [(2, 3, 4, 4)])
    assert (k.family, k.m, k.k, k.flops, k.weights) == ("norm", 6, 16, 192, 4 * 3 * 4)
    # layer norm: 10 rows of 16, 8 operations an element; two vectors of 16
    k = kernel("layer_norm", {}, [(2, 5, 16)])
    assert (k.family, k.m, k.k, k.flops, k.weights) == ("norm", 10, 16, 1280, 2 * 16 * 4)
    assert (k.reads, k.writes) == (640, 640)
    k = kernel("softmax", {}, [(2, 5, 16)])
    assert (k.family, k.m, k.k, k.flops, k.weights) == ("softmax", 10, 16, 800, 0)


def test_statistics_of_batch_norm_are_not_parameters():
    workload = single("batch_norm", {}, [(2, 3, 4, 4)])
    assert workload.parameters == 6
    assert [t.role for t in workload.tensors.values() if t.name.startswith("batch_norm.running")] == ["state"] * 2


@pytest.mark.parametrize("op", UNARY_FLOPS)
def test_unary(op: str):
    k = kernel(op, {}, [(3, 5)])
    assert (k.family, k.op, k.flops, k.reads, k.writes) == ("elementwise", op, 15 * UNARY_FLOPS[op], 60, 60)
    assert (k.source, k.target) == (0, 1)
    again = kernel(op, {"inplace": True}, [(3, 5)])
    assert (again.op, again.flops, again.reads, again.writes) == (op, k.flops, 60, 60)
    assert (again.source, again.target) == (0, 0)


@pytest.mark.parametrize("op", ["add", "sub", "mul", "div", "pow"])
def test_binary_reads_a_broadcast_input_at_its_own_size(op: str):
    k = kernel(op, {}, [(4, 5), (5,)])
    assert (k.flops, k.elements, k.reads, k.writes) == (20, 20, (20 + 5) * 4, 80)
    assert outcome(op, {}, (4, 1), (1, 6)) == (4, 6)


def test_pooling():
    # 3x3 windows, stride 2, padding 1 on 8 x 8: 4 x 4 results of 9 taps, 6 planes: 864
    k = kernel("max_pool2d", {"kernel": 3, "stride": 2, "padding": 1}, [(2, 3, 8, 8)])
    assert (k.family, k.m, k.n, k.k, k.taps, k.stride, k.flops) == ("pool", 6, 16, 9, 9, 2, 864)
    assert (k.reads, k.writes) == (6 * 64 * 4, 6 * 16 * 4)


def test_reductions():
    k = kernel("global_avg_pool", {}, [(2, 3, 4, 4)])
    assert (k.family, k.m, k.k, k.flops, k.reads, k.writes) == ("reduction", 6, 16, 96, 384, 24)
    assert outcome("global_avg_pool", {}, (2, 3, 4, 4)) == (2, 3, 1, 1)
    k = kernel("mean", {}, [(2, 3, 4)])
    assert (k.m, k.k, k.elements, k.reads, k.writes) == (6, 4, 24, 96, 24)
    assert outcome("sum", {}, (2, 3, 4)) == (2, 3)


def test_embedding_reads_the_rows_it_uses():
    # 6 int64 ids; 6 rows of 16 fp32
    k = kernel("embedding", {"entries": 1000, "features": 16}, [(2, 3)])
    assert (k.family, k.kind, k.m, k.n, k.k) == ("embedding", "gather", 6, 1000, 16)
    assert (k.reads, k.weights, k.writes) == (6 * 8, 6 * 64, 6 * 64)
    # never more than the table has: 2 rows
    assert kernel("embedding", {"entries": 2, "features": 16}, [(2, 3)]).weights == 2 * 64


def test_copies():
    assert kernel("copy", {}, [(4, 5)]).reads == kernel("copy", {}, [(4, 5)]).writes == 80
    k = kernel("transpose_copy", {}, [(2, 4, 5)])
    assert (k.batch, k.m, k.n, k.writes) == (2, 4, 5, 160)
    assert outcome("transpose_copy", {}, (2, 4, 5)) == (2, 5, 4)
    k = kernel("concat", {"dim": -1}, [(4, 5), (4, 3)])
    assert (k.family, k.reads, k.writes) == ("copy", 128, 128)
    assert outcome("concat", {"dim": -1}, (4, 5), (4, 3)) == (4, 8)


def test_tf32_is_a_way_of_multiplying_only():
    assert kernel("linear", {"out": 4}, [(2, 3)], "tf32").precision == "tf32"
    k = kernel("relu", {}, [(2, 3)], "tf32")
    assert (k.precision, k.reads, k.itemsize) == ("fp32", 24, 4)
