"""Mixed precision: who computes in which format, where numbers are cast, and what torch.autocast does."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from roofline.core.dtype import Precision, precision
from roofline.core.run import Recipe
from roofline.core.schedule import Kernel
from roofline.core.stack import Stack
from roofline.core.workload import Tensor, Workload
from roofline.lowering import Step, lower_training, training_step
from roofline.lowering.build import node_of
from roofline.operators import OPERATORS

Layer = tuple[str, str, dict[str, Any], tuple[str, ...]]
BF16 = precision("bf16")


def net(inputs: dict[str, tuple[int, ...]], *layers: Layer, how: Precision = BF16) -> Workload:
    """A net of named layers (name, operator, attributes, inputs), stored in the format of ``how``."""
    kinds = {name: precision("int64").storage if name == "ids" else how.storage for name in inputs}
    tensors = {name: Tensor(name, shape, kinds[name], "input") for name, shape in inputs.items()}
    nodes = tuple(node_of(op, name, read, given, tensors, how.storage) for name, op, given, read in layers)
    return Workload("net", "", nodes, tensors, tuple(inputs), nodes[-1].outputs, {}, how)


def mixed(work: Workload, *, pure: bool = False) -> Step:
    return training_step(work, Recipe("none", pure=pure), Stack(), cuda=True)


def formats(step: Step) -> dict[str, str]:
    return {name: tensor.dtype.name for name, tensor in step.workload.tensors.items()}


def casts(step: Step) -> list[str]:
    return [node.name for node in step.workload.nodes if node.op == "cast"]


def transformer(how: Precision = BF16) -> Workload:
    """Words, a norm, two products and what is around them, a sum with the words."""
    return net(
        {"ids": (2, 6)},
        ("words", "embedding", {"entries": 20, "features": 8}, ("ids",)),
        ("norm", "layer_norm", {}, ("words",)),
        ("up", "linear", {"out": 32}, ("norm",)),
        ("gelu", "gelu", {}, ("up",)),
        ("down", "linear", {"out": 8, "bias": False}, ("gelu",)),
        ("add", "add", {}, ("words", "down")),
        ("head", "linear", {"out": 20}, ("add",)),
        how=how,
    )


def test_products_are_narrow_and_norms_sums_and_losses_wide() -> None:
    found = formats(mixed(transformer()))
    assert {name: found[name] for name in ("words", "norm", "up", "gelu", "down", "add", "head", "loss")} == {
        "words": "fp32",  # rows of an fp32 table
        "norm": "fp32",
        "up": "bf16",
        "gelu": "bf16",  # as wide as its input
        "down": "bf16",
        "add": "fp32",  # the widest of its inputs
        "head": "bf16",
        "loss": "fp32",
    }
    weights = [name for name in found if name.endswith((".weight", ".bias"))]
    assert {found[name] for name in weights} == {"fp32"}


def test_casts_are_where_they_belong() -> None:
    step = mixed(transformer())
    assert casts(step) == [
        *("up.cast0", "up.weight.bf16", "up.bias.bf16"),
        "down.weight.bf16",  # gelu is narrow already
        *("head.cast0", "head.weight.bf16", "head.bias.bf16"),
        "loss.cast0",
    ]
    nodes = {node.name: node for node in step.workload.nodes}
    assert nodes["up"].inputs == ("up.cast0",)
    assert nodes["up"].weights == ("up.weight.bf16", "up.bias.bf16")
    assert nodes["norm"].weights == ("norm.weight", "norm.bias")
    # what is trained are the wide ones
    assert sorted(t.name for t in step.parameters) == sorted(
        ["words.weight", "norm.weight", "norm.bias", "up.weight", "up.bias", "down.weight", "head.weight", "head.bias"]
    )


def of(step: Step, name: str, phase: str) -> list[Kernel]:
    layer = [node.name for node in step.workload.nodes].index(name)
    return [k for k in lower_training(step) if (k.layer, k.phase) == (layer, phase)]


def test_bytes_follow_the_formats() -> None:
    step = mixed(transformer())
    (k,) = of(step, "up", "forward")
    assert (k.precision, k.reads, k.weights, k.writes) == ("bf16", 12 * 8 * 2, (32 * 8 + 32) * 2, 12 * 32 * 2)
    (k,) = of(step, "norm", "forward")
    assert (k.precision, k.reads, k.writes) == ("fp32", 12 * 8 * 4, 12 * 8 * 4)
    (k,) = of(step, "gelu", "forward")
    assert (k.precision, k.itemsize, k.reads) == ("bf16", 2, 12 * 32 * 2)
    (k,) = of(step, "add", "forward")
    assert (k.reads, k.writes) == (12 * 8 * (4 + 2), 12 * 8 * 4)
    # a weight is read wide and written narrow; its gradient the other way round
    (k,) = of(step, "up.weight.bf16", "forward")
    assert (k.family, k.reads, k.writes) == ("copy", 32 * 8 * 4, 32 * 8 * 2)
    (k,) = of(step, "up.weight.bf16", "backward")
    assert (k.op, k.reads, k.writes) == ("cast_backward", 32 * 8 * 2, 32 * 8 * 4)
    data, weight, bias = of(step, "up", "backward")
    assert (data.writes, weight.writes, bias.writes) == (12 * 8 * 2, 32 * 8 * 2, 32 * 2)


def test_a_weight_is_cast_once_and_an_activation_by_everyone_who_needs_it() -> None:
    work = net(
        {"ids": (2, 6)},
        ("words", "embedding", {"entries": 20, "features": 8}, ("ids",)),
        ("query", "linear", {"out": 8, "bias": False}, ("words",)),
        ("key", "linear", {"out": 8, "bias": False}, ("words",)),
    )
    key = replace(work.nodes[2], weights=("query.weight",))
    shared = replace(work, nodes=(*work.nodes[:2], key), outputs=("query", "key"))
    found = casts(mixed(shared))
    assert found == ["query.cast0", "query.weight.bf16", "key.cast0", "loss.cast0", "loss2.cast0"]
    # both uses give a gradient to the one copy
    sums = [k for k in lower_training(mixed(shared)) if k.op == "add_gradients"]
    assert sorted(k.precision for k in sums) == ["bf16", "fp32"]  # of the weight, of the words


def test_images_are_cast_once_and_batch_norm_stays_narrow() -> None:
    work = net(
        {"x": (2, 3, 8, 8)},
        ("conv", "conv2d", {"out": 4, "kernel": 3, "bias": False}, ("x",)),
        ("norm", "batch_norm", {}, ("conv",)),
        ("relu", "relu", {"inplace": True}, ("norm",)),
        ("pool", "global_avg_pool", {}, ("relu",)),
        ("flat", "view", {"shape": (2, 4)}, ("pool",)),
        ("fc", "linear", {"out": 5}, ("flat",)),
    )
    step = mixed(work)
    found = formats(step)
    assert found["x"] == "fp32"
    assert {found[name] for name in ("conv", "norm", "relu", "pool", "flat", "fc")} == {"bf16"}
    assert {found[f"norm.{part}"] for part in ("weight", "bias", "running_mean", "running_var")} == {"fp32"}
    assert casts(step) == ["conv.cast0", "conv.weight.bf16", "fc.weight.bf16", "fc.bias.bf16", "loss.cast0"]
    # nobody needs the gradient of the images, so nobody casts it back
    assert of(step, "conv.cast0", "backward") == []


def test_in_place_the_first_input_keeps_its_format() -> None:
    layers: list[Layer] = [
        ("words", "embedding", {"entries": 20, "features": 8}, ("ids",)),
        ("fc", "linear", {"out": 8}, ("words",)),
    ]
    narrow = net({"ids": (2, 6)}, *layers, ("add", "add", {"inplace": True}, ("fc", "words")))
    assert formats(mixed(narrow))["add"] == "bf16"
    wide = net({"ids": (2, 6)}, *layers, ("add", "add", {"inplace": True}, ("words", "fc")))
    assert formats(mixed(wide))["add"] == "fp32"


def test_pure_keeps_everything_in_sixteen_bits() -> None:
    step = mixed(transformer(), pure=True)
    assert casts(step) == []
    assert {kind for name, kind in formats(step).items() if name != "ids"} == {"bf16"}
    assert not step.mixed


def test_wide_nets_are_left_alone() -> None:
    for name in ("fp32", "tf32", "fp64"):
        step = mixed(transformer(precision(name)))
        assert casts(step) == []
        assert not step.mixed


# What PyTorch does -----------------------------------------------------------------------------------------------

ATEN = {
    "attention": "scaled_dot_product_attention",
    "rnn": "rnn_tanh_cell",
    "lstm": "lstm_cell",
    "gru": "gru_cell",
    "upsample2d": "upsample_nearest2d",
    "cross_entropy": "nll_loss",
    "mean_squares": "mse_loss",
    "experts": "bmm",
    "grouped_matmul": "bmm",
}
"""Our names where PyTorch's lists have others."""


