"""Which kernels do Fourier transforms and grid sampling launch? A complex number is two numbers in the last
dimension.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log2
from typing import Any

from roofline.core.schedule import Kernel
from roofline.core.workload import Tensor
from roofline.errors import UsageError
from roofline.operators.attributes import Attributes, Parameter, flag
from roofline.operators.case import Case, Needs, Saved, saves_inputs
from roofline.operators.operator import Inferred, Operator, dims


def _fft_shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    if len(inputs[0].shape) < 1:
        raise UsageError("fft takes (..., length), not a scalar")
    return Inferred((attributes.sizes("shape"),))


def _fft_kernels(case: Case) -> list[Kernel]:
    """5 N log2 N FLOP for N complex numbers (Cooley and Tukey, radix 2), half of that for real ones.

    One kernel; an N beyond what a multiprocessor holds takes a second pass.
    """
    length = case.attributes.whole("length")
    points = max(case.inputs[0].elements, case.result.elements) / (1 if case.attributes.flag("real") else 2)
    flops = (2.5 if case.attributes.flag("real") else 5.0) * points * max(1.0, log2(length))
    m = max(1, round(points) // length)
    passes = 1.0 if length <= 8192 else 2.0
    return [case.kernel("reduction", m=m, k=length, elements=m * length, flops=flops, passes=passes)]


def _fft_backward(case: Case, needs: Needs) -> list[Kernel]:
    """The inverse transform."""
    (forward,) = _fft_kernels(case)
    x, y = case.inputs[0], case.result
    shape: dict[str, Any] = {"m": forward.m, "k": forward.k, "passes": forward.passes}
    return [case.gradient("reduction", flops=forward.flops, reads=y.bytes, writes=x.bytes, **shape)]


def _sample_shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    shape, size = inputs[0].shape, attributes.sizes("size")
    if len(shape) != len(size) + 2:
        raise UsageError(f"resample takes (batch, channels, {len(size)} sizes), not {dims(shape)}")
    return Inferred(((*shape[:2], *size),), dtype=inputs[0].dtype)


def _sample_kernels(case: Case) -> list[Kernel]:
    """Each result is a weighted sum of ``taps`` neighbours: 2 taps - 1 FLOP; one tap is a copy."""
    taps = case.attributes.whole("taps")
    if taps == 1:
        return [case.kernel("copy", reads=min(case.read_bytes, case.result.bytes + _grid(case)))]
    return [case.kernel("elementwise", flops=(2.0 * taps - 1.0) * case.result.elements)]


def _grid(case: Case) -> float:
    return sum(tensor.bytes for tensor in case.inputs[1:])


def _sample_saves(case: Case) -> Saved:
    """On a regular grid the sizes are enough."""
    return saves_inputs(case) if len(case.inputs) > 1 else Saved()


def _sample_backward(case: Case, needs: Needs) -> list[Kernel]:
    """Every dY added to the ``taps`` numbers it came from."""
    x, y, taps = case.inputs[0], case.result, case.attributes.whole("taps")
    flops = 2.0 * taps * y.elements if taps > 1 else float(y.elements)
    reads, writes = y.bytes + _grid(case), x.bytes + (_grid(case) if any(needs[1:]) else 0.0)
    return [case.gradient("elementwise", elements=y.elements, flops=flops, reads=reads, writes=writes)]


SPECTRAL = (
    Operator(
        "fft",
        "Fourier transform of each row (a complex number is two elements of the last dimension)",
        (1, 1),
        _fft_shapes,
        _fft_kernels,
        (
            Parameter("shape", "sizes", "shape of the result"),
            Parameter("length", "whole", "number of points of one transform (product over its dimensions)"),
            flag("real", False, "the input or the result is real"),
        ),
        backward=_fft_backward,
    ),
    Operator(
        "resample",
        "(B, C, sizes) -> (B, C, size): interpolation on a regular grid or at positions given by the second input",
        (1, 2),
        _sample_shapes,
        _sample_kernels,
        (
            Parameter("size", "sizes", "spatial size of the result"),
            Parameter("taps", "whole", "neighbours per result: nearest 1, linear 2^n, cubic 4^n in n dimensions", 1),
        ),
        backward=_sample_backward,
        saves=_sample_saves,
    ),
)
