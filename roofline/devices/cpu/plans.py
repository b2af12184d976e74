"""Which code path (plan) does a CPU kernel take under eager PyTorch, what does it execute, and which terms does it
have?

For convolutions the plan is not the operator family: see :func:`plans`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from roofline.core.schedule import FAMILIES, GATES, PHASES, Schedule
from roofline.core.stack import Stack
from roofline.devices.cpu.convolutions import (
    blocked_work,
    data_work,
    group_block,
    input_elements,
    of_data,
    unfolded_work,
    up,
)

Floats = NDArray[np.float64]
LANES = 16
"""fp32 numbers in a 512-bit register; half as many in 256 bits. oneDNN's layouts block channels by it."""


@dataclass(frozen=True)
class Plan:
    """One code path: the terms it uses and where a fit starts.

    Parameters
    ----------
    free : parameter -> (start, low, high) in SI units; a name that ends in ``:`` has one value per operator.
    work : (kernels, lanes) -> operations [FLOP] or elements that the path really executes, shape (N,).
    copies, copies_back : whether it copies its inputs into its own layout first, and its result back.
    tile : columns of its kernels for whole tiles [1]; narrower kernels compute the remainder.
    """

    free: Mapping[str, tuple[float, float, float]]
    work: Callable[[Schedule, float], Floats]
    copies: bool = False
    copies_back: bool = False
    tile: int = 8

    def has(self, parameter: str) -> bool:
        """Whether the plan has this term, with one value or with one for each operator."""
        return parameter in self.free or f"{parameter}:" in self.free


def _flops(s: Schedule, lanes: float) -> Floats:
    return s.flops


def _gemm_work(s: Schedule, lanes: float) -> Floats:
    """Operations in tiles of 4 x 8 outputs, padding included."""
    return 2.0 * s.batch * up(s.m, 4) * up(s.n, 8) * s.k


def _depthwise_work(s: Schedule, lanes: float) -> Floats:
    return 2.0 * up(s.batch, lanes) * s.m * s.k


def _elements(s: Schedule, lanes: float) -> Floats:
    return s.elements.astype(np.float64)


def _window_work(s: Schedule, lanes: float) -> Floats:
    """Taps read; ``sat_k`` adds the fixed work of each output, in taps."""
    return np.asarray(s.elements * s.k, dtype=np.float64)


_START = {"start:": (3e-6, 2e-7, 3e-4)}
_GEMM = {
    **_START,
    "rate:": (1e11, 1e8, 1e14),
    "sat_k": (2.0, 1e-3, 300.0),
    "activations": (0.5, 0.02, 5.0),
}
_STREAM = {
    **_START,
    "rate:": (8e9, 1e7, 1e12),
    "activations": (0.8, 0.02, 5.0),
}
_REMAINDER = {"remainder": (0.5, 1e-3, 5.0)}
_IDLE = {"idle": (0.2, 1e-3, 5.0)}
_UNALIGNED = {"unaligned": (2.0, 0.5, 10.0)}
_WEIGHTS = {"weight_bandwidth": (2e10, 1e8, 1e12)}
_ROW = {"row": (2e-9, 1e-12, 1e-5)}
_PRODUCT = {"row": (3e-7, 1e-10, 1e-4)}

