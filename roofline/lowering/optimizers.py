"""Which kernels does an optimizer step launch? Streams over parameters, gradients and states.

For one pass over ``P`` elements of ``size`` bytes in total::

    reads = arrays read * size [B],   writes = arrays written * size [B],   flops = operations * P [FLOP]
    launches = 1 per parameter (loop), or max(tensors / limit, blocks of 65,536 elements / 320) per list of tensors

Source: PyTorch's single-tensor and multi-tensor code (``torch/optim/*.py``, 2.x); limits of a launch:
aten/src/ATen/native/cuda/MultiTensorApply.cuh.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from roofline.core.run import Implementation, Recipe
from roofline.core.schedule import Kernel
from roofline.core.workload import Tensor

Pass = tuple[str, int, int, float]
"""Name, arrays read, arrays written, operations per element [FLOP]."""

_ADAM: tuple[Pass, ...] = (
    ("lerp", 2, 1, 3),  # first moment
    ("mul", 1, 1, 1),  # second moment
    ("addcmul", 2, 1, 3),
    ("sqrt", 1, 1, 1),
    ("div", 1, 1, 1),
    ("add", 1, 1, 1),
    ("addcdiv", 3, 1, 3),
)
PASSES: dict[str, tuple[Pass, ...]] = {
    "sgd": (("add", 2, 1, 2),),
    "momentum": (("mul", 1, 1, 1), ("add", 2, 1, 1), ("add", 2, 1, 2)),
    "adam": _ADAM,
    "adamw": (("mul", 1, 1, 1), *_ADAM),  # weight decay first
}
"""Passes of the loop and multi-tensor code, by optimizer."""
FUSED: dict[str, Pass] = {
    "sgd": ("sgd", 2, 1, 2),
    "momentum": ("momentum", 3, 2, 4),
    "adam": ("adam", 4, 3, 13),
    "adamw": ("adamw", 4, 3, 14),
}
"""One pass over all arrays."""

TENSORS_PER_LAUNCH = {1: 110, 2: 64, 3: 48, 4: 36, 5: 30}
"""Number of lists of tensors that a multi-tensor kernel reads or writes -> tensors in one launch."""

CHUNK, BLOCKS_PER_LAUNCH = 65_536, 320


def optimizer_kernels(
    parameters: Sequence[Tensor], recipe: Recipe, implementation: Implementation, *, layer: int, unscale: bool
) -> Iterator[Kernel]:
    """The kernels of one optimizer step; see the module for their bytes [B], operations [FLOP] and launches.

    Parameters
    ----------
    parameters : trained tensors; gradients and states have their shapes and formats.
    recipe : names the optimizer.
    implementation : ``loop`` (one parameter after the other), ``foreach`` (lists of tensors) or ``fused`` (one pass).
    layer : layer number of the kernels.
    unscale : True divides scaled fp16 gradients first, and looks for infinities.
    """
    if unscale:
        yield from _lists("unscale", 1, 1, 2.0, parameters, layer)
    if implementation == "loop":
        for tensor in parameters:
            for name, reads, writes, flops in PASSES[recipe.optimizer]:
                yield _kernel(f"{name}_", [tensor], reads, writes, flops, layer)
    else:
        passes = PASSES[recipe.optimizer] if implementation == "foreach" else (FUSED[recipe.optimizer],)
        for name, reads, writes, flops in passes:
            yield from _lists(f"{implementation}_{name}", reads, writes, flops, parameters, layer)


def temporaries(parameters: Sequence[Tensor], recipe: Recipe, implementation: Implementation) -> float:
    """Bytes of an optimizer beside parameters, gradients and states: Adam's denominators::

        bytes = 2 * largest parameter (loop), sum of all parameters (foreach), 0 (fused, or fewer than 2 states)    [B]

    Parameters
    ----------
    parameters : trained tensors.
    recipe : names the optimizer.
    implementation : as in :func:`optimizer_kernels`.
    """
    if recipe.states < 2 or implementation == "fused":
        return 0.0
    sizes = [tensor.bytes for tensor in parameters]
    return 2 * max(sizes, default=0.0) if implementation == "loop" else sum(sizes)


def _lists(name: str, reads: int, writes: int, flops: float, parameters: Sequence[Tensor], layer: int) -> list[Kernel]:
    """One multi-tensor pass: as many equal launches as its limits require."""
    most = TENSORS_PER_LAUNCH[min(max(reads, writes), 5)]
    chunks = sum(-(-tensor.elements // CHUNK) for tensor in parameters)
    launches = max(-(-len(parameters) // most), -(-chunks // BLOCKS_PER_LAUNCH))
    return [_kernel(name, parameters, reads, writes, flops, layer, launches)] if parameters else []


def _kernel(
    name: str, tensors: Sequence[Tensor], reads: int, writes: int, flops: float, layer: int, launches: int = 1
) -> Kernel:
    elements = sum(tensor.elements for tensor in tensors)
    size = sum(tensor.bytes for tensor in tensors)
    return Kernel(
        family="elementwise",
        op=name,
        layer=layer,
        precision=tensors[0].dtype.name,
        elements=max(1, elements // launches),
        itemsize=size / elements,
        flops=flops * elements / launches,
        reads=reads * size / launches,
        writes=writes * size / launches,
        repeats=launches,
        phase="optimizer",
    )
