"""Sequence nets and a recommender in plain PyTorch, written from their papers, to count parameters and work.

Attention is spelt out as two products, so that the counter of FLOPs sees them whatever runs them.
"""

# torch has no types here, so its classes count as unknown
# mypy: disable-error-code="misc"

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional

Tensor = Any


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """(batch, length, heads, head) each; fewer heads of keys than of queries are shared."""
    groups = q.shape[2] // k.shape[2]
    k, v = (part.repeat_interleave(groups, 2).transpose(1, 2) for part in (k, v))
    q = q.transpose(1, 2)
    scores = torch.softmax(q @ k.transpose(-1, -2), -1)
    return (scores @ v).transpose(1, 2).flatten(2)


class Encoder(nn.Module):
    """One layer of BERT: attention and a feed-forward part, each added and normalised after."""

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.out = (nn.Linear(hidden, hidden) for _ in range(4))
        self.up, self.down = nn.Linear(hidden, 4 * hidden), nn.Linear(4 * hidden, hidden)
        self.norm1, self.norm2 = nn.LayerNorm(hidden), nn.LayerNorm(hidden)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (part(x).unflatten(2, (self.heads, -1)) for part in (self.q, self.k, self.v))
        x = self.norm1(x + self.out(attend(q, k, v)))
        return self.norm2(x + self.down(functional.gelu(self.up(x))))


class Bert(nn.Module):
    def __init__(self, hidden: int, heads: int, layers: int, types: int) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(30522, hidden), nn.Embedding(512, hidden)
        self.types = nn.Embedding(types, hidden) if types else None
        self.norm = nn.LayerNorm(hidden)
        self.layers = nn.Sequential(*(Encoder(hidden, heads) for _ in range(layers)))

    def forward(self, ids: Tensor, position: Tensor, kind: Tensor | None = None) -> Tensor:
        x = self.words(ids) + self.places(position)
        return self.layers(self.norm(x if self.types is None else x + self.types(kind)))


class Decoder(nn.Module):
    """One layer of GPT-2 or OPT: normalised before, biases everywhere."""

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(hidden, 3 * hidden), nn.Linear(hidden, hidden)
        self.up, self.down = nn.Linear(hidden, 4 * hidden), nn.Linear(4 * hidden, hidden)
        self.norm1, self.norm2 = nn.LayerNorm(hidden), nn.LayerNorm(hidden)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (part.unflatten(2, (self.heads, -1)) for part in self.qkv(self.norm1(x)).chunk(3, 2))
        x = x + self.out(attend(q, k, v))
        return x + self.down(functional.gelu(self.up(self.norm2(x))))


class Gpt(nn.Module):
    def __init__(self, hidden: int, heads: int, layers: int, positions: int, vocabulary: int = 50257) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(vocabulary, hidden), nn.Embedding(positions, hidden)
        self.layers = nn.Sequential(*(Decoder(hidden, heads) for _ in range(layers)))
        self.norm = nn.LayerNorm(hidden)

    def forward(self, ids: Tensor, position: Tensor) -> Tensor:
        x = self.layers(self.words(ids) + self.places(position))
        return functional.linear(self.norm(x), self.words.weight)


class Gated(nn.Module):
    """down(silu(gate x) * up x)."""

    def __init__(self, hidden: int, width: int) -> None:
        super().__init__()
        self.gate, self.up = nn.Linear(hidden, width, bias=False), nn.Linear(hidden, width, bias=False)
        self.down = nn.Linear(width, hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(functional.silu(self.gate(x)) * self.up(x))


class Mixture(nn.Module):
    """Every token goes to two experts; here the same two, which changes nothing that is counted."""

    def __init__(self, hidden: int, width: int, experts: int) -> None:
        super().__init__()
        self.router = nn.Linear(hidden, experts, bias=False)
        self.experts = nn.ModuleList(Gated(hidden, width) for _ in range(experts))

    def forward(self, x: Tensor) -> Tensor:
        scores, _ = torch.softmax(self.router(x), -1).topk(2)
        scores = scores / scores.sum(-1, keepdim=True)
        return self.experts[0](x) * scores[..., :1] + self.experts[1](x) * scores[..., 1:]


class LlamaLayer(nn.Module):
    def __init__(self, hidden: int, heads: int, kv_heads: int, width: int, experts: int) -> None:
        super().__init__()
        self.head = hidden // heads
        self.q, self.out = (nn.Linear(hidden, hidden, bias=False) for _ in range(2))
        self.k, self.v = (nn.Linear(hidden, kv_heads * self.head, bias=False) for _ in range(2))
        self.mlp = Mixture(hidden, width, experts) if experts else Gated(hidden, width)
        self.norm1, self.norm2 = nn.RMSNorm(hidden), nn.RMSNorm(hidden)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(x)
        q, k, v = (part(y).unflatten(2, (-1, self.head)) for part in (self.q, self.k, self.v))
        x = x + self.out(attend(q, k, v))
        return x + self.mlp(self.norm2(x))


class Llama(nn.Module):
    """Rotations of queries and keys have neither weights nor products and are left out."""

    def __init__(
        self, hidden: int, heads: int, kv_heads: int, width: int, layers: int, vocabulary: int, experts: int = 0
    ) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, hidden)
        self.layers = nn.Sequential(*(LlamaLayer(hidden, heads, kv_heads, width, experts) for _ in range(layers)))
        self.norm, self.head = nn.RMSNorm(hidden), nn.Linear(hidden, vocabulary, bias=False)

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(self.norm(self.layers(self.words(ids))))


