"""Exact work and bytes of what sequence nets, recommenders and hashes are made of, worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from roofline import specs
from roofline.core.dtype import precision
from roofline.core.schedule import Kernel
from roofline.core.stack import Stack
from roofline.core.workload import Workload
from roofline.devices.ceiling import engine_and_rate
from roofline.errors import Unsupported, UsageError
from roofline.lowering import lower, memory_of, single
from roofline.lowering.nodes import case_of
from roofline.operators import operator_named
from roofline.operators.case import Saved


def kernels(op: str, attributes: dict[str, Any], *shapes: tuple[int, ...]) -> list[Kernel]:
    return list(lower(single(op, attributes, shapes)))


def backward(workload: Workload, needed: bool = True) -> list[Kernel]:
    node = workload.nodes[0]
    function = operator_named(node.op).backward
    assert function is not None
    case = case_of(node, replace(workload, training=True), Stack())
    return function(case, (needed,) * len(node.inputs))


def saved(workload: Workload) -> Saved:
    node = workload.nodes[0]
    return operator_named(node.op).saves(case_of(node, replace(workload, training=True), Stack()))


def products(found: Sequence[Kernel]) -> float:
    return sum(k.flops * k.repeats for k in found if k.kind == "matmul")


def test_rms_norm():
    # 10 rows of 16, 4 operations an element; one vector of 16
    (k,) = kernels("rms_norm", {}, (2, 5, 16))
    assert (k.family, k.m, k.k, k.flops, k.reads, k.weights, k.writes) == ("norm", 10, 16, 640, 640, 64, 640)
    assert k.passes == 2
    net = single("rms_norm", {}, [(2, 5, 16)])
    assert net.parameters == 16
    (k,) = backward(net)
    # reads x and dY, writes dX and dweight
    assert (k.flops, k.reads, k.weights, k.writes) == (9 * 160, 2 * 640, 64, 640 + 64)
    # a number for each of 10 rows
    assert saved(net) == Saved(inputs=(0,), extra=40)


def test_rotary():
    (k,) = kernels("rotary", {}, (2, 3, 5, 8))
    assert (k.family, k.flops, k.reads, k.writes) == ("elementwise", 3 * 240, 960, 960)
    net = single("rotary", {}, [(2, 3, 5, 8)])
    (k,) = backward(net)
    assert (k.flops, k.reads, k.writes) == (3 * 240, 960, 960)
    assert saved(net) == Saved()


def test_a_cache_is_written_where_it_is_new_and_belongs_to_no_activation():
    # 3 new rows of 4 in each of 2 heads, behind 10: 24 numbers move, 2 x 13 x 4 are kept
    net = single("kv_cache", {"length": 10}, [(1, 2, 3, 4)])
    (k,) = lower(net)
    assert (k.family, k.elements, k.flops, k.reads, k.weights, k.writes) == ("copy", 24, 0, 96, 0, 96)
    assert net.tensors["kv_cache"].shape == (1, 2, 13, 4)
    assert net.tensors["kv_cache.cache"].role == "cache"
    assert net.owners == {"kv_cache": "kv_cache.cache"}
    assert list(net.tensors)[k.target] == "kv_cache.cache"
    memory = memory_of(net)
    assert (memory.cache, memory.activations, memory.weights) == (2 * 13 * 4 * 4, 96, 0)


def test_training_keeps_no_cache():
    net = replace(single("kv_cache", {"length": 0}, [(1, 2, 3, 4)]), training=True)
    assert len(lower(net)) == 0
    assert net.owners == {"kv_cache": "input"}
    assert backward(net) == []
    assert memory_of(net).cache == 0
    with pytest.raises(Unsupported, match="training with a KV cache is not modelled"):
        backward(single("kv_cache", {"length": 10}, [(1, 2, 3, 4)]))


def test_a_parameter_is_its_weight_and_spreads_for_free():
    net = single("parameter", {"shape": (1, 3)})
    assert (len(lower(net)), net.parameters, net.owners) == (0, 3, {"parameter": "parameter.weight"})
    assert memory_of(net).activations == 0
    wide = single("expand", {"shape": (5, 4, 3)}, [(1, 3)])
    assert (len(lower(wide)), wide.tensors["expand"].shape, wide.owners) == (0, (5, 4, 3), {"expand": "input"})
    # 60 gradients become 3
    (k,) = backward(wide)
    assert (k.family, k.m, k.k, k.flops, k.reads, k.writes) == ("reduction", 3, 20, 60, 240, 12)
    assert backward(single("expand", {"shape": (1, 3)}, [(1, 3)])) == []


def test_embedding_bag():
    # 3 bags of 5 rows of 4 out of 100: 3 x 4 x 4 additions; 15 int64 ids
    (k,) = kernels("embedding_bag", {"entries": 100, "features": 4}, (3, 5))
    assert (k.family, k.kind, k.m, k.n, k.k, k.flops) == ("embedding", "gather", 15, 100, 4, 48)
    assert (k.reads, k.weights, k.writes) == (15 * 8, 15 * 16, 3 * 16)
    # never more than the table has
    assert kernels("embedding_bag", {"entries": 2, "features": 4}, (3, 5))[0].weights == 2 * 16
    dense, sparse = (
        backward(single("embedding_bag", {"entries": 100, "features": 4, "sparse": flag}, [(3, 5)]))[0]
        for flag in (False, True)
    )
    assert (dense.reads, dense.writes) == (120 + 48, 1600 + 240)
    assert (sparse.reads, sparse.writes) == (120 + 48, 240)


def test_topk():
    (k,) = kernels("topk", {"count": 2}, (3, 8))
    # 6 numbers and their int64 places
    assert (k.family, k.m, k.k, k.flops, k.reads, k.writes) == ("reduction", 3, 8, 24, 96, 6 * (4 + 8))
    zeros, scatter = backward(single("topk", {"count": 2}, [(3, 8)]))
    assert (zeros.writes, scatter.reads, scatter.writes) == (96, 6 * 12, 24)


def test_experts():
    # 4 tokens of 6, 2 of 8 experts each: 8 pairs; 8 (1 - 0.75^4) = 5.47 experts expected, 2 rows each of 5
    attributes = {"experts": 8, "width": 16}
    found = kernels("experts", attributes, (2, 2, 6), (2, 2, 2))
    assert [k.op for k in found] == ["gather_tokens", "linear", "linear", "silu", "mul", "linear", "add_experts"]
    gate, down = found[1], found[5]
    assert (gate.batch, gate.m, gate.n, gate.k, gate.flops) == (5, 2, 16, 6, 2 * 8 * 16 * 6)
    assert (down.batch, down.m, down.n, down.k, down.flops) == (5, 2, 6, 16, 2 * 8 * 16 * 6)
    assert gate.weights == pytest.approx(8 * (1 - 0.75**4) * 16 * 6 * 4)
    assert (gate.reads, gate.writes) == (8 * 6 * 4, 8 * 16 * 4)
    assert (found[0].reads, found[0].writes) == (4 * 6 * 4 + 8 * 8, 8 * 6 * 4)
    assert (found[6].reads, found[6].writes) == (8 * 6 * 4 + 8 * 4 + 8 * 8, 4 * 6 * 4)
    net = single("experts", attributes, [(2, 2, 6), (2, 2, 2)])
    assert net.parameters == 8 * 3 * 16 * 6
    assert products(backward(net)) == 2 * products(found)
    # 8 rows in and out, four vectors of 16, 8 places
    assert saved(net) == Saved(inputs=(1,), extra=8 * (2 * 6 + 4 * 16) * 4 + 64)


@pytest.mark.parametrize(("tokens", "read"), [(1, 2), (1000, 8)])
def test_one_token_reads_its_own_experts_and_many_read_all(tokens: int, read: int):
    gate = kernels("experts", {"experts": 8, "width": 16}, (tokens, 6), (tokens, 2))[1]
    assert gate.batch == read
    assert gate.weights == pytest.approx(read * 16 * 6 * 4)
    assert gate.flops == 2 * (2 * tokens) * 16 * 6


def test_lstm():
    # 2 sequences of 3 steps of 4, 5 wide: 20 gates; inputs 6 x 20 x 4, then three times 2 x 20 x 5
    net = single("lstm", {"hidden": 5}, [(2, 3, 4)])
    assert net.parameters == 20 * 4 + 20 * 5 + 2 * 20
    inputs, state, gates = lower(net)
    assert (inputs.m, inputs.n, inputs.k, inputs.repeats, inputs.flops) == (6, 20, 4, 1, 960)
    assert (inputs.reads, inputs.weights, inputs.writes) == (96, (80 + 20) * 4, 480)
    assert (state.m, state.n, state.k, state.repeats, state.flops) == (2, 20, 5, 3, 400)
    assert (state.reads, state.weights, state.writes) == (40, (100 + 20) * 4, 160)
    # both products and the cell in; state and cell out; 22 operations for each of 10
    assert (gates.repeats, gates.flops, gates.reads, gates.writes) == (3, 220, 160 + 160 + 40, 80)
    # in training the four gates are kept too
    assert lower(replace(net, training=True)).writes[2] == 80 + 160
    # four gates and the cell of 6 steps
    assert saved(net) == Saved(inputs=(0,), outputs=(0,), extra=5 * 2 * 3 * 5 * 4)


def test_gru():
    net = single("gru", {"hidden": 5}, [(2, 3, 4)])
    assert net.parameters == 15 * 4 + 15 * 5 + 2 * 15
    inputs, state, gates = lower(net)
    assert (inputs.flops, state.flops, state.repeats) == (2 * 6 * 15 * 4, 2 * 2 * 15 * 5, 3)
    assert (gates.flops, gates.reads, gates.writes) == (160, 120 + 120 + 40, 40)


def test_a_plain_recurrence():
    net = single("rnn", {"hidden": 5}, [(2, 3, 4)])
    assert net.parameters == 5 * 4 + 5 * 5 + 2 * 5
    inputs, state, gates = lower(net)
    assert (inputs.flops, state.flops, state.repeats) == (2 * 6 * 5 * 4, 2 * 2 * 5 * 5, 3)
    # both products and the state in, the state out
    assert (gates.flops, gates.reads, gates.writes) == (20, 40 + 40 + 40, 40)
    assert saved(net) == Saved(inputs=(0,), outputs=(0,), extra=0)


@pytest.mark.parametrize(("op", "gates"), [("rnn", 1), ("lstm", 4), ("gru", 3)])
def test_an_input_that_skips_its_weights(op: str, gates: int):
    """cuDNN's CUDNN_SKIP_INPUT, in the first of two layers."""
    net = single(op, {"hidden": 5, "layers": 2, "skip_input": True}, [(2, 3, 5)])
    assert net.parameters == 3 * gates * 25 + 3 * gates * 5
    forward = list(lower(net))
    assert [kernel.kind for kernel in forward] == ["matmul", "stream", "matmul", "matmul", "stream"]
    assert forward[1].source == 0  # the input itself goes to the gates
    assert forward[1].reads == (2 * gates * 5 + 10 + 10) * 4
    back = list(backward(net))
    assert products(back) == 2 * products(forward)
    whole = single(op, {"hidden": 5, "layers": 2}, [(2, 3, 5)])
    first = 2 * 6 * 5 * gates * 5
    assert products(lower(whole)) - products(forward) == first
    assert products(backward(whole)) - products(back) == 2 * first
    # the gates of the first layer give its input's gradient too
    assert back[6].writes - list(backward(net, needed=False))[6].writes == 10 * 4


