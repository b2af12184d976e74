"""Fourier transforms, and numbers read between the points of a grid. A complex number is two in the last dimension."""

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
    """5 N log2 N operations for N complex numbers (Cooley and Tukey, radix 2), half of it where they are real.

    One kernel; N beyond what a multiprocessor holds takes a second pass.
    """
    length = case.attributes.whole("length")
    points = max(case.inputs[0].elements, case.result.elements) / (1 if case.attributes.flag("real") else 2)
    flops = (2.5 if case.attributes.flag("real") else 5.0) * points * max(1.0, log2(length))
    m = max(1, round(points) // length)
    passes = 1.0 if length <= 8192 else 2.0
    return [case.kernel("reduction", m=m, k=length, elements=m * length, flops=flops, passes=passes)]


def _fft_backward(case: Case, needs: Needs) -> list[Kernel]:
    """The transform back."""
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
    """Each result is a sum of ``taps`` neighbours with their weights: 2 taps - 1 operations; one tap is a copy."""
    taps = case.attributes.whole("taps")
    if taps == 1:
        return [case.kernel("copy", reads=min(case.read_bytes, case.result.bytes + _grid(case)))]
    return [case.kernel("elementwise", flops=(2.0 * taps - 1.0) * case.result.elements)]


def _grid(case: Case) -> float:
    return sum(tensor.bytes for tensor in case.inputs[1:])


def _sample_saves(case: Case) -> Saved:
    """On an even grid sizes are enough."""
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
        "Fourier transforms of rows (a complex number is two in the last dimension)",
        (1, 1),
        _fft_shapes,
        _fft_kernels,
        (
            Parameter("shape", "sizes", "of the result"),
            Parameter("length", "whole", "points of one transform (of several dimensions their product)"),
            flag("real", False, "of real numbers, or to them"),
        ),
        backward=_fft_backward,
    ),
    Operator(
        "resample",
        "(B, C, sizes) -> (B, C, size): read between pixels, on an even grid or where the second input says",
        (1, 2),
        _sample_shapes,
        _sample_kernels,
        (
            Parameter("size", "sizes", "of the result"),
            Parameter("taps", "whole", "neighbours blended: 1 nearest, 2 per dimension linear, 4 cubic", 1),
        ),
        backward=_sample_backward,
        saves=_sample_saves,
    ),
)
