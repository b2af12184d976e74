"""Parameters, and storage shared by views, on graphs drawn by hand."""

from __future__ import annotations

from roofline.core.dtype import dtype, precision
from roofline.core.workload import Node, Role, Tensor, Workload


def workload(nodes: list[Node], sizes: dict[str, int], outputs: tuple[str, ...], **roles: Role) -> Workload:
    """Tensors of so many fp32 elements; ``x`` is the input, the rest activations unless told."""
    all_roles: dict[str, Role] = {"x": "input", **roles}
    tensors = {
        name: Tensor(name, (size,), dtype("fp32"), all_roles.get(name, "activation")) for name, size in sizes.items()
    }
    return Workload("w", "", tuple(nodes), tensors, ("x",), outputs, {"batch": 2}, precision("fp32"))


def node(output: str, *inputs: str, op: str = "relu", weights: tuple[str, ...] = (), inplace: bool = False) -> Node:
    attributes = {"inplace": True} if inplace else {}
    return Node(output, op, inputs, (output,), weights, attributes)


def test_views_and_in_place_results_share_storage():
    sizes = {"x": 100, "v": 100, "a": 100, "b": 100}
    nodes = [node("v", "x", op="view"), node("a", "v", inplace=True), node("b", "a")]
    assert workload(nodes, sizes, ("b",)).owners == {"v": "x", "a": "x"}


def test_weights_count_once_and_state_is_no_parameter():
    sizes = {"x": 10, "w": 1000, "s": 5, "a": 10, "b": 10}
    nodes = [node("a", "x", weights=("w", "s")), node("b", "a", weights=("w",))]
    net = workload(nodes, sizes, ("b",), w="weight", s="state")
    assert (net.parameters, net.weight_bytes) == (1000, 4000)
    assert net.samples == 2
