"""Does the device wait for the program that feeds it?

Eager PyTorch hands kernels over one by one: each costs the host some microseconds, while the device works
through its queue. Kernel i starts when the one before it is done and the host has handed it over:

    finish[i] = max(finish[i-1], host[i]) + device[i],    host[i] = sum of the host's time up to i

which is a sum and a running maximum (max-plus algebra). What the device spends idle before a kernel is
that kernel's waiting time. The first kernel waits for nothing: in a loop it was handed over while the
device was still busy with the run before.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from roofline.core.chip import Chip
from roofline.core.schedule import FAMILIES, PHASES, Schedule
from roofline.core.stack import Stack

Floats = NDArray[np.float64]

DISPATCH: dict[str, tuple[float, float, float]] = {
    "eager": (5e-6, 18e-6, 45e-6),
    "compiled": (2e-6, 5e-6, 15e-6),
}
"""Seconds of the host for one elementwise kernel: low, usual, high. Unverified: 5 to 45 us have been seen in eager
mode, 16 to 22 on the three machines of :data:`EFFORT`; ResNet-50 at batch 1 comes to 6 ms with 18."""

EFFORT = {
    "linear": 2.5,
    **dict.fromkeys(("conv", "conv1x1", "depthwise"), 3.0),
    "norm": 2.0,
    **dict.fromkeys(("bmm", "attention", "softmax", "embedding"), 1.4),
}
"""How long eager PyTorch takes to hand over a forward kernel of a family, over an elementwise one: checks of shapes,
allocations, descriptors and plans of libraries. From the fastest small calls of NeuSight's rows, less what two events
cost [us]: A100's machine 19 elementwise, 25 batched product and softmax, 39 layer norm, 48 linear, 54 convolution;
V100's 22, 30, 48, 54; T4's 16, 23, 37, 44. The backward is handed over by C++ and was not measured apart: 1."""

REPLAY_S = 10e-6
"""Seconds to hand over a recorded graph: no run is shorter. Unverified."""

GRAPH_FLOOR = 0.52
"""A kernel's floor inside a graph over that of an eager launch: 1.34 / 2.6 us on an A100, 1.26 / 2.4 on an H200."""


STEP_S = 24e-6
"""Seconds between launches that wait for each other inside one call of a library (the steps of a recurrence), beside
the launch itself: cuDNN of 2016 on a Titan X of Maxwell; 24 and 28 us on either half of DeepBench's rows
(studies/recurrences.py)."""

STEPPED = ("kepler", "maxwell", "pascal")
"""Architectures to which it is carried over; later ones keep a whole recurrence in one kernel where it fits (cuDNN 6).
Unverified: no recurrence was measured on any other card here."""


def between_steps(schedule: Schedule, chip: Chip) -> Floats:
    """Seconds a chip idles between the launches that one call makes of each row."""
    waits = np.where(schedule.phase == PHASES.index("optimizer"), 0, schedule.repeats - schedule.calls)
    return STEP_S * waits if chip.architecture in STEPPED else np.zeros(len(schedule))


def dispatch_seconds(stack: Stack, known: float | None = None) -> tuple[float, float, float]:
    """Seconds of the host for one launch (low, usual, high), all three ``known`` where that is given.

    Zero inside a graph.
    """
    if known is not None and stack.mode in DISPATCH:
        return (known,) * 3
    return DISPATCH.get(stack.mode, (0.0, 0.0, 0.0))


def efforts(schedule: Schedule, stack: Stack) -> Floats:
    """What handing over one kernel of each row costs, in elementwise kernels."""
    of_family = np.array([EFFORT.get(name, 1.0) for name in FAMILIES])
    forward = (schedule.phase == PHASES.index("forward")) & (stack.mode == "eager")
    return np.where(forward, of_family[schedule.family], 1.0)


def waiting(
    schedule: Schedule, device: Floats, dispatch: float, start: float = 0.0, effort: Floats | None = None
) -> Floats:
    """Seconds the device idles before and between the calls of every row.

    Parameters
    ----------
    device : seconds of all launches of a row, without waiting.
    dispatch : seconds of the host for one call. start : seconds before its first. effort : what a call of each row
        costs in units of ``dispatch``; 1 where nothing is said.
    """
    calls = schedule.calls
    cost = dispatch * (np.ones(len(schedule)) if effort is None else effort)
    handed = start + np.cumsum(cost * calls) - cost[:1]  # when the host is done with the row
    first = handed - cost * (calls - 1)
    # with the first call in time the row takes as long as it is; with the last one late, what that takes
    earliest = np.maximum(first + device, handed + device / calls)
    work = np.cumsum(device)
    finish = work + np.maximum(np.maximum.accumulate(earliest - work), 0.0)
    idle = np.diff(finish, prepend=0.0) - device
    return np.where(idle > 1e-9 * np.maximum(device, dispatch), idle, 0.0)  # less is rounding
