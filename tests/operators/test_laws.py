"""Laws of DESIGN section 8 that hold for work and bytes: they add, shrink with the dtype, views are free."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from operator_cases import FREE, HIDDEN_STEPS, VIEW_ATTRIBUTES, WRITES_PLACES, Question, questions

from roofline.core.dtype import precision
from roofline.core.expression import parse_expression
from roofline.core.network import Block, Layer, Network, Source
from roofline.core.workload import IDLE, VIEWS, Node, Tensor, Workload
from roofline.errors import UnknownName
from roofline.lowering import build, lower, memory_of, single


def totals(workload: Workload) -> tuple[float, float]:
    schedule = lower(workload)
    return float(schedule.flops.sum()), float(schedule.bytes.sum())


def network(*layers: Layer, **blocks: Block) -> Network:
    size = parse_expression
    shape = (size("batch"), size(8), size(12), size(12))
    return Network("net", "", "", {"batch": size(2)}, (Source("x", shape),), layers, blocks)


def block(*layers: Layer) -> Block:
    return Block("block", {}, layers)


BODY = (
    Layer("conv", op="conv2d", terms={"out": parse_expression(8), "kernel": (parse_expression(1),)}),
    Layer("norm", op="batch_norm"),
    Layer("relu", op="relu", terms={"inplace": True}),
    Layer("add", op="add", inputs=("relu", "input")),
)


@given(st.integers(1, 12), st.integers(1, 9))
def test_k_repeats_cost_k_times_the_work(repeats: int, batch: int):
    once = build(network(Layer("b", block="block"), block=block(*BODY)), {"batch": batch})
    layer = Layer("b", block="block", repeat=parse_expression(repeats))
    many = build(network(layer, block=block(*BODY)), {"batch": batch})
    assert totals(many) == tuple(repeats * total for total in totals(once))
    assert many.parameters == repeats * once.parameters
    assert len({node.template for node in many.nodes}) == len(BODY)


@given(st.integers(0, 15), st.integers(2, 4))
def test_splitting_a_workload_changes_neither_work_nor_bytes(cut: int, repeats: int):
    layer = Layer("b", block="block", repeat=parse_expression(repeats))
    whole = build(network(layer, block=block(*BODY)))
    parts = [replace(whole, nodes=whole.nodes[:cut]), replace(whole, nodes=whole.nodes[cut:])]
    flops, moved = zip(*(totals(part) for part in parts), strict=True)
    assert (sum(flops), sum(moved)) == totals(whole)


@given(questions(), st.sampled_from(["fp16", "bf16", "int8", "fp8"]))
def test_a_smaller_dtype_has_fewer_bytes_and_the_same_work(question: Question, small: str):
    wide, narrow = (totals(single(*question, precision(name))) for name in ("fp32", small))
    assert narrow[0] == wide[0]
    assert narrow[1] < wide[1] or wide[1] == 0


@given(questions())
def test_every_kernel_moves_its_results_and_tf32_moves_as_much_as_fp32(question: Question):
    workload = single(*question)
    assert totals(single(*question, precision("tf32"))) == totals(workload)
    schedule = lower(workload)
    written = sum(workload.tensors[name].bytes for name in workload.outputs)
    if question[0] in (*HIDDEN_STEPS, *WRITES_PLACES):  # also write what is no output: results between, places
        assert (schedule.writes * schedule.repeats).sum() >= written
    elif question[0] == "overwrite":
        assert schedule.writes.sum() == question[1]["elements"] * 4
    elif question[0] == "scatter":
        assert schedule.writes.sum() >= 0
    else:
        assert schedule.writes.sum() == (0 if question[0] in (*VIEWS, *IDLE, *FREE) else written)
    assert (schedule.flops >= 0).all()
    assert (schedule.batch * schedule.m * schedule.n * schedule.k >= 1).all()


@given(questions())
def test_reads_are_never_more_than_what_there_is(question: Question):
    workload = single(*question)
    stored = sum(t.bytes for t in workload.tensors.values() if t.name not in workload.outputs)
    schedule = lower(workload)
    if question[0] not in HIDDEN_STEPS:
        assert schedule.reads.sum() + schedule.weights.sum() <= stored


def test_views_cost_nothing():
    assert set(VIEW_ATTRIBUTES) == set(VIEWS)
    for op, attributes in VIEW_ATTRIBUTES.items():
        workload = single(op, attributes, [(4, 6, 8)])
        assert len(lower(workload)) == 0
        assert memory_of(workload).activations == 4 * 6 * 8 * 4


def test_a_tensor_added_to_itself_is_read_once():
    double = build(network(Layer("double", op="add", inputs=("x", "x"))))
    x = double.tensors["x"].bytes
    assert totals(double)[1] == 2 * x


def test_kernels_name_the_tensor_behind_a_view():
    flat = Layer("flat", op="view", terms={"shape": (parse_expression("batch"), parse_expression(-1))})
    net = network(flat, Layer("relu", op="relu", terms={"inplace": True}), Layer("tanh", op="tanh"))
    workload = build(net)
    relu, tanh = lower(workload)
    number = list(workload.tensors).index
    assert (relu.layer, relu.source, relu.target) == (1, number("x"), number("x"))
    assert (tanh.layer, tanh.source, tanh.target) == (2, number("x"), number("tanh"))


def uncovered(**attributes: int | str) -> Workload:
    fp32 = precision("fp32")
    tensors = {name: Tensor(name, (10,), fp32.storage) for name in ("a", "b")}
    node = Node("odd", "uncovered", ("a",), ("b",), attributes=attributes)
    return Workload("w", "", (node,), tensors, ("a",), ("b",), {}, fp32)


def test_what_no_formula_covers_is_listed_with_what_is_known():
    kernel = lower(uncovered(op="aten.fft", flops=500, bytes=4000)).kernel(0)
    assert (kernel.family, kernel.kind, kernel.op, kernel.flops) == ("uncovered", "opaque", "aten.fft", 500)
    assert kernel.reads + kernel.weights + kernel.writes == 4000


def test_an_uncovered_node_without_figures_still_moves_its_tensors():
    kernel = lower(uncovered()).kernel(0)
    assert (kernel.flops, kernel.reads, kernel.writes) == (0, 40, 40)


def test_an_unknown_operator_is_refused_when_lowered():
    odd = uncovered()
    with pytest.raises(UnknownName, match="operator"):
        lower(replace(odd, nodes=(replace(odd.nodes[0], op="no_such"),)))
