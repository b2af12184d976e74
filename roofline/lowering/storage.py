"""How are weights and caches stored in fewer bits than the arithmetic? The tensors shrink; the arithmetic does not
change.

Weight-only quantization, as serving stacks do it: weight matrices are stored as int8 with one 16-bit scale per output
channel, or as int4 with one scale per 128 inputs, and widened inside the matrix multiplication::

    bytes = elements * (1 or 0.5) + 2 * scales,   scales = channels * (1 or ceil(inputs / 128))    [B]

A word table that is also the output layer is not quantized. Form: this project's own.
"""

from __future__ import annotations

from dataclasses import replace

from roofline.core.dtype import dtype
from roofline.core.workload import Tensor, Workload
from roofline.operators.table import OPERATORS

GROUP = 128
"""Inputs that share a scale in int4."""


def store(workload: Workload, weights: str = "", cache: str = "") -> Workload:
    """The network with its weight matrices and its caches stored in other formats (``""``: unchanged); see the module.

    Parameters
    ----------
    weights : ``int8``, ``int4`` or ``""``.
    cache : a format of keys and values, or ``""``.
    """
    tensors, nodes = dict(workload.tensors), []
    elsewhere = {name for node in workload.nodes if not _is_product(node.op) for name in node.weights}
    for node in workload.nodes:
        scales = []
        for name in node.weights:
            tensor = tensors[name]
            if tensor.role == "cache" and cache:
                tensors[name] = replace(tensor, dtype=dtype(cache))
            elif weights and _is_product(node.op) and name not in elsewhere and _is_matrix(tensor):
                tensors[name] = replace(tensor, dtype=dtype(weights))
                scales.append(_scale(tensor, weights))
                tensors[scales[-1].name] = scales[-1]
        nodes.append(replace(node, weights=(*node.weights, *(scale.name for scale in scales))))
    owner = replace(workload, tensors=tensors).owners
    for name, root in owner.items():  # a view of a cache has its format
        if tensors[root].role == "cache":
            tensors[name] = replace(tensors[name], dtype=tensors[root].dtype)
    return replace(workload, nodes=tuple(nodes), tensors=tensors)


def _is_product(op: str) -> bool:
    return op in OPERATORS and OPERATORS[op].autocast == "low"


def _is_matrix(tensor: Tensor) -> bool:
    return tensor.role == "weight" and len(tensor.shape) > 1 and tensor.dtype.kind == "float"


def _scale(tensor: Tensor, weights: str) -> Tensor:
    out = tensor.shape[0] * tensor.shape[1] if len(tensor.shape) == 3 else tensor.shape[0]  # experts * channels of each
    inputs = tensor.elements // out
    groups = -(-inputs // GROUP) if weights == "int4" else 1
    return Tensor(f"{tensor.name}.scale", (out, groups), dtype("fp16"), "state")
