"""How are operators run that differ in training, or exist only there? See :mod:`roofline.campaign.run`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from roofline.campaign.run_sequences import Call, Weights


def _batch_norm(torch: Any, tensors: Sequence[Any], attributes: Mapping[str, Any], pool: Weights) -> Call:
    x = tensors[0]
    weight, bias = pool.take((x.shape[1],)), pool.take((x.shape[1],))
    mean = variance = None
    if attributes.get("tracked", True):
        mean, variance = x.new_zeros(x.shape[1]), x.new_ones(x.shape[1])
    function = torch.nn.functional.batch_norm
    return lambda: function(x, mean, variance, weight, bias, training=True)


def _dropout(torch: Any, tensors: Sequence[Any], attributes: Mapping[str, Any], pool: Weights) -> Call:
    x, share = tensors[0], int(attributes.get("percent", 50)) / 100
    return lambda: torch.nn.functional.dropout(x, share)


def _cross_entropy(torch: Any, tensors: Sequence[Any], attributes: Mapping[str, Any], pool: Weights) -> Call:
    scores = tensors[0].flatten(0, -2)
    right = torch.randint(0, scores.shape[-1], scores.shape[:1], device=scores.device)
    return lambda: torch.nn.functional.cross_entropy(scores, right)


def _mean_squares(torch: Any, tensors: Sequence[Any], attributes: Mapping[str, Any], pool: Weights) -> Call:
    x, wanted = tensors[0], torch.randn_like(tensors[0])
    return lambda: torch.nn.functional.mse_loss(x, wanted)


TRAINING: dict[str, Callable[..., Call]] = {
    "batch_norm": _batch_norm,
    "dropout": _dropout,
    "cross_entropy": _cross_entropy,
    "mean_squares": _mean_squares,
}
