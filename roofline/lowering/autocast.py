"""Which tensors does mixed precision cast? As PyTorch does: fp32 weights, matrix multiplications in 16 bits, casts
between.

``torch.autocast`` decides for each operator when it runs. Matrix multiplications take 16-bit operands and return 16-bit
results. Losses and norms over rows run in fp32; softmax and sums return fp32. Every other operator takes the widest of
its input formats. A weight is cast once per step and the copy is kept; activations are cast where their format differs.

Source: PyTorch's autocast operator lists.
"""

from __future__ import annotations

from dataclasses import replace

from roofline.core.dtype import DType, dtype
from roofline.core.workload import Node, Tensor, Workload
from roofline.operators.table import OPERATORS

FP32 = dtype("fp32")


def autocast(workload: Workload) -> Workload:
    """The network under mixed precision of ``workload.precision``, with a ``cast`` node for every conversion."""
    return _Autocast(workload).run()


class _Autocast:
    def __init__(self, workload: Workload) -> None:
        self.workload = workload
        self.low = workload.precision.storage
        self.tensors: dict[str, Tensor] = {}
        self.nodes: list[Node] = []
        self.cast_weights: dict[str, str] = {}

    def run(self) -> Workload:
        for name in self.workload.inputs:
            self.tensors[name] = self._wide(self.workload.tensors[name])
        for node in self.workload.nodes:
            self._node(node)
        return replace(self.workload, nodes=tuple(self.nodes), tensors=self.tensors)

    def _wide(self, tensor: Tensor) -> Tensor:
        return replace(tensor, dtype=FP32) if tensor.dtype.kind == "float" else tensor

    def _node(self, node: Node) -> None:
        operator = OPERATORS.get(node.op)
        for name in node.weights:
            if name not in self.tensors:
                self.tensors[name] = self._wide(self.workload.tensors[name])
        inputs, weights, result = node.inputs, node.weights, self._widest(node)
        if operator is not None and operator.autocast == "fp32 result":
            result = FP32
        elif operator is not None and operator.autocast != "widest":
            result = self.low if operator.autocast == "low" else FP32
            inputs = tuple(self._cast(name, result, node, index) for index, name in enumerate(node.inputs))
            if operator.autocast == "low":
                weights = tuple(self._cast_weight(name, node) for name in node.weights)
        for name in node.outputs:
            tensor = self.workload.tensors[name]
            self.tensors[name] = replace(tensor, dtype=result) if tensor.dtype.kind == "float" else tensor
        self.nodes.append(replace(node, inputs=inputs, weights=weights))

    def _widest(self, node: Node) -> DType:
        """The widest float format of the inputs (in place: of the first); fp32 where none is a float (rows
        of a table).
        """
        decisive = node.inputs[:1] if node.attributes.get("inplace") else node.inputs
        formats = [self.tensors[name].dtype for name in decisive]
        return max((f for f in formats if f.kind == "float"), key=lambda f: f.bits, default=FP32)

    def _cast(self, name: str, wanted: DType, node: Node, index: int) -> str:
        tensor = self.tensors[name]
        if tensor.dtype.kind != "float" or tensor.dtype == wanted:
            return name
        return self._insert(name, f"cast{index}", wanted, node)

    def _cast_weight(self, name: str, node: Node) -> str:
        tensor = self.tensors[name]
        if tensor.dtype.kind != "float" or tensor.role != "weight":
            return name
        if name not in self.cast_weights:
            suffix = name.removeprefix(f"{node.name}.")
            self.cast_weights[name] = self._insert(name, f"{suffix}.{self.low.name}", self.low, node)
        return self.cast_weights[name]

    def _insert(self, name: str, suffix: str, wanted: DType, node: Node) -> str:
        made = f"{node.name}.{suffix}"
        self.tensors[made] = Tensor(made, self.tensors[name].shape, wanted)
        self.nodes.append(Node(made, "cast", (name,), (made,), template=f"{node.template}.{suffix}"))
        return made
