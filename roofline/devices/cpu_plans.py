"""Which code path does a CPU kernel take under eager PyTorch, what does it do, and which terms has it?

A plan is the code path the stack takes, which for convolutions is not the operator family: see :func:`plans`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roofline.core.schedule import FAMILIES, Schedule
from roofline.core.stack import Stack

Floats = NDArray[np.float64]
BLOCK = 16
"""fp32 lanes of a 512-bit register: the channel block of oneDNN's layouts."""



@dataclass(frozen=True)
class Plan:
    """One code path: which terms it uses and where a fit starts.

    free : parameter -> (start, low, high); a name ending in ``:`` has one value per operator.
    work : operations (or elements) the path really executes.
    read_passes, write_passes : times each activation byte crosses the memory system, which is more
        than once where a path copies its operands into a layout of its own.
    """

    free: Mapping[str, tuple[float, float, float]]
    work: Callable[[Schedule], Floats]
    read_passes: float = 1.0
    write_passes: float = 1.0


def _up(values: NDArray[np.int64], block: int = BLOCK) -> Floats:
    return np.ceil(values / float(block)) * block


def _flops(s: Schedule) -> Floats:
    return s.flops


def _gemm_work(s: Schedule) -> Floats:
    """Operations on tiles of 4 x 8 outputs; padding is computed too."""
    return 2.0 * s.batch * _up(s.m, 4) * _up(s.n, 8) * s.k


def _blocked_work(s: Schedule) -> Floats:
    """Operations with channels padded to blocks of 16; images of at most 4 channels stay as they are."""
    channels = s.k / s.taps
    block = np.where(channels <= BLOCK // 2, BLOCK // 2, BLOCK)
    inner = np.where(channels <= 4, channels, np.ceil(channels / block) * block)
    return 2.0 * s.batch * s.m * _up(s.n) * s.taps * inner


def _depthwise_work(s: Schedule) -> Floats:
    return 2.0 * _up(s.batch) * s.m * s.k


def _elements(s: Schedule) -> Floats:
    return s.elements.astype(np.float64)


def _window_work(s: Schedule) -> Floats:
    """Taps looked at, plus the fixed part of each output as ``sat_k`` taps."""
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
_WEIGHTS = {"weight_bandwidth": (2e10, 1e8, 1e12)}
_ROW = {"row": (2e-9, 1e-12, 1e-5)}
_PRODUCT = {"row": (3e-7, 1e-10, 1e-4)}

PLANS: dict[str, Plan] = {
    "linear": Plan({**_GEMM, **_WEIGHTS, "remainder": (0.5, 1e-3, 5.0)}, _gemm_work),
    "skinny": Plan(
        {**_START, "rate:": (1e11, 1e8, 1e14), **_WEIGHTS},
        _flops,
    ),
    "gemv": Plan({**_START, **_WEIGHTS}, _flops),
    "bmm": Plan({**_GEMM, **_PRODUCT, "remainder": (0.5, 1e-3, 5.0)}, _gemm_work),
    "attention": Plan({**_GEMM, **_PRODUCT}, _flops),
    "conv-blocked": Plan(
        {**_GEMM, **_WEIGHTS},
        _blocked_work,
        read_passes=2.0,
        write_passes=2.0,
    ),
    "conv-gemm": Plan({**_GEMM, **_WEIGHTS, **_PRODUCT}, _gemm_work),
    "depthwise": Plan(
        {
            **_START,
            "rate:": (2e11, 1e8, 1e14),
            "unaligned": (2.0, 0.5, 10.0),
            "activations": (0.3, 0.02, 5.0),
        },
        _depthwise_work,
    ),
    "elementwise": Plan(_STREAM, _elements),
    "norm": Plan({**_STREAM, **_ROW, "sat_k:": (16.0, 1e-2, 1e4)}, _elements),
    "softmax": Plan({**_STREAM, **_ROW, "short": (1e-8, 1e-11, 1e-6)}, lambda s: s.m * _up(s.k)),
    "reduction": Plan({**_STREAM, **_ROW}, _elements),
    "pool": Plan({**_STREAM, "sat_k:": (4.0, 1e-2, 1e3)}, _window_work),
    "embedding": Plan({**_START, **_ROW, **_WEIGHTS, "activations": (0.5, 0.02, 5.0)}, _elements),
    "copy": Plan(_STREAM, _elements),
}
"""Plans by name. ``gemv`` is a linear layer of one row; ``conv-blocked`` is oneDNN in its blocked layout,
``conv-gemm`` unfolds and multiplies."""

PLAN_NAMES = tuple(PLANS)


def plans(schedule: Schedule, stack: Stack = Stack()) -> NDArray[np.int64]:  # noqa: B008 (a frozen value)
    """Which plan each kernel takes: an index into :data:`PLAN_NAMES`, -1 where none is modelled.

    The rule for convolutions is PyTorch's own (aten/src/ATen/native/Convolution.cpp, ``use_mkldnn``,
    2.x): oneDNN runs where the kernel is strided, larger than 1x1, the batch at least 16 or several
    threads are at work, and there are groups, a kernel above 3x3, several images or more than 20480
    input elements. Otherwise each image is unfolded and multiplied.
    """
    codes = np.full(len(schedule), -1, dtype=np.int64)
    for name in PLAN_NAMES:
        if name in FAMILIES:
            codes[schedule.in_family(name)] = PLAN_NAMES.index(name)
    codes[schedule.in_family("linear") & (schedule.m < 8)] = PLAN_NAMES.index("skinny")
    codes[schedule.in_family("linear") & (schedule.m == 1)] = PLAN_NAMES.index("gemv")
    convolution = schedule.in_family("conv", "conv1x1")
    shaped = (schedule.stride > 1) | (schedule.images >= 16) | (schedule.taps > 1) | (stack.threads > 1)
    large = (
        (schedule.batch > 1)
        | (schedule.taps > 9)
        | (schedule.images > 1)
        | (input_bytes(schedule) / schedule.itemsize > 20480)
    )
    codes[convolution & shaped & large] = PLAN_NAMES.index("conv-blocked")
    codes[convolution & ~(shaped & large)] = PLAN_NAMES.index("conv-gemm")
    return codes


def input_bytes(s: Schedule) -> Floats:
    """The whole input of a convolution: a strided 1x1 touches only every stride-th pixel of it."""
    return s.reads * np.where(s.taps == 1, s.stride**2, 1)


def plan_labels(schedule: Schedule, stack: Stack = Stack()) -> list[str]:  # noqa: B008
    """Name of each kernel's plan, empty where none is modelled."""
    return [PLAN_NAMES[code] if code >= 0 else "" for code in plans(schedule, stack)]
