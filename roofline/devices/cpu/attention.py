"""Which scores does PyTorch's attention compute on a CPU, though a mask hides them?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from roofline.core.attention import square
from roofline.core.schedule import Schedule

Floats = NDArray[np.float64]

BLOCK, LEAST = 256, 768
"""Queries of a block, and queries from which blocks are that large. A block computes the keys up to its last query. A
causal call over a full one on an x86 core with PyTorch's flash kernel: 1.13 at 256 queries, 1.05 at 512, 0.76 at 1,024,
0.63 at 2,048; so short calls save nothing."""


def executed_scores(schedule: Schedule) -> Floats:
    """Scores that an attention computes over those that its mask leaves [1], shape (N,); 1 for other kernels::

        executed = min(n, elements / (batch * m) + BLOCK) / n    of the full square, from LEAST queries on; else 1

    A sliding window is passed as a mask and computes every score, as do decoding steps. Shared heads save bytes, not
    operations. Source: measured here, see :data:`BLOCK`.

    Parameters
    ----------
    schedule : N kernels.
    """
    whole = square(schedule)
    fused = schedule.in_family("attention") & (schedule.m >= LEAST)
    mean = schedule.elements / np.maximum(schedule.batch * schedule.m, 1)
    triangle = mean >= schedule.n - 0.5 * schedule.m  # a window leaves less than a causal mask
    executed = np.minimum(schedule.n, mean + BLOCK) / np.maximum(schedule.n, 1)
    return np.where(fused & triangle, whole * executed, whole)
