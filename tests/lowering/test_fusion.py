"""What a compiler merges: chains on the same numbers, and never at the price of work or bytes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roofline import specs
from roofline.core.dtype import precision
from roofline.core.run import Recipe
from roofline.core.schedule import Kernel, Schedule
from roofline.core.stack import Stack
from roofline.core.workload import Tensor, Workload
from roofline.lowering import build, lower, lower_training, training_step
from roofline.lowering.build import node_of
from roofline.lowering.fusion import fuse

Layer = tuple[str, str, dict[str, Any], tuple[str, ...]]
COMPILED = Stack(mode="compiled")
FP32 = precision("fp32")


def net(shape: tuple[int, ...], *layers: Layer, outputs: tuple[str, ...] = ()) -> Workload:
    """A net of named layers (name, operator, attributes, inputs) on ``x``."""
    tensors = {"x": Tensor("x", shape, FP32.storage, "input")}
    nodes = tuple(node_of(op, name, read, given, tensors, FP32.storage) for name, op, given, read in layers)
    return Workload("net", "", nodes, tensors, ("x",), outputs or nodes[-1].outputs, {}, FP32)


def merged(work: Workload) -> list[Kernel]:
    return list(lower(work, COMPILED))


def conv(name: str, read: str) -> Layer:
    return name, "conv2d", {"out": 4, "kernel": 3, "padding": 1, "bias": False}, (read,)


IMAGE = (2, 4, 8, 8)
TENSOR = 2 * 4 * 8 * 8 * 4


@pytest.mark.parametrize("inplace", [False, True])
def test_a_norm_and_its_function_are_one_kernel(inplace: bool) -> None:
    relu: Layer = ("relu", "relu", {"inplace": inplace}, ("norm",))
    work = net(IMAGE, conv("conv", "x"), ("norm", "batch_norm", {}, ("conv",)), relu)
    product, k = merged(work)
    assert (product.op, k.op, k.family, k.layer) == ("conv2d", "batch_norm+relu", "norm", 2)
    # reads the convolution and four vectors of 4, writes the result: the tensor between is nowhere
    assert (k.reads, k.weights, k.writes) == (TENSOR, 4 * 4 * 4, TENSOR)
    assert (k.m, k.k, k.flops) == (8, 64, 3 * 512)
    number = list(work.tensors).index
    assert (k.source, k.target) == (number("conv"), number("norm" if inplace else "relu"))


def test_a_residual_joins_the_chain_and_reads_its_start() -> None:
    work = net(
        IMAGE,
        conv("conv", "x"),
        ("norm", "batch_norm", {}, ("conv",)),
        ("add", "add", {"inplace": True}, ("norm", "x")),
        ("relu", "relu", {"inplace": True}, ("add",)),
    )
    _, k = merged(work)
    assert (k.op, k.reads, k.writes) == ("batch_norm+add+relu", 2 * TENSOR, TENSOR)
    assert k.flops == (2 + 1 + 1) * 512


def test_what_is_read_later_is_written_too() -> None:
    # relu is read by tanh, the neighbour, and by the sum at the end
    work = net(
        (4, 8),
        ("relu", "relu", {}, ("x",)),
        ("tanh", "tanh", {}, ("relu",)),
        ("fc", "linear", {"out": 8}, ("tanh",)),
        ("add", "add", {}, ("fc", "relu")),
    )
    first, _, last = merged(work)
    assert (first.op, first.reads, first.writes) == ("relu+tanh", 128, 2 * 128)
    assert (last.op, last.reads) == ("add", 2 * 128)
    # an output of the net, too
    both = net((4, 8), ("relu", "relu", {}, ("x",)), ("tanh", "tanh", {}, ("relu",)), outputs=("relu", "tanh"))
    assert [k.writes for k in merged(both)] == [256]
    one = net((4, 8), ("relu", "relu", {}, ("x",)), ("tanh", "tanh", {}, ("relu",)))
    assert [k.writes for k in merged(one)] == [128]


def test_training_writes_what_the_backward_reads() -> None:
    layers: list[Layer] = [
        ("fc", "linear", {"out": 8, "bias": False}, ("x",)),
        ("tanh", "tanh", {}, ("fc",)),  # keeps its result
        ("double", "add", {}, ("tanh", "tanh")),  # keeps nothing
        ("gelu", "gelu", {}, ("double",)),  # keeps its input
        ("loss", "mean_squares", {}, ("gelu",)),
    ]
    work = net((4, 8), *layers)
    assert [(k.op, k.writes) for k in merged(work)] == [("linear", 128), ("tanh+add+gelu+mean_squares", 4)]
    step = training_step(work, Recipe("none"), COMPILED, cuda=True)
    chain = next(k for k in lower_training(step) if k.op.startswith("tanh+"))
    # tanh, double and gelu are read again on the way back
    assert chain.writes == 3 * 128 + 4


def test_products_and_other_rows_end_a_chain() -> None:
    work = net(
        (4, 8),
        ("relu", "relu", {}, ("x",)),
        ("fc", "linear", {"out": 8}, ("relu",)),
        ("softmax", "softmax", {}, ("fc",)),
        ("norm", "layer_norm", {}, ("softmax",)),  # the same rows
        ("mean", "mean", {}, ("norm",)),
        ("again", "softmax", {}, ("mean",)),  # other rows
    )
    assert [k.op for k in merged(work)] == ["relu", "linear", "softmax+layer_norm+mean", "softmax"]


def test_neighbours_that_share_nothing_stay_apart() -> None:
    work = net((4, 8), ("a", "relu", {}, ("x",)), ("b", "tanh", {}, ("x",)), ("sum", "add", {}, ("a", "b")))
    found = merged(work)
    assert [k.op for k in found] == ["relu", "tanh+add"]
    # reads x, and a beside what it has made itself
    assert (found[1].reads, found[1].writes) == (128 + 128, 128)


def test_uncompiled_is_untouched() -> None:
    for name in ("resnet18", "gpt-small"):
        work = build(specs.load_network(name), {"batch": 2})
        eager, graphs = (list(lower(work, Stack(mode=mode))) for mode in ("eager", "graphs"))
        assert eager == graphs
        assert not any("+" in k.op for k in eager)


@pytest.mark.parametrize("name", ["resnet18", "mobilenetv2", "bert-base", "gpt-small", "efficientnet-b0"])
def test_whole_nets_keep_their_work_and_move_less(name: str) -> None:
    work = build(specs.load_network(name))
    before, after = lower(work), lower(work, COMPILED)
    assert len(after) < len(before)
    assert after.all_flops.sum() == pytest.approx(before.all_flops.sum(), rel=1e-12)
    assert after.all_bytes.sum() < before.all_bytes.sum()
    assert after.weights.sum() == before.weights.sum()
    kinds = [[k for k in schedule if k.kind == "matmul"] for schedule in (before, after)]
    assert kinds[0] == kinds[1]


@st.composite
def chains(draw: st.DrawFn) -> Workload:
    """Layers of 4 x 8 numbers that read any two tensors before them."""
    names, layers = ["x"], []
    for index in range(draw(st.integers(1, 12))):
        op = draw(st.sampled_from(["relu", "gelu", "add", "mul", "softmax", "layer_norm", "copy", "linear"]))
        read = [draw(st.sampled_from(names[-3:])) for _ in range(2 if op in ("add", "mul") else 1)]
        layers.append((f"n{index}", op, {"out": 8} if op == "linear" else {}, tuple(read)))
        names.append(f"n{index}")
    outputs = draw(st.sets(st.sampled_from(names[1:]))) | {names[-1]}
    return net((4, 8), *layers, outputs=tuple(sorted(outputs)))


@given(chains())
def test_work_stays_and_bytes_never_grow(work: Workload) -> None:
    before, after = lower(work), lower(work, COMPILED)
    assert after.flops.sum() == before.flops.sum()
    for column in ("reads", "weights", "writes"):
        values = getattr(after, column)
        assert (values >= 0).all()
        assert values.sum() <= getattr(before, column).sum()
    assert set(after.layer) <= set(before.layer)


@given(chains())
def test_every_tensor_that_is_needed_is_written(work: Workload) -> None:
    """A kernel may only read what the net was given or what a kernel before it has written in full."""
    size = 4 * 8 * 4
    schedule = lower(work, COMPILED)
    written = schedule.writes.sum() / size
    layers = {node.outputs[0]: index for index, node in enumerate(work.nodes)}
    ends = set(schedule.layer)  # the last parts of chains: their results exist
    needed = set(work.outputs)
    start = 0
    for end in sorted(ends):
        inside = {node.outputs[0] for node in work.nodes[start : end + 1]}
        needed |= {name for node in work.nodes[start : end + 1] for name in node.inputs if name not in inside}
        start = end + 1
    needed -= {"x"}
    assert written >= len(needed | {name for name, index in layers.items() if index in ends})


def test_merging_twice_changes_nothing_more() -> None:
    work = build(specs.load_network("resnet18"))
    once = list(lower(work, COMPILED))
    number = list(work.tensors).index(work.outputs[0])
    assert Schedule.of(fuse(once, frozenset({number}))).bytes.sum() <= Schedule.of(once).bytes.sum()
    assert len(fuse(once, frozenset({number}))) == len(once)