class Vit(nn.Module):
    def __init__(self, hidden: int = 768, heads: int = 12, layers: int = 12) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, hidden, 16, 16)
        self.token = nn.Parameter(torch.empty(1, 1, hidden))
        self.places = nn.Parameter(torch.empty(1, 197, hidden))
        self.layers = nn.Sequential(*(Decoder(hidden, heads) for _ in range(layers)))
        self.norm, self.head = nn.LayerNorm(hidden), nn.Linear(hidden, 1000)

    def forward(self, x: Tensor) -> Tensor:
        rows = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), rows], 1) + self.places
        return self.head(self.norm(self.layers(x))[:, 0])


class WordLstm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words, self.head = nn.Embedding(10000, 650), nn.Linear(650, 10000)
        self.lstm = nn.LSTM(650, 650, 2, batch_first=True)

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(self.lstm(self.words(ids))[0])


class Gnmt(nn.Module):
    """Encoder of four layers, the first both ways; decoder of four, the first asks the attention."""

    def __init__(self, vocabulary: int = 32320, hidden: int = 1024) -> None:
        super().__init__()

        def lstm(width: int, both: bool = False) -> nn.LSTM:
            return nn.LSTM(width, hidden, batch_first=True, bidirectional=both)

        self.words = nn.Embedding(vocabulary, hidden)
        self.encoder = nn.ModuleList([lstm(hidden, True), lstm(2 * hidden), lstm(hidden), lstm(hidden)])
        self.decoder = nn.ModuleList([lstm(hidden), *(lstm(2 * hidden) for _ in range(3))])
        self.query, self.key = (nn.Linear(hidden, hidden, bias=False) for _ in range(2))
        self.score, self.shift = nn.Linear(hidden, 1, bias=False), nn.Parameter(torch.empty(hidden))
        self.scale = nn.Parameter(torch.empty(1))
        self.head = nn.Linear(hidden, vocabulary)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        x = self.encoder[1](self.encoder[0](self.words(source))[0])[0]
        for layer in self.encoder[2:]:
            x = x + layer(x)[0]
        y = self.decoder[0](self.words(target))[0]
        pairs = torch.tanh(self.query(y)[:, :, None] + self.key(x)[:, None] + self.shift)
        context = torch.softmax(self.score(pairs)[..., 0] * self.scale, -1) @ x
        y = self.decoder[1](torch.cat([y, context], 2))[0]
        for layer in self.decoder[2:]:
            y = y + layer(torch.cat([y, context], 2))[0]
        return self.head(y)


class Dlrm(nn.Module):
    """Dense features and rows of tables, their products with each other, and two stacks of linear layers."""

    def __init__(self, tables: list[int]) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.EmbeddingBag(rows, 128, mode="sum") for rows in tables)
        self.bottom = self.stack(13, 512, 256, 128)
        inputs = len(tables) * (len(tables) + 1) // 2 + 128
        self.top = self.stack(inputs, 1024, 1024, 512, 256, 1)

    @staticmethod
    def stack(*sizes: int) -> nn.Sequential:
        return nn.Sequential(*(nn.Sequential(nn.Linear(a, b), nn.ReLU()) for a, b in pairwise(sizes)))

    def forward(self, dense: Tensor, ids: Tensor) -> Tensor:
        x = self.bottom(dense)
        rows = torch.stack([x, *(table(i) for table, i in zip(self.tables, ids, strict=True))], 1)
        grid = rows @ rows.transpose(1, 2)
        lower = torch.tril_indices(grid.shape[1], grid.shape[1], -1, device=grid.device)
        return self.top(torch.cat([x, grid[:, lower[0], lower[1]]], 1))
