"""What is an operator? A way to infer shapes and a way to become kernels, from shapes alone.

An operator is one :class:`Operator` value: its parameters, a function from input shapes to output
and weight shapes, and a function from tensors to kernels. Neither computes anything, so nothing here
needs an array library. A backward pass is one more such function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from roofline.core.dtype import DType, Precision
from roofline.core.schedule import Kernel
from roofline.core.stack import Stack
from roofline.core.workload import Attribute, Node, Role, Tensor
from roofline.errors import UnknownName, UsageError

Shape = tuple[int, ...]
ParameterKind = Literal["whole", "flag", "pair", "sizes"]

_LARGEST = 2**62


@dataclass(frozen=True)
class Parameter:
    """One attribute an operator takes.

    kind : ``whole`` (an integer), ``flag`` (true or false), ``pair`` (height and width, or one
        integer for both), ``sizes`` (a list of integers).
    default : used where it is not given; ``None`` makes it required unless ``optional``.
    low : the smallest integer allowed (``None``: any).
    """

    name: str
    kind: ParameterKind
    meaning: str
    default: Attribute | None = None
    low: int | None = 1
    optional: bool = False

    def check(self, value: object) -> Attribute:
        """``value`` in its one normal form (a pair is always two integers).

        Raises
        ------
        UsageError : not of this kind, or below ``low``.
        """
        if self.kind == "flag":
            if not isinstance(value, int) or value not in (0, 1):  # a block's parameter is a number
                raise UsageError(f"{self.name} is {_shown(value)}; write true or false")
            return bool(value)
        if self.kind == "whole":
            return self._integer(value)
        given: Sequence[object] = value if isinstance(value, tuple | list) else (value,)
        items = tuple(self._integer(item) for item in given)
        if self.kind == "pair":
            if len(items) > 2 or not items:
                raise UsageError(f"{self.name} is {_shown(value)}; write one integer or [height, width]")
            return (items[0], items[-1])
        return items

    def _integer(self, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise UsageError(f"{self.name} is {_shown(value)}; it must be an integer")
        if self.low is not None and value < self.low:
            raise UsageError(f"{self.name} is {value}; it must be at least {self.low}")
        return value


@dataclass(frozen=True)
class Attributes:
    """Checked attributes, complete with defaults, read by the kind of their parameter."""

    values: Mapping[str, Attribute]

    def whole(self, name: str) -> int:
        value = self.values[name]
        assert isinstance(value, int)
        return value

    def flag(self, name: str) -> bool:
        return bool(self.values.get(name, False))

    def sizes(self, name: str) -> tuple[int, ...]:
        value = self.values[name]
        assert isinstance(value, tuple)
        return value

    def pair(self, name: str) -> tuple[int, int]:
        height, width = self.sizes(name)
        return height, width

    def has(self, name: str) -> bool:
        return name in self.values


@dataclass(frozen=True)
class Weight:
    """A tensor an operator brings along: ``<node>.<suffix>``. ``state`` is stored but not trained."""

    suffix: str
    shape: Shape
    role: Role = "weight"


@dataclass(frozen=True)
class Inferred:
    """What follows from the input shapes. ``dtype`` ``None`` is the storage format of the workload."""

    outputs: tuple[Shape, ...]
    weights: tuple[Weight, ...] = ()
    dtype: DType | None = None


@dataclass(frozen=True)
class Case:
    """A node with its tensors at hand: all that lowering may look at."""

    node: Node
    inputs: tuple[Tensor, ...]
    weights: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    attributes: Attributes
    precision: Precision
    stack: Stack

    @property
    def result(self) -> Tensor:
        """The first output."""
        return self.outputs[0]

    @property
    def read_bytes(self) -> float:
        """Bytes of the inputs, each once: ``a + a`` reads ``a`` once, a broadcast at its own size."""
        return sum({tensor.name: tensor.bytes for tensor in self.inputs}.values())

    @property
    def weight_bytes(self) -> float:
        return sum(tensor.bytes for tensor in self.weights)

    @property
    def vector_precision(self) -> Precision:
        """What work outside of products is computed in: tf32 exists in products alone."""
        tf32 = self.precision.compute == "tf32"
        return Precision("fp32", self.precision.accumulate) if tf32 else self.precision

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
        elements: int | None = None,
        flops: float = 0.0,
        reads: float | None = None,
        weights: float | None = None,
        writes: float | None = None,
        passes: float = 1.0,
        source: int = 0,
        source2: int | None = None,
        target: int | None = None,
    ) -> Kernel:
        """A kernel of this case: reads all inputs and weights, writes all outputs, unless told otherwise.

        ``source``, ``source2`` and ``target`` are places within the case: the inputs are numbered
        from 0, the outputs follow, numbers beyond are temporaries of a plan of several kernels.
        Lowering turns them into tensor numbers.
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
            elements=self.result.elements if elements is None else elements,
            itemsize=(self.outputs[0].dtype if self.outputs else self.precision.storage).bytes,
            flops=flops,
            reads=self.read_bytes if reads is None else reads,
            weights=self.weight_bytes if weights is None else weights,
            writes=sum(t.bytes for t in self.outputs) if writes is None else writes,
            passes=passes,
            source=source,
            source2=(1 if count > 1 else -1) if source2 is None else source2,
            target=count if target is None else target,
        )


@dataclass(frozen=True)
class Operator:
    """One kind of operator.

    name : as written in workload files.
    summary : one line for the reference page.
    inputs : how many tensors it takes, as (least, most).
    parameters : its attributes.
    shapes : (inputs, attributes) -> :class:`Inferred`; raises :class:`UsageError`.
    kernels : forward pass, :class:`Case` -> kernels in order.
    indices : which inputs hold integers (row numbers) whatever the precision.
    """

    name: str
    summary: str
    inputs: tuple[int, int]
    shapes: Callable[[Sequence[Tensor], Attributes], Inferred]
    kernels: Callable[[Case], list[Kernel]]
    parameters: tuple[Parameter, ...] = ()
    indices: tuple[int, ...] = ()

    def attributes(self, given: Mapping[str, object]) -> Attributes:
        """``given`` checked, in normal form and completed by defaults.

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
        """Output and weight shapes from input shapes.

        Raises
        ------
        UsageError : wrong attributes, wrong number of inputs, or shapes that do not fit.
        """
        checked = self.attributes(attributes)
        least, most = self.inputs
        if not least <= len(inputs) <= most:
            need = f"{least}" if least == most else f"{least} or more"
            raise UsageError(f"{self.name} takes {need} input{'s' if need != '1' else ''}, not {len(inputs)}")
        inferred = self.shapes(inputs, checked)
        for shape in (*inferred.outputs, *(weight.shape for weight in inferred.weights)):
            check_size(shape, self.name)
        return inferred


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
    """The shape of ``tensor``, which must have one of ``ranks`` dimensions."""
    if len(tensor.shape) not in ranks:
        raise UsageError(f"{name} takes {layout}, not {dims(tensor.shape)}")
    return tensor.shape


def flag(name: str, default: bool, meaning: str) -> Parameter:
    """A parameter that is true or false."""
    return Parameter(name, "flag", meaning, default)


def _shown(value: object) -> str:
    return str(list(value)) if isinstance(value, tuple) else repr(value)
