"""Which code path does a CPU kernel take under eager PyTorch, what does it do, and which terms has it?

A plan is the code path the stack takes, which for convolutions is not the operator family: see :func:`plans`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from roofline.core.schedule import FAMILIES, PHASES, Schedule
from roofline.core.stack import Stack

Floats = NDArray[np.float64]
LANES = 16
"""fp32 numbers in a 512-bit register; half as many in one of 256 bits. oneDNN's layouts block channels by it."""


@dataclass(frozen=True)
class Plan:
    """One code path: which terms it uses and where a fit starts.

    free : parameter -> (start, low, high); a name ending in ``:`` has one value per operator.
    work : operations (or elements) the path really executes.
    read_passes, write_passes : times each activation byte crosses the memory system, which is more
        than once where a path copies its operands into a layout of its own.
    tile : columns that its kernels for whole tiles make; narrower ones make what is left.
    """

    free: Mapping[str, tuple[float, float, float]]
    work: Callable[[Schedule, float], Floats]
    read_passes: float = 1.0
    write_passes: float = 1.0
    tile: int = 8

    def has(self, parameter: str) -> bool:
        """Whether the plan has this term, with one value or one for each operator."""
        return parameter in self.free or f"{parameter}:" in self.free


def up(values: NDArray[np.int64] | Floats, block: float | Floats) -> Floats:
    """Whole blocks that hold ``values``."""
    return np.ceil(values / block) * block


def _flops(s: Schedule, lanes: float) -> Floats:
    return s.flops


def _gemm_work(s: Schedule, lanes: float) -> Floats:
    """Operations on tiles of 4 x 8 outputs; padding is computed too."""
    return 2.0 * s.batch * up(s.m, 4) * up(s.n, 8) * s.k


