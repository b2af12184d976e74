"""How many cycles does one matrix array take for a matrix multiplication (GEMM)?

M rows of activations, N columns, K the reduction; an array of R rows and C columns. A weight-stationary array (TPU,
Neuron) holds a tile of weights while rows of activations pass::

    tiles  = Kt * ceil(N/C),   Kt = ceil(K/R)              dense GEMM, or convolution by im2col
                                  = kh * ceil(kw*Cin/R)    convolution, row-packed
                                  = kh * kw * ceil(Cin/R)  convolution, tap by tap
    cycles = tiles * max(M, issue * ceil(M/moving), load * ceil(M/accumulators)) + R + C

Where loading is not hidden, it adds instead. An output-stationary array holds R x C sums and streams the reduction::

    cycles = ceil(M/R) * ceil(N/C) * max(K, drain) + R

A grid of dot products computes R columns, C elements of the reduction and D rows of activations per cycle::

    cycles = ceil(K/C) * ceil(N/R) * ceil(M/D)

Depthwise convolutions share no activations between channels. A weight-stationary array holds the taps of as many
channels as fit on its diagonal; other arrays use one column. No published figure validates depthwise convolutions.

Source: Kung, Why Systolic Architectures, 1982; evidence: docs/evidence-arrays.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from roofline.core.attention import value_width
from roofline.core.chip import ArrayGeometry, Fact
from roofline.core.schedule import Schedule

Floats = NDArray[np.float64]
Sizes = NDArray[Any]


def product_cycles(schedule: Schedule, array: ArrayGeometry, lowering: str = "") -> Floats:
    """Cycles of one array for every GEMM, at the rate of its rows and columns. Weight-stationary (the others: see the
    module)::

        cycles = batch * tiles * max(m, issue * ceil(m/moving), load * ceil(m/accumulators)) + R + C

    Attention adds the cycles of its two GEMMs: scores, then values.

    Parameters
    ----------
    schedule : N kernels that are GEMMs.
    array : geometry: rows, columns, depth [1], and issue, load, drain [cycles].
    lowering : of convolutions, where the software stack differs from the chip file.

    Returns
    -------
    cycles : of one launch [cycles], shape (N,).
    """
    s = schedule
    plain = _cycles(array, s.batch, s.m, s.n, _steps(s, array, lowering or array.lowering), s.k)
    second = _cycles(array, s.batch, s.m, value_width(s), np.ceil(s.n / _depth_of(array)), s.n)
    both = np.where(s.in_family("attention"), plain + second, plain)  # scores, then values
    return np.where(s.in_family("depthwise"), _depthwise(s, array), both)


def _depth_of(array: ArrayGeometry) -> int:
    """Length of the reduction that one tile covers: rows of weights, or columns of a grid."""
    return array.cols if array.dataflow == "dot-product" else array.rows


def _steps(s: Schedule, array: ArrayGeometry, lowering: str) -> Floats:
    """Tiles along the reduction: Kt of a convolution or of a dense GEMM."""
    depth = _depth_of(array)
    dense = np.ceil(s.k / depth)
    high = np.maximum(s.taps_high, 1)
    wide = np.maximum(s.taps // high, 1)
    channels = np.maximum(s.k // np.maximum(s.taps, 1), 1)
    forward = s.in_family("conv") & (s.taps > 1) & (s.phase == 0)
    if lowering == "per-tap":
        return np.where(forward, s.taps * np.ceil(channels / depth), dense)
    if lowering == "row-packed":
        return np.where(forward, high * np.ceil(wide * channels / depth), dense)
    return dense


def _cycles(array: ArrayGeometry, copies: Sizes, m: Sizes, n: Sizes, steps: Floats, k: Sizes) -> Floats:
    """Cycles of ``copies`` GEMMs of m rows and n columns whose reduction of k takes ``steps`` tiles."""
    rows, cols = array.rows, array.cols
    if array.dataflow == "output-stationary":
        drain = _value(array.drain, rows)
        return np.asarray(copies * np.ceil(m / rows) * np.ceil(n / cols) * np.maximum(k, drain) + rows)
    if array.dataflow == "dot-product":
        return np.asarray(copies * steps * np.ceil(n / rows) * np.ceil(m / array.depth), dtype=np.float64)
    return np.asarray(copies * steps * np.ceil(n / cols) * _pass(array, m) + rows + cols)


def _pass(array: ArrayGeometry, m: Sizes) -> Floats:
    """Cycles for m rows of activations to pass one tile of weights."""
    loads = _value(array.load, array.rows) * np.ceil(m / _value(array.accumulators, np.inf))
    moving = np.maximum(m, _value(array.issue, 1.0) * np.ceil(m / _value(array.moving, np.inf)))
    return np.asarray(moving + loads if array.load_exposed else np.maximum(moving, loads), dtype=np.float64)


def _depthwise(s: Schedule, array: ArrayGeometry) -> Floats:
    """Cycles where each channel has its own activations and taps (s.batch groups)."""
    rows, cols, groups = array.rows, array.cols, s.batch * s.n
    if array.dataflow == "weight-stationary":
        together = np.maximum(1.0, np.minimum(cols, np.floor(rows / s.taps)))
        deep = np.ceil(s.k / rows)
        return np.asarray(np.ceil(groups / together) * deep * _pass(array, s.m) + rows + cols)
    one = np.ones_like(s.n)
    return _cycles(array, groups, s.m, one, np.ceil(s.k / _depth_of(array)), s.k)


def _value(fact: Fact | None, otherwise: float) -> float:
    return otherwise if fact is None else fact.value
