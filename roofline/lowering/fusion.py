"""Which kernels does a compiler fuse? Chains of elementwise kernels and the row-wise kernels between them.

As TorchInductor does: elementwise kernels, casts, norms, softmax and reductions that follow each other on the same
elements become one kernel, and the tensors between them stay in registers. Matrix multiplications and convolutions stay
library calls. Forward and backward pass are compiled separately, so no chain crosses from one to the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from roofline.core.schedule import Kernel

POINTWISE = ("elementwise", "copy")
ROWWISE = ("norm", "softmax", "reduction")
CALLS = ("fft", "sort", "topk")
"""Row-wise operators that stay library calls."""


def fuse(
    kernels: Sequence[Kernel],
    keep: Collection[int],
    *,
    anywhere: bool = False,
    sizes: Mapping[int, float] | None = None,
) -> list[Kernel]:
    """The kernels with chains fused; a fused kernel has the layer and name of its last part. Its work is::

        flops = sum of the parts [FLOP],   bytes = sum of the parts - tensors kept in registers [B]

    Form: this project's own model of TorchInductor; it was not measured.

    Parameters
    ----------
    kernels : in program order.
    keep : numbers of tensors that are needed afterwards (network outputs, tensors saved for the backward); they are
        written even if only this chain reads them.
    anywhere : True if a kernel may join a chain that is not the last one: it waits only for ``source`` and ``source2``,
        and nothing is written in place, as in a backward pass.
    sizes : bytes of tensors by number [B], where ``elements`` of the kernel that makes them does not give them.
    """
    chains: list[list[Kernel]] = []
    made: dict[int, int] = {}  # the chain that made a tensor
    for kernel in kernels:
        places = [made[tensor] for tensor in _sources(kernel) if tensor in made]
        place = max(places, default=-1) if anywhere else len(chains) - 1
        if place in places and _fits(chains[place], kernel):
            chains[place].append(kernel)
        else:
            place = len(chains)
            chains.append([kernel])
        if kernel.target >= 0:
            made[kernel.target] = place
    readers = Counter(tensor for kernel in kernels for tensor in _sources(kernel))
    return [_joined(chain, readers, keep, sizes or {}) for chain in chains]


def _sources(kernel: Kernel) -> set[int]:
    return {kernel.source, kernel.source2} - {-1}


def _fits(chain: Sequence[Kernel], kernel: Kernel) -> bool:
    """Whether one loop can run them all: over the same rows, if over rows at all."""
    parts = [*chain, kernel]
    rows = [part for part in parts if part.family in ROWWISE]
    if any(part.op.startswith(CALLS) or part.family not in (*POINTWISE, *ROWWISE) for part in parts):
        return False
    if any(part.repeats != kernel.repeats for part in parts):
        return False
    return len({(part.m, part.k) for part in rows}) < 2


def _joined(
    chain: Sequence[Kernel], readers: Mapping[int, int], keep: Collection[int], sizes: Mapping[int, float]
) -> Kernel:
    """One kernel: a tensor between its parts is not read again, and written only if another kernel needs it."""
    first, *others = chain
    if not others:
        return first
    inside = Counter(tensor for part in chain for tensor in _sources(part))
    op, source2 = first.op, first.source2
    reads, writes = first.reads, 0.0
    size = {first.target: _size(first, sizes)}
    for before, part in zip(chain, others, strict=False):
        between = sum(size[tensor] for tensor in _sources(part) if tensor in size)
        reads += max(0.0, part.reads - between)
        size[part.target] = _size(part, sizes)
        source2 = part.source if part.source != before.target else part.source2
        op = f"{op}+{part.op}" if op.count("+") < 3 else op
    for index, part in enumerate(chain):
        target = part.target
        overwritten = any(later.target == target for later in chain[index + 1 :])
        needed = readers[target] > inside[target] or target in keep or not inside[target]
        stays = target >= 0 and part is not chain[-1] and (overwritten or not needed)
        writes += part.writes - (_size(part, sizes) if stays else 0.0)  # masks and statistics are written in any case
    shape = next((part for part in chain if part.family in ROWWISE), chain[-1])
    return replace(
        chain[-1],
        family=shape.family,
        op=op,
        m=shape.m,
        n=shape.n,
        k=shape.k,
        passes=max(part.passes for part in chain),
        flops=sum(part.flops for part in chain),
        reads=reads,
        weights=sum(part.weights for part in chain),
        writes=writes,
        source=first.source,
        source2=source2,
    )


def _size(kernel: Kernel, sizes: Mapping[int, float]) -> float:
    """Bytes of the tensor a kernel makes, without masks, statistics and weight gradients beside it."""
    return min(kernel.writes, sizes.get(kernel.target, kernel.elements * kernel.itemsize))
