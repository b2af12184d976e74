"""Which kernels does a compiler merge? Chains of elementwise work and the row-wise work they meet.

As TorchInductor does: pointwise kernels, casts, norms, softmax and reductions that follow each other on the
same numbers become one kernel, and what they hand on stays in registers. Products and convolutions stay
calls into libraries. Backward kernels are not merged here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from roofline.core.schedule import Kernel

POINTWISE = ("elementwise", "copy")
ROWWISE = ("norm", "softmax", "reduction")


def fuse(kernels: Sequence[Kernel], keep: frozenset[int]) -> list[Kernel]:
    """The kernels with chains merged; a merged kernel has the layer and name of its last part.

    keep : numbers of tensors that are needed afterwards (outputs of the net, what a backward reads), so
        that they are written whoever else reads them.
    """
    readers: Counter[int] = Counter()
    for kernel in kernels:
        readers.update({kernel.source, kernel.source2} - {-1})
    merged: list[Kernel] = []
    for kernel in kernels:
        last = merged[-1] if merged else None
        if last is not None and _chain(last, kernel):
            readers[last.target] -= 1
            merged[-1] = _joined(last, kernel, handed_on=readers[last.target] > 0 or last.target in keep)
        else:
            merged.append(kernel)
    return merged


def _chain(first: Kernel, second: Kernel) -> bool:
    """Whether the second works on what the first has just made, in a kernel that one loop can hold."""
    if first.target < 0 or first.target not in (second.source, second.source2) or first.repeats != second.repeats:
        return False
    rows = [kernel for kernel in (first, second) if kernel.family in ROWWISE]
    if any(kernel.family not in POINTWISE for kernel in (first, second) if kernel not in rows):
        return False
    return len(rows) < 2 or (first.m, first.k) == (second.m, second.k)


def _joined(first: Kernel, second: Kernel, *, handed_on: bool) -> Kernel:
    """One kernel: the tensor between is not read again, and written only if somebody else needs it."""
    between = min(first.writes, first.elements * first.itemsize)
    beside = first.writes - between  # masks and statistics, which the backward reads
    overwritten = first.target == second.target
    shape = first if first.family in ROWWISE else second
    return replace(
        second,
        family=shape.family,
        op=f"{first.op}+{second.op}" if first.op.count("+") < 3 else first.op,
        m=shape.m,
        n=shape.n,
        k=shape.k,
        passes=max(first.passes, second.passes),
        flops=first.flops + second.flops,
        reads=first.reads + max(0.0, second.reads - between),
        weights=first.weights + second.weights,
        writes=second.writes + beside + (between if handed_on and not overwritten else 0.0),
        source=first.source,
        source2=second.source if second.source != first.target else second.source2,
    )