def test_the_lists_of_pytorch() -> None:
    torch = pytest.importorskip("torch")
    header = Path(torch.__file__).parent / "include" / "ATen" / "autocast_mode.h"
    if not header.is_file():
        pytest.skip("this PyTorch comes without its headers")
    text = header.read_text(encoding="utf-8")
    lists = {}
    for name in ("LOWER_PRECISION_FP", "FP32", "FP32_SET_OPT_DTYPE"):
        body = re.search(rf"#define AT_FORALL_{name}\(_\)((?:.*\\\n)+.*\n)", text)
        assert body is not None
        lists[name] = set(re.findall(r"_\((\w+)", body.group(1)))
    wide = lists["FP32"] | lists["FP32_SET_OPT_DTYPE"]
    for op, operator in OPERATORS.items():
        aten = ATEN.get(op, op)
        assert (aten in lists["LOWER_PRECISION_FP"]) == (operator.autocast == "low"), op
        if aten in wide:
            assert operator.autocast in ("fp32", "fp32 result"), op


def test_pytorch_casts_as_often() -> None:
    """Weights, biases, the input and the scores on the way forth; all but the input on the way back."""
    torch = pytest.importorskip("torch")
    from torch.utils._python_dispatch import TorchDispatchMode

    found: Counter[tuple[str, str]] = Counter()

    class Log(TorchDispatchMode):  # type: ignore[misc]
        def __torch_dispatch__(self, call: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            out = call(*args, **(kwargs or {}))
            if call.overloadpacket.__name__ == "_to_copy" and args[0].dtype != out.dtype:
                found[str(args[0].dtype), str(out.dtype)] += 1
            return out

    module = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.GELU(), torch.nn.Linear(16, 5))
    x, classes = torch.randn(6, 8), torch.zeros(6, dtype=torch.long)
    with torch.autocast("cpu", torch.bfloat16), Log():
        loss = torch.nn.functional.cross_entropy(module(x), classes)
    forward = dict(found)
    found.clear()
    with Log():
        loss.backward()
    backward = dict(found)
    step = mixed(
        net(
            {"x": (6, 8)},
            ("fc1", "linear", {"out": 16}, ("x",)),
            ("gelu", "gelu", {}, ("fc1",)),
            ("fc2", "linear", {"out": 5}, ("gelu",)),
        )
    )
    short = {"fp32": "torch.float32", "bf16": "torch.bfloat16"}
    kinds = formats(step)
    ours = [(node, (short[kinds[node.inputs[0]]], short[kinds[node.outputs[0]]])) for node in step.workload.nodes]
    assert Counter(pair for node, pair in ours if node.op == "cast") == forward
    back = [(there, here) for node, (here, there) in ours if of(step, node.name, "backward") and node.op == "cast"]
    assert Counter(back) == backward


