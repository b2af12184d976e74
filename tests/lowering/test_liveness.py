"""The most memory alive at once, on graphs drawn by hand, and how much PyTorch's allocator hands out."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from roofline import specs
from roofline.core.dtype import dtype, precision
from roofline.core.prediction import Memory
from roofline.core.run import Implementation, OptimizerName, Recipe
from roofline.core.stack import Stack
from roofline.core.workload import Node, Role, Tensor, Workload
from roofline.lowering import Step, build, lower_training, memory_of, memory_of_training, saved_bytes, training_step
from roofline.lowering.build import node_of


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


Layer = tuple[str, str, dict[str, Any], tuple[str, ...]]
FP32 = precision("fp32")


def net(shape: tuple[int, ...], *layers: Layer, ids: bool = False) -> Workload:
    """A net of named layers (name, operator, attributes, inputs) on ``x``; ``block.0.fc`` is a layer of a block."""
    tensors = {"x": Tensor("x", shape, dtype("int64") if ids else FP32.storage, "input")}
    nodes = []
    for name, op, given, read in layers:
        made = node_of(op, name, read, given, tensors, FP32.storage)
        nodes.append(replace(made, template=re.sub(r"\d+", "*", name) if name.startswith("block") else name))
    return Workload("net", "", tuple(nodes), tensors, ("x",), nodes[-1].outputs, {}, FP32)


def fc(name: str, out: int, read: str) -> Layer:
    return name, "linear", {"out": out, "bias": False}, (read,)


def step_of(work: Workload, recipe: Recipe = Recipe(), *, cuda: bool = False) -> Step:  # noqa: B008 (a frozen value)
    return training_step(work, recipe, Stack(), cuda=cuda)


def numbers(memory: Memory) -> tuple[float, float, float]:
    """Activations, gradients and workspace at the fullest moment, in fp32 numbers."""
    return memory.activations / 4, memory.gradients / 4, memory.workspace / 4


def chain() -> Workload:
    """x 20 -> fc1 40 -> relu 40 -> fc2 10 -> loss 1; 200 and 100 weights."""
    loss: Layer = ("loss", "mean_squares", {}, ("fc2",))
    return net((2, 10), fc("fc1", 20, "x"), ("relu", "relu", {}, ("fc1",)), fc("fc2", 5, "relu"), loss)


def test_a_training_step_of_a_chain() -> None:
    # saved are x, the result of relu (by itself and by fc2) and fc2 (by the loss)
    # backward of fc2: x 20, relu 40, loss 1, gradients of fc2 10 and relu 40, of weights 100: 211
    # of relu: x, relu, loss, gradients of relu and fc1 40 each, of weights 100: 241
    # of fc1: x, loss, the gradient of fc1 40, of weights 100 + 200: 361
    assert numbers(memory_of_training(step_of(chain()))) == (61, 300, 0)
    assert saved_bytes(step_of(chain())) == (20 + 40 + 10) * 4


def test_a_residual_shares_one_gradient_until_it_is_changed() -> None:
    # all of 200 numbers: x, fc, relu, add; the loss saves add, relu itself, fc its input x
    layers: list[Layer] = [fc("fc", 2, "x"), ("relu", "relu", {}, ("fc",)), ("add", "add", {}, ("relu", "fc"))]
    work = net((100, 2), *layers, ("loss", "mean_squares", {}, ("add",)))
    # loss: x, relu, add, loss and the gradient of add; relu: x, relu, loss, the shared gradient and that of fc
    assert numbers(memory_of_training(step_of(work))) == (801, 0, 0)


def thirds() -> Workload:
    """x 200 -> fc 1200, cut in three; the negatives of all are summed in place."""
    layers = [fc("fc", 12, "x")]
    layers += [(f"part{i}", "slice", {"dim": 1, "start": 4 * i, "length": 4}, ("fc",)) for i in range(3)]
    layers += [("a", "neg", {}, ("part0",)), ("b", "neg", {}, ("part1",))]
    layers += [("ab", "add", {"inplace": True}, ("a", "b")), ("c", "neg", {}, ("part2",))]
    layers += [("abc", "add", {"inplace": True}, ("ab", "c"))]
    return net((100, 2), *layers)


def test_the_gradients_of_cuts_are_there_beside_that_of_the_whole() -> None:
    # x, the result, the loss, three gradients of 400 numbers, and one of 1200 that they are copied into
    assert numbers(memory_of_training(step_of(thirds()))) == (200 + 400 + 1 + 1200 + 1200, 0, 0)


@pytest.mark.parametrize("checkpoint", [False, True])
def test_after_the_backward_nothing_is_left_but_what_the_caller_holds(checkpoint: bool) -> None:
    # one row: fullest in the optimizer, with as many denominators as gradients; x and the loss beside them
    step = step_of(blocks(5, rows=1), Recipe("adam", "foreach", checkpoint=checkpoint))
    assert numbers(memory_of_training(step)) == (2 + 1, 5 * 40, 5 * 40)


def test_tied_weights_have_one_gradient_that_is_added_to() -> None:
    words: Layer = ("words", "embedding", {"entries": 50, "features": 40}, ("x",))
    untied = net((3,), words, fc("head", 50, "words"), ids=True)
    head = replace(untied.nodes[1], weights=untied.nodes[0].weights)
    tensors = {name: tensor for name, tensor in untied.tensors.items() if name != "head.weight"}
    tied = replace(untied, nodes=(untied.nodes[0], head), tensors=tensors)
    assert [t.name for t in step_of(tied).parameters] == ["words.weight"]
    one, two = (memory_of_training(step_of(work)) for work in (tied, untied))
    assert two.weights == 2 * one.weights == 2 * 2000 * 4
    # the gradient of the head is there when that of the embedding comes, and the two are added
    assert one.gradients >= 2 * 2000 * 4
    assert [k.op for k in lower_training(step_of(tied))].count("add_gradients") == 1
    assert [k.op for k in lower_training(step_of(untied))].count("add_gradients") == 0


def test_gradients_of_earlier_micro_batches_are_there_all_the_time() -> None:
    # the gradients of all 300 weights, and at fc1 a new one of 200 beside them
    assert numbers(memory_of_training(step_of(chain(), Recipe(accumulate=2)))) == (61, 500, 0)
    assert memory_of_training(step_of(chain(), Recipe(accumulate=3))) == memory_of_training(
        step_of(chain(), Recipe(accumulate=2))
    )


def blocks(count: int, rows: int = 100) -> Workload:
    """Blocks of 200 -> 1000 -> 1000 -> 200 numbers (for 100 rows) and 40 weights."""
    layers: list[Layer] = []
    read = "x"
    for index in range(count):
        up, relu, down = (f"block.{index}.{part}" for part in ("up", "relu", "down"))
        layers += [fc(up, 10, read), (relu, "relu", {}, (up,)), fc(down, 2, relu)]
        read = down
    return net((rows, 2), *layers, ("loss", "mean_squares", {}, (read,)))


def test_checkpoints_keep_the_inputs_of_blocks() -> None:
    # every block saves its input (200) and the result of relu (1000); fullest at the relu of the last:
    # its gradient and that of its input beside all that is saved, the loss, and 20 gradients of weights
    assert numbers(memory_of_training(step_of(blocks(2)))) == (2 * 1200 + 2 * 1000 + 1, 20, 0)
    assert numbers(memory_of_training(step_of(blocks(5)))) == (5 * 1200 + 2 * 1000 + 1, 20, 0)
    # with checkpoints only the last block has its relu, the others their inputs
    again = Recipe(checkpoint=True)
    assert numbers(memory_of_training(step_of(blocks(2), again))) == (2 * 200 + 1000 + 2 * 1000 + 1, 20, 0)
    assert numbers(memory_of_training(step_of(blocks(5), again))) == (5 * 200 + 1000 + 2 * 1000 + 1, 20, 0)


def test_checkpoints_cost_a_second_forward_and_change_no_gradient() -> None:
    work = blocks(3)
    plain, again = (list(lower_training(step_of(work, Recipe(checkpoint=c)))) for c in (False, True))
    forward = [k for k in plain if k.phase == "forward"]
    assert [k for k in again if k.phase == "forward"] == forward
    repeated = [k for k in again if k.phase == "backward" and k.op in ("linear", "relu")]
    assert [k.op for k in repeated] == ["linear", "relu", "linear"] * 3
    assert [k.layer for k in repeated] == [6, 7, 8, 3, 4, 5, 0, 1, 2]
    assert [k for k in again if k not in repeated] == plain
    # a block that does not repeat is no block
    assert list(lower_training(step_of(chain(), Recipe(checkpoint=True)))) == list(lower_training(step_of(chain())))


@pytest.mark.parametrize(("optimizer", "states"), [("sgd", 0), ("momentum", 1), ("adam", 2), ("adamw", 2), ("none", 0)])
def test_optimizers_keep_numbers_for_every_weight(optimizer: OptimizerName, states: int) -> None:
    need = memory_of_training(step_of(chain(), Recipe(optimizer)))
    assert need.optimizer == states * 300 * 4
    assert need.weights == 300 * 4


@pytest.mark.parametrize(
    ("implementation", "expected"),
    [
        ("loop", (21, 300, 400)),  # two denominators of the largest weight, 200 numbers
        ("foreach", (21, 300, 300)),  # one for all
        ("fused", (61, 300, 0)),  # none: the backward is fuller
    ],
)
def test_temporaries_of_adam(implementation: Implementation, expected: tuple[float, float, float]) -> None:
    assert numbers(memory_of_training(step_of(chain(), Recipe("adam", implementation)))) == expected
    assert numbers(memory_of_training(step_of(chain(), Recipe("sgd", implementation)))) == (61, 300, 0)


def test_loop_is_usual_on_cpus_and_foreach_on_gpus() -> None:
    cpu, gpu = (memory_of_training(step_of(chain(), Recipe("adam"), cuda=gpu)) for gpu in (False, True))
    assert (cpu.workspace, gpu.workspace) == (400 * 4, 300 * 4)


# What PyTorch does -----------------------------------------------------------------------------------------------


def most_allocated(run: Callable[[], object], largest: float = float("inf")) -> int:
    """Bytes that PyTorch's allocator hands out beyond those at the start, at the fullest moment.

    What is larger than the ``largest`` tensor is the workspace of a library, which depends on the processor (oneDNN's
    gradients of weights take four times the weights on AVX2, nothing on AVX-512) and is not counted.
    """
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        run()
    events = [event for event in seen.profiler.kineto_results.events() if event.name() == "[memory]"]
    now = most = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        now += event.nbytes() if abs(event.nbytes()) <= largest else 0
        most = max(most, now)
    return most


def beyond_weights(memory: Memory, work: Workload) -> float:
    """What a step allocates: inputs, weights and states are there before."""
    given = sum(work.tensors[name].bytes for name in work.inputs)
    return memory.activations + memory.gradients + memory.workspace - given


@pytest.mark.parametrize(
    ("name", "sizes", "short"),
    [
        ("mlp", {"batch": 256}, 0.01),
        ("resnet18", {"batch": 4, "image": 64}, 0.02),
        ("mobilenetv2", {"batch": 4, "image": 64}, 0.01),
        ("gpt-small", {"batch": 4, "seq": 128}, 0.01),
        # fullest where the two gradients of the tied table are added; their sum beside them is not counted
        ("gpt-small", {"batch": 1, "seq": 64}, 0.2),
    ],
)
def test_pytorch_needs_as_much(name: str, sizes: dict[str, int], short: float) -> None:
    torch = pytest.importorskip("torch")
    from roofline.campaign.networks import build as module_of

    module, inputs = module_of(name, sizes)
    module.train().requires_grad_(True)

    def run() -> None:
        rows = module(*inputs).flatten(0, -2)  # which the loop keeps
        torch.nn.functional.cross_entropy(rows, torch.zeros(len(rows), dtype=torch.long)).backward()

    work = build(specs.load_network(name), sizes)
    real = most_allocated(run, max(tensor.bytes for tensor in work.tensors.values()))
    ours = beyond_weights(memory_of_training(step_of(work)), work)
    assert (1 - short) * real <= ours <= 1.01 * real


@pytest.mark.parametrize("checkpoint", [False, True])
def test_pytorch_needs_as_much_with_checkpoints(checkpoint: bool) -> None:
    torch = pytest.importorskip("torch")
    from torch.utils.checkpoint import checkpoint as again

    linear, relu = torch.nn.Linear, torch.nn.ReLU
    layers = [torch.nn.Sequential(linear(2, 10, bias=False), relu(), linear(10, 2, bias=False)) for _ in range(5)]
    x, goal = torch.randn(100, 2), torch.randn(100, 2)

    def run() -> None:
        h = x
        for layer in layers:
            h = again(layer, h, use_reentrant=False, preserve_rng_state=False) if checkpoint else layer(h)
        loss = torch.nn.functional.mse_loss(h, goal)
        del h
        loss.backward()

    real = most_allocated(run)
    work = blocks(5)
    ours = beyond_weights(memory_of_training(step_of(work, Recipe(checkpoint=checkpoint))), work)
    assert ours == pytest.approx(real, rel=0.05)


def test_pytorch_needs_as_much_for_cuts() -> None:
    torch = pytest.importorskip("torch")
    layer, x, goal = torch.nn.Linear(2, 12, bias=False), torch.randn(100, 2), torch.zeros(100, dtype=torch.long)

    def run() -> None:
        first, second, third = layer(x).chunk(3, 1)
        whole = -first
        whole += -second
        whole += -third
        del first, second, third
        torch.nn.functional.cross_entropy(whole, goal).backward()

    real = most_allocated(run)
    assert beyond_weights(memory_of_training(step_of(thirds())), thirds()) == pytest.approx(real, rel=0.02)