@pytest.mark.parametrize("op", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("both", [False, True])
def test_layers_on_top_of_each_other(op: str, both: bool):
    torch = pytest.importorskip("torch")
    net = single(op, {"hidden": 6, "layers": 3, "bidirectional": both}, [(2, 5, 4)])
    module = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[op](4, 6, 3, bidirectional=both)
    assert [(name.split(".")[1], t.shape) for name, t in net.tensors.items() if t.role == "weight"] == [
        (name, tuple(weight.shape)) for name, weight in module.named_parameters()
    ]
    assert net.tensors[op].shape == (2, 5, 12 if both else 6)
    forward = list(lower(net))
    assert len(forward) == 3 * 3 * (2 if both else 1)
    assert products(backward(net)) == 2 * products(forward)
    first = 2 * 10 * 4 * {"rnn": 6, "lstm": 24, "gru": 18}[op] * (2 if both else 1)
    assert products(backward(net, needed=False)) == 2 * products(forward) - first


def test_opaque_work_is_what_its_author_says():
    (k,) = kernels("opaque", {"operations": 700}, (4, 5))
    assert (k.family, k.kind, k.flops, k.reads, k.writes, k.precision) == ("opaque", "opaque", 700, 80, 4, "fp32")
    (k,) = kernels("opaque", {"operations": 700, "integer": True, "reads": 4096, "access": 128}, (4, 5))
    # 32 pieces of 128 bytes
    assert (k.kind, k.m, k.k, k.flops, k.reads, k.precision) == ("gather", 32, 128, 700, 4096, "int32")
    assert single("opaque", {"operations": 1, "integer": True}, [(4,)]).tensors["opaque"].dtype.name == "int32"
    assert operator_named("opaque").backward is None


def test_whole_numbers_run_on_the_lanes_of_fp32_or_at_their_own_rate():
    part = specs.load_chip("gtx-980")
    whole, single_ = (engine_and_rate(part, precision(name), matrix=False) for name in ("int32", "fp32"))
    assert whole == single_
    own = replace(part.engines[0], rates={**part.engines[0].rates, precision("int32"): part.engines[0].count})
    assert engine_and_rate(replace(part, engines=(own,)), precision("int32"), matrix=False)[1] == own.peak(
        precision("int32")
    )
    arrays = replace(part, engines=(replace(own, kind="matrix"),))
    with pytest.raises(Unsupported, match="no engine for 32-bit integers"):
        engine_and_rate(arrays, precision("int32"), matrix=False)


@pytest.mark.parametrize(
    ("op", "attributes", "shapes", "message"),
    [
        ("rms_norm", {}, [()], "not a scalar"),
        ("rotary", {}, [(2, 3, 5)], "an even head size, not (2, 3, 5)"),
        ("kv_cache", {}, [(1, 2, 3, 4)], "kv_cache needs length"),
        ("kv_cache", {"length": 3}, [(2, 3, 4)], "keys or values"),
        ("parameter", {"shape": (2,)}, [(2, 3)], "parameter takes 0 inputs, not 1"),
        ("expand", {"shape": (4, 3)}, [(2, 3)], "(2, 3) cannot expand to (4, 3); only a size of 1 expands"),
        ("expand", {"shape": (3,)}, [(2, 3)], "(2, 3) cannot expand to (3)"),
        ("embedding_bag", {"entries": 3, "features": 4}, [(5,)], "integer ids (..., ids of a bag), not int64 (5)"),
        ("topk", {"count": 9}, [(2, 8)], "count is 9, more than a row of (2, 8) has"),
        (
            "experts",
            {"experts": 4, "width": 8},
            [(2, 6), (3, 2)],
            "scores (..., k) with k of at most 4, not (2, 6) and (3, 2)",
        ),
        ("experts", {"experts": 4, "width": 8}, [(2, 6), (2, 5)], "with k of at most 4, not (2, 6) and (2, 5)"),
        ("lstm", {"hidden": 4}, [(2, 3)], "sequences (batch, steps, features)"),
        (
            "rnn",
            {"hidden": 4, "skip_input": True},
            [(2, 3, 5)],
            "skip_input needs equal input and state sizes, got 5 and 4",
        ),
        ("gru", {"hidden": 4, "layers": 1001}, [(2, 3, 4)], "1001 layers; at most 1000 are allowed"),
        ("opaque", {"operations": 1, "access": 128}, [(2, 3)], "add reads, the total bytes read"),
    ],
)
def test_refused(op: str, attributes: dict[str, Any], shapes: list[tuple[int, ...]], message: str):
    with pytest.raises(UsageError) as caught:
        single(op, attributes, shapes)
    assert message in str(caught.value)
