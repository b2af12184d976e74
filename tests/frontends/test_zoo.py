"""Nets of many families: the work PyTorch itself counts, every parameter, and nearly nothing without a formula."""

from __future__ import annotations

from typing import Any

import pytest

from roofline.core.attention import square
from roofline.core.run import Recipe
from roofline.core.schedule import KINDS, PHASES, Schedule
from roofline.core.stack import Stack
from roofline.frontends.inputs import parse_input
from roofline.lowering import build, lower, lower_training, training_step

pytest.importorskip("torch")

import torch
from frontends.zoo import ZOO
from torch.utils.flop_counter import FlopCounterMode

from roofline.frontends.pytorch.tracing import Traced, trace

FIXED = {"vit": "image", "mixer": "image", "autoencoder": "image"}
"""Nets whose weights are of one size of image, and say so."""

UNCOVERED: dict[str, str] = {}
UNSEEN = ("style", "spatial-transformer")
"""Nets with small products that PyTorch's counter does not see: of vectors, of a grid."""
RECURRENT = ("lstm", "speech", "elman")


def matrix_flops(schedule: Schedule) -> float:
    """Fused attention computes its scores a second time on the way back; the counter sees the four products alone."""
    flops = schedule.all_flops * square(schedule)  # the counter takes no notice of a mask
    flops[schedule.in_family("attention") & (schedule.phase == PHASES.index("backward"))] *= 4 / 5
    return float(flops[schedule.kind == KINDS.index("matmul")].sum())


def covered(schedule: Schedule) -> tuple[float, float]:
    known = ~schedule.in_family("uncovered")
    bytes_, flops = schedule.all_bytes, schedule.all_flops
    return float(bytes_[known].sum() / bytes_.sum()), float(flops[known].sum() / flops.sum())


def convolution_backward(
    dy: Any, x: Any, w: Any, bias: Any, stride: Any, pad: Any, dilation: Any, turned: bool, *rest: Any, **_: Any
) -> int:
    """PyTorch's own formula forgets the groups."""
    pixels = (x if turned else dy)[2:]
    whole = 2 * x[0] * torch.Size(pixels).numel() * torch.Size(w).numel()
    mask = rest[2]
    return whole * (bool(mask[0]) + bool(mask[1]))


def counted(name: str, mode: str) -> float:
    """Operations of products as PyTorch counts them, of one forward pass or one with its gradients."""
    make, inputs = ZOO[name]
    kinds = {"int64": torch.int64}
    device = "cpu" if name == "translator" else "meta"  # it looks at the numbers of its mask
    with torch.device(device):
        module = make().train(mode == "training")
        given = [torch.zeros(one.shape, dtype=kinds.get(one.dtype, torch.float32)) for one in map(parse_input, inputs)]
        mapping = {torch.ops.aten.convolution_backward: convolution_backward}
        was = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            with FlopCounterMode(display=False, custom_mapping=mapping) as counter:
                out = module(*given)
                if mode == "training":
                    out.sum().backward()
        finally:
            torch.backends.mha.set_fastpath_enabled(was)
    return float(counter.get_total_flops())


@pytest.fixture(scope="module")
def traced() -> dict[tuple[str, str], Traced]:
    return {}


def net(name: str, mode: str, traced: dict[tuple[str, str], Traced]) -> Traced:
    if (name, mode) not in traced:
        traced[name, mode] = trace(*ZOO[name], mode=mode)
    return traced[name, mode]


@pytest.mark.parametrize("name", ZOO)
def test_inference(name: str, traced: dict[tuple[str, str], Traced]) -> None:
    found = net(name, "inference", traced)
    work = build(found.network)
    schedule = lower(work)
    assert work.parameters == sum(parameter.numel() for parameter in ZOO[name][0]().parameters())
    ours = matrix_flops(schedule)
    if name == "translator":  # counted on a CPU, whose attention the counter does not know
        ours -= float((schedule.all_flops * square(schedule))[schedule.in_family("attention")].sum())
    assert ours == pytest.approx(counted(name, "inference"), rel=0.01 if name in UNSEEN else 1e-12)
    assert min(covered(schedule)) >= 0.98
    assert {operation for operation, _ in found.uncovered} == ({UNCOVERED[name]} if name in UNCOVERED else set())


@pytest.mark.parametrize("name", ZOO)
def test_training(name: str, traced: dict[tuple[str, str], Traced]) -> None:
    """Gradients follow from the operators; PyTorch's autograd dispatches as much."""
    step = training_step(build(net(name, "training", traced).network), Recipe("adam"), Stack(), cuda=True)
    schedule = lower_training(step)
    # the state before the first step is a constant, and needs no gradient
    tolerance = 0.03 if name in RECURRENT else 0.01 if name in UNSEEN else 0.002
    assert matrix_flops(schedule) == pytest.approx(counted(name, "training"), rel=tolerance)
    assert min(covered(schedule)) >= 0.98


@pytest.mark.parametrize("name", ZOO)
def test_sizes_are_symbols_or_said_to_be_fixed(name: str, traced: dict[tuple[str, str], Traced]) -> None:
    found = net(name, "inference", traced)
    fixed = [note.split()[0] for note in found.notes if " is fixed at " in note]
    assert fixed == ([FIXED[name]] if name in FIXED else [])
    assert found.network.symbols
    for symbol, size in found.network.bind({}).items():
        if symbol == "image":
            continue
        once, twice = (matrix_flops(lower(build(found.network, {symbol: factor * size}))) for factor in (1, 2))
        assert once <= twice <= 4 * once, symbol


def test_there_are_many_families() -> None:
    assert len(ZOO) >= 30


def test_a_batch_of_one_that_takes_other_steps_is_said() -> None:
    """A copy that a batch of one does without: the net is that of two and more, and stays one with a batch."""

    class Turned(torch.nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return x.transpose(0, 1).reshape(-1) * 2

    found = trace(Turned, ["batch=1x8"])
    assert found.network.bind({}) == {"batch": 1}
    assert "at batch=1 the model takes other steps" in found.notes[0]
    assert [node.op for node in build(found.network, {"batch": 4}).nodes] == ["transpose", "copy", "view", "scale"]


def test_numbers_that_become_complex() -> None:
    found = trace(lambda: torch.nn.Sequential(Spectrum()), ["4x16x8"])
    assert found.uncovered == ()
    assert [node.op for node in build(found.network).nodes] == ["rearrange", "fft", "strided"]


class Spectrum(torch.nn.Module):  # type: ignore[misc]
    def forward(self, x: Any) -> Any:
        return torch.fft.fftn(x.to(torch.complex64), dim=(1, 2)).real
