"""No gradient is lost on its way through a tensor that was written into, whatever the spelling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from roofline.core.run import Recipe  # noqa: E402
from roofline.core.schedule import KINDS, PHASES  # noqa: E402
from roofline.core.stack import Stack  # noqa: E402
from roofline.frontends import trace  # noqa: E402
from roofline.lowering import build, lower_training, training_step  # noqa: E402


class Written(nn.Module):
    """A linear layer whose result is written somewhere, and read from there."""

    def __init__(self, write: Callable[[Any], Any]) -> None:
        super().__init__()
        self.linear = nn.Linear(16, 16, bias=False)
        self.write = write

    def forward(self, x: Any) -> Any:
        return self.write(self.linear(x))


def _items(k: Any) -> Any:
    out = torch.zeros_like(k)
    for t in range(4):
        out[:, t] = k[:, t]
    return out


def _lists(k: Any) -> Any:
    out = [torch.zeros_like(k), torch.zeros_like(k)]
    torch._foreach_add_(out, [k, k])
    return out[0]


def _into(method: Callable[[Any, Any], Any], shape: tuple[int, ...] = (8, 4, 16)) -> Callable[[Any], Any]:
    def write(k: Any) -> Any:
        out = torch.zeros(shape, device=k.device)
        method(out, k)
        return out

    return write


ROWS = torch.arange(4)
SPELLINGS: dict[str, Callable[[Any], Any]] = {
    "items": _items,
    "copy": _into(lambda out, k: out.copy_(k)),
    "slices of a view": _into(lambda out, k: out.view(-1)[: k.numel()].copy_(k.reshape(-1))),
    "transposed": _into(lambda out, k: out.transpose(0, 1).copy_(k.transpose(0, 1)), (8, 4, 16)),
    "add to a slice": _into(lambda out, k: out[:, 1:].add_(k[:, 1:])),
    "multiply a select": _into(lambda out, k: out[:, 0].add_(1).mul_(k[:, 0])),
    "unbind": _into(lambda out, k: [part.add_(k[:, i]) for i, part in enumerate(out.unbind(1))]),
    "chunk": _into(lambda out, k: out.chunk(2, 1)[1].copy_(k.chunk(2, 1)[0])),
    "narrow": _into(lambda out, k: out.narrow(1, 0, 2).copy_(k[:, :2])),
    "diagonal": _into(lambda out, k: out.diagonal(0, 1, 2).copy_(k[:, 0, :4])),
    "flattened": _into(lambda out, k: out.flatten().add_(k.flatten())),
    "data": _into(lambda out, k: out.squeeze(0).unsqueeze(0).add_(k)),
    "index_put": _into(lambda out, k: out.index_put_((ROWS.to(k.device),), k[:4])),
    "index_add": _into(lambda out, k: out.index_add_(0, ROWS.to(k.device), k[:4])),
    "index_copy of a view": _into(lambda out, k: out.view(32, 16).index_copy_(0, ROWS.to(k.device), k[0])),
    "index_fill": lambda k: k.index_fill_(1, ROWS.to(k.device)[:2], 0.0),
    "scatter": _into(lambda out, k: out.scatter_(1, torch.zeros_like(k, dtype=torch.int64), k)),
    "scatter_add": _into(lambda out, k: out[:, :2].scatter_add_(1, torch.zeros_like(k, dtype=torch.int64), k)),
    "mask": _into(lambda out, k: out.masked_scatter_(k > 0, k)),
    "where": _into(lambda out, k: torch.where(k > 0, k, k.neg(), out=out)),
    "out": _into(lambda out, k: torch.mul(k, 2, out=out)),
    "out of a slice": _into(lambda out, k: torch.mul(k[:, 0], 2, out=out[:, 0])),
    "cat out": _into(lambda out, k: torch.cat([k[:, :2], k[:, 2:]], 1, out=out)),
    "lists": _lists,
    "slice_scatter": lambda k: torch.zeros_like(k).slice_scatter(k[:, :2], 1, 0, 2),
    "select_scatter": lambda k: torch.zeros_like(k).select_scatter(k[:, 0], 1, 0),
    "diagonal_scatter": lambda k: torch.zeros_like(k).diagonal_scatter(k[:, 0, :4], 0, 1, 2),
    "swapped": _into(lambda out, k: out.swapaxes(0, 1)[0].lerp_(k[:, 0], 0.5)),
    "addcmul": _into(lambda out, k: out[0].addcmul_(k[0], k[1])),
    "zeroed after": lambda k: k.clone()[:, :2].zero_().add_(k[:, 2:]),
    "relu of a part": lambda k: (k[:, 1:].relu_(), k)[1],
    "filled diagonal": lambda k: k[0, :, :4].fill_diagonal_(0).sum() + k.sum(),
    "set": _into(lambda out, k: out.__setitem__((slice(None), slice(0, None, 2)), k[:, ::2])),
}


def backward(make: Callable[[], nn.Module], given: list[str]) -> float:
    """FLOP of matrix multiplications on the way back."""
    network = trace(make, given, mode="training")
    step = training_step(build(network, {}), Recipe("none"), Stack(), cuda=False)
    schedule = lower_training(step)
    back = (schedule.kind == KINDS.index("matmul")) & (schedule.phase == PHASES.index("backward"))
    return float(schedule.all_flops[back].sum())


@pytest.mark.parametrize("name", SPELLINGS)
def test_gradient_arrives(name: str) -> None:
    """The gradient of the weights is 2 x 32 rows x 16 x 16 FLOP; the input has none."""
    assert backward(lambda: Written(SPELLINGS[name]), ["8x4x16"]) == 2 * 32 * 16 * 16


def test_what_the_trace_cannot_follow_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the views, gradients are lost; the tracer notices by what shares memory."""
    from roofline.frontends.pytorch.recorder import Recorder

    monkeypatch.setattr(Recorder, "_aliased", lambda *_: None)
    network = trace(lambda: Written(SPELLINGS["add to a slice"]), ["8x4x16"], mode="training")
    assert any("gradients may be missing" in note and "linear" in note for note in network.notes)


@pytest.mark.parametrize("name", SPELLINGS)
def test_nothing_is_said_where_nothing_is_lost(name: str) -> None:
    network = trace(lambda: Written(SPELLINGS[name]), ["8x4x16"], mode="training")
    assert not any("missing" in note for note in network.notes)
