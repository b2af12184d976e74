"""What does oneDNN, or a plain GEMM, execute for a convolution or its gradient on a CPU?

A schedule holds a convolution as an implicit GEMM (:class:`roofline.core.schedule.Kernel`). This module derives the
channels on either side, padding to registers, copies into another layout, and what that layout leaves empty. N is the
number of kernels ``s``; ``lanes`` are the fp32 numbers in a register [1]; results have shape (N,).

Source: the log of oneDNN 3.12 (``ONEDNN_VERBOSE=1``) with AVX-512 and with AVX2; evidence: docs/evidence-cpu.md.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from roofline.core.schedule import PHASES, Schedule

Floats = NDArray[np.float64]


def up(values: NDArray[np.int64] | Floats, block: float | Floats) -> Floats:
    """``ceil(values / block) * block``: ``values`` rounded up to whole blocks [1], shape (N,)."""
    return np.ceil(values / block) * block


def of_data(s: Schedule) -> NDArray[np.bool_]:
    """Mask of the data gradients: ``s`` is backward and ``weights > 0`` [B]; shape (N,)."""
    return np.asarray((s.phase == PHASES.index("backward")) & (s.weights > 0))


def of_weights(s: Schedule) -> NDArray[np.bool_]:
    """Mask of the weight gradients, which read no weights: ``s`` is backward and ``weights = 0`` [B]; shape (N,)."""
    return np.asarray((s.phase == PHASES.index("backward")) & (s.weights == 0))


def columns(s: Schedule) -> NDArray[np.int64]:
    """Columns of the GEMM as the library sees it [1], shape (N,)::

        columns = m / images for an unfolded convolution, m for its weight gradient, n for other GEMMs

    Parameters
    ----------
    s : N kernels.
    """
    image = np.where(of_weights(s), s.m, s.m // np.maximum(s.images, 1))
    return np.where(s.in_family("conv", "conv1x1"), image, s.n)


def unfolded_work(s: Schedule, lanes: float) -> Floats:
    """Operations in tiles of 4 x 8 outputs, padding included; channels are rows and pixels are columns::

        work = flops * up(n, 4) / n * up(columns, 8) / columns    [FLOP]

    Parameters
    ----------
    s : N kernels.
    lanes : not used here [1].
    """
    rows, across = np.maximum(s.n, 1), np.maximum(columns(s), 1)
    return s.flops * up(rows, 4) / rows * up(across, 8) / across


def channels(s: Schedule) -> tuple[Floats, Floats]:
    """Channels of a group on either side of a convolution, or of its gradient [1]::

        input  = n for data gradients, m / taps for weight gradients, else k / taps
        output = weights / (itemsize * taps * batch * n) for data gradients, else n

    For a transposed convolution these are the channels that it reads and writes, though oneDNN runs it as a data
    gradient.

    Parameters
    ----------
    s : N kernels.

    Returns
    -------
    input, output : [1], shape (N,) each, at least 1.
    """
    data, taps = of_data(s), np.maximum(s.taps, 1)
    inner = np.where(data, s.n, np.where(of_weights(s), s.m, s.k) / taps)
    outer = np.where(data, s.weights / (s.itemsize * taps * np.maximum(s.batch * s.n, 1)), s.n)
    return np.maximum(inner, 1.0), np.maximum(outer, 1.0)


FILLED = 3.0
"""Blocks of output channels that keep the arithmetic units of oneDNN's kernels busy."""


def idle_blocks(s: Schedule, lanes: float) -> Floats:
    """Missing blocks of output channels: ``max(FILLED - ceil(channels / lanes), 0)`` [1].

    Parameters
    ----------
    s : N kernels.
    lanes : fp32 numbers in a register [1].
    """
    inner, outer = channels(s)
    return np.maximum(FILLED - np.ceil(np.where(of_data(s), inner, outer) / lanes), 0.0)


def thin(s: Schedule, lanes: float) -> NDArray[np.bool_]:
    """Mask of the convolutions of images with ``channels < lanes``, for weight gradients ``< 4``, shape (N,).

    oneDNN does not pad these.

    Parameters
    ----------
    s : N kernels.
    lanes : fp32 numbers in a register [1].
    """
    inner, _ = channels(s)
    return np.asarray((s.batch == 1) & ~of_data(s) & (inner < np.where(of_weights(s), 4, lanes)))


