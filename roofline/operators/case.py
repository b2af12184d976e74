"""What does lowering know of a node when it makes kernels, and what does the node save for its gradients?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from roofline.core.dtype import Precision
from roofline.core.dtype import precision as parse_precision
from roofline.core.schedule import Kernel
from roofline.core.stack import Stack
from roofline.core.workload import Node, Tensor
from roofline.operators.attributes import Attributes


@dataclass(frozen=True)
class Case:
    """A node with its tensors: everything that lowering may use."""

    node: Node
    inputs: tuple[Tensor, ...]
    weights: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    attributes: Attributes
    precision: Precision
    stack: Stack
    training: bool = False
    swapped: tuple[bool, ...] = ()
    """For each input, whether it is a view with another order of dimensions than its storage."""

    @property
    def result(self) -> Tensor:
        """The first output."""
        return self.outputs[0]

    @property
    def read_bytes(self) -> float:
        """Bytes of the inputs [B], each once: ``a + a`` reads ``a`` once, a broadcast input at its own size."""
        return sum({tensor.name: tensor.bytes for tensor in self.inputs}.values())

    @property
    def weight_bytes(self) -> float:
        """Bytes of the weights [B]."""
        return sum(tensor.bytes for tensor in self.weights)

    @property
    def vector_precision(self) -> Precision:
        """The precision of work other than matrix multiplications: the format of the result. tf32 exists
        only in those.
        """
        stored = self.outputs[0].dtype if self.outputs else self.precision.storage
        if stored.kind != "float" or (stored == self.precision.storage and self.precision.compute != "tf32"):
            return self.precision
        return parse_precision(stored.name)

    def kernel(
        self,
        family: str,
        *,
        op: str = "",
        kind: str = "stream",
        batch: int = 1,
        m: int = 1,
        n: int = 1,
        k: int = 1,
        taps: int = 1,
        stride: int = 1,
        images: int = 1,
        taps_high: int = 1,
        elements: int | None = None,
        flops: float = 0.0,
        reads: float | None = None,
        weights: float | None = None,
        writes: float | None = None,
        passes: float = 1.0,
        source: int = 0,
        source2: int | None = None,
        target: int | None = None,
        repeats: int = 1,
        itemsize: float | None = None,
    ) -> Kernel:
        """A kernel of this case: it reads all inputs and weights and writes all outputs, unless given otherwise.

        ``source``, ``source2`` and ``target`` are places within the case: inputs are numbered from 0, then outputs;
        higher numbers are temporaries of a plan with several kernels. Lowering turns them into tensor numbers.
        ``flops`` is in [FLOP]; ``reads``, ``weights`` and ``writes`` are in [B].
        """
        count = len(self.inputs)
        return Kernel(
            family=family,
            op=op or self.node.op,
            kind=kind,
            precision=str(self.precision if kind == "matmul" else self.vector_precision),
            batch=batch,
            m=m,
            n=n,
            k=k,
            taps=taps,
            stride=stride,
            images=images,
            taps_high=taps_high,
            elements=self.result.elements if elements is None else elements,
            itemsize=(self.outputs[0].dtype if self.outputs else self.precision.storage).bytes
            if itemsize is None
            else itemsize,
            flops=flops,
            reads=self.read_bytes if reads is None else reads,
            weights=self.weight_bytes if weights is None else weights,
            writes=sum(t.bytes for t in self.outputs) if writes is None else writes,
            passes=passes,
            source=source,
            source2=(1 if count > 1 else -1) if source2 is None else source2,
            target=count if target is None else target,
            repeats=repeats,
        )

    def gradient(
        self,
        family: str,
        *,
        reads: float,
        writes: float,
        op: str = "",
        elements: int | None = None,
        **fields: Any,
    ) -> Kernel:
        """A kernel of the backward pass: as :meth:`kernel`, but it reads and writes only what is given [B].

        A ``target`` of :attr:`temporary` means that only the next kernels need the result. ``op`` is
        ``<operator>_backward`` and ``elements`` are those of the first input, unless given.
        """
        return self.kernel(
            family,
            op=op or f"{self.node.op}_backward",
            elements=self.inputs[0].elements if elements is None else elements,
            reads=reads,
            writes=writes,
            **({"weights": 0.0, "source": -1, "source2": -1, "target": -1} | fields),
        )

    def stored(self, weight: Tensor) -> float:
        """Bytes of a weight [B], with its scales where it is stored in fewer bits."""
        return weight.bytes + sum(t.bytes for t in self.weights if t.name == f"{weight.name}.scale")

    @property
    def temporary(self) -> int:
        """The number of the first tensor after inputs and outputs."""
        return len(self.inputs) + len(self.outputs)

    @property
    def trained_bytes(self) -> float:
        """Bytes of the weights that have gradients [B]."""
        return sum(tensor.bytes for tensor in self.weights if tensor.role == "weight")


Needs = tuple[bool, ...]
"""For each input, whether its gradient is needed: not for images, row numbers and tensors computed from them."""


@dataclass(frozen=True)
class Saved:
    """What the forward pass saves for the backward: inputs and outputs by place, and ``extra`` bytes [B].

    ``extra`` exists only for the backward: indices of maxima, statistics of norms, masks. Weights are kept in any case
    and are not listed.
    """

    inputs: tuple[int, ...] = ()
    outputs: tuple[int, ...] = ()
    extra: float = 0.0

    def names(self, node: Node) -> list[str]:
        """The saved tensors of the node."""
        return [*(node.inputs[index] for index in self.inputs), *(node.outputs[index] for index in self.outputs)]


def saves_inputs(case: Case) -> Saved:
    """Saves all inputs."""
    return Saved(inputs=tuple(range(len(case.inputs))))


def saves_output(case: Case) -> Saved:
    """Saves the result."""
    return Saved(outputs=(0,))


def saves_nothing(case: Case) -> Saved:
    """The backward needs only shapes."""
    return Saved()


def no_kernels(case: Case, needs: Needs) -> list[Kernel]:
    """The backward of a view is a view."""
    return []
