"""Exact counts, by hand, of the operators that traces of models brought along."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from roofline.core.run import Recipe
from roofline.core.schedule import Kernel, Schedule
from roofline.core.stack import Stack
from roofline.core.workload import Workload
from roofline.errors import UsageError
from roofline.lowering import lower, lower_training, memory_of, saved_bytes, single, training_step
from roofline.lowering.build import node_of
from roofline.operators.pointwise import FUNCTIONS


def kernels(op: str, attributes: dict[str, Any], shapes: list[tuple[int, ...]]) -> Schedule:
    return lower(single(op, attributes, shapes))


def kernel(op: str, attributes: dict[str, Any], shapes: list[tuple[int, ...]]) -> Kernel:
    (only,) = kernels(op, attributes, shapes)
    return only


def behind_a_weight(op: str, attributes: dict[str, Any], *others: tuple[int, ...]) -> Workload:
    """(4, 8) -> linear -> (4, 6), then the operator on that (and on more linear results)."""
    work = single("linear", {"out": 6, "bias": False}, [(4, 8)])
    tensors, nodes, names = dict(work.tensors), list(work.nodes), ["linear"]
    for index in range(len(others)):
        nodes.append(
            node_of("linear", f"l{index}", ("input",), {"out": 6, "bias": False}, tensors, work.precision.storage)
        )
        names.append(f"l{index}")
    nodes.append(node_of(op, "odd", tuple(names), attributes, tensors, work.precision.storage))
    nodes.append(node_of("mean_squares", "loss", ("odd",), {}, tensors, work.precision.storage))
    return Workload("w", "", tuple(nodes), tensors, work.inputs, ("loss",), {}, work.precision)


def backward_of(op: str, attributes: dict[str, Any], *others: tuple[int, ...]) -> list[Kernel]:
    step = training_step(behind_a_weight(op, attributes, *others), Recipe(), Stack(), cuda=False)
    layer = next(index for index, node in enumerate(step.workload.nodes) if node.name == "odd")
    return [k for k in lower_training(step) if k.layer == layer and k.phase == "backward"]


def test_functions_of_elements() -> None:
    k = kernel("scale", {}, [(4, 6)])
    assert (k.family, k.flops, k.reads, k.writes) == ("elementwise", 24, 96, 96)
    # broadcast tensors are read at their own size, truths take a byte
    k = kernel("choose", {}, [(4, 1), (4, 6), (6,)])
    assert (k.flops, k.reads, k.writes) == (24, 16 + 96 + 24, 96)
    assert kernel("compare", {}, [(4, 6), (4, 6)]).writes == 24
    assert kernel("rsqrt", {}, [(5,)]).flops == 10
    with pytest.raises(UsageError, match="in place"):
        kernel("maximum", {"inplace": True}, [(6,), (4, 6)])


def test_gradients_of_functions() -> None:
    (scale,) = backward_of("scale", {})
    assert (scale.flops, scale.reads, scale.writes) == (24, 96, 96)
    assert backward_of("shift", {}) == []
    assert backward_of("round", {}) == []
    (square,) = backward_of("square", {})  # dY and x
    assert (square.flops, square.reads, square.writes) == (48, 192, 96)
    larger = backward_of("maximum", {}, (4, 6))
    assert len(larger) == 2


def test_rows() -> None:
    k = kernel("row_max", {}, [(4, 6)])
    assert (k.family, k.m, k.k, k.flops, k.reads, k.writes) == ("reduction", 4, 6, 24, 96, 16)
    assert kernel("row_max_places", {}, [(4, 6)]).writes == 4 * (4 + 8)
    assert kernel("row_variance", {}, [(4, 6)]).flops == 96
    assert kernel("running_sum", {}, [(4, 6)]).writes == 96
    # 1000 numbers: ten steps of comparisons; results and places
    k = kernel("sort", {}, [(2, 1000)])
    assert (k.flops, k.writes) == (2 * 1000 * 10, 2 * 1000 * (4 + 8))
    assert kernel("row_argmax", {}, [(4, 6)]).writes == 4 * 8


def test_group_norm() -> None:
    # 2 images in 4 groups: 8 rows of (16 / 4) x 9
    k = kernel("group_norm", {"groups": 4}, [(2, 16, 3, 3)])
    assert (k.family, k.m, k.k, k.passes, k.flops) == ("norm", 8, 36, 2, 8 * 288)
    assert (k.reads, k.weights, k.writes) == (288 * 4, 32 * 4, 288 * 4)
    assert kernel("group_norm", {"groups": 4, "affine": False}, [(2, 16, 3, 3)]).weights == 0
    with pytest.raises(UsageError, match="groups"):
        kernel("group_norm", {"groups": 3}, [(2, 16, 3, 3)])


def test_norms_without_weights_and_over_several_dimensions() -> None:
    k = kernel("layer_norm", {"dims": 2, "affine": False}, [(2, 3, 4)])
    assert (k.m, k.k, k.weights) == (2, 12, 0)
    assert kernel("layer_norm", {"bias": False}, [(2, 3, 4)]).weights == 16
    assert kernel("rms_norm", {"affine": False}, [(2, 4)]).weights == 0
    assert kernel("batch_norm", {"affine": False, "tracked": False}, [(2, 3, 4)]).weights == 0


def test_volumes() -> None:
    # 8 channels out of 3, 3 x 3 x 3 taps, 4 x 6 x 6 voxels of 2 volumes
    k = kernel("conv3d", {"out": 8, "kernel": (3,), "padding": (1,)}, [(2, 3, 4, 6, 6)])
    assert (k.family, k.batch, k.m, k.n, k.k) == ("conv", 1, 2 * 144, 8, 81)
    assert k.flops == 2 * 288 * 8 * 81
    assert (k.reads, k.weights, k.writes) == (2 * 3 * 144 * 4, (8 * 81 + 8) * 4, 2 * 8 * 144 * 4)
    k = kernel("conv_transpose3d", {"out": 4, "kernel": (2,), "stride": (2,), "bias": False}, [(1, 3, 2, 2, 2)])
    assert (k.flops, k.writes) == (2 * 8 * 4 * 8 * 3, 4 * 64 * 4)
    k = kernel("max_pool3d", {"kernel": (2,), "stride": (2,)}, [(1, 3, 4, 4, 4)])
    assert (k.flops, k.writes) == (3 * 8 * 8, 3 * 8 * 4)
    with pytest.raises(UsageError, match="one size or three"):
        kernel("conv3d", {"out": 8, "kernel": (3, 3)}, [(2, 3, 4, 6, 6)])
    with pytest.raises(UsageError, match="does not fit"):
        kernel("conv3d", {"out": 8, "kernel": (5,)}, [(2, 3, 4, 6, 6)])


def test_picked_and_put() -> None:
    # 4 rows of 8 out of 10; the indices here are as wide as numbers
    k = kernel("gather", {"shape": (4, 8), "piece": 8}, [(10, 8), (4,)])
    assert (k.kind, k.m, k.n, k.k, k.writes) == ("gather", 4, 10, 8, 128)
    copy, put = kernels("scatter", {"piece": 1, "add": True}, [(10, 8), (4, 8), (4, 8)])
    assert (copy.reads, copy.writes) == (320, 320)
    assert (put.flops, put.reads, put.writes) == (32, 256, 128)
    assert len(kernels("scatter", {"inplace": True}, [(10, 8), (4, 8), (4, 8)])) == 1
    k = kernel("overwrite", {"elements": 16}, [(10, 8), (16,)])
    assert (k.reads, k.writes) == (64, 64)
    k = kernel("pad", {"shape": (6, 8)}, [(4, 6)])
    assert (k.reads, k.writes) == (96, 192)
    assert kernel("rearrange", {"shape": (8, 6)}, [(4, 6)]).writes == 192
    with pytest.raises(UsageError, match="pieces"):
        kernel("gather", {"shape": (4, 8), "piece": 5}, [(10, 8), (4,)])


def test_tensors_made_on_the_spot() -> None:
    k = kernel("fill", {"shape": (4, 6)}, [])
    assert (k.flops, k.reads, k.writes) == (0, 0, 96)
    k = kernel("fill", {"shape": (6,), "whole_bits": 64, "counted": True}, [])
    assert (k.flops, k.writes) == (6, 48)
    assert len(kernels("blank", {"shape": (4, 6)}, [])) == 0
    buffer = single("buffer", {"shape": (4, 6), "whole_bits": 1}, [])
    assert len(lower(buffer)) == 0
    assert (memory_of(buffer).weights, buffer.parameters) == (24, 0)
    k = kernel("convert", {"whole_bits": 64}, [(4, 6)])
    assert (k.reads, k.writes) == (96, 192)
    with pytest.raises(UsageError, match="whole_bits"):
        kernel("fill", {"shape": (6,), "whole_bits": 3}, [])


def test_fourier_and_sampling() -> None:
    # 4 rows of 16 complex numbers: 5 x 16 x 4 each
    k = kernel("fft", {"shape": (4, 16, 2), "length": 16}, [(4, 16, 2)])
    assert (k.flops, k.reads, k.writes) == (4 * 5 * 16 * 4, 512, 512)
    assert kernel("fft", {"shape": (4, 9, 2), "length": 16, "real": True}, [(4, 16)]).flops == 2.5 * 72 * 4
    k = kernel("resample", {"size": (3, 5), "taps": 4}, [(1, 2, 8, 8)])
    assert (k.flops, k.writes) == (7 * 30, 120)
    assert kernel("resample", {"size": (3, 5)}, [(1, 2, 8, 8)]).reads == 120


def test_a_plain_recurrence() -> None:
    inputs, states, gates = kernels("rnn", {"hidden": 6, "bias": False}, [(2, 5, 3)])
    assert (inputs.flops, inputs.weights) == (2 * 10 * 6 * 3, 72)
    assert (states.flops, states.weights, states.repeats) == (2 * 2 * 6 * 6, 144, 5)
    assert (gates.flops, gates.repeats) == (2 * 12, 5)


def test_what_nobody_knows_is_visible_both_ways() -> None:
    k = kernel("uncovered", {"shape": (4, 2)}, [(4, 6)])
    assert (k.family, k.flops, k.reads, k.writes) == ("uncovered", 0, 96, 32)
    (back,) = backward_of("uncovered", {"shape": (4, 2)})
    assert (back.family, back.writes) == ("uncovered", 96)


SAVED: dict[str, Callable[[Any, Any], Any]] = {
    "square": lambda t, x: x.square(),
    "reciprocal": lambda t, x: x.reciprocal(),
    "log": lambda t, x: x.log(),
    "sin": lambda t, x: x.sin(),
    "clamp": lambda t, x: x.clamp(-1, 1),
    "scale": lambda t, x: x * 3.0,
    "shift": lambda t, x: x + 3.0,
    "round": lambda t, x: x.floor(),
    "elu": lambda t, x: t.nn.functional.elu(x),
    "softplus": lambda t, x: t.nn.functional.softplus(x),
    "mish": lambda t, x: t.nn.functional.mish(x),
    "running_sum": lambda t, x: x.cumsum(-1),
    "log_softmax": lambda t, x: x.log_softmax(-1),
    "power": lambda t, x: x**3.5,
    "rsqrt": lambda t, x: x.rsqrt(),
}


@pytest.mark.parametrize("op", SAVED)
def test_what_autograd_keeps(op: str) -> None:
    """Bytes of storages that the hooks of autograd see, weights aside."""
    torch = pytest.importorskip("torch")
    linear = torch.nn.Linear(8, 6, bias=False)
    found: dict[int, int] = {}
    alive = []

    def pack(tensor: Any) -> Any:
        alive.append(tensor)
        if tensor.untyped_storage().data_ptr() != linear.weight.untyped_storage().data_ptr():
            found[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        torch.nn.functional.mse_loss(SAVED[op](torch, linear(torch.rand(4, 8))), torch.zeros(4, 6))
    real = sum(found.values()) - 96  # the target
    step = training_step(behind_a_weight(op, {}), Recipe(), Stack(), cuda=False)
    assert saved_bytes(step) == real


def test_every_function_has_a_summary_and_a_count() -> None:
    assert all(function.flops >= 1 for function in FUNCTIONS.values())
