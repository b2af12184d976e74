"""What does oneDNN, or a plain product, do for a convolution or a gradient of one on a CPU?

A schedule holds convolutions as implicit products (:class:`roofline.core.schedule.Kernel`); here are the channels on
either side, what is padded to registers, what is copied into another layout first, and what that layout leaves empty.
The rules are those of oneDNN 3.12, read off its own log (``ONEDNN_VERBOSE=1``) with AVX-512 and with AVX2.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from roofline.core.schedule import PHASES, Schedule

Floats = NDArray[np.float64]


def up(values: NDArray[np.int64] | Floats, block: float | Floats) -> Floats:
    """Whole blocks that hold ``values``."""
    return np.ceil(values / block) * block


def of_data(s: Schedule) -> NDArray[np.bool_]:
    """Products that make the gradient of their input: those of weights read none."""
    return np.asarray((s.phase == PHASES.index("backward")) & (s.weights > 0))


def of_weights(s: Schedule) -> NDArray[np.bool_]:
    """Products that make the gradient of weights, which read no weights."""
    return np.asarray((s.phase == PHASES.index("backward")) & (s.weights == 0))


def columns(s: Schedule) -> NDArray[np.int64]:
    """Columns of a product as the library sees it: of an unfolded convolution the pixels of an image, or taps."""
    image = np.where(of_weights(s), s.m, s.m // np.maximum(s.images, 1))
    return np.where(s.in_family("conv", "conv1x1"), image, s.n)


def unfolded_work(s: Schedule, lanes: float) -> Floats:
    """Operations on tiles of 4 x 8 outputs, channels being the rows and pixels the columns; padding is computed too."""
    rows, across = np.maximum(s.n, 1), np.maximum(columns(s), 1)
    return s.flops * up(rows, 4) / rows * up(across, 8) / across


def channels(s: Schedule) -> tuple[Floats, Floats]:
    """Channels of a group that a convolution, or a gradient of one, has on either side: (input, output).

    Of a transposed convolution those that it reads and writes, though oneDNN runs it as a gradient of data.
    """
    data, taps = of_data(s), np.maximum(s.taps, 1)
    inner = np.where(data, s.n, np.where(of_weights(s), s.m, s.k) / taps)
    outer = np.where(data, s.weights / (s.itemsize * taps * np.maximum(s.batch * s.n, 1)), s.n)
    return np.maximum(inner, 1.0), np.maximum(outer, 1.0)


FILLED = 3.0
"""Blocks of output channels that keep the arithmetic units of oneDNN's kernels busy."""


def idle_blocks(s: Schedule, lanes: float) -> Floats:
    """Blocks of output channels that a convolution, or a gradient of one, lacks to be busy."""
    inner, outer = channels(s)
    return np.maximum(FILLED - np.ceil(np.where(of_data(s), inner, outer) / lanes), 0.0)


def thin(s: Schedule, lanes: float) -> NDArray[np.bool_]:
    """Convolutions of images with fewer channels than a register holds, for gradients of weights fewer than 4.

    oneDNN takes those as they are.
    """
    inner, _ = channels(s)
    return np.asarray((s.batch == 1) & ~of_data(s) & (inner < np.where(of_weights(s), 4, lanes)))


def group_block(s: Schedule) -> Floats:
    """Channels of a group that oneDNN's kernels take at once: 16, 8 or 4; 0 where those do not divide them."""
    inner, outer = channels(s)
    blocks = [np.where((inner % block == 0) & (outer % block == 0), block, 0) for block in (16, 8, 4)]
    return np.asarray(np.max(blocks, axis=0), dtype=np.float64)


def blocked_work(s: Schedule, lanes: float) -> Floats:
    """Operations with channels padded to whole registers.

    Groups are not padded but worked on in narrower registers; so are gradients of weights whose 4 to 15 input channels
    do not fill 512 bits.
    """
    inner, outer = channels(s)
    narrow = of_weights(s) & (inner < lanes) & ~thin(s, lanes)
    block = np.where(narrow, 8, lanes)
    padded = np.where(thin(s, lanes), inner, up(inner, block)) / inner * up(outer, lanes) / outer
    grouped = np.maximum(lanes / np.maximum(group_block(s), 1.0), 1.0)
    return s.flops * np.where(s.batch > 1, grouped, padded * np.where(narrow, lanes / 8, 1.0))


def data_work(s: Schedule, lanes: float) -> Floats:
    """As :func:`blocked_work`; strided ones leave the channels that they sum over as they are."""
    _, outer = channels(s)
    return blocked_work(s, lanes) * np.where((s.stride > 1) & (s.batch == 1), outer / up(outer, lanes), 1.0)


def unfolded(s: Schedule) -> Floats:
    """Elements that a convolution made as a plain product copies out of its images first."""
    _, outer = channels(s)
    return np.where((s.taps > 1) | (s.stride > 1), s.flops / (2.0 * outer), 0.0)


def tails(s: Schedule, lanes: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether the channels of what is read, and of what is written, leave a part of a register empty."""
    inner, outer = channels(s)
    single = s.in_family("depthwise")
    inner, outer = (np.where(single, s.batch, sides) for sides in (inner, outer))
    first, last = (inner % lanes != 0) & ~thin(s, lanes), outer % lanes != 0
    data, weights = of_data(s), of_weights(s)
    return np.where(data, last, np.where(weights, first | last, first)), np.where(data, first, ~weights & last)


def input_elements(s: Schedule) -> Floats:
    """Numbers in the image that a convolution reads, or that its gradients are for."""
    image = np.where(of_weights(s), input_bytes(s) - results_bytes(s), input_bytes(s))
    return np.where(of_data(s), s.writes, image) / s.itemsize


def results_bytes(s: Schedule) -> Floats:
    """What a convolution writes, or its gradients read."""
    return s.batch * channels(s)[1] * np.where(of_weights(s), s.k, s.m) * s.itemsize


def input_bytes(s: Schedule) -> Floats:
    """All that a convolution reads but its weights: a strided 1x1 touches only every stride-th pixel of its image."""
    behind = np.where(of_weights(s), results_bytes(s), 0.0)
    whole = (s.reads - behind) * np.where(s.taps == 1, s.stride**2, 1) + behind
    return np.where(of_data(s), s.reads, whole)


def copied_bytes(s: Schedule, lanes: float) -> Floats:
    """Of what a convolution reads (:func:`input_bytes`), what is copied into blocks first: all but thin images."""
    behind = np.where(of_weights(s), results_bytes(s), 0.0)
    return np.where(thin(s, lanes), behind, input_bytes(s))
