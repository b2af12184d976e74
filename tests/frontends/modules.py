"""Nets of ``workloads/`` a third time, as users of PyTorch write them: what traces are compared with."""

# torch has no types here, so its classes count as unknown
# mypy: disable-error-code="misc"

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

Tensor = Any


def gelu_new(x: Tensor) -> Tensor:
    """GPT-2's own, in eight steps."""
    return 0.5 * x * (1.0 + torch.tanh(0.7978845608 * (x + 0.044715 * torch.pow(x, 3.0))))


class Gpt2Layer(nn.Module):
    """Keys and values go into a cache set aside beforehand, as in generation."""

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        self.qkv, self.attention_out = nn.Linear(hidden, 3 * hidden), nn.Linear(hidden, hidden)
        self.up, self.down = nn.Linear(hidden, 4 * hidden), nn.Linear(4 * hidden, hidden)
        self.drop = nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in self.qkv(self.norm1(x)).chunk(3, 2))
        keys, values = torch.empty_like(k), torch.empty_like(v)
        keys[:] = k
        values[:] = v
        mixed = functional.scaled_dot_product_attention(q, keys, values, is_causal=True)
        x = x + self.drop(self.attention_out(mixed.transpose(1, 2).flatten(2)))
        return x + self.drop(self.down(gelu_new(self.up(self.norm2(x)))))


class Gpt2(nn.Module):
    def __init__(self, hidden: int = 768, heads: int = 12, layers: int = 12) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(50257, hidden), nn.Embedding(1024, hidden)
        self.drop = nn.Dropout(0.1)
        self.layer = nn.ModuleList(Gpt2Layer(hidden, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(hidden)
        self.head = nn.Linear(hidden, 50257, bias=False)
        self.head.weight = self.words.weight

    def forward(self, ids: Tensor, position: Tensor) -> Tensor:
        x = self.drop(self.words(ids) + self.places(position))
        for layer in self.layer:
            x = layer(x)
        return self.head(self.norm(x))


class WordLstm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words, self.head = nn.Embedding(10000, 650), nn.Linear(650, 10000)
        self.drop = nn.Dropout()
        self.lstm = nn.ModuleList(nn.LSTM(650, 650, batch_first=True) for _ in range(2))

    def forward(self, ids: Tensor) -> Tensor:
        x = self.drop(self.words(ids))
        for layer in self.lstm:
            x = self.drop(layer(x)[0])
        return self.head(x)