def group_block(s: Schedule) -> Floats:
    """Channels of a group that oneDNN's kernels take at once [1]: the largest of 16, 8, 4 with ``channels % block =
    0``, or 0.

    Parameters
    ----------
    s : N kernels.
    """
    inner, outer = channels(s)
    blocks = [np.where((inner % block == 0) & (outer % block == 0), block, 0) for block in (16, 8, 4)]
    return np.asarray(np.max(blocks, axis=0), dtype=np.float64)


def blocked_work(s: Schedule, lanes: float) -> Floats:
    """Operations with channels padded to whole registers::

        work = flops * up(input, lanes) / input * up(output, lanes) / output    [FLOP]

    Groups are not padded: they run in narrower registers, ``work = flops * lanes / group_block``. Weight gradients of 4
    to 15 input channels, which do not fill 512 bits, also run in narrower registers.

    Parameters
    ----------
    s : N kernels.
    lanes : fp32 numbers in a register [1].
    """
    inner, outer = channels(s)
    narrow = of_weights(s) & (inner < lanes) & ~thin(s, lanes)
    block = np.where(narrow, 8, lanes)
    padded = np.where(thin(s, lanes), inner, up(inner, block)) / inner * up(outer, lanes) / outer
    grouped = np.maximum(lanes / np.maximum(group_block(s), 1.0), 1.0)
    return s.flops * np.where(s.batch > 1, grouped, padded * np.where(narrow, lanes / 8, 1.0))


def data_work(s: Schedule, lanes: float) -> Floats:
    """As :func:`blocked_work` [FLOP], but a data gradient with stride does not pad the channels it sums over.

    Parameters
    ----------
    s : N kernels.
    lanes : fp32 numbers in a register [1].
    """
    _, outer = channels(s)
    return blocked_work(s, lanes) * np.where((s.stride > 1) & (s.batch == 1), outer / up(outer, lanes), 1.0)


def unfolded(s: Schedule) -> Floats:
    """Elements that a convolution executed as a plain GEMM first copies out of its images::

        elements = flops / (2 * output channels)    [1], 0 for an unstrided 1x1

    Parameters
    ----------
    s : N kernels.
    """
    _, outer = channels(s)
    return np.where((s.taps > 1) | (s.stride > 1), s.flops / (2.0 * outer), 0.0)


def tails(s: Schedule, lanes: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Two masks: the channels read, and the channels written, do not fill whole registers (``channels % lanes > 0``)
    [1].

    Parameters
    ----------
    s : N kernels.
    lanes : fp32 numbers in a register [1].
    """
    inner, outer = channels(s)
    single = s.in_family("depthwise")
    inner, outer = (np.where(single, s.batch, sides) for sides in (inner, outer))
    first, last = (inner % lanes != 0) & ~thin(s, lanes), outer % lanes != 0
    data, weights = of_data(s), of_weights(s)
    return np.where(data, last, np.where(weights, first | last, first)), np.where(data, first, ~weights & last)


def input_elements(s: Schedule) -> Floats:
    """Numbers in the image that a convolution reads, or that its gradients belong to: ``bytes / itemsize`` [1].

    Parameters
    ----------
    s : N kernels.
    """
    image = np.where(of_weights(s), input_bytes(s) - results_bytes(s), input_bytes(s))
    return np.where(of_data(s), s.writes, image) / s.itemsize


def results_bytes(s: Schedule) -> Floats:
    """Bytes that a convolution writes, or that its gradients read: ``batch * output channels * pixels * itemsize`` [B].

    Parameters
    ----------
    s : N kernels.
    """
    return s.batch * channels(s)[1] * np.where(of_weights(s), s.k, s.m) * s.itemsize


def input_bytes(s: Schedule) -> Floats:
    """All bytes that a convolution reads except its weights [B], shape (N,)::

        bytes = reads * stride^2 for a 1x1, which touches one pixel in stride^2 of the image; else reads

    Parameters
    ----------
    s : N kernels.
    """
    behind = np.where(of_weights(s), results_bytes(s), 0.0)
    whole = (s.reads - behind) * np.where(s.taps == 1, s.stride**2, 1) + behind
    return np.where(of_data(s), s.reads, whole)


def copied_bytes(s: Schedule, lanes: float) -> Floats:
    """The part of :func:`input_bytes` that is first copied into blocks [B]: everything except thin images
    (:func:`thin`).

    Parameters
    ----------
    s : N kernels.
    lanes : fp32 numbers in a register [1].
    """
    behind = np.where(of_weights(s), results_bytes(s), 0.0)
    return np.where(thin(s, lanes), behind, input_bytes(s))
