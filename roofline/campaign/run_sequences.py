"""How are the operators of sequence networks and recommenders run in PyTorch? See :mod:`roofline.campaign.run`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from roofline.errors import Unsupported

Call = Callable[[], Any]


RECURRENT = {"rnn": 1, "lstm": 4, "gru": 3}
"""Gates of each recurrent layer."""


class Weights(Protocol):
    """The source of weights: :class:`roofline.campaign.run.Pool`."""

    def take(self, shape: Sequence[int]) -> Any: ...


def _rms_norm(torch: Any, tensors: Sequence[Any], attributes: Mapping[str, Any], pool: Weights) -> Call:
    x = tensors[0]
    width = (x.shape[-1],)
    weight = pool.take(width)
    function = torch.nn.functional.rms_norm
    return lambda: function(x, width, weight)


def _rotary(torch: Any, tensors: Sequence[Any], attributes: Mapping[str, Any]) -> Call:
    x = tensors[0]
    half = x.shape[-1] // 2
    angles = torch.rand(x.shape[-2:], device=x.device).to(x.dtype)
    cosine, sine = angles.cos(), angles.sin()
    return lambda: x * cosine + torch.cat((-x[..., half:], x[..., :half]), -1) * sine


def _kv_cache(torch: Any, tensors: Sequence[Any], attributes: Mapping[str, Any]) -> Call:
    x, length = tensors[0], int(attributes["length"])
    batch, heads, new, width = x.shape
    cache = x.new_zeros(batch, heads, length + new, width)
    rows = cache[:, :, length:]
    return lambda: rows.copy_(x)


def _topk(torch: Any, tensors: Sequence[Any], attributes: Mapping[str, Any]) -> Call:
    x, count = tensors[0], int(attributes["count"])
    return lambda: torch.topk(x, count, -1)


def _experts(torch: Any, tensors: Sequence[Any], attributes: Mapping[str, Any], pool: Weights) -> Call:
    """One expert after the other, as eager networks do; each token goes to experts drawn at random."""
    x, scores = (tensor.flatten(0, -2) for tensor in tensors)
    experts, width, features = int(attributes["experts"]), int(attributes["width"]), x.shape[-1]
    gate, up = (pool.take((experts, width, features)) for _ in range(2))
    down = pool.take((experts, features, width))
    odds = torch.rand(x.shape[0], experts, device=x.device)
    chosen = odds.topk(scores.shape[-1], -1).indices
    functional = torch.nn.functional

    def call() -> Any:
        result = torch.zeros_like(x)
        for expert in chosen.unique().tolist():
            rows, place = torch.where(chosen == expert)
            mine = x[rows]
            inner = functional.silu(functional.linear(mine, gate[expert])) * functional.linear(mine, up[expert])
            result.index_add_(0, rows, functional.linear(inner, down[expert]) * scores[rows, place, None])
        return result

    return call


def _recurrence(name: str, gates: int) -> Callable[..., Call]:
    def make(torch: Any, tensors: Sequence[Any], attributes: Mapping[str, Any], pool: Weights) -> Call:
        if attributes.get("skip_input"):
            raise Unsupported(f"PyTorch's {name} always has weights for its input")
        x, hidden = tensors[0], int(attributes["hidden"])
        layers, both = int(attributes.get("layers", 1)), bool(attributes.get("bidirectional", False))
        directions, weights = 2 if both else 1, []
        for layer in range(layers):
            width = x.shape[-1] if layer == 0 else directions * hidden
            for _ in range(directions):
                weights += [pool.take((gates * hidden, size)) for size in (width, hidden)]
                weights += [pool.take((gates * hidden,)) for _ in range(2)]
        state = x.new_zeros(layers * directions, x.shape[0], hidden)
        states = (state, state) if name == "lstm" else state
        function = getattr(torch, "rnn_tanh" if name == "rnn" else name)
        return lambda: function(x, states, weights, True, layers, 0.0, False, both, True)

    return make


def _embedding_bag(torch: Any, tensors: Sequence[Any], attributes: Mapping[str, Any], pool: Weights) -> Call:
    entries, shape = int(attributes["entries"]), tensors[0].shape
    ids = torch.randint(0, entries, shape, device=tensors[0].device).flatten(0, -2)
    table = pool.take((entries, int(attributes["features"])))
    function = torch.nn.functional.embedding_bag
    return lambda: function(ids, table, mode="sum")


WEIGHTLESS: dict[str, Callable[..., Call]] = {"rotary": _rotary, "kv_cache": _kv_cache, "topk": _topk}
WEIGHTED: dict[str, Callable[..., Call]] = {
    "rms_norm": _rms_norm,
    "experts": _experts,
    **{name: _recurrence(name, gates) for name, gates in RECURRENT.items()},
    "embedding_bag": _embedding_bag,
}
