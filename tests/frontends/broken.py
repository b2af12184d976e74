"""Models that cannot be traced, each in its own way."""

# torch has no types here, so its classes count as unknown
# mypy: disable-error-code="misc"

from __future__ import annotations

from typing import Any

import torch
from torch import nn

Tensor = Any


class Branch(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + 1 if x.sum() > 0 else x - 1


class Shape(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x[x > 0]


class Moves(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.cuda() * 2


class Numpy(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(x.numpy()) * 2


class Nothing(nn.Module):
    def forward(self, x: Tensor) -> None:
        return None


class Two(nn.Module):
    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        return first + second


class Wide(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc = nn.Linear(width, 1)


class Raises(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise KeyError("expert 7")


class OwnGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(min=0) ** 2

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return 2 * x.clamp(min=0) * dy


class Squared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        return OwnGradient.apply(self.fc(x))


@torch.library.custom_op("broken::unheard", mutates_args=())
def unheard(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    return (x @ w).sin()


@torch.library.custom_op("broken::shaped", mutates_args=())
def shaped(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    return (x @ w).sin()


@shaped.register_fake
def _(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    return x.new_empty((x.shape[0], w.shape[1]))


class Custom(nn.Module):
    def __init__(self, op: Any) -> None:
        super().__init__()
        self.op, self.fc = op, nn.Linear(8, 16, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.op(x, self.fc.weight.t()))


def custom() -> nn.Module:
    return Custom(unheard)


def with_shapes() -> nn.Module:
    return Custom(shaped)


def state() -> dict[str, Tensor]:
    return dict(Squared().state_dict())


def raises() -> nn.Module:
    raise FileNotFoundError("weights.pt")


def on_gpu() -> nn.Module:
    return nn.Linear(8, 8).cuda()


def scripted() -> Any:
    return torch.jit.script(nn.Linear(8, 8))


def depths() -> nn.Module:
    """Reads numbers while it is built, as nets with stochastic depth do."""
    rates = [rate.item() for rate in torch.linspace(0, 0.1, 4)]
    return nn.Sequential(*(nn.Dropout(rate) for rate in rates), nn.Linear(8, 8))


class Talks(nn.Module):
    """Prints, and holds a tensor that is neither weight nor buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.scale = nn.Linear(8, 8), torch.ones(8)

    def forward(self, x: Tensor) -> Tensor:
        print("shape", tuple(x.shape))
        return self.fc(x.to(self.fc.weight.device)) * self.scale


number = 7
