"""The most memory alive at once, on graphs drawn by hand."""

from __future__ import annotations

from roofline.core.dtype import dtype, precision
from roofline.core.workload import Node, Role, Tensor, Workload
from roofline.operators import memory_of


def workload(nodes: list[Node], sizes: dict[str, int], outputs: tuple[str, ...], **roles: Role) -> Workload:
    """Tensors of so many fp32 elements; ``x`` is the input, the rest activations unless told."""
    all_roles: dict[str, Role] = {"x": "input", **roles}
    tensors = {
        name: Tensor(name, (size,), dtype("fp32"), all_roles.get(name, "activation")) for name, size in sizes.items()
    }
    return Workload("w", "", tuple(nodes), tensors, ("x",), outputs, {"batch": 2}, precision("fp32"))


def node(output: str, *inputs: str, op: str = "relu", weights: tuple[str, ...] = (), inplace: bool = False) -> Node:
    attributes = {"inplace": True} if inplace else {"shape": (-1,)} if op == "view" else {}
    return Node(output, op, inputs, (output,), weights, attributes)


def test_a_chain_keeps_two_neighbours():
    # x 100 -> a 50 -> b 10: the caller holds x, so at b all three are there
    net = workload([node("a", "x"), node("b", "a")], {"x": 100, "a": 50, "b": 10}, ("b",))
    assert memory_of(net).activations == 160 * 4


def test_a_residual_keeps_its_start_alive():
    # x 10 -> a 100 -> b 100 -> c = b + x: at b: x, a, b; at c: x, b, c
    sizes = {"x": 10, "a": 100, "b": 100, "c": 100}
    net = workload([node("a", "x"), node("b", "a"), node("c", "b", "x", op="add")], sizes, ("c",))
    assert memory_of(net).activations == 210 * 4


def test_views_and_in_place_results_take_no_room():
    sizes = {"x": 100, "v": 100, "a": 100, "b": 100}
    nodes = [node("v", "x", op="view"), node("a", "v", inplace=True), node("b", "a")]
    net = workload(nodes, sizes, ("b",))
    # x lives on through v and a until b has been written
    assert memory_of(net).activations == 200 * 4


def test_a_result_nobody_reads_dies_at_once_and_an_output_never():
    sizes = {"x": 10, "dead": 100, "kept": 30, "last": 50}
    nodes = [node("dead", "x"), node("kept", "x"), node("last", "x")]
    net = workload(nodes, sizes, ("kept", "last"))
    # after dead (110): x and kept (40), then x, kept and last (90)
    assert memory_of(net).activations == 110 * 4
    assert memory_of(workload(nodes, {**sizes, "dead": 1}, ("kept", "last"))).activations == 90 * 4


def test_weights_and_state_are_there_once():
    sizes = {"x": 10, "w": 1000, "s": 5, "a": 10, "b": 10}
    nodes = [node("a", "x", weights=("w", "s")), node("b", "a", weights=("w",))]
    net = workload(nodes, sizes, ("b",), w="weight", s="state")
    need = memory_of(net)
    assert (need.activations, need.weights) == (30 * 4, 1005 * 4)


def test_a_net_that_does_nothing_holds_its_input():
    assert memory_of(workload([], {"x": 10}, ("x",))).activations == 40
