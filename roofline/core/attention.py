"""Which columns of a schedule describe an attention, and what does its mask leave?

An attention kernel has ``batch`` = samples x query heads, ``m`` queries, ``n`` keys and ``k`` numbers in a key. Other
columns that it would not use hold the rest: ``images`` query heads that share a key head, ``stride`` samples, ``taps``
numbers in a value (1: as many as in a key), ``taps_high`` bits of a stored key or value (1: as many as in the
operands), ``elements`` the scores that the mask leaves.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from roofline.core.schedule import Schedule

Floats = NDArray[np.float64]


def kept(queries: int, keys: int, causal: bool, window: int = 0) -> int:
    """Scores of one head that a mask leaves [1]: query i of S sees the last ``window`` of its first T - S + i keys::

        kept = sum over i = 1..S of min(max(T - S + i, 0), window),   window = T where there is none
        kept = S * T                                                  without a mask

    The last query stands beside the last key, as where a prompt is processed in chunks. Source: FlashAttention 2.1.

    Parameters
    ----------
    queries, keys : S and T [1].
    causal : a query sees no later key.
    window : keys that a query sees at most [1]; 0: no window. A window is causal.
    """
    if not causal and not window:
        return queries * keys
    width = min(window or keys, keys)

    def first(count: int) -> int:  # of a square with that many keys
        ramp = min(count, width)
        return ramp * (ramp + 1) // 2 + width * (count - ramp)

    return first(keys) - first(max(keys - queries, 0))


def span(queries: int, keys: int, window: int = 0) -> int:
    """Keys that any query sees [1]: ``min(T, S + window - 1)``, all T without a window.

    Parameters
    ----------
    queries, keys, window : as in :func:`kept` [1].
    """
    return min(keys, queries + window - 1) if window else keys


def value_width(schedule: Schedule) -> Floats:
    """Numbers in a value of every attention [1], shape (N,)."""
    return np.where(schedule.taps > 1, schedule.taps, schedule.k).astype(np.float64)


def square(schedule: Schedule) -> Floats:
    """Scores of the full square over those that the mask leaves [1], shape (N,); 1 for other kernels::

        share = batch * m * n / elements

    PyTorch's FLOP counter counts the full square: multiply ``flops`` by this before comparing.

    Parameters
    ----------
    schedule : N kernels.
    """
    fused = schedule.in_family("attention")
    full = schedule.batch.astype(np.float64) * schedule.m * schedule.n
    return np.where(fused, full / np.where(fused, np.maximum(schedule.elements, 1), 1.0), 1.0)


def unmasked(schedule: Schedule, share: Floats | None = None) -> Schedule:
    """The schedule as a kernel executes it that skips no masked score, or only some: operations and scores grow by
    ``share`` [1], that of :func:`square` if None.

    Parameters
    ----------
    schedule : N kernels.
    share : executed scores over those that the mask leaves [1], shape (N,).
    """
    grown = square(schedule) if share is None else share
    if not (grown > 1.0).any():
        return schedule
    scores = np.rint(schedule.elements * grown).astype(np.int64)
    return replace(schedule, flops=schedule.flops * grown, elements=scores)
