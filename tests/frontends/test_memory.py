"""What the forward pass of a traced net keeps for its gradients, against what autograd really saves on a CPU."""

from __future__ import annotations

from dataclasses import replace

import pytest

from roofline.core.run import Recipe
from roofline.core.stack import Stack
from roofline.core.workload import Workload
from roofline.frontends.inputs import parse_input
from roofline.lowering import build, saved_bytes, training_step
from roofline.lowering.build import node_of

pytest.importorskip("torch")

import torch
from frontends.zoo import ZOO

from roofline.frontends import trace

NETS = (
    *("vgg", "densenet", "mobilenet-v3", "shufflenet", "unet", "deeplab", "mixer", "pointnet", "video", "graph"),
    *("generator", "superresolution", "metric", "field"),
)
"""Nets whose kernels on a CPU are those counted here: no dropout, no fused attention, no recurrence."""


def with_squares(work: Workload) -> Workload:
    """The mean of squares as loss, as below."""
    if work.tensors[work.outputs[0]].shape in ((), (1,)):
        return work
    tensors = dict(work.tensors)
    node = node_of("mean_squares", "squares", (work.outputs[0],), {}, tensors, work.precision.storage)
    return replace(work, nodes=(*work.nodes, node), tensors=tensors, outputs=("squares",))


def really_saved(name: str) -> int:
    """Bytes of the storages that hooks of autograd see; weights, buffers and the target of the loss aside."""
    make, inputs = ZOO[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = make().train()
        for parameter in module.parameters():
            torch.nn.init.normal_(parameter, std=0.02)
        shapes = [parse_input(one) for one in inputs]
        given = [
            torch.zeros(one.shape, dtype=torch.int64) if one.dtype == "int64" else torch.rand(one.shape)
            for one in shapes
        ]
    own = {tensor.untyped_storage().data_ptr() for tensor in (*module.parameters(), *module.buffers())}
    found: dict[int, int] = {}
    alive = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        alive.append(tensor)
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            found[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = module(*given)
        target = torch.zeros_like(out)
        if out.dim():
            torch.nn.functional.mse_loss(out, target)
    return sum(size for place, size in found.items() if place != target.untyped_storage().data_ptr())


@pytest.mark.parametrize("name", NETS)
def test_saved_for_the_gradients(name: str) -> None:
    work = with_squares(build(trace(*ZOO[name], mode="training")))
    kept = saved_bytes(training_step(work, Recipe(), Stack(), cuda=False))
    assert kept == pytest.approx(really_saved(name), rel=0.01)
