"""What traced nets with dropout, fused attention and recurrences keep for the backward, against autograd's hooks.

A GPU keeps a byte for each element of a dropout, as ``torch.native_dropout`` does here too (the CPU's own keeps four).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from test_saved import cross_entropy, hooked, kept

import roofline
from roofline.lowering import build

torch: Any = pytest.importorskip("torch")
functional, nn = torch.nn.functional, torch.nn


class Dropped(nn.Module):  # type: ignore[misc, name-defined]
    def __init__(self) -> None:
        super().__init__()
        self.up, self.down, self.drop = nn.Linear(16, 32), nn.Linear(32, 16), nn.Dropout(0.1)

    def forward(self, x: Any) -> Any:
        return self.down(self.drop(functional.gelu(self.up(x))))


class Attention(nn.Module):  # type: ignore[misc, name-defined]
    """Causal, fused; fewer heads of keys than of queries where asked."""

    def __init__(self, shared: int = 4) -> None:
        super().__init__()
        self.shared = shared
        self.query, self.out = nn.Linear(32, 32), nn.Linear(32, 7)
        self.key, self.value = nn.Linear(32, 8 * shared), nn.Linear(32, 8 * shared)

    def forward(self, x: Any) -> Any:
        heads = ((self.query, 4), (self.key, self.shared), (self.value, self.shared))
        q, k, v = (part(x).unflatten(-1, (count, 8)).transpose(1, 2) for part, count in heads)
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=self.shared < 4)
        return self.out(mixed.transpose(1, 2).flatten(2))


class Encoder(nn.Module):  # type: ignore[misc, name-defined]
    """A layer of a transformer; its attention drops nothing, which the CPU would do in steps."""

    def __init__(self, norm_first: bool) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True, norm_first=norm_first)
        self.layer.self_attn.dropout = 0.0
        self.head = nn.Linear(32, 5)

    def forward(self, x: Any) -> Any:
        return self.head(self.layer(x))


class Recurrent(nn.Module):  # type: ignore[misc, name-defined]
    def __init__(self, kind: str, **how: Any) -> None:
        super().__init__()
        self.layer = getattr(nn, kind)(16, 32, batch_first=True, **how)
        self.head = nn.Linear(32 * (2 if how.get("bidirectional") else 1), 5)

    def forward(self, x: Any) -> Any:
        return self.head(self.layer(x)[0])


def real_and_ours(
    monkeypatch: pytest.MonkeyPatch, make: Callable[[], Any], shape: tuple[int, ...]
) -> tuple[int, float]:
    """Bytes saved by PyTorch, less the classes of the loss (8 bytes a row, and a scalar), and by the traced net."""
    ours = kept(build(roofline.trace(make, ["x".join(map(str, shape))], mode="training")))
    dropped = lambda x, p=0.5, training=True, inplace=False: torch.native_dropout(x, p, True)[0]  # noqa: E731
    monkeypatch.setattr(functional, "dropout", dropped)
    module, x = make().train(), torch.randn(shape)
    real = hooked(module, lambda: cross_entropy(module, (x,)))
    rows = module(x).flatten(0, -2).shape[0]
    return real - 8 * rows - 4, ours


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (Dropped, (4, 16)),
        (Attention, (2, 24, 32)),
        (lambda: Attention(shared=2), (2, 24, 32)),
        (lambda: Encoder(norm_first=False), (2, 24, 32)),
        (lambda: Encoder(norm_first=True), (2, 24, 32)),
    ],
    ids=["dropout", "attention", "grouped heads", "encoder", "encoder, norms first"],
)
def test_nets(monkeypatch: pytest.MonkeyPatch, make: Callable[[], Any], shape: tuple[int, ...]) -> None:
    real, ours = real_and_ours(monkeypatch, make, shape)
    assert ours == pytest.approx(real, rel=0.002)


@pytest.mark.parametrize("how", [{}, {"num_layers": 2}, {"bidirectional": True}], ids=str)
@pytest.mark.parametrize(("kind", "gates"), [("RNN", 0), ("GRU", 3), ("LSTM", 4)])
def test_recurrences(monkeypatch: pytest.MonkeyPatch, kind: str, gates: int, how: dict[str, Any]) -> None:
    """A library keeps results and gates of every step; PyTorch on a CPU runs the steps one by one and keeps more."""
    real, ours = real_and_ours(monkeypatch, lambda: Recurrent(kind, **how), (3, 6, 16))
    parts = how.get("num_layers", 1) * (2 if how.get("bidirectional") else 1)
    least = 3 * 6 * 4 * (16 + parts * 32 * (gates + 1))  # input, and for each part its result and gates
    assert least <= ours <= real
