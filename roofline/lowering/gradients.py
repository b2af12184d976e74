"""Which gradient does a backward kernel read, and which does it make? A compiler must know that to fuse them.

The kernels of one operator number its gradients by place (:meth:`roofline.operators.case.Case.gradient`). This module
numbers the gradients of a whole network, and adds those that meet at a tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from roofline.core.schedule import Kernel
from roofline.core.workload import Node, Tensor

PASSES_ON = ("add", "sub", "scatter")
"""Operators that pass the gradient of their result on unchanged to an input for which they launch no kernel."""


@dataclass
class Flow:
    """Gradients on their way back through the network. ``next`` is the first free number.

    Parameters
    ----------
    of : number of the gradient of every tensor that has one and was not passed yet.
    kept : numbers of gradients with a reader that does not name them.
    unmade : numbers that no kernel names as its result (results of matrix multiplications).
    sizes : bytes of the results of kernels [B].
    """

    next: int
    of: dict[str, int] = field(default_factory=dict)
    kept: set[int] = field(default_factory=set)
    unmade: set[int] = field(default_factory=set)
    sizes: dict[int, float] = field(default_factory=dict)

    def _fresh(self) -> int:
        self.next += 1
        return self.next - 1

    def through(
        self,
        node: Node,
        kernels: Sequence[Kernel],
        contributed: Sequence[tuple[int, Tensor]],
        sum_of: Callable[[Tensor], Kernel],
    ) -> Iterator[Kernel]:
        """The backward kernels of a node with gradients by number, and the sums of gradients that meet.

        Parameters
        ----------
        contributed : tensors it gives a gradient to, by place among inputs and weights.
        sum_of : the kernel of one sum.
        """
        given = [self.of.pop(name, -1) for name in node.outputs]
        self.kept.update(given[1:])
        local: dict[int, int] = {}
        inputs = {place: tensor.bytes for place, tensor in contributed if place < len(node.inputs)}
        for kernel in kernels:
            source, target = given[0] if kernel.reads else -1, -1
            if kernel.source >= 0:
                source = local[kernel.source]
            if kernel.target >= 0:
                target = local[kernel.target] = self._fresh()
                self.sizes[target] = inputs.get(kernel.target, kernel.writes)
            yield replace(kernel, source=source, source2=-1, target=target)
        for place, tensor in contributed:
            mine = local.get(place, -1) if place in inputs else -1
            if mine < 0 and place in inputs and (not kernels or node.op in PASSES_ON):
                mine = given[0]
            if mine < 0:
                mine = self._fresh()
                self.unmade.add(mine)
            if tensor.name in self.of:
                both, mine = (mine, self.of[tensor.name]), self._fresh()
                self.sizes[mine] = tensor.bytes
                summed = replace(sum_of(tensor), reads=tensor.bytes * len({*both}), target=mine)
                if self.unmade.isdisjoint(both):
                    summed = replace(summed, source=both[0], source2=both[1])
                else:  # it waits for a kernel that does not name its result
                    self.kept.update(both)
                yield summed
            self.of[tensor.name] = mine

    @property
    def needed(self) -> frozenset[int]:
        """Gradients that must be written: for nodes not passed yet, or with an unknown reader."""
        return frozenset((*self.kept, *self.of.values()))


def unnumbered(kernel: Kernel) -> Kernel:
    """A backward kernel as devices see it: without tensor numbers, since the state of the caches is not known."""
    return replace(kernel, source=-1, source2=-1, target=-1)
