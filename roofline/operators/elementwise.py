"""Which kernels do elementwise activations and arithmetic launch, into a new tensor or in place?"""

from __future__ import annotations

from collections.abc import Sequence

from roofline.core.schedule import Kernel
from roofline.core.workload import Tensor
from roofline.errors import UsageError
from roofline.operators.attributes import Attributes, flag
from roofline.operators.case import Case, Needs, Saved, saves_inputs, saves_output
from roofline.operators.operator import Inferred, Operator, Shape, dims

UNARY_FLOPS = {
    "relu": 1.0,  # max
    "relu6": 2.0,  # max, min
    "leaky_relu": 2.0,  # scale, max
    "hardsigmoid": 4.0,  # add, max, min, scale
    "hardswish": 5.0,  # hardsigmoid, multiply
    "neg": 1.0,
    "sqrt": 1.0,
    "exp": 1.0,
    "tanh": 1.0,
    "sigmoid": 4.0,  # negate, exp, add, divide
    "silu": 5.0,  # sigmoid, multiply
    "gelu": 5.0,  # x/sqrt(2), erf, add 1, times x, halve
    "gelu_tanh": 9.0,  # cube 2, scale, add, scale, tanh, add 1, times x, halve
}
"""FLOP per element; a square root, division or transcendental function counts as one. Any program must do these, so a
rate computed from them is never above the peak of the vector units.
"""

GELU_STEPS: tuple[tuple[str, float, tuple[int, ...], int], ...] = (
    # 0.5 x (1 + tanh(0.798 (x + 0.0447 x^3))) in the order of Python: kernel, FLOP per element, tensors it reads
    # and writes (0 is x, 1 the result, the others are temporaries)
    ("mul", 1.0, (0,), 2),
    ("pow", 2.0, (0,), 3),
    ("mul", 1.0, (3,), 4),
    ("add", 1.0, (4, 0), 3),
    ("mul", 1.0, (3,), 4),
    ("tanh", 1.0, (4,), 3),
    ("add", 1.0, (3,), 4),
    ("mul", 1.0, (2, 4), 1),
)
"""``gelu_tanh`` in steps, as in Hugging Face's ``gelu_new`` (GPT-2): eager code launches a kernel for each step."""

GELU_STEPS_BACKWARD = (
    # of the last product 2, tanh, two factors, the cube in three steps, a sum, the half, a sum
    *(("mul", 1.0, 2), ("mul", 1.0, 2), ("tanh_backward", 3.0, 2), ("mul", 1.0, 1), ("mul", 1.0, 1)),
    *(("pow", 1.0, 1), ("mul", 1.0, 1), ("mul", 1.0, 2), ("add", 1.0, 2), ("mul", 1.0, 1), ("add", 1.0, 2)),
)

GELU_STEPS_KEPT = 3
"""Tensors that these steps save beside the input: the half, the tanh, and 1 plus the tanh."""

KEEPS_OUTPUT = ("relu", "sqrt", "exp", "tanh", "sigmoid")
"""Functions whose derivative follows from the result; the others save their input."""

BINARY_FLOPS = {"add": 1.0, "sub": 1.0, "mul": 1.0, "div": 1.0, "pow": 1.0}


def broadcast(left: Shape, right: Shape) -> Shape:
    """The common shape: from the right, sizes are equal or one of them is 1.

    Raises
    ------
    UsageError : the shapes do not fit.
    """
    rank = max(len(left), len(right))
    padded = [(1,) * (rank - len(shape)) + shape for shape in (left, right)]
    out = []
    for a, b in zip(*padded, strict=True):
        if a != b and 1 not in (a, b):
            raise UsageError(f"{dims(left)} and {dims(right)} do not broadcast ({a} against {b})")
        out.append(max(a, b))
    return tuple(out)


def _unary_shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    if attributes.flag("inplace") and attributes.flag("steps"):
        raise UsageError("steps write new tensors: take out inplace")
    return Inferred((inputs[0].shape,))


def _in_steps(case: Case) -> bool:
    """Whether a function is written in steps and not fused again by a compiler."""
    return case.attributes.flag("steps") and case.stack.mode != "compiled"


def _unary_kernels(case: Case) -> list[Kernel]:
    if _in_steps(case):
        count, size = case.result.elements, case.result.bytes
        return [
            case.kernel(
                "elementwise",
                op=op,
                flops=flops * count,
                reads=len(read) * size,
                source=read[0],
                source2=read[-1] if len(read) > 1 else -1,
                target=target,
            )
            for op, flops, read, target in GELU_STEPS
        ]
    kernel = case.kernel("elementwise", flops=UNARY_FLOPS[case.node.op] * case.result.elements)
    return [case.kernel("copy", op="copy", target=2), kernel] if _copies_input(case) else [kernel]


def _copies_input(case: Case) -> bool:
    """Whether autograd copies the input first: the backward needs it, and the result overwrites it."""
    inplace = case.training and case.attributes.flag("inplace")
    return inplace and case.node.op not in (*KEEPS_OUTPUT, "neg", "leaky_relu")


