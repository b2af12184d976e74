"""What a compiler merges on the way back: chains of gradients, and never at the price of work or bytes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from operator_cases import Question, questions
from small import COPIES, shallow
from test_fusion import COMPILED, Layer, chains, conv, net

from roofline import specs
from roofline.core.dtype import precision
from roofline.core.run import Recipe
from roofline.core.schedule import FAMILIES, Kernel, Schedule
from roofline.core.stack import Stack
from roofline.core.workload import Workload
from roofline.lowering import build, lower_training, single, training_step
from roofline.lowering.fusion import POINTWISE, ROWWISE, fuse
from roofline.lowering.nodes import case_of
from roofline.operators import operator_named

EAGER = Stack()


def step_of(work: Workload, stack: Stack, **how: Any) -> Schedule:
    return lower_training(training_step(work, Recipe("none", **how), stack, cuda=True))


def backward(work: Workload, stack: Stack = COMPILED) -> list[Kernel]:
    return [kernel for kernel in step_of(work, stack) if kernel.phase == "backward"]


IMAGE, TENSOR = (2, 4, 8, 8), 2 * 4 * 8 * 8 * 4


def test_a_function_a_residual_and_a_norm_are_one_kernel() -> None:
    work = net(
        IMAGE,
        conv("first", "x"),
        conv("second", "first"),
        ("norm", "batch_norm", {}, ("second",)),
        ("add", "add", {}, ("norm", "first")),
        ("relu", "relu", {}, ("add",)),
        conv("third", "relu"),
        ("loss", "mean_squares", {}, ("third",)),
    )
    found = {kernel.op: kernel for kernel in backward(work)}
    chain = found["relu_backward+batch_norm_backward"]
    # reads the gradient, the result of the ReLU and the input of the norm; writes what the residual hands on, what
    # the convolution needs, and the gradients of weight and bias
    assert (chain.reads, chain.writes, chain.family) == (3 * TENSOR, 2 * TENSOR + 2 * 4 * 4, "norm")
    assert chain.flops == (2 + 12) * 512
    # eager: 2 + 2 read and 2 written; the tensor between stays, for the sum where the residual began
    assert "add_gradients" in found
    assert found["add_gradients"].reads == 2 * TENSOR


def test_a_bias_is_summed_where_the_gradient_is_made() -> None:
    layers: list[Layer] = [
        ("fc", "linear", {"out": 8}, ("x",)),
        ("gelu", "gelu", {}, ("fc",)),
        ("loss", "mean_squares", {}, ("gelu",)),
    ]
    chain, weights = backward(net((4, 8), *layers))
    # the result and its target, the input of the GELU; the gradient for the product behind, and 8 sums
    assert chain.op == "mean_squares_backward+gelu_backward+bias_backward"
    assert (chain.reads, chain.writes, chain.m, chain.k) == (3 * 128, 128 + 32, 8, 4)
    assert weights.op == "linear_backward_weight"


def test_a_gradient_that_meets_itself_is_read_once() -> None:
    layers: list[Layer] = [
        ("fc", "linear", {"out": 8, "bias": False}, ("x",)),
        ("double", "add", {}, ("fc", "fc")),
        ("tanh", "tanh", {}, ("double",)),
        ("loss", "mean_squares", {}, ("tanh",)),
    ]
    chain, _ = backward(net((4, 8), *layers))
    assert chain.op == "mean_squares_backward+tanh_backward+add_gradients"
    assert (chain.reads, chain.writes) == (3 * 128, 128)


def test_what_a_softmax_needs_is_read_once() -> None:
    layers: list[Layer] = [
        ("fc", "linear", {"out": 8, "bias": False}, ("x",)),
        ("softmax", "softmax", {}, ("fc",)),
        ("out", "linear", {"out": 8, "bias": False}, ("softmax",)),
        ("loss", "mean_squares", {}, ("out",)),
    ]
    work = net((4, 8), *layers)
    (merged,) = (k for k in backward(work) if k.family == "softmax")
    assert (merged.op, merged.reads, merged.writes) == ("softmax_backward", 2 * 128, 128)
    eager = [k.op for k in backward(work, EAGER)]
    assert eager[eager.index("softmax_backward") - 1] == "mul"  # as CUDA does it


def test_norms_of_other_rows_stay_apart() -> None:
    layers: list[Layer] = [
        ("fc", "linear", {"out": 8, "bias": False}, ("x",)),
        ("norm", "layer_norm", {}, ("fc",)),
        ("relu", "relu", {}, ("norm",)),
        ("out", "linear", {"out": 8, "bias": False}, ("relu",)),
        ("loss", "mean_squares", {}, ("out",)),
    ]
    names = [kernel.op for kernel in backward(net((4, 8), *layers))]
    # the sums for weight and bias run down the columns
    assert "relu_backward+layer_norm_backward" in names
    assert "layer_norm_backward_weight" in names


@pytest.mark.parametrize("copies", COPIES)
@pytest.mark.parametrize("name", ["resnet18", "mobilenetv2", "bert-base", "gpt-small", "unet"])
@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_whole_nets_keep_their_work_and_move_less(name: str, dtype: str, copies: int) -> None:
    work = build(shallow(specs.load_network(name), copies), precision=precision(dtype))
    for how in ({}, {"checkpoint": True}):
        before, after = (step_of(work, stack, **how) for stack in (EAGER, COMPILED))
        assert len(after) < len(before)
        assert after.all_flops.sum() == pytest.approx(before.all_flops.sum(), rel=1e-12)
        for phase in (0, 1):
            assert after.all_bytes[after.phase == phase].sum() < before.all_bytes[before.phase == phase].sum()
        loops = [code for code, family in enumerate(FAMILIES) if family in (*POINTWISE, *ROWWISE)]
        calls = [[k for k in s if FAMILIES.index(k.family) not in loops] for s in (before, after)]
        assert calls[0] == calls[1]


def test_micro_batches_are_merged_each() -> None:
    work = build(specs.load_network("resnet18"), {"batch": 4})
    once, twice = (step_of(work, COMPILED, accumulate=parts) for parts in (1, 2))
    mine = [s.phase == 1 for s in (once, twice)]
    assert twice.repeats[mine[1]][: mine[0].sum()].sum() == 2 * once.repeats[mine[0]].sum()


@given(chains())
def test_work_stays_and_bytes_never_grow(work: Workload) -> None:
    before, after = backward(work, EAGER), backward(work)
    assert sum(k.flops for k in after) == sum(k.flops for k in before)
    for column in ("reads", "weights", "writes"):
        values = [getattr(k, column) for k in after]
        assert min(values, default=0) >= 0
        assert sum(values) <= sum(getattr(k, column) for k in before)
    assert [k for k in after if k.kind == "matmul"] == [k for k in before if k.kind == "matmul"]


@st.composite
def kernels(draw: st.DrawFn) -> tuple[list[Kernel], frozenset[int], list[tuple[float, float]]]:
    """Kernels that read up to two tensors made before (or given), what must be kept, and what each moves beside."""
    made: list[Kernel] = []
    beside: list[tuple[float, float]] = []
    for index in range(draw(st.integers(1, 12))):
        family = draw(st.sampled_from(["elementwise", "elementwise", "copy", "norm", "reduction", "linear"]))
        sources = draw(st.lists(st.integers(0, index + 1), max_size=2, unique=True))
        read, written = draw(st.integers(0, 8)), draw(st.integers(0, 8))
        size = 4 * draw(st.integers(1, 16))
        made.append(
            Kernel(
                family,
                family,
                m=draw(st.integers(1, 2)) if family in ROWWISE else 1,
                elements=size // 4,
                flops=float(2**index),  # who is in a merged kernel is read off its sum
                reads=float(read + sum(4 * 16 if t < 2 else made[t - 2].elements * 4 for t in sources)),
                writes=float(size + written),
                source=sources[0] if sources else -1,
                source2=sources[1] if len(sources) > 1 else -1,
                target=index + 2,
            )
        )
        beside.append((float(read), float(written)))
    keep = draw(st.frozensets(st.integers(2, len(made) + 1)))
    return made, keep, beside


@pytest.mark.parametrize("anywhere", [True, False])
@given(kernels())
def test_a_merged_kernel_moves_what_goes_in_and_comes_out(anywhere: bool, drawn: Any) -> None:
    """Never less, whatever is merged; and everything is made before it is read."""
    before, keep, beside = drawn
    after = fuse(before, keep, anywhere=anywhere)
    size = {k.target: k.elements * 4.0 for k in before} | {0: 64.0, 1: 64.0}
    there = {0, 1}
    parts_of = [[i for i in range(len(before)) if int(k.flops) >> i & 1] for k in after]
    assert sorted(i for parts in parts_of for i in parts) == list(range(len(before)))
    for kernel, parts in zip(after, parts_of, strict=True):
        inside = {before[i].target for i in parts}
        read = {t for i in parts for t in (before[i].source, before[i].source2)} - {-1}
        assert read - inside <= there, "reads what nobody has made yet"
        outside = {t for i, k in enumerate(before) if i not in parts for t in (k.source, k.source2)}
        written = inside & (outside | keep)
        assert kernel.reads >= sum(size[t] for t in read - inside) + sum(beside[i][0] for i in parts)
        assert kernel.writes >= sum(size[t] for t in written) + sum(beside[i][1] for i in parts)
        there |= inside
    for column in ("reads", "writes"):
        assert sum(getattr(k, column) for k in after) <= sum(getattr(k, column) for k in before)


@given(questions())
def test_every_operator_says_what_it_makes_and_reads(question: Question) -> None:
    """A gradient that a kernel makes has the place of an input; a temporary is made before it is read."""
    work = single(*question)
    case = case_of(work.nodes[0], replace(work, training=True), EAGER)
    back = operator_named(question[0]).backward
    assume(back is not None)
    assert back is not None
    made: set[int] = set()
    for kernel in back(case, (True,) * len(case.inputs)):
        assert kernel.source == -1 or kernel.source in made
        assert kernel.target < len(case.inputs) or kernel.target >= case.temporary
        if kernel.target >= 0:
            size = case.inputs[kernel.target].bytes if kernel.target < len(case.inputs) else kernel.writes
            assert kernel.writes >= size, "writes less than the gradient it makes"
            made.add(kernel.target)
