"""How is one operator run in PyTorch, exactly as an eager network would call it?

Every operator of the table becomes a function without arguments. Weights are windows into one large pool and rotate
from call to call, so they come from DRAM as in a network whose weights exceed the last-level cache. Activations are
allocated once per operator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from roofline.campaign import run_gradients, run_images, run_optimizers, run_sequences, run_training
from roofline.errors import MissingExtra, Unsupported

Call = Callable[[], Any]


def import_torch() -> Any:
    """torch, or a :class:`MissingExtra` with the command that installs it."""
    try:
        import torch
    except ImportError:
        raise MissingExtra("measuring", "torch") from None
    return torch


@dataclass
class Pool:
    """Random numbers that weights are windows of: ``take`` moves through them without early repetition."""

    data: Any
    position: int = 0

    @classmethod
    def create(cls, elements: int, *, dtype: Any, device: str) -> Pool:
        torch = import_torch()
        generator = torch.Generator(device=device).manual_seed(0)
        # one megabyte of random numbers, repeated: filling all of it at random would take seconds
        base = torch.randn(1 << 18, generator=generator, device=device) * 0.05
        return cls(base.to(dtype).repeat(-(-elements // (1 << 18))))

    def take(self, shape: Sequence[int]) -> Any:
        size = prod(shape)
        aligned = -(-size // 1024) * 1024  # weights of a network start on a page or a cache line
        if self.position + aligned > self.data.numel():
            self.position = 0
        start = self.position
        self.position += aligned
        return self.data[start : start + size].view(*shape)


def build_calls(
    op: str,
    attributes: Mapping[str, Any],
    inputs: Sequence[Sequence[int]],
    *,
    device: str,
    pool: Pool,
    part: str = "forward",
) -> Iterator[Call]:
    """Endless calls of one direction of one operator, each with the next weights of the pool.

    Raises
    ------
    Unsupported : PyTorch has no such operator here.
    MissingExtra : torch is not installed.
    """
    torch = import_torch()
    if op in run_optimizers.OPTIMIZERS:
        yield from run_optimizers.steps(torch, op, attributes, inputs, pool)
    if op not in OPERATORS:
        raise Unsupported(f"operator {op!r} cannot be measured; choose one of {', '.join(OPERATORS)}")
    training = part != "forward"
    make = (run_training.TRAINING.get(op) if training else None) or _WEIGHTED.get(op) or _WEIGHTLESS[op]
    options = (dict(attributes) | {"inplace": False}) if training else dict(attributes)
    with torch.inference_mode(False):
        if op in ("embedding", "embedding_bag"):
            tensors = [torch.randint(0, int(attributes["entries"]), tuple(inputs[0]), device=device)]
        else:
            tensors = [pool.take(shape).clone() for shape in inputs]
    if not training:
        same = None if op in _WEIGHTED else make(torch, tensors, options)
        while True:
            yield same or make(torch, tensors, options, pool)
    while True:
        with torch.inference_mode(False), torch.set_grad_enabled(part != "training"):
            in_steps = op in run_sequences.RECURRENT
            asked = "backward" if in_steps else part  # autograd records even their forward pass
            leaves = [run_gradients.leaf(tensor, asked) for tensor in tensors]
            weights = run_gradients.Trained(pool, asked)
            weighted = op in _WEIGHTED or op in run_training.TRAINING
            call = make(torch, leaves, options, *([weights] if weighted else []))
            if part != "training":
                wanted = [*leaves, *weights.taken] if in_steps else None
                call = run_gradients.backward_call(torch, call, wanted)
            elif in_steps:
                call = run_gradients.recorded(torch, call)
        yield call


def _unary(name: str) -> Callable[..., Call]:
    def make(torch: Any, tensors: Sequence[Any], attributes: Mapping[str, Any]) -> Call:
        functional = torch.nn.functional
        x = tensors[0]
        if attributes.get("inplace"):
            if name in ("relu", "relu6", "silu", "leaky_relu", "hardsigmoid", "hardswish"):
                switchable = getattr(functional, name)
                return lambda: switchable(x, inplace=True)
            method = getattr(torch, f"{name}_")
            return lambda: method(x)
        if name == "gelu_tanh":
            return lambda: functional.gelu(x, approximate="tanh")
        function = getattr(torch, name, None) or getattr(functional, name)
        return lambda: function(x)

    return make


def _binary(name: str) -> Callable[..., Call]:
    def make(torch: Any, tensors: Sequence[Any], attributes: Mapping[str, Any]) -> Call:
        a, b = tensors
        if attributes.get("inplace"):
            if name in ("mul", "div", "pow"):
                b = b.sign()  # repeated calls with another factor end in zero, infinity or denormals
            method = getattr(a, f"{name}_")
            return lambda: method(b)
        function = getattr(torch, name)
        return lambda: function(a, b)

    return make


def _matmul(torch: Any, tensors: Sequence[Any], attributes: Mapping[str, Any]) -> Call:
    a, b = tensors
    if attributes.get("transpose_b"):
        return lambda: torch.matmul(a, b.transpose(-1, -2))
    return lambda: torch.matmul(a, b)


def _attention(torch: Any, tensors: Sequence[Any], attributes: Mapping[str, Any]) -> Call:
    # as in a network: (batch, sequence, heads, width) in memory, seen as (batch, heads, sequence, width)
    q, k, v = (t.transpose(1, 2).contiguous().transpose(1, 2) for t in tensors)
    causal = bool(attributes.get("causal", False))
    grouped = q.shape[1] != k.shape[1]
    attend = torch.nn.functional.scaled_dot_product_attention
    if grouped:
        return lambda: attend(q, k, v, is_causal=causal, enable_gqa=True)
    return lambda: attend(q, k, v, is_causal=causal)


def _rows(name: str) -> Callable[..., Call]:
    """A function of rows, along the last dimension."""

    def make(torch: Any, tensors: Sequence[Any], attributes: Mapping[str, Any]) -> Call:
        x, function = tensors[0], getattr(torch, name)
        return lambda: function(x, -1)

    return make


def _mask(torch: Any, tensors: Sequence[Any], attributes: Mapping[str, Any]) -> Call:
    # half of every row, as in the masks of a network: random places would cause branch mispredictions
    x, masked = tensors[0], torch.zeros_like(tensors[1], dtype=torch.bool)
    masked[..., : masked.shape[-1] // 2] = True
    return lambda: x.masked_fill(masked, 0.0)


def _scale(torch: Any, tensors: Sequence[Any], attributes: Mapping[str, Any]) -> Call:
    x = tensors[0]
    return lambda: x * 0.5


def _copy(torch: Any, tensors: Sequence[Any], attributes: Mapping[str, Any]) -> Call:
    x = tensors[0]
    return lambda: x.clone()


def _transpose_copy(torch: Any, tensors: Sequence[Any], attributes: Mapping[str, Any]) -> Call:
    x = tensors[0].transpose(-1, -2)
    return lambda: x.contiguous()


def _concat(torch: Any, tensors: Sequence[Any], attributes: Mapping[str, Any]) -> Call:
    dim = int(attributes.get("dim", -1))
    parts = list(tensors)
    return lambda: torch.cat(parts, dim)


def _linear(torch: Any, tensors: Sequence[Any], attributes: Mapping[str, Any], pool: Pool) -> Call:
    x, out = tensors[0], int(attributes["out"])
    weight = pool.take((out, x.shape[-1]))
    bias = pool.take((out,)) if attributes.get("bias", True) else None
    function = torch.nn.functional.linear
    return lambda: function(x, weight, bias)


def _layer_norm(torch: Any, tensors: Sequence[Any], attributes: Mapping[str, Any], pool: Pool) -> Call:
    x = tensors[0]
    width = (x.shape[-1],)
    weight, bias = pool.take(width), pool.take(width)
    function = torch.nn.functional.layer_norm
    return lambda: function(x, width, weight, bias)


def _embedding(torch: Any, tensors: Sequence[Any], attributes: Mapping[str, Any], pool: Pool) -> Call:
    # other rows at every call: the same ones would soon be in the cache
    ids = torch.randint(0, int(attributes["entries"]), tensors[0].shape, device=tensors[0].device)
    table = pool.take((int(attributes["entries"]), int(attributes["features"])))
    function = torch.nn.functional.embedding
    return lambda: function(ids, table)


_WEIGHTLESS: dict[str, Callable[..., Call]] = {
    **{
        name: _unary(name)
        for name in ("relu", "relu6", "gelu", "gelu_tanh", "tanh", "sigmoid", "silu", "exp", "sqrt", "neg")
    },
    **{name: _unary(name) for name in ("leaky_relu", "hardsigmoid", "hardswish")},
    **{name: _binary(name) for name in ("add", "sub", "mul", "div", "pow")},
    "matmul": _matmul,
    "attention": _attention,
    **{name: _rows(name) for name in ("softmax", "log_softmax")},
    "mask": _mask,
    "scale": _scale,
    **{name: _rows(name) for name in ("mean", "sum")},
    "running_sum": _rows("cumsum"),
    "copy": _copy,
    "transpose_copy": _transpose_copy,
    "concat": _concat,
    **run_images.WEIGHTLESS,
    **run_sequences.WEIGHTLESS,
}
_WEIGHTED: dict[str, Callable[..., Call]] = {
    "linear": _linear,
    "layer_norm": _layer_norm,
    "embedding": _embedding,
    **run_images.WEIGHTED,
    **run_sequences.WEIGHTED,
}
OPERATORS = tuple(sorted({*_WEIGHTLESS, *_WEIGHTED, *run_training.TRAINING}))