def test_pytorch_gives_the_same_formats() -> None:
    torch = pytest.importorskip("torch")
    found: dict[str, str] = {}

    class Net(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.words, self.norm = torch.nn.Embedding(20, 8), torch.nn.LayerNorm(8)
            self.up, self.gelu = torch.nn.Linear(8, 32), torch.nn.GELU()
            self.down, self.head = torch.nn.Linear(32, 8, bias=False), torch.nn.Linear(8, 20)

        def forward(self, ids: Any) -> Any:
            words = self.words(ids)
            add = words + self.down(self.gelu(self.up(self.norm(words))))
            found["add"] = str(add.dtype)
            return self.head(add)

    module = Net()
    for name, part in module.named_children():
        part.register_forward_hook(lambda part, given, out, name=name: found.update({name: str(out.dtype)}))
    with torch.autocast("cpu", torch.bfloat16):
        scores = module(torch.zeros(2, 6, dtype=torch.long))
        loss = torch.nn.functional.cross_entropy(scores.flatten(0, 1), torch.zeros(12, dtype=torch.long))
    found["loss"] = str(loss.dtype)
    loss.backward()
    ours = formats(mixed(transformer()))
    assert {name: {"fp32": "torch.float32", "bf16": "torch.bfloat16"}[ours[name]] for name in found} == found
    assert {str(parameter.grad.dtype) for parameter in module.parameters()} == {"torch.float32"}
