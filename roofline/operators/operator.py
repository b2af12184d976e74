"""What is an operator? A rule for shapes and a rule for kernels, from shapes alone.

An operator is one :class:`Operator` value: its parameters, a function from input shapes to output and weight shapes,
and a function from tensors to kernels. Neither computes anything, so no array library is needed. The backward pass is
one more function to kernels, with a note of what the forward pass saves for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from roofline.core.dtype import DType
from roofline.core.schedule import Kernel
from roofline.core.workload import Attribute, Role, Tensor
from roofline.errors import UnknownName, UsageError
from roofline.operators.attributes import Attributes, Parameter
from roofline.operators.case import Case, Needs, Saved, saves_nothing

Shape = tuple[int, ...]

_LARGEST = 2**62


@dataclass(frozen=True)
class Weight:
    """A tensor that an operator adds: ``<node>.<suffix>``. ``state`` is stored but not trained."""

    suffix: str
    shape: Shape
    role: Role = "weight"


@dataclass(frozen=True)
class Inferred:
    """The result of shape inference. ``dtype`` ``None`` is the storage format of the workload."""

    outputs: tuple[Shape, ...]
    weights: tuple[Weight, ...] = ()
    dtype: DType | None = None


@dataclass(frozen=True)
class Operator:
    """One kind of operator.

    Parameters
    ----------
    name : as written in workload files.
    summary : one line for the reference page.
    inputs : number of input tensors, as (least, most).
    shapes : (inputs, attributes) -> :class:`Inferred`; raises :class:`UsageError`.
    kernels : forward pass, :class:`Case` -> kernels in order.
    parameters : its attributes.
    indices : inputs that hold integers (row numbers) at every precision.
    backward : gradients, (:class:`Case`, :data:`Needs`) -> kernels in order: of the data where the input needs it, of
        the weights always. ``None``: cannot be trained.
    saves : the tensors that the backward needs from the forward; called with ``case.training``.
    autocast : format under mixed precision: ``low`` (matrix multiplications), ``fp32`` after a cast, ``fp32 result``
        without one, or ``widest`` of its inputs.
    """

    name: str
    summary: str
    inputs: tuple[int, int]
    shapes: Callable[[Sequence[Tensor], Attributes], Inferred]
    kernels: Callable[[Case], list[Kernel]]
    parameters: tuple[Parameter, ...] = ()
    indices: tuple[int, ...] = ()
    backward: Callable[[Case, Needs], list[Kernel]] | None = None
    saves: Callable[[Case], Saved] = saves_nothing
    autocast: Literal["low", "fp32", "fp32 result", "widest"] = "widest"

    def attributes(self, given: Mapping[str, object]) -> Attributes:
        """``given`` checked, in normal form and completed with defaults.

        Raises
        ------
        UsageError : an attribute that is unknown, missing, of the wrong kind or too small.
        """
        known = {parameter.name: parameter for parameter in self.parameters}
        for name in given:
            if name not in known:
                raise UnknownName(f"attribute of {self.name}", name, known)
        values: dict[str, Attribute] = {}
        for name, parameter in known.items():
            if name in given:
                values[name] = parameter.check(given[name])
            elif parameter.default is not None:
                values[name] = parameter.check(parameter.default)
            elif not parameter.optional:
                raise UsageError(f"{self.name} needs {name}: {parameter.meaning}")
        return Attributes(values)

    def infer(self, inputs: Sequence[Tensor], attributes: Mapping[str, object]) -> Inferred:
        """Output and weight shapes from input shapes; raises as :meth:`inferred`."""
        return self.inferred(inputs, attributes)[0]

    def inferred(
        self, inputs: Sequence[Tensor], attributes: Mapping[str, object]
    ) -> tuple[Inferred, Mapping[str, Attribute]]:
        """Output and weight shapes from input shapes, and the attributes, checked and complete.

        Raises
        ------
        UsageError : wrong attributes, wrong number of inputs, or shapes that do not fit.
        """
        checked = self.attributes(attributes)
        least, most = self.inputs
        if not least <= len(inputs) <= most:
            need = f"{least}" if least == most else f"{least} or more"
            raise UsageError(f"{self.name} takes {need} input{'s' if need != '1' else ''}, not {len(inputs)}")
        for tensor in inputs if self.autocast == "low" else ():
            if tensor.dtype.name == "int64":
                raise UsageError(f"{self.name} needs floating-point inputs, but {tensor.name} is int64")
        inferred = self.shapes(inputs, checked)
        for shape in (*inferred.outputs, *(weight.shape for weight in inferred.weights)):
            check_size(shape, self.name)
        return inferred, checked.values


def check_size(shape: Shape, what: str) -> None:
    """Refuse a shape with an empty dimension or more elements than an array can hold."""
    elements = 1
    for size in shape:
        if size < 1:
            raise UsageError(f"{what}: {dims(shape)} has an empty dimension")
        elements *= size
        if elements > _LARGEST:
            raise UsageError(f"{what}: {dims(shape)} has more than 2**62 elements")


def dims(shape: Shape) -> str:
    """A shape as messages show it: ``(32, 64, 56, 56)``."""
    return "(" + ", ".join(str(size) for size in shape) + ")"


def ranked(name: str, tensor: Tensor, *ranks: int, layout: str) -> Shape:
    """The shape of ``tensor``, which must have one of ``ranks`` dimensions.

    Raises
    ------
    UsageError : it has another number of dimensions.
    """
    if len(tensor.shape) not in ranks:
        raise UsageError(f"{name} takes {layout}, not {dims(tensor.shape)}")
    return tensor.shape