def _unary_saves(case: Case) -> Saved:
    """What autograd saves: the result where the derivative follows from it, else the input."""
    if case.node.op == "neg":
        return Saved()
    if _in_steps(case):
        return Saved(inputs=(0,), extra=GELU_STEPS_KEPT * case.inputs[0].bytes)
    if _copies_input(case):
        return Saved(extra=case.inputs[0].bytes)
    signs = case.node.op == "leaky_relu" and case.attributes.flag("inplace")  # the signs of the result are enough
    return saves_output(case) if signs or case.node.op in KEEPS_OUTPUT else saves_inputs(case)


def _unary_backward(case: Case, needs: Needs) -> list[Kernel]:
    """dX = dY f'(X): one kernel that reads dY and the saved tensor; the FLOP of the forward plus a multiplication."""
    x, y = case.inputs[0], case.result
    if _in_steps(case):
        return [
            case.gradient("elementwise", op=op, flops=flops * x.elements, reads=reads * x.bytes, writes=x.bytes)
            for op, flops, reads in GELU_STEPS_BACKWARD
        ]
    kept = 0.0 if case.node.op == "neg" else x.bytes
    flops = (UNARY_FLOPS[case.node.op] + (1.0 if kept else 0.0)) * x.elements
    return [case.gradient("elementwise", flops=flops, reads=y.bytes + kept, writes=x.bytes, target=0)]


def sum_back(case: Case, index: int, source: int = -1) -> Kernel:
    """The gradient of a broadcast input: a sum of ``source`` (dY itself) over the broadcast dimensions, 1 FLOP per
    element.
    """
    own, result = case.inputs[index], case.result
    return case.gradient(
        "reduction",
        op="sum_backward",
        m=own.elements,
        k=-(-result.elements // own.elements),
        elements=result.elements,
        flops=float(result.elements),
        reads=result.bytes,
        writes=own.bytes,
        source=source,
        target=index,
    )


def _binary_saves(case: Case) -> Saved:
    """Sums need only shapes; products and quotients both operands; powers also their result."""
    if case.node.op == "pow":
        return Saved(inputs=(0, 1), outputs=(0,))
    return saves_inputs(case) if case.node.op in ("mul", "div") else Saved()


def _binary_backward(case: Case, needs: Needs) -> list[Kernel]:
    """dA and dB: free for sums of equal shapes, one multiplication or division each for products and quotients, up to
    six steps for powers. A broadcast operand adds a sum over the broadcast dimensions.
    """
    op, result = case.node.op, case.result
    kernels = []
    for index, (own, other) in enumerate(zip(case.inputs, reversed(case.inputs), strict=True)):
        if not needs[index]:
            continue
        second, spread = index == 1, own.elements < result.elements
        made = case.temporary + index if spread else index
        if op in ("mul", "div", "pow"):
            # dA = dY B or dY / B; dB = dY A, or -dY A / B^2 from the quotient in three steps; of a power
            # dY B A^(B - 1) and dY Y log A, with the masks for zeros where B is no single number
            steps = {"mul": 1, "div": 3 if second else 1, "pow": 3 if other.elements == 1 else 6}[op]
            flops = float(steps * result.elements)
            reads = result.bytes * (2 * steps - 1) + other.bytes
            kernels.append(
                case.gradient(
                    "elementwise",
                    elements=result.elements,
                    flops=flops,
                    reads=reads,
                    writes=result.bytes,
                    target=made,
                )
            )
        elif op == "sub" and second:
            kernels.append(
                case.gradient(
                    "elementwise",
                    elements=result.elements,
                    flops=float(result.elements),
                    reads=result.bytes,
                    writes=result.bytes,
                    target=made,
                )
            )
        if spread:
            passed = op == "add" or (op == "sub" and not second)
            kernels.append(sum_back(case, index, -1 if passed else made))
    return kernels


def _binary_shapes(inputs: Sequence[Tensor], attributes: Attributes) -> Inferred:
    left, right = inputs[0].shape, inputs[1].shape
    out = broadcast(left, right)
    if attributes.flag("inplace") and out != left:
        raise UsageError(f"in place: the result {dims(out)} does not fit into the first input {dims(left)}")
    whole = all(tensor.dtype.kind == "int" for tensor in inputs)  # positions plus an offset stay row numbers
    return Inferred((out,), dtype=inputs[0].dtype if whole else None)


def _binary_kernels(case: Case) -> list[Kernel]:
    return [case.kernel("elementwise", flops=BINARY_FLOPS[case.node.op] * case.result.elements)]


_INPLACE = (flag("inplace", False, "the result overwrites the first input"),)
_STEPS = (flag("steps", False, "runs as eight separate kernels, as gelu_new of Hugging Face does"),)

ELEMENTWISE = (
    *(
        Operator(
            name,
            f"{name} of each element",
            (1, 1),
            _unary_shapes,
            _unary_kernels,
            (*_INPLACE, *_STEPS) if name == "gelu_tanh" else _INPLACE,
            backward=_unary_backward,
            saves=_unary_saves,
            autocast="fp32" if name == "exp" else "widest",
        )
        for name in UNARY_FLOPS
    ),
    *(
        Operator(
            name,
            f"{name} of two tensors, broadcast",
            (2, 2),
            _binary_shapes,
            _binary_kernels,
            _INPLACE,
            backward=_binary_backward,
            saves=_binary_saves,
            autocast="fp32" if name == "pow" else "widest",
        )
        for name in BINARY_FLOPS
    ),
)
