"""What the forward pass keeps for the backward, against the hooks of autograd on tensors that it saves."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from roofline import specs
from roofline.campaign.networks import build as module_of
from roofline.core.dtype import precision
from roofline.core.run import Recipe
from roofline.core.stack import Stack
from roofline.core.workload import Workload
from roofline.lowering import build, saved_bytes, single, training_step
from roofline.lowering.build import node_of
from roofline.measurements.plan import MEASURED
from roofline.operators.elementwise import UNARY_FLOPS

torch: Any = pytest.importorskip("torch")
functional = torch.nn.functional

SMALL = {
    "mlp": {"batch": 64},
    "resnet18": {"batch": 2, "image": 64},
    "resnet50": {"batch": 2, "image": 64},
    "mobilenetv2": {"batch": 2, "image": 64},
    "bert-base": {"batch": 1, "seq": 16},
    "gpt-small": {"batch": 1, "seq": 32},
}


def hooked(module: Any, loss: Callable[[], Any], context: AbstractContextManager[Any] | None = None) -> int:
    """Bytes of the storages that autograd saves while a loss is computed, weights and buffers aside."""
    own = {tensor.untyped_storage().data_ptr() for tensor in (*module.parameters(), *module.buffers())}
    found: dict[int, int] = {}
    alive = []  # so that no storage is freed and its place taken by another

    def pack(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            found[storage.data_ptr()] = storage.nbytes()
            alive.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor), context or nullcontext():
        loss()
    return sum(found.values())


def cross_entropy(module: Any, inputs: tuple[Any, ...]) -> Any:
    scores = module(*inputs)
    if scores.dim() == 4:  # images: one class for every pixel
        return functional.cross_entropy(scores, torch.zeros(scores[:, 0].shape, dtype=torch.long))
    rows = scores.flatten(0, -2)
    return functional.cross_entropy(rows, torch.zeros(len(rows), dtype=torch.long))


def kept(work: Workload, *, fused: bool = True) -> float:
    return saved_bytes(training_step(work, Recipe(), Stack(fused_attention=fused), cuda=False))


def test_all_measured_nets_are_here() -> None:
    assert set(SMALL) == set(MEASURED)


@pytest.mark.parametrize("name", SMALL)
def test_nets(name: str) -> None:
    module, inputs = module_of(name, SMALL[name])
    module.train().requires_grad_(True)
    for part in module.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0  # on a CPU its mask has four bytes an element, on a GPU one
    real = hooked(module, lambda: cross_entropy(module, inputs))
    work = build(specs.load_network(name), SMALL[name])
    masks = sum(work.tensors[node.outputs[0]].elements for node in work.nodes if node.op == "dropout")
    assert kept(work) - masks == pytest.approx(real, rel=0.002)


@pytest.mark.parametrize("name", ["resnet18", "mobilenetv2", "gpt-small"])
def test_nets_in_mixed_precision(name: str) -> None:
    """Beside half of the activations the 16-bit copies of all weights of products."""
    module, inputs = module_of(name, SMALL[name])
    module.train().requires_grad_(True)
    real = hooked(module, lambda: cross_entropy(module, inputs), torch.autocast("cpu", torch.bfloat16))
    assert kept(build(specs.load_network(name), SMALL[name], precision("bf16"))) == pytest.approx(real, rel=0.01)


ATTENTION = """
title: attention in three kernels
source: made up
symbols: {batch: 2, seq: 24, hidden: 32, heads: 4}
inputs:
  x: [batch, seq, hidden]
