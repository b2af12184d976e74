"""How long does the GPU wait for the program that launches its kernels?

Eager PyTorch launches kernels one by one. Each launch costs host time while the GPU works through its queue. Kernel i
starts when the kernel before it is done and the host has launched it::

    finish[i] = max(finish[i-1], host[i]) + device[i]    [s],   host[i] = sum of the host time up to i

This is a sum and a running maximum (max-plus algebra). The idle time of the GPU before a kernel is the waiting time of
that kernel. The first kernel does not wait: in a loop it was launched while the GPU was still busy with the run before.

Form: this project's own; evidence: docs/evidence-gpu.md.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from roofline.core.chip import Chip
from roofline.core.parts import Parts
from roofline.core.schedule import FAMILIES, PHASES, Schedule
from roofline.core.stack import Stack

Floats = NDArray[np.float64]

DISPATCH: dict[str, tuple[float, float, float]] = {
    "eager": (5e-6, 18e-6, 45e-6),
    "compiled": (2e-6, 5e-6, 15e-6),
}
"""Host time to launch one elementwise kernel [s]: low, usual, high. Unverified: 5 to 45 us were seen in eager mode, 16
to 22 us on the three machines of :data:`EFFORT`; with 18 us, ResNet-50 at batch 1 takes 6 ms.
"""

EFFORT = {
    "linear": 2.5,
    **dict.fromkeys(("conv", "conv1x1", "depthwise"), 3.0),
    "norm": 2.0,
    **dict.fromkeys(("bmm", "attention", "softmax", "embedding"), 1.4),
}
"""Host time of an eager forward kernel of a family, relative to an elementwise one: checks of shapes, allocations,
descriptors, plans of libraries. From the fastest small calls of NeuSight's measurements, minus the time of two events.
Host of the A100: 19 us elementwise, 25 batched GEMM and softmax, 39 layer norm, 48 linear, 54 convolution; V100: 22,
30, 48, 54; T4: 16, 23, 37, 44. C++ launches the backward kernels, which were not measured apart: 1.
"""

REPLAY_S = 10e-6
"""Time to launch a recorded graph [s]; no run is shorter. Unverified."""

GRAPH_FLOOR = 0.52
"""Launch time of a kernel inside a graph over that of an eager launch: 1.34 / 2.6 us on an A100, 1.26 / 2.4
on an H200.
"""


STEP_S = 24e-6
"""Seconds between dependent launches inside one library call (the steps of a recurrence), beside the launch itself.
cuDNN of 2016 on a Titan X (Maxwell); 24 and 28 us fitted on either half of DeepBench's measurements
(studies/recurrences.py).
"""

STEPPED = ("kepler", "maxwell", "pascal")
"""Architectures that use STEP_S. Later ones keep a whole recurrence in one kernel where it fits (cuDNN 6). Unverified:
no recurrence was measured on any other GPU here.
"""


def between_steps(schedule: Schedule, chip: Chip) -> Floats:
    """Idle seconds of the GPU between the launches that one library call makes for each kernel::

        wait = STEP_S * (repeats - calls)    [s], on the architectures of STEPPED, without optimizers; else 0

    Source: fit of DeepBench's recurrent layers (studies/recurrences.py).

    Parameters
    ----------
    schedule : N kernels, with their ``repeats`` and ``calls`` [1].
    chip : the GPU.

    Returns
    -------
    wait : [s], shape (N,).
    """
    waits = np.where(schedule.phase == PHASES.index("optimizer"), 0, schedule.repeats - schedule.calls)
    return STEP_S * waits if chip.architecture in STEPPED else np.zeros(len(schedule))


def dispatch_seconds(stack: Stack, known: float | None = None) -> tuple[float, float, float]:
    """Host time for one launch (low, usual, high) [s]: ``known`` [s] if given, else that of the mode in
    :data:`DISPATCH`, 0 in a graph.

    Parameters
    ----------
    stack : software stack.
    known : host time of an elementwise kernel [s], or None.
    """
    if known is not None and stack.mode in DISPATCH:
        return (known,) * 3
    return DISPATCH.get(stack.mode, (0.0, 0.0, 0.0))


def efforts(schedule: Schedule, stack: Stack) -> Floats:
    """Host time of one kernel over that of an elementwise kernel [1]: ``effort = EFFORT[family]`` of eager forward,
    else 1.

    Parameters
    ----------
    schedule : N kernels.
    stack : software stack.

    Returns
    -------
    effort : [1], shape (N,).
    """
    of_family = np.array([EFFORT.get(name, 1.0) for name in FAMILIES])
    forward = (schedule.phase == PHASES.index("forward")) & (stack.mode == "eager")
    return np.where(forward, of_family[schedule.family], 1.0)


def waiting(
    schedule: Schedule,
    device: Floats,
    dispatch: float,
    start: float | Floats = 0.0,
    effort: Floats | None = None,
    parts: Parts | None = None,
) -> Floats:
    """Idle seconds of the GPU before and between the calls of every kernel, for ``calls`` c of ``device / c`` seconds
    each::

        cost     = dispatch * effort                                      [s]
        launched = start + sum of cost * c up to i - cost[0]              last call of kernel i launched
        first    = launched - cost * (c - 1)                              its first call launched
        earliest = max(first + device, launched + device / c)
        finish   = max(finish of i-1 + device, earliest)                  [s]
        waiting  = finish - finish of i-1 - device                        [s]

    Form: this project's own; evidence: docs/evidence-gpu.md.

    Parameters
    ----------
    schedule : N kernels, with their ``calls`` [1].
    device : seconds of all launches of each kernel without waiting [s], shape (N,).
    dispatch : host time of one elementwise call [s].
    start : host time before the first call of each program [s], one or P of them.
    effort : host time of a call over ``dispatch`` [1], shape (N,); 1 if None.
    parts : the P programs that the kernels belong to; one if None.

    Returns
    -------
    waiting : [s], shape (N,).
    """
    parts = parts or Parts.one(len(schedule))
    starts, efforts = np.broadcast_to(start, len(parts)), np.ones(len(schedule)) if effort is None else effort
    waits = np.zeros(len(schedule))
    for rows in parts.tables:
        calls, seconds, cost = schedule.calls[rows], device[rows], dispatch * efforts[rows]
        begin = starts[parts.index[rows[:, :1]]]
        handed = begin + np.cumsum(cost * calls, axis=1) - cost[:, :1]  # the host has launched the kernel's last call
        first = handed - cost * (calls - 1)
        # bounded by its first call (then all of its work follows), or by its last call (then one call's work follows)
        earliest = np.maximum(first + seconds, handed + seconds / calls)
        work = np.cumsum(seconds, axis=1)
        finish = work + np.maximum(np.maximum.accumulate(earliest - work, axis=1), 0.0)
        idle = np.diff(finish, prepend=0.0, axis=1) - seconds
        waits[rows] = np.where(idle > 1e-9 * np.maximum(seconds, dispatch), idle, 0.0)  # smaller values are rounding
    return waits
