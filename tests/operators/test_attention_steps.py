"""Attention that is not fused: the same kernels on the same bytes as eager PyTorch, forward and backward."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import pytest

from roofline import specs
from roofline.core.run import Recipe
from roofline.core.stack import Stack
from roofline.core.workload import Workload
from roofline.lowering import build, lower, lower_training, memory_of, training_step
from roofline.lowering.nodes import case_of, lowered
from roofline.lowering.training import gradient_kernels, saved_by
from roofline.operators.case import Case

EAGER = Stack(fused_attention=False)
HEADS, SIZE, LENGTH = 4, 8, 6
NET = """
title: attention
source: made up
symbols: {{batch: 2, seq: 6, hidden: 32, heads: 4, shared: 4}}
inputs: {{x: [batch, seq, hidden]}}
layers:
  - query: {{op: linear, from: x, out: hidden, bias: false}}
  - query_split: {{op: view, shape: [batch, seq, heads, 8]}}
  - query_heads: {{op: transpose, dims: [0, 2, 1, 3]}}
  - key: {{op: linear, from: x, out: 8 * shared, bias: false}}
  - key_split: {{op: view, shape: [batch, seq, shared, 8]}}
  - key_heads: {{op: transpose, dims: [0, 2, 1, 3]}}
  - value: {{op: linear, from: x, out: 8 * shared, bias: false}}
  - value_split: {{op: view, shape: [batch, seq, shared, 8]}}
  - value_heads: {{op: transpose, dims: [0, 2, 1, 3]}}
  - attention: {{op: attention, from: [query_heads, key_heads, value_heads], {attributes}}}
  - rows: {{op: transpose, dims: [0, 2, 1, 3]}}
  - joined: {{op: view, shape: [batch, seq, hidden]}}
