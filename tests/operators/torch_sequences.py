"""The operators of sequence nets, recommenders and hashes as torch calls, for shapes and counted work."""

from __future__ import annotations

from typing import Any

from roofline.core.workload import Node


def call(torch: Any, node: Node, inputs: list[Any], weights: list[Any]) -> Any:
    """The result of a node, or None where it is no operator of these."""
    functional, given = torch.nn.functional, node.attributes
    x = inputs[0] if inputs else None
    match node.op:
        case "rms_norm":
            return functional.rms_norm(x, x.shape[-1:], weights[0])
        case "rotary":
            half = x.shape[-1] // 2
            return x * x + torch.cat([-x[..., half:], x[..., :half]], -1) * x
        case "kv_cache":
            return torch.cat([weights[0][:, :, : given["length"]], x], 2)
        case "attention":
            return functional.scaled_dot_product_attention(*inputs, is_causal=given["causal"], enable_gqa=True)
        case "parameter":
            return weights[0]
        case "expand":
            return x.expand(given["shape"])
        case "embedding_bag":
            return functional.embedding_bag(x, weights[0], mode="sum")
        case "topk":
            return torch.topk(x, given["count"])[0]
        case "experts":
            return experts(functional, inputs, weights)
        case "rnn" | "lstm" | "gru":
            return recurrence(torch, node, x, weights)
        case "opaque":
            return torch.empty(given["shape"])
        case "matmul":
            return torch.matmul(x, inputs[1].transpose(-1, -2) if given["transpose_b"] else inputs[1])
        case "select":
            return x.select(given["dim"], given["index"])
        case "softmax":
            return torch.softmax(x, -1)
        case "sum":
            return x.sum(-1)
        case "copy":
            return x.clone()
        case "pow":
            return torch.pow(*inputs)
        case "div":
            return torch.div(*inputs)
    return None


def experts(functional: Any, inputs: list[Any], weights: list[Any]) -> Any:
    """As if one expert did the work of all: the same products on the same number of rows."""
    x, scores = inputs
    gate, up, down = (weight[0] for weight in weights)
    rows = x.flatten(0, -2).repeat_interleave(scores.shape[-1], 0)
    out = functional.linear(functional.silu(functional.linear(rows, gate)) * functional.linear(rows, up), down)
    return (out.view(*scores.shape, -1) * scores[..., None]).sum(-2)


def recurrence(torch: Any, node: Node, x: Any, weights: list[Any]) -> Any:
    """A whole stack of layers by torch's own function, from states of zeros."""
    given = node.attributes
    directions = 2 if given["bidirectional"] else 1
    state = x.new_empty(given["layers"] * directions, x.shape[0], given["hidden"])
    states = (state, state) if node.op == "lstm" else state
    function = {"rnn": torch.rnn_tanh, "lstm": torch.lstm, "gru": torch.gru}[node.op]
    options = (True, given["layers"], 0.0, False, given["bidirectional"], True)
    return function(x, states, weights, *options)[0]