PLANS: dict[str, Plan] = {
    "linear": Plan({**_GEMM, **_WEIGHTS, **_REMAINDER}, _gemm_work),
    "skinny": Plan(
        {**_START, "rate:": (1e11, 1e8, 1e14), **_WEIGHTS},
        _flops,
    ),
    "gemv": Plan({**_START, "weight_bandwidth:": _WEIGHTS["weight_bandwidth"]}, _flops),
    "bmm": Plan({**_GEMM, **_PRODUCT, **_REMAINDER}, _gemm_work),
    "attention": Plan({**_GEMM, "row:": _PRODUCT["row"], **_REMAINDER}, _flops, tile=16),
    "decode": Plan({**_START, "rate:": (2e10, 1e8, 1e14), **_PRODUCT, "activations": (0.5, 0.02, 5.0)}, _flops),
    "conv-blocked": Plan(
        {**_GEMM, **_IDLE, **_WEIGHTS, **_UNALIGNED},
        blocked_work,
        copies=True,
        copies_back=True,
    ),
    "conv-strided": Plan({**_GEMM, **_WEIGHTS, **_UNALIGNED}, blocked_work, copies=True, copies_back=True),
    "conv-data": Plan(
        {**_GEMM, **_WEIGHTS, **_UNALIGNED, "strided:": (1.0, 0.2, 30.0)}, data_work, copies=True, copies_back=True
    ),
    "conv-weights": Plan({**_GEMM, **_IDLE, **_UNALIGNED}, blocked_work, copies=True),
    "conv-gemm": Plan(
        {**_GEMM, **_WEIGHTS, **_PRODUCT, **_REMAINDER, "unfold": (1e-9, 1e-12, 1e-7)},
        unfolded_work,
        copies=True,
    ),
    "depthwise": Plan(
        {
            **_START,
            "rate:": (2e11, 1e8, 1e14),
            **_UNALIGNED,
            "activations": (0.3, 0.02, 5.0),
        },
        _depthwise_work,
        copies=True,
        copies_back=True,
    ),
    "depthwise-gradient": Plan(
        {
            **_START,
            "rate:": (2e11, 1e8, 1e14),
            "activations": (0.3, 0.02, 5.0),
            "unaligned:": (2.0, 0.5, 10.0),
            "wide:": (1.0, 0.2, 30.0),
            "strided:": (1.0, 0.2, 30.0),
        },
        _depthwise_work,
        copies=True,
        copies_back=True,
    ),
    "elementwise": Plan({**_STREAM, "guess": (2.0, 1e-3, 50.0)}, _elements),
    "optimizer": Plan(
        {"start": (4e-6, 2e-7, 3e-4), "rate": (2e10, 1e7, 1e12), "activations": (0.8, 0.02, 5.0)}, _flops
    ),
    "recurrence": Plan(
        {
            "start:": (3e-5, 1e-6, 3e-3),
            "row:": (3e-6, 1e-8, 3e-4),
            "rate:": (3e10, 1e8, 1e14),
            "weight_bandwidth:": (1e10, 1e8, 1e12),
            "activations": (0.8, 0.02, 5.0),
        },
        _flops,
    ),
    "norm": Plan({**_STREAM, **_ROW, "sat_k:": (16.0, 1e-2, 1e4)}, _elements),
    "softmax": Plan(
        {**_STREAM, "row:": _ROW["row"], "short:": (1e-8, 1e-11, 1e-6)}, lambda s, lanes: s.m * up(s.k, lanes)
    ),
    "reduction": Plan({**_STREAM, **_ROW}, _elements),
    "pool": Plan({**_STREAM, "sat_k:": (4.0, 1e-2, 1e3)}, _window_work),
    "embedding": Plan({**_START, "row:": _ROW["row"], **_WEIGHTS, "activations:": (0.5, 0.02, 5.0)}, _elements),
    "copy": Plan(_STREAM, _elements),
}
"""Plans by name. ``gemv`` is a linear layer of one row, ``skinny`` of 2 to 7. ``conv-blocked`` is oneDNN in its blocked
layout, ``conv-strided`` its 1x1 convolutions with stride, ``conv-data`` and ``conv-weights`` its gradients.
``conv-gemm`` unfolds the image and multiplies.
"""

PLAN_NAMES = tuple(PLANS)


def lacking(plan: str, parameters: Iterable[str]) -> list[str]:
    """Parameters of a plan that a fit of an earlier version does not have, by kind, without operators."""
    kinds = {name.partition(":")[0] for name in parameters}
    return sorted({name.rstrip(":") for name in PLANS[plan].free} - kinds) if plan in PLANS else []