"""


def net(folder: Path, attributes: str, **symbols: int) -> Workload:
    path = folder / "net.yaml"
    path.write_text(NET.format(attributes=attributes), encoding="utf-8")
    return build(specs.load_network(path), symbols)


def case_in(work: Workload, stack: Stack = EAGER) -> Case:
    return case_of(next(node for node in work.nodes if node.op == "attention"), work, stack)


def module(attributes: dict[str, Any], batch: int, shared: int) -> Callable[..., Any]:
    """Eager attention as Hugging Face writes it."""
    import torch

    def attend(x: Any, weights: list[Any], mask: Any) -> Any:
        split = [(x @ w.t()).view(batch, LENGTH, -1, SIZE).transpose(1, 2) for w in weights]
        times = HEADS // shared
        if times > 1:
            split[1:] = [
                t[:, :, None].expand(batch, shared, times, LENGTH, SIZE).reshape(batch, HEADS, LENGTH, SIZE)
                for t in split[1:]
            ]
        q, k, v = split
        scores = torch.matmul(q, k.transpose(2, 3)) / SIZE**0.5
        if attributes.get("padded"):
            scores = scores + mask
        elif attributes.get("causal"):
            scores = scores.masked_fill(mask, -1e9)
        chances = torch.softmax(scores, -1)
        if attributes.get("dropout"):
            chances, _ = torch.native_dropout(chances, 0.1, True)
        return torch.matmul(chances, v).transpose(1, 2).contiguous().view(batch, LENGTH, HEADS * SIZE)

    return attend


FREE = (
    *("view", "t", "transpose", "expand", "detach", "alias", "unsqueeze", "squeeze", "slice", "permute"),
    *("_unsafe_view", "empty_like", "ones_like"),
)
Calls = list[tuple[str, float, float]]


def launched(attributes: dict[str, Any], batch: int, shared: int) -> tuple[Calls, Calls]:
    """(operation, bytes read, bytes written) of every kernel between the projections, forward and backward."""
    torch = pytest.importorskip("torch")
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    found: Calls = []

    def size(values: Any) -> float:
        tensors = [value for value in tree_leaves(values) if isinstance(value, torch.Tensor)]
        stored = {
            t.data_ptr(): t.itemsize * prod(n for n, s in zip(t.shape, t.stride(), strict=True) if s) for t in tensors
        }
        return float(sum(stored.values()))

    class Log(TorchDispatchMode):  # type: ignore[misc]
        def __torch_dispatch__(self, call: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            out = call(*args, **(kwargs or {}))
            name = call.overloadpacket.__name__
            if name not in (*FREE, "mm"):  # the projections are other operators
                found.append((name, size((args, kwargs)), size(out)))
            return out

    x = torch.randn(batch, LENGTH, HEADS * SIZE, requires_grad=True)
    weights = [torch.randn(SIZE * n, HEADS * SIZE, requires_grad=True) for n in (HEADS, shared, shared)]
    if attributes.get("padded"):
        mask = torch.zeros(batch, 1, LENGTH if attributes.get("causal") else 1, LENGTH)
    else:
        mask = torch.zeros(LENGTH, LENGTH, dtype=torch.bool)
    with Log():
        result = module(attributes, batch, shared)(x, weights, mask)
        forward = found.copy()
        ones = torch.ones_like(result)
        found.clear()
        torch.autograd.grad(result, [x, *weights], ones)
    return forward, [call for call in found if call[0] != "add"]  # sums of the gradients of x


ATTRIBUTES: list[dict[str, Any]] = [
    {},
    {"causal": True, "dropout": 10},
    {"padded": True, "dropout": 10},
    {"causal": True, "padded": True},
]


@pytest.mark.parametrize(("batch", "shared"), [(1, 4), (3, 4), (1, 2), (2, 2)])
@pytest.mark.parametrize("attributes", ATTRIBUTES)
def test_pytorch_launches_the_same_kernels_on_the_same_bytes(
    attributes: dict[str, Any], batch: int, shared: int, tmp_path: Path
) -> None:
    text = ", ".join(f"{name}: {str(value).lower()}" for name, value in attributes.items()) or "causal: false"
    work = replace(net(tmp_path, text, batch=batch, shared=shared), training=True)
    forward, backward = launched(attributes, batch, shared)
    case = case_in(work)
    assert sorted((k.reads, k.writes) for k in lowered(case).kernels) == sorted(call[1:] for call in forward)
    step = training_step(work, Recipe("none"), EAGER, cuda=False)
    ours = sorted((k.reads, k.writes) for k in gradient_kernels(case_in(step.workload), step))
    assert ours == sorted(call[1:] for call in backward)


@pytest.mark.parametrize(("batch", "shared"), [(1, 4), (3, 4), (2, 2)])
@pytest.mark.parametrize("attributes", ATTRIBUTES)
def test_pytorch_keeps_the_same_bytes(attributes: dict[str, Any], batch: int, shared: int, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    text = ", ".join(f"{name}: {str(value).lower()}" for name, value in attributes.items()) or "causal: false"
    work = replace(net(tmp_path, text, batch=batch, shared=shared), training=True)
    node = next(node for node in work.nodes if node.op == "attention")
    kept = saved_by(node, work, EAGER)
    ours = kept.extra + sum(work.tensors[name].bytes for name in kept.names(node))
    x = torch.randn(batch, LENGTH, HEADS * SIZE, requires_grad=True)
    weights = [torch.randn(SIZE * n, HEADS * SIZE, requires_grad=True) for n in (HEADS, shared, shared)]
    rows = LENGTH if attributes.get("causal") else 1
    padded = attributes.get("padded")
    mask = torch.zeros(batch, 1, rows, LENGTH) if padded else torch.zeros(LENGTH, LENGTH, dtype=torch.bool)
    given = {t.untyped_storage().data_ptr() for t in (x, mask, *weights)}
    storages: dict[int, int] = {}

    def pack(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in given:
            storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = module(attributes, batch, shared)(x, weights, mask)
    assert result.shape == (batch, LENGTH, HEADS * SIZE)
    assert ours == sum(storages.values())


def test_what_lies_in_a_cache_is_not_copied_again() -> None:
    work = build(
        specs.load_network("gpt2"), {"batch": 2, "seq": 8, "layers": 1, "hidden": 32, "heads": 4, "context": 4}
    )
    ops = [k.op for k in lowered(case_in(work)).kernels]
    assert ops == ["copy", "matmul", "scale", "mask", "softmax", "matmul", "copy"]  # of q, and of the result
    # one new token: nothing is in another order, and no probability is dropped outside of training
    one = build(specs.load_network("gpt2"), {"batch": 2, "seq": 1, "layers": 1, "hidden": 32, "heads": 4, "context": 4})
    assert [k.op for k in lowered(case_in(one)).kernels] == ["matmul", "scale", "mask", "softmax", "matmul"]


def test_compilers_merge_what_runs_over_the_scores() -> None:
    work = build(specs.load_network("gpt2"), {"batch": 2, "seq": 8, "layers": 1, "hidden": 32, "heads": 4})
    eager, merged = (lower(work, Stack(mode=mode, fused_attention=False)) for mode in ("eager", "compiled"))
    assert "scale+mask+softmax" in merged.op_labels()
    assert merged.op_labels().count("scale") == 0
    assert eager.op_labels().count("pow") == 1
    assert merged.op_labels().count("pow") == 0
    assert "attention" in lower(work).family_names()


def test_two_tables_of_scores_are_there_at_once() -> None:
    sizes = {"batch": 1, "seq": 64, "layers": 1, "hidden": 32, "heads": 4, "vocabulary": 8}
    work = build(specs.load_network("gpt2"), sizes)
    table = 4 * 64 * 64 * 4
    assert memory_of(work, EAGER).workspace == 2 * table
    step = training_step(work, Recipe("none"), EAGER, cuda=True)
    assert lower_training(step).op_labels().count("softmax_backward") == 1
