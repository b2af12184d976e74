"""Which kernels work along rows: norms, softmax, reductions?

A kernel has ``m`` rows of ``k`` elements. ``passes`` is how often a plain kernel reads a row; a row that stays in a
cache causes traffic once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from roofline.core.schedule import Kernel
from roofline.core.workload import Tensor
from roofline.errors import UsageError
from roofline.operators.attributes import Attributes, Parameter, flag
from roofline.operators.case import Case, Needs, Saved, saves_output
from roofline.operators.operator import Inferred, Operator, Shape, Weight, dims, ranked
from roofline.units import plural

BATCH_NORM_FLOPS = 2.0
"""FLOP per element at inference: scale and shift; the four vectors are folded into two beforehand."""
LAYER_NORM_FLOPS = 8.0
"""FLOP per element: mean 1, variance 3, normalise 2, scale and shift 2."""
NORM_BACKWARD_FLOPS = 12.0
"""FLOP per element: normalise 2, two sums 3, weight and bias 3, combine 4."""
SOFTMAX_FLOPS = 5.0
"""FLOP per element: maximum 1, subtract 1, exp 1, sum 1, divide 1."""
SOFTMAX_PASSES = 3.0
"""Maximum; exponential and sum; division."""


def _rows(shape: Shape) -> tuple[int, int]:
    return prod(shape[:-1]), shape[-1]


def _last(name: str, inputs: Sequence[Tensor]) -> Shape:
    if not inputs[0].shape:
        raise UsageError(f"{name} takes (..., length), not a scalar")
    return inputs[0].shape


def _batch_norm_shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    shape = inputs[0].shape
    if len(shape) < 2:
        raise UsageError(f"batch_norm takes (batch, channels, ...), not {dims(shape)}")
    channels = (shape[1],)
    learned = (Weight("weight", channels), Weight("bias", channels))
    kept = (Weight("running_mean", channels, "state"), Weight("running_var", channels, "state"))
    weights = (learned if attributes.flag("affine") else ()) + (kept if attributes.flag("tracked") else ())
    return Inferred((shape,), weights)


def _batch_norm_kernels(case: Case) -> list[Kernel]:
    """Inference: ``y = x * scale + shift``, one row per image and channel. Training: statistics first, two passes."""
    shape = case.inputs[0].shape
    m, k = shape[0] * shape[1], prod(shape[2:])
    if case.training:
        norm = case.kernel("norm", op="batch_norm_train", m=m, k=k, flops=LAYER_NORM_FLOPS * m * k, passes=2.0)
        if not case.attributes.flag("tracked"):
            return [norm]
        counter = case.gradient("elementwise", op="add_", elements=1, flops=1.0, reads=8.0, writes=8.0, itemsize=8.0)
        return [counter, norm]  # the number of batches is a tensor too
    return [case.kernel("norm", m=m, k=k, flops=BATCH_NORM_FLOPS * m * k)]


def _batch_norm_saves(case: Case) -> Saved:
    """The input, and mean and deviation of every channel in fp32."""
    return Saved(inputs=(0,), extra=8.0 * case.inputs[0].shape[1])


def _norm_backward(case: Case, needs: Needs) -> list[Kernel]:
    """dX, dweight and dbias: sums over x and dY first, then a second pass over both."""
    x = case.inputs[0]
    rows = (x.shape[0] * x.shape[1], prod(x.shape[2:])) if case.node.op == "batch_norm" else _normed_rows(case)
    return [norm_gradient(case, rows, NORM_BACKWARD_FLOPS)]


def norm_gradient(case: Case, rows: tuple[int, int], flops: float, *, weights: float = 0.0) -> Kernel:
    """The gradient kernel of a norm over ``rows`` (m, k): two passes over x and dY, ``flops * m * k`` [FLOP] in all.

    Parameters
    ----------
    case : the norm.
    rows : number m and length k of the rows [1].
    flops : per element [FLOP].
    weights : bytes of the weights read [B].
    """
    x, (m, k) = case.inputs[0], rows
    reads, writes = x.bytes + case.result.bytes, x.bytes + case.trained_bytes
    work = flops * m * k
    made: dict[str, Any] = {"m": m, "k": k, "flops": work, "passes": 2.0, "target": 0}
    return case.gradient("norm", reads=reads, weights=weights, writes=writes, **made)


def _layer_norm_saves(case: Case) -> Saved:
    """The input, and mean and deviation of every row in fp32."""
    return Saved(inputs=(0,), extra=8.0 * _normed_rows(case)[0])


def _softmax_backward(case: Case, needs: Needs) -> list[Kernel]:
    """``dX = Y (dY - sum(dY Y))`` in each row."""
    m, k = _rows(case.inputs[0].shape)
    y = case.result
    made: dict[str, Any] = {"m": m, "k": k, "flops": 4.0 * m * k, "passes": 2.0, "target": 0}
    return [case.gradient("softmax", reads=2 * y.bytes, writes=y.bytes, **made)]


def _spread_backward(case: Case, needs: Needs) -> list[Kernel]:
    """The gradient of a mean is divided and copied to all its inputs; that of a sum is a view."""
    if case.node.op == "sum":
        return []
    x = case.inputs[0]
    return [case.gradient("elementwise", flops=float(x.elements), reads=case.result.bytes, writes=x.bytes, target=0)]


def _layer_norm_shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    shape, count = _last("layer_norm", inputs), attributes.whole("dims")
    if count > len(shape):
        raise UsageError(f"layer_norm: {dims(shape)} has fewer than {plural(count, 'dimension')}")
    names = ("weight", "bias") if attributes.flag("bias") else ("weight",)
    learned = tuple(Weight(name, shape[-count:]) for name in names) if attributes.flag("affine") else ()
    return Inferred((shape,), learned)


def _normed_rows(case: Case) -> tuple[int, int]:
    """The rows (m, k) of the last ``dims`` dimensions."""
    shape, count = case.inputs[0].shape, case.attributes.whole("dims")
    return prod(shape[:-count]), prod(shape[-count:])


def _layer_norm_kernels(case: Case) -> list[Kernel]:
    """``y = (x - mean) / sqrt(variance + eps) * weight + bias`` over the last dimensions; two passes."""
    m, k = _normed_rows(case)
    return [case.kernel("norm", m=m, k=k, flops=LAYER_NORM_FLOPS * m * k, passes=2.0)]


def _softmax_shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    return Inferred((_last("softmax", inputs),))


def _softmax_kernels(case: Case) -> list[Kernel]:
    """``exp(x - max) / sum`` over the last dimension."""
    m, k = _rows(case.inputs[0].shape)
    return [case.kernel("softmax", m=m, k=k, flops=SOFTMAX_FLOPS * m * k, passes=SOFTMAX_PASSES)]


def _global_shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    shape = ranked("global_avg_pool", inputs[0], 4, layout="images (batch, channels, height, width)")
    return Inferred(((*shape[:2], 1, 1),))


def _global_kernels(case: Case) -> list[Kernel]:
    """One sum per image and channel."""
    batch, channels, height, width = case.inputs[0].shape
    m, k = batch * channels, height * width
    return [case.kernel("reduction", m=m, k=k, elements=m * k, flops=float(m * k))]


def _reduce_shapes(name: str) -> Callable[[Sequence[Tensor], Attributes], Inferred]:
    return lambda inputs, attributes: Inferred((_last(name, inputs)[:-1],))


def _reduce_kernels(case: Case) -> list[Kernel]:
    """One addition per element; ``elements`` are those read."""
    m, k = _rows(case.inputs[0].shape)
    return [case.kernel("reduction", m=m, k=k, elements=m * k, flops=float(m * k))]


ROWWISE = (
    Operator(
        "batch_norm",
        "(B, C, ...) -> same: normalizes each channel; in inference with stored statistics",
        (1, 1),
        _batch_norm_shapes,
        _batch_norm_kernels,
        (
            flag("affine", True, "learned scale and shift"),
            flag("tracked", True, "keeps running statistics"),
        ),
        backward=_norm_backward,
        saves=_batch_norm_saves,
    ),
    Operator(
        "layer_norm",
        "(..., N) -> same: normalizes each row",
        (1, 1),
        _layer_norm_shapes,
        _layer_norm_kernels,
        (
            Parameter("dims", "whole", "number of trailing dimensions that form a row", 1),
            flag("affine", True, "learned scale (and shift, see bias)"),
            flag("bias", True, "learned shift, if there is a scale"),
        ),
        backward=_norm_backward,
        saves=_layer_norm_saves,
        autocast="fp32",
    ),
    Operator(
        "softmax",
        "(..., N) -> same: softmax of each row",
        (1, 1),
        _softmax_shapes,
        _softmax_kernels,
        backward=_softmax_backward,
        saves=saves_output,
        autocast="fp32 result",
    ),
    Operator(
        "global_avg_pool",
        "(B, C, H, W) -> (B, C, 1, 1): mean of each channel",
        (1, 1),
        _global_shapes,
        _global_kernels,
        backward=_spread_backward,
    ),
    *(
        Operator(
            name,
            f"(..., N) -> (...): {name} of each row",
            (1, 1),
            _reduce_shapes(name),
            _reduce_kernels,
            backward=_spread_backward,
            autocast="fp32 result" if name == "sum" else "widest",
        )
        for name in ("mean", "sum")
    ),
)