def plans(schedule: Schedule, stack: Stack = Stack()) -> NDArray[np.int64]:  # noqa: B008 (a frozen value)
    """The plan of each kernel: an index into :data:`PLAN_NAMES`, -1 where none is modelled; shape (N,).

    The rule for convolutions is PyTorch's (``use_mkldnn`` in aten/src/ATen/native/Convolution.cpp, 2.x). oneDNN runs if
    both hold: first, stride > 1, a window above 1x1, at least 16 images or several threads; second, groups, a window
    above 3x3, several images or more than 20480 input elements. Otherwise each image is unfolded and multiplied. oneDNN
    itself also does so for groups whose channels fill none of its registers.

    Parameters
    ----------
    schedule : N kernels.
    stack : software stack.
    """
    codes = np.full(len(schedule), -1, dtype=np.int64)
    for name in PLAN_NAMES:
        if name in FAMILIES:
            codes[schedule.in_family(name)] = PLAN_NAMES.index(name)
    codes[schedule.in_family("attention") & (schedule.m < 8)] = PLAN_NAMES.index("decode")
    codes[schedule.in_family("linear") & (schedule.m < 8)] = PLAN_NAMES.index("skinny")
    codes[schedule.in_family("linear") & (schedule.m == 1)] = PLAN_NAMES.index("gemv")
    convolution = schedule.in_family("conv", "conv1x1")
    shaped = (schedule.stride > 1) | (schedule.images >= 16) | (schedule.taps > 1) | (stack.threads > 1)
    large = (schedule.batch > 1) | (schedule.taps > 9) | (schedule.images > 1) | (input_elements(schedule) > 20480)
    large &= (schedule.batch == 1) | (group_block(schedule) > 0)
    codes[convolution & shaped & large] = PLAN_NAMES.index("conv-blocked")
    back = schedule.phase == PHASES.index("backward")
    codes[convolution & (schedule.taps == 1) & (schedule.stride > 1) & ~back] = PLAN_NAMES.index("conv-strided")
    turned = np.array([name == "conv_transpose2d" for name in schedule.op_names], dtype=bool)[schedule.op]
    codes[convolution & (of_data(schedule) | turned)] = PLAN_NAMES.index("conv-data")
    codes[convolution & back & ~of_data(schedule)] = PLAN_NAMES.index("conv-weights")
    codes[convolution & ~(shaped & large)] = PLAN_NAMES.index("conv-gemm")
    codes[schedule.in_family("depthwise") & back] = PLAN_NAMES.index("depthwise-gradient")
    codes[makes_gates(schedule)] = PLAN_NAMES.index("recurrence")
    codes[schedule.phase == PHASES.index("optimizer")] = PLAN_NAMES.index("optimizer")
    return codes


def makes_gates(schedule: Schedule) -> NDArray[np.bool_]:
    """Mask of the kernels that compute the gates of a recurrent layer, or their gradients, by name; shape (N,).

    Parameters
    ----------
    schedule : N kernels.
    """
    return np.array([name.endswith(GATES) for name in schedule.op_names], dtype=bool)[schedule.op]


def with_recurrences(schedule: Schedule) -> Schedule:
    """The ``schedule`` of N kernels with those of a recurrent layer, GEMMs included, named as its gates; calls
    :func:`makes_gates`.

    A library runs them in one call, or PyTorch step by step; both are fitted as one.
    """
    gates = np.flatnonzero(makes_gates(schedule))
    if not len(gates):
        return schedule
    part = schedule.layer * len(PHASES) + schedule.phase
    parts, first = np.unique(part[gates], return_index=True)
    place = np.searchsorted(parts, part).clip(max=len(parts) - 1)
    return replace(schedule, op=np.where(parts[place] == part, schedule.op[gates[first]][place], schedule.op))


def plan_labels(schedule: Schedule, stack: Stack = Stack()) -> list[str]:  # noqa: B008
    """Name of each kernel's plan by :func:`plans`, empty where none is modelled; N names.

    Parameters
    ----------
    schedule : N kernels.
    stack : software stack.
    """
    return [PLAN_NAMES[code] if code >= 0 else "" for code in plans(schedule, stack)]
