"""What do text decoders add? RMS norms, rotary embeddings of queries and keys, and a cache of keys and values."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from roofline.core.schedule import Kernel
from roofline.core.workload import Tensor
from roofline.errors import Unsupported, UsageError
from roofline.operators.attributes import Attributes, Parameter, flag
from roofline.operators.case import Case, Needs, Saved
from roofline.operators.operator import Inferred, Operator, Weight, dims, ranked
from roofline.operators.rowwise import norm_gradient

RMS_NORM_FLOPS = 4.0
"""FLOP per element: square 1, sum 1, normalise 1, scale 1."""
RMS_NORM_BACKWARD_FLOPS = 9.0
"""FLOP per element: normalise 1, scale dY 1, sum of their products 2, weight 2, combine 3."""
ROTARY_FLOPS = 3.0
"""FLOP per element: times the cosine, its partner times the sine, add."""


def _norm_shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    shape = inputs[0].shape
    if not shape:
        raise UsageError("rms_norm takes (..., length), not a scalar")
    return Inferred((shape,), (Weight("weight", shape[-1:]),) if attributes.flag("affine") else ())


def _norm_rows(case: Case) -> tuple[int, int]:
    *leading, k = case.inputs[0].shape
    return prod(leading), k


def _norm_kernels(case: Case) -> list[Kernel]:
    """``y = x / sqrt(mean(x^2) + eps) * weight`` over the last dimension: one kernel of two passes, 4 FLOP per element.

    As ``torch.nn.functional.rms_norm``. Networks that write it in steps (cast, square, mean, add, rsqrt, multiply,
    cast, multiply) launch eight kernels and move several times the bytes.
    """
    m, k = _norm_rows(case)
    return [case.kernel("norm", m=m, k=k, flops=RMS_NORM_FLOPS * m * k, passes=2.0)]


def _norm_saves(case: Case) -> Saved:
    """The input, and the factor of every row in fp32."""
    return Saved(inputs=(0,), extra=4.0 * _norm_rows(case)[0])


def _norm_backward(case: Case, needs: Needs) -> list[Kernel]:
    """dX and dweight: a sum over x and dY in each row first, then a second pass over both."""
    return [norm_gradient(case, _norm_rows(case), RMS_NORM_BACKWARD_FLOPS, weights=case.weight_bytes)]


def _rotary_shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    shape = inputs[0].shape
    if len(shape) < 2 or shape[-1] % 2:
        raise UsageError(f"rotary takes (..., length, head size) with an even head size, not {dims(shape)}")
    return Inferred((shape,))


def _rotary_kernels(case: Case) -> list[Kernel]:
    """Pairs of elements rotated by an angle that grows with the position: 3 FLOP per element, each tensor read and
    written once.

    One kernel, which computes the cosines and sines itself. Networks that write it in steps (two multiplications,
    negate and concatenate the halves, add) launch five kernels and move about three times the bytes.
    """
    return [case.kernel("elementwise", flops=ROTARY_FLOPS * case.result.elements)]


def _rotary_backward(case: Case, needs: Needs) -> list[Kernel]:
    """The gradient rotated back by the same angles."""
    x, y = case.inputs[0], case.result
    return [case.gradient("elementwise", flops=ROTARY_FLOPS * x.elements, reads=y.bytes, writes=x.bytes, target=0)]


def _cache_shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    layout = "keys or values (batch, heads, new tokens, head size)"
    batch, heads, length, head_size = ranked("kv_cache", inputs[0], 4, layout=layout)
    whole = (batch, heads, attributes.whole("length") + length, head_size)
    return Inferred((whole,), (Weight("cache", whole, "cache"),))


def _cache_kernels(case: Case) -> list[Kernel]:
    """The new rows are copied to their place; the rest is not moved. In training nothing is cached.

    This is a preallocated cache. A cache that grows by concatenation copies all of it each time. In a paged cache
    (``kv_cache`` of the stack) the call of attention writes them.
    """
    x = case.inputs[0]
    if case.training or (case.stack.kv_cache == "paged" and case.stack.fused_attention):
        return []
    writes = x.elements * case.result.dtype.bytes
    return [case.kernel("copy", elements=x.elements, reads=x.bytes, weights=0.0, writes=writes)]


def _cache_backward(case: Case, needs: Needs) -> list[Kernel]:
    """Without earlier tokens keys, values and their gradients pass through.

    Raises
    ------
    Unsupported : there are earlier tokens.
    """
    if case.attributes.whole("length"):
        raise Unsupported(f"{case.node.name}: training with a KV cache is not modelled; set its length to 0")
    return []


DECODING = (
    Operator(
        "rms_norm",
        "(..., N) -> same: each row divided by its root mean square",
        (1, 1),
        _norm_shapes,
        _norm_kernels,
        (flag("affine", True, "learned scale"),),
        backward=_norm_backward,
        saves=_norm_saves,
        autocast="fp32",
    ),
    Operator(
        "rotary",
        "(..., S, D) -> same: rotary position embedding",
        (1, 1),
        _rotary_shapes,
        _rotary_kernels,
        backward=_rotary_backward,
    ),
    Operator(
        "kv_cache",
        "(B, Hkv, S, D) -> (B, Hkv, length + S, D): appends keys or values to those of earlier tokens",
        (1, 1),
        _cache_shapes,
        _cache_kernels,
        (Parameter("length", "whole", "number of tokens already in the cache", low=0),),
        backward=_cache_backward,
    ),
)
