"""Which kernel runs a fused attention on a GPU? The stack's word or its framework's choice, and what each kernel needs.

A table of data: a new kernel is a new line. The first kernel of the stack's list that can run takes the call; the last
can always run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from roofline.core.schedule import Schedule
from roofline.core.stack import Stack

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SM80 = ("ampere", "ada", "hopper", "blackwell")
HOPPER = ("hopper",)
LATE = ("hopper", "blackwell")


@dataclass(frozen=True)
class AttentionKernel:
    """One implementation of fused attention.

    Parameters
    ----------
    name : a word of :data:`roofline.core.stack.ATTENTION`.
    architectures : those that it runs on; none: all.
    widest : largest number of a key or value [1]; ``latent``: widest key and value of latent attention, or none.
    itemsizes : bytes of an operand number that it takes [B].
    equal : keys and values must be equally wide.
    tiles : (widest key, query rows, keys) of its tiles, by width.
    rows : query rows of a tile where each key head has one query; the queries of a group are packed into them.
    packs : queries of a group are packed into tiles for longer inputs as well.
    splits : blocks that share a multiprocessor where keys are split; 0: keys are never split.
    prompts : keys are split for several queries, too.
    efficiency : share of the peak of tensor cores beside the exponentials [1]; ``others`` by architecture.
    backward : the same, of the backward kernel; ``backward_others`` by architecture.
    start : clocks of a block before and after its tiles.
    alone : time of a tile in a block that runs alone over its time in a full multiprocessor [1].
    combine, each : seconds to add the parts of a split, and for each part [s].
    turns : seconds of a copy that turns queries of a group into rows, and their result back [s].
    prompt : seconds beside the floor where there are several queries [s].
    """

    name: str
    architectures: tuple[str, ...] = ()
    widest: int = 256
    latent: tuple[int, int] | None = None
    itemsizes: tuple[float, ...] = (2.0,)
    equal: bool = True
    tiles: tuple[tuple[int, int, int], ...] = ((65536, 64, 64),)
    rows: int = 64
    packs: bool = False
    splits: int = 0
    prompts: bool = False
    efficiency: float = 0.68
    others: Mapping[str, float] = field(default_factory=dict)
    backward: float = 0.5
    backward_others: Mapping[str, float] = field(default_factory=dict)
    start: float = 2630.0
    alone: float = 1.19
    combine: float = 4.3e-6
    each: float = 0.207e-6
    turns: float = 2.9e-6
    prompt: float = 0.0

    def can(self, schedule: Schedule, width: Floats, architecture: str, itemsize: float | Floats) -> NDArray[np.bool_]:
        """Mask of the attentions that it can run, shape (N,).

        Parameters
        ----------
        schedule : N attentions.
        width : numbers in a value [1], shape (N,).
        architecture : of the GPU.
        itemsize : bytes of an operand number [B].
        """
        if self.architectures and architecture not in self.architectures:
            return np.zeros(len(schedule), dtype=bool)
        fits = np.maximum(schedule.k, width) <= self.widest
        if self.equal:
            fits &= schedule.k == width
        if self.latent:
            fits |= (schedule.k <= self.latent[0]) & (width <= self.latent[1]) & (schedule.k > width)
        return np.asarray(fits & np.isin(itemsize, self.itemsizes))


KERNELS: tuple[AttentionKernel, ...] = (
    AttentionKernel(
        "flash-2",
        SM80,
        tiles=((64, 64, 256), (128, 64, 128), (256, 64, 64)),
        splits=2,
        others={"hopper": 0.43, "blackwell": 0.43},
        backward=0.58,
        backward_others={"hopper": 0.35, "blackwell": 0.35},
    ),
    AttentionKernel(
        "flash-3",
        HOPPER,
        latent=(576, 512),
        itemsizes=(2.0, 1.0),
        equal=False,
        tiles=((64, 192, 128), (128, 128, 128), (192, 128, 112), (65536, 128, 80)),
        packs=True,
        splits=1,
        prompts=True,
        efficiency=0.97,
        backward=0.63,
        start=6770.0,
        alone=0.77,
        combine=2.2e-6,
        each=0.035e-6,
        turns=0.0,
        prompt=2.0e-6,
    ),
    AttentionKernel(
        "flash-4",
        LATE,
        widest=512,
        latent=(576, 512),
        itemsizes=(2.0, 1.0),
        equal=False,
        tiles=((65536, 128, 64),),
        packs=True,
        splits=1,
        prompts=True,
        efficiency=0.36,
        start=6770.0,
        alone=0.77,
        combine=2.2e-6,
        each=0.035e-6,
        turns=0.0,
        prompt=2.0e-6,
    ),
    AttentionKernel(
        "cudnn",
        SM80,
        widest=128,
        equal=False,
        tiles=((65536, 128, 128),),
        efficiency=0.7,
        backward=0.6,
        turns=0.0,
    ),
    AttentionKernel("efficient", itemsizes=(2.0, 4.0), widest=65536, equal=False, efficiency=0.45, turns=0.0),
)
"""FlashAttention-2 and -3: tiles of their public sources (with pages FlashAttention-2 uses those of its split kernel);
``efficiency`` to ``prompt`` fitted on aiconfigurator's A100 and H200 (docs/evidence-gpu.md), FlashAttention-2 on Hopper
from the 35 % of peak in arXiv:2407.08608. Backward: 50 to 63 % of peak on an A100 (arXiv:2307.08691) and up to 550
TFLOP/s on an H100 (arXiv:2407.08608), not measured here. FlashAttention-4 on Hopper: heads of 512 alone were measured.
cuDNN and the memory-efficient kernel are unverified guesses.
"""

ORDER: dict[str, tuple[str, ...]] = {
    "": ("flash-2", "efficient"),
    "vllm": ("flash-3", "flash-4", "flash-2", "efficient"),
    "sglang": ("flash-3", "flash-4", "flash-2", "efficient"),
    "tensorrt-llm": ("flash-3", "flash-4", "flash-2", "efficient"),
}
"""Kernels that a framework tries in turn; ``""``: PyTorch and others. TensorRT-LLM has its own kernels: unverified."""


def chosen(schedule: Schedule, width: Floats, architecture: str, itemsize: float | Floats, stack: Stack) -> Ints:
    """Index into :data:`KERNELS` for every attention, shape (N,).

    Parameters
    ----------
    schedule : N attentions.
    width : numbers in a value [1], shape (N,).
    architecture : of the GPU.
    itemsize : bytes of an operand number [B], one or shape (N,).
    stack : its ``attention``, else its ``framework``.
    """
    order = ((stack.attention,) if stack.attention else ()) + ORDER.get(stack.framework.lower(), ORDER[""])
    names = [kernel.name for kernel in KERNELS]
    found = np.full(len(schedule), names.index("efficient"), dtype=np.int64)
    free = np.ones(len(schedule), dtype=bool)
    for name in order:
        if name not in names:
            continue
        able = free & KERNELS[names.index(name)].can(schedule, width, architecture, itemsize)
        found[able] = names.index(name)
        free &= ~able
    return found
