"""More functions of one element after the other: what nets use beside the activations of :mod:`.elementwise`.

Each is one kernel: every input is read once, at its own size where it is broadcast, and the result written.
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
    """One function of elements.

    flops : per element of the result, a root, quotient or transcendental function counting as one.
    backward : operations per element for the gradient of one input; ``None``: it has no gradient.
    keeps : what autograd keeps. ``result``: in the net's storage format, in that of the first number read, or bool.
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
    "scale": Function(1.0, 1.0, "nothing"),  # times a number that is no tensor
    "shift": Function(1.0, 0.0, "nothing"),  # plus a number
    "round": Function(1.0, None, "nothing"),  # floor, ceil, truncate, sign: flat nearly everywhere
    "compare_number": Function(1.0, None, "nothing", result="bool"),
    "logical": Function(1.0, None, "nothing", inputs=2, result="same"),
    "logical_not": Function(1.0, None, "nothing", result="same"),
    "compare": Function(1.0, None, "nothing", inputs=2, result="bool"),
    "maximum": Function(1.0, 2.0, inputs=2),
    "minimum": Function(1.0, 2.0, inputs=2),
    "remainder": Function(3.0, 1.0, inputs=2),
    "atan2": Function(2.0, 5.0, inputs=2),
    "prelu": Function(2.0, 2.0, inputs=2),
    "mask": Function(1.0, 1.0, inputs=2),  # a number where the second input says so
    "choose": Function(1.0, 1.0, inputs=3),  # the second input where the first says so, else the third
    "glu": Function(5.0, 5.0, inputs=2),  # the first times the sigmoid of the second
    "lerp": Function(3.0, 2.0, inputs=3),
    "add_product": Function(2.0, 1.0, inputs=3),  # a + c b d
    "add_quotient": Function(2.0, 2.0, inputs=3),
    "function": Function(1.0, 1.0, inputs=8),  # some other function: at least one operation
}
"""By name; ``mask`` and ``choose`` read a tensor of truths, which has no gradient."""

_WIDE = ("reciprocal", "rsqrt", "log", "log1p", "expm1", "softplus", "square", "power")
"""What mixed precision computes in fp32: where 16 bits overflow."""
_TRUTHS = {"mask": 1, "choose": 0}
"""Which input is a tensor of truths."""
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
        """For each input that needs it, one kernel over dY and what was kept, and a sum where it was broadcast."""
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
        f"{name.replace('_', ' ')} of each element"
        + ("" if function.inputs == 1 else f" of {_COUNT[function.inputs]} tensors, broadcast"),
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