layers:
  - query: {op: linear, from: x, out: hidden}
  - key: {op: linear, from: x, out: hidden}
  - value: {op: linear, from: x, out: hidden}
  - query_split: {op: view, from: query, shape: [batch, seq, heads, hidden // heads]}
  - query_heads: {op: transpose, dims: [0, 2, 1, 3]}
  - key_split: {op: view, from: key, shape: [batch, seq, heads, hidden // heads]}
  - key_heads: {op: transpose, dims: [0, 2, 1, 3]}
  - value_split: {op: view, from: value, shape: [batch, seq, heads, hidden // heads]}
  - value_heads: {op: transpose, dims: [0, 2, 1, 3]}
  - attention: {op: attention, from: [query_heads, key_heads, value_heads]}
  - rows: {op: transpose, dims: [0, 2, 1, 3]}
  - joined: {op: copy}
  - flat: {op: view, shape: [batch, seq, hidden]}
  - out: {op: linear, out: hidden}
  - add: {op: add, from: [out, x]}
  - norm: layer_norm
  - head: {op: linear, out: 7}
"""

SHORT_UNET = """
title: down, up, and the skip beside it
source: made up
symbols: {batch: 2, image: 16}
inputs:
  x: [batch, 3, image, image]
layers:
  - down: {op: conv2d, out: 8, kernel: 3, padding: 1}
  - down_relu: {op: relu, inplace: true}
  - pool: {op: max_pool2d, kernel: 2}
  - deep: {op: conv2d, out: 16, kernel: 3, padding: 1, bias: false}
  - deep_norm: batch_norm
  - deep_act: {op: silu}
  - enlarge: {op: conv_transpose2d, out: 8, kernel: 2, stride: 2}
  - join: {op: concat, from: [down_relu, enlarge], dim: 1}
  - up: {op: conv2d, out: 8, kernel: 3, padding: 1}
  - up_act: {op: sigmoid}
  - shrink: {op: avg_pool2d, kernel: 2}
  - classify: {op: conv2d, out: 5, kernel: 1}
"""


class Attention(torch.nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (torch.nn.Linear(32, 32) for _ in range(4))
        self.norm, self.head = torch.nn.LayerNorm(32), torch.nn.Linear(32, 7)

    def forward(self, x: Any) -> Any:
        q, k, v = (part(x).view(2, 24, 4, 8).transpose(1, 2) for part in (self.query, self.key, self.value))
        mixed = (q @ k.transpose(2, 3)).softmax(-1) @ v
        return self.head(self.norm(self.out(mixed.transpose(1, 2).reshape(2, 24, 32)) + x))


class ShortUNet(torch.nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.Conv2d(16, 8, 3, padding=1)
        self.deep, self.norm = torch.nn.Conv2d(8, 16, 3, padding=1, bias=False), torch.nn.BatchNorm2d(16)
        self.enlarge, self.classify = torch.nn.ConvTranspose2d(16, 8, 2, stride=2), torch.nn.Conv2d(8, 5, 1)

    def forward(self, x: Any) -> Any:
        skip = functional.relu(self.down(x), inplace=True)
        deep = functional.silu(self.norm(self.deep(functional.max_pool2d(skip, 2))))
        up = self.up(torch.cat([skip, self.enlarge(deep)], 1))
        return self.classify(functional.avg_pool2d(torch.sigmoid(up), 2))


@pytest.mark.parametrize(
    ("text", "make", "shape"),
    [(ATTENTION, Attention, (2, 24, 32)), (SHORT_UNET, ShortUNet, (2, 3, 16, 16))],
    ids=["attention", "u-net"],
)
def test_modules(text: str, make: Callable[[], Any], shape: tuple[int, ...], tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(text, encoding="utf-8")
    module, x = make(), torch.randn(shape)
    real = hooked(module, lambda: cross_entropy(module, (x,)))
    # only the classes of the rows, 8 bytes each, and a scalar are not counted
    classes = kept(build(specs.load_network(path)), fused=False)
    assert classes == pytest.approx(real, rel=0.01)
    assert 0 < real - classes <= 8 * 2 * 8 * 8 + 4


IN_PLACE: dict[str, Callable[[Any], Any]] = {
    **{name: getattr(torch, f"{name}_") for name in ("relu", "neg", "sqrt", "exp", "tanh", "sigmoid")},
    **{
        name: lambda x, name=name: getattr(functional, name)(x, inplace=True)
        for name in ("relu6", "leaky_relu", "hardsigmoid", "hardswish", "silu")
    },
}
FRESH: dict[str, Callable[[Any], Any]] = {
    **{name: getattr(torch, name) for name in ("neg", "sqrt", "exp", "tanh", "sigmoid")},
    **{
        name: getattr(functional, name)
        for name in ("relu", "relu6", "leaky_relu", "hardsigmoid", "hardswish", "silu", "gelu")
    },
    "gelu_tanh": lambda x: functional.gelu(x, approximate="tanh"),
}


def test_all_functions_of_one_element_are_here() -> None:
    assert set(FRESH) == set(UNARY_FLOPS)


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("op", UNARY_FLOPS)
def test_functions_of_one_element(op: str, inplace: bool) -> None:
    """The result where the derivative is a function of it, else the input, which is copied if it is overwritten."""
    function = (IN_PLACE if inplace else FRESH).get(op)
    if function is None:
        pytest.skip(f"PyTorch has no {op} in place")
    linear = torch.nn.Linear(5, 6, bias=False)
    x = torch.randn(4, 5)
    real = hooked(linear, lambda: function(linear(x).abs()))  # abs keeps its own input: 96 bytes
    work = single("linear", {"out": 6, "bias": False}, [(4, 5)])
    tensors = dict(work.tensors)
    node = node_of(op, "act", ("linear",), {"inplace": inplace}, tensors, work.precision.storage)
    whole = kept(Workload("w", "", (*work.nodes, node), tensors, work.inputs, ("act",), {}, work.precision))
    assert whole - 96 == real - 96  # the logarithms of the loss, the input of abs


def test_gelu_in_steps_keeps_what_every_step_keeps() -> None:
    linear, x = torch.nn.Linear(5, 6, bias=False), torch.randn(4, 5)

    def steps() -> Any:
        y = linear(x)
        return (0.5 * y * (1.0 + torch.tanh(0.7978845608 * (y + 0.044715 * torch.pow(y, 3.0))))).abs()

    real = hooked(linear, steps)
    work = single("linear", {"out": 6, "bias": False}, [(4, 5)])
    tensors = dict(work.tensors)
    node = node_of("gelu_tanh", "act", ("linear",), {"steps": True}, tensors, work.precision.storage)
    whole = kept(Workload("w", "", (*work.nodes, node), tensors, work.inputs, ("act",), {}, work.precision))
    assert whole == real  # the logarithms of the loss, the input of abs


def test_dropout_keeps_a_byte_for_each_element(tmp_path: Path) -> None:
    text = "title: d\nsource: s\nsymbols: {batch: 3}\ninputs: {x: [batch, 8]}\nlayers:\n"
    text += "  - fc: {op: linear, out: 16}\n  - drop: dropout\n  - head: {op: linear, out: 4}\n"
    path = tmp_path / "net.yaml"
    path.write_text(text, encoding="utf-8")
    # x, the mask, the input of the head, the logarithms
    assert kept(build(specs.load_network(path))) == 3 * 8 * 4 + 3 * 16 * (1 + 4) + 3 * 4 * 4


def test_weights_are_there_anyway() -> None:
    # x is an input and saved; the weight is not counted
    assert kept(single("linear", {"out": 6}, [(4, 5)])) == 4 * 5 * 4 + 4 * 6 * 4
