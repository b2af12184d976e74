"""Which kernels do further elementwise functions launch, beside the activations of :mod:`.elementwise`?

Each is one kernel: it reads every input once, at its own size where it is broadcast, and writes the result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Literal

from roofline.core.dtype import dtype
from roofline.core.schedule import Kernel
from roofline.core.workload import Tensor
from roofline.errors import UsageError
from roofline.operators.attributes import Attributes, flag
from roofline.operators.case import Case, Needs, Saved, saves_inputs, saves_nothing, saves_output
from roofline.operators.elementwise import broadcast, sum_back
from roofline.operators.operator import Inferred, Operator, dims

Keeps = Literal["inputs", "output", "nothing"]
Result = Literal["storage", "same", "bool"]


@dataclass(frozen=True)
class Function:
    """One elementwise function.

    Parameters
    ----------
    flops : per element of the result [FLOP]; a root, division or transcendental function counts as one.
    backward : FLOP per element for the gradient of one input; ``None``: no gradient.
    keeps : what autograd saves.
    inputs : number of inputs.
    result : format of the result: the network's storage format, that of the first number read, or bool.
    """

    flops: float
    backward: float | None = 1.0
    keeps: Keeps = "inputs"
    inputs: int = 1
    result: Result = "storage"


FUNCTIONS: dict[str, Function] = {
    "abs": Function(1.0, 2.0),
    "square": Function(1.0, 2.0),
    "reciprocal": Function(1.0, 2.0, "output"),
    "rsqrt": Function(2.0, 3.0, "output"),
    "log": Function(1.0, 1.0),
    "log1p": Function(2.0, 2.0),
    "expm1": Function(2.0, 2.0, "output"),
    "sin": Function(1.0, 2.0),
    "cos": Function(1.0, 3.0),
    "erf": Function(1.0, 4.0),
    "power": Function(1.0, 3.0),
    "clamp": Function(2.0, 3.0),
    "elu": Function(3.0, 4.0),
    "softplus": Function(3.0, 3.0),
    "mish": Function(6.0, 9.0),
    "log_sigmoid": Function(4.0, 4.0),
    "scale": Function(1.0, 1.0, "nothing"),  # times a number
    "shift": Function(1.0, 0.0, "nothing"),  # plus a number
    "round": Function(1.0, None, "nothing"),  # floor, ceil, truncate, sign: constant almost everywhere
    "compare_number": Function(1.0, None, "nothing", result="bool"),
    "logical": Function(1.0, None, "nothing", inputs=2, result="same"),
    "logical_not": Function(1.0, None, "nothing", result="same"),
    "compare": Function(1.0, None, "nothing", inputs=2, result="bool"),
    "maximum": Function(1.0, 2.0, inputs=2),
    "minimum": Function(1.0, 2.0, inputs=2),
    "remainder": Function(3.0, 1.0, inputs=2),
    "atan2": Function(2.0, 5.0, inputs=2),
    "prelu": Function(2.0, 2.0, inputs=2),
    "mask": Function(1.0, 1.0, inputs=2),  # a number where the second input is true
    "choose": Function(1.0, 1.0, inputs=3),  # the second input where the first is true, else the third
    "glu": Function(5.0, 5.0, inputs=2),  # the first times the sigmoid of the second
    "lerp": Function(3.0, 2.0, inputs=3),
    "add_product": Function(2.0, 1.0, inputs=3),  # a + c b d
    "add_quotient": Function(2.0, 2.0, inputs=3),
    "function": Function(1.0, 1.0, inputs=8),  # some other function: at least one operation
}
"""By name; ``mask`` and ``choose`` read a boolean tensor, which has no gradient."""

_MEANING = {
    "power": "each element to a fixed power",
    "clamp": "each element limited to a range",
    "scale": "each element times a fixed number",
    "shift": "each element plus a fixed number",
    "round": "floor, ceil, truncation or sign of each element",
    "compare_number": "each element compared with a fixed number",
    "logical": "logical and, or, exclusive or of elements",
    "compare": "comparison of elements",
    "maximum": "the larger of two elements",
    "minimum": "the smaller of two elements",
    "remainder": "remainder of a division of elements",
    "atan2": "atan2 of elements",
    "prelu": "PReLU; the second input is the learned slope",
    "mask": "the first input, replaced by a fixed number where the second input is true",
    "choose": "the second input where the first is true, else the third",
    "glu": "the first input times the sigmoid of the second",
    "lerp": "first + third x (second - first)",
    "add_product": "first + c x second x third",
    "add_quotient": "first + c x second / third",
    "function": "another function of elements, counted as one operation per element",
}
"""What a function does, where its name does not say it."""
_WIDE = ("reciprocal", "rsqrt", "log", "log1p", "expm1", "softplus", "square", "power")
"""Functions that mixed precision computes in fp32, because 16 bits overflow."""
_TRUTHS = {"mask": 1, "choose": 0}
"""The input that is a boolean tensor."""
_BOOL = dtype("bool")
_COUNT = {2: "two", 3: "three", 8: "up to eight"}


def _shapes(function: Function) -> Callable[[Sequence[Tensor], Attributes], Inferred]:
    def shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
        out = reduce(broadcast, (tensor.shape for tensor in inputs))
        if attributes.flag("inplace") and out != inputs[0].shape:
            raise UsageError(f"in place: the result {dims(out)} does not fit into {dims(inputs[0].shape)}")
        kinds = {"storage": None, "same": inputs[0].dtype, "bool": _BOOL}
        whole = all(tensor.dtype.kind == "int" for tensor in inputs) and function.result == "storage"
        return Inferred((out,), dtype=inputs[-1].dtype if whole else kinds[function.result])

    return shapes


def _kernels(function: Function) -> Callable[[Case], list[Kernel]]:
    return lambda case: [case.kernel("elementwise", flops=function.flops * case.result.elements)]


def _saves(function: Function) -> Callable[[Case], Saved]:
    return {"inputs": saves_inputs, "output": saves_output, "nothing": saves_nothing}[function.keeps]


def _backward(function: Function) -> Callable[[Case, Needs], list[Kernel]]:
    def backward(case: Case, needs: Needs) -> list[Kernel]:
        """For each input that needs it, one kernel over dY and the saved tensors, and a sum where the input was
        broadcast.
        """
        result, kernels = case.result, []
        if function.backward is None:
            return []
        kept = {"inputs": case.read_bytes, "output": result.bytes, "nothing": 0.0}[function.keeps]
        for index, own in enumerate(case.inputs):
            if not needs[index] or index == _TRUTHS.get(case.node.op):
                continue
            spread = own.elements < result.elements
            made = case.temporary + index if spread else index
            if function.backward:
                flops = function.backward * result.elements
                kernels.append(
                    case.gradient(
                        "elementwise",
                        elements=result.elements,
                        flops=flops,
                        reads=result.bytes + kept,
                        writes=result.bytes,
                        target=made,
                    )
                )
            if spread:
                kernels.append(sum_back(case, index, made if function.backward else -1))
        return kernels

    return backward


POINTWISE = tuple(
    Operator(
        name,
        _MEANING.get(name, f"{name.replace('_', ' ')} of each element")
        + ("" if function.inputs == 1 else f"; {_COUNT[function.inputs]} tensors, broadcast"),
        (1 if name == "function" else function.inputs, function.inputs),
        _shapes(function),
        _kernels(function),
        (flag("inplace", False, "the result overwrites the first input"),),
        backward=_backward(function),
        saves=_saves(function),
        autocast="fp32" if name in _WIDE else "low" if name == "prelu" else "widest",
    )
    for name, function in FUNCTIONS.items()
)