def columns(s: Schedule) -> NDArray[np.int64]:
    """Columns of a product as the library sees it: of an unfolded convolution the pixels of an image, or taps."""
    image = np.where(of_weights(s), s.m, s.m // np.maximum(s.images, 1))
    return np.where(s.in_family("conv", "conv1x1"), image, s.n)


def _unfolded_work(s: Schedule, lanes: float) -> Floats:
    """As :func:`_gemm_work` with the sides swapped: images have their channels as rows."""
    rows, across = np.maximum(s.n, 1), np.maximum(columns(s), 1)
    return s.flops * up(rows, 4) / rows * up(across, 8) / across


def of_data(s: Schedule) -> NDArray[np.bool_]:
    """Products that make the gradient of their input: those of weights read none."""
    return np.asarray((s.phase > 0) & (s.weights > 0))


def channels(s: Schedule) -> tuple[Floats, Floats]:
    """Channels of a group that a convolution, or a gradient of one, has on either side: (input, output)."""
    data = of_data(s)
    weights = (s.phase > 0) & ~data
    taps = np.maximum(s.taps, 1)
    inner = np.where(data, s.n, np.where(weights, s.m, s.k) / taps)
    outer = np.where(data, s.weights / (s.itemsize * taps * np.maximum(s.batch * s.n, 1)), s.n)
    return np.maximum(inner, 1.0), np.maximum(outer, 1.0)


FILLED = 3.0
"""Blocks of output channels that keep the arithmetic units of oneDNN's kernels busy."""


def idle_blocks(s: Schedule, lanes: float) -> Floats:
    """Blocks of output channels that a convolution, or a gradient of one, lacks to be busy."""
    inner, outer = channels(s)
    return np.maximum(FILLED - np.ceil(np.where(of_data(s), inner, outer) / lanes), 0.0)


def of_weights(s: Schedule) -> NDArray[np.bool_]:
    """Products that make the gradient of weights, which read no weights."""
    return np.asarray((s.phase == PHASES.index("backward")) & (s.weights == 0))


def thin(s: Schedule, lanes: float) -> NDArray[np.bool_]:
    """Convolutions of images with fewer channels than a register holds: oneDNN takes those as they are."""
    inner, _ = channels(s)
    return np.asarray((s.batch == 1) & ~of_data(s) & (inner < np.where(of_weights(s), 4, lanes)))


def _group_block(s: Schedule) -> Floats:
    """Channels of a group that oneDNN's kernels take at once: 16, 8 or 4; 0 where those do not divide them."""
    inner, outer = channels(s)
    blocks = [np.where((inner % block == 0) & (outer % block == 0), block, 0) for block in (16, 8, 4)]
    return np.asarray(np.max(blocks, axis=0), dtype=np.float64)


def _blocked_work(s: Schedule, lanes: float) -> Floats:
    """Operations with channels padded to whole registers.

    Groups are not padded but worked on in narrower registers; so are gradients of weights whose 4 to 15 input channels
    do not fill 512 bits.
    """
    inner, outer = channels(s)
    narrow = of_weights(s) & (inner < lanes) & ~thin(s, lanes)
    block = np.where(narrow, 8, lanes)
    padded = np.where(thin(s, lanes), inner, up(inner, block)) / inner * up(outer, lanes) / outer
    grouped = np.maximum(lanes / np.maximum(_group_block(s), 1.0), 1.0)
    return s.flops * np.where(s.batch > 1, grouped, padded * np.where(narrow, lanes / 8, 1.0))


def _data_work(s: Schedule, lanes: float) -> Floats:
    """As :func:`_blocked_work`; strided ones leave the channels that they sum over as they are."""
    _, outer = channels(s)
    return _blocked_work(s, lanes) * np.where((s.stride > 1) & (s.batch == 1), outer / up(outer, lanes), 1.0)


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


def _depthwise_work(s: Schedule, lanes: float) -> Floats:
    return 2.0 * up(s.batch, lanes) * s.m * s.k


def _elements(s: Schedule, lanes: float) -> Floats:
    return s.elements.astype(np.float64)


def _window_work(s: Schedule, lanes: float) -> Floats:
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
_IDLE = {"idle": (0.2, 1e-3, 5.0)}
_UNALIGNED = {"unaligned": (2.0, 0.5, 10.0)}
_WEIGHTS = {"weight_bandwidth": (2e10, 1e8, 1e12)}
_ROW = {"row": (2e-9, 1e-12, 1e-5)}
_PRODUCT = {"row": (3e-7, 1e-10, 1e-4)}

PLANS: dict[str, Plan] = {
    "linear": Plan({**_GEMM, **_WEIGHTS, "remainder": (0.5, 1e-3, 5.0)}, _gemm_work),
    "skinny": Plan(
        {**_START, "rate:": (1e11, 1e8, 1e14), **_WEIGHTS},
        _flops,
    ),
    "gemv": Plan({**_START, "weight_bandwidth:": _WEIGHTS["weight_bandwidth"]}, _flops),
    "bmm": Plan({**_GEMM, **_PRODUCT, "remainder": (0.5, 1e-3, 5.0)}, _gemm_work),
    "attention": Plan({**_GEMM, "row:": _PRODUCT["row"], "remainder": (0.5, 1e-3, 5.0)}, _flops, tile=16),
    "decode": Plan({**_START, "rate:": (2e10, 1e8, 1e14), **_PRODUCT, "activations": (0.5, 0.02, 5.0)}, _flops),
    "conv-blocked": Plan(
        {**_GEMM, **_IDLE, **_WEIGHTS, **_UNALIGNED},
        _blocked_work,
        read_passes=2.0,
        write_passes=2.0,
    ),
    "conv-strided": Plan({**_GEMM, **_WEIGHTS, **_UNALIGNED}, _blocked_work, read_passes=2.0, write_passes=2.0),
    "conv-data": Plan(
        {**_GEMM, **_WEIGHTS, **_UNALIGNED, "strided:": (1.0, 0.2, 30.0)}, _data_work, read_passes=2.0, write_passes=2.0
    ),
    "conv-weights": Plan({**_GEMM, **_IDLE, **_UNALIGNED}, _blocked_work, read_passes=2.0),
    "conv-gemm": Plan({**_GEMM, **_WEIGHTS, **_PRODUCT, "unfold": (1e-9, 1e-12, 1e-7), "remainder": (0.5, 1e-3, 5.0)}, _unfolded_work, read_passes=2.0),
    "depthwise": Plan(
        {
            **_START,
            "rate:": (2e11, 1e8, 1e14),
            **_UNALIGNED,
            "activations": (0.3, 0.02, 5.0),
        },
        _depthwise_work,
        read_passes=2.0,
        write_passes=2.0,
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
        read_passes=2.0,
        write_passes=2.0,
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
    "softmax": Plan({**_STREAM, "row:": _ROW["row"], "short:": (1e-8, 1e-11, 1e-6)}, lambda s, lanes: s.m * up(s.k, lanes)),
    "reduction": Plan({**_STREAM, **_ROW}, _elements),
    "pool": Plan({**_STREAM, "sat_k:": (4.0, 1e-2, 1e3)}, _window_work),
    "embedding": Plan({**_START, "row:": _ROW["row"], **_WEIGHTS, "activations:": (0.5, 0.02, 5.0)}, _elements),
    "copy": Plan(_STREAM, _elements),
}
"""Plans by name. ``gemv`` is a linear layer of one row; ``conv-blocked`` is oneDNN in its blocked layout,
``conv-strided`` its 1x1 convolutions that skip pixels, ``conv-data`` and ``conv-weights`` its gradients, and
``conv-gemm`` unfolds and multiplies."""

PLAN_NAMES = tuple(PLANS)

GATES = ("_gates", "_gates_backward")
"""How the names of kernels end that make the gates of a recurrent layer."""


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
    codes[schedule.in_family("attention") & (schedule.m < 8)] = PLAN_NAMES.index("decode")
    codes[schedule.in_family("linear") & (schedule.m < 8)] = PLAN_NAMES.index("skinny")
    codes[schedule.in_family("linear") & (schedule.m == 1)] = PLAN_NAMES.index("gemv")
    convolution = schedule.in_family("conv", "conv1x1")
    shaped = (schedule.stride > 1) | (schedule.images >= 16) | (schedule.taps > 1) | (stack.threads > 1)
    large = (
        (schedule.batch > 1)
        | (schedule.taps > 9)
        | (schedule.images > 1)
        | (input_elements(schedule) > 20480)
    )
    large &= (schedule.batch == 1) | (_group_block(schedule) > 0)
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


def makes_gates(schedule: Schedule) -> NDArray[np.bool_]:
    """Kernels that make the gates of a recurrent layer, or their gradients."""
    return np.array([name.endswith(GATES) for name in schedule.op_names], dtype=bool)[schedule.op]


def with_recurrences(schedule: Schedule) -> Schedule:
    """The kernels of a recurrent layer, products included, under the name of those that make its gates.

    A library runs them in one call, or PyTorch step by step; either way they are fitted together.
    """
    gates = np.flatnonzero(makes_gates(schedule))
    if not len(gates):
        return schedule
    part = schedule.layer * len(PHASES) + schedule.phase
    parts, first = np.unique(part[gates], return_index=True)
    place = np.searchsorted(parts, part).clip(max=len(parts) - 1)
    return replace(schedule, op=np.where(parts[place] == part, schedule.op[gates[first]][place], schedule.op))


def plan_labels(schedule: Schedule, stack: Stack = Stack()) -> list[str]:  # noqa: B008
    """Name of each kernel's plan, empty where none is modelled."""
    return [PLAN_NAMES[code] if code >= 0 else "" for code in plans(schedule, stack)]
