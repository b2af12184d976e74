"""How does a network become a workload? Symbols are bound, blocks unrolled, every shape inferred and checked."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

from roofline.core.dtype import DType, Precision, dtype
from roofline.core.dtype import precision as parse_precision
from roofline.core.memo import Memo
from roofline.core.network import Network, Source, Step
from roofline.core.workload import Attribute, Node, Tensor, Workload
from roofline.errors import Fault, SpecError, UnknownName, UsageError
from roofline.operators.operator import Inferred, Operator, check_size, dims
from roofline.operators.table import operator_named

FP32 = parse_precision("fp32")


def build(network: Network, symbols: Mapping[str, int] | None = None, precision: Precision = FP32) -> Workload:
    """The workload of a network at these symbols (defaults for the rest) and this precision.

    Float tensors are stored in ``precision.storage`` (fp32 for tf32); integer inputs keep their type.

    Raises
    ------
    UnknownName, UsageError : a symbol that the network lacks, or an invalid value.
    SpecError : operators or attributes that do not exist (all of them at once), or the first layer whose shapes do not
        match, with file and line.
    """
    faults = check_names(network)
    if faults:
        raise SpecError(faults)
    bound = network.bind(symbols or {})
    steps, outputs = network.expand(bound)
    builder = _Builder(network, precision.storage, f" (with {_listed(symbols)})" if symbols else "")
    for source in network.inputs:
        builder.source(source, bound)
    for step in steps:
        builder.step(step)
    workload = Workload(
        name=network.name,
        title=network.title,
        nodes=tuple(builder.nodes),
        tensors=builder.tensors,
        inputs=tuple(source.name for source in network.inputs),
        outputs=outputs,
        symbols=bound,
        precision=precision,
        source=network.source,
        file=network.file,
    )
    workload.__dict__["likeness"] = tuple(builder.likeness)
    return workload


def check(network: Network) -> list[Fault]:
    """All faults of a network at its default symbols; empty if it has none."""
    try:
        build(network)
    except SpecError as error:
        return list(error.faults)
    except UsageError as error:
        return [Fault(network.file or network.name, None, "symbols", str(error))]
    return []


def check_names(network: Network) -> list[Fault]:
    """Layers whose operator or attributes do not exist, as written, before blocks are unrolled."""
    faults = []
    for layer in network.all_layers():
        if not layer.op:
            continue
        errors: list[UsageError] = []
        try:
            operator = operator_named(layer.op)
        except UsageError as error:
            errors.append(error)
        else:
            known = [parameter.name for parameter in operator.parameters]
            given = dict.fromkeys([*layer.terms, *layer.first])
            errors += [UnknownName(f"attribute of {layer.op}", name, known) for name in given if name not in known]
            if layer.inputs and operator.inputs == (0, 0):
                errors.append(UsageError(f"{layer.op} takes no inputs; remove from"))
        faults += [Fault(network.place, layer.line, layer.name, str(error)) for error in errors]
    return faults


def single(
    op: str,
    attributes: Mapping[str, object] | None = None,
    input_shapes: Sequence[Sequence[int]] = (),
    precision: Precision = FP32,
) -> Workload:
    """A workload of one operator, as one measurement needs it.

    The inputs are called ``input``, ``input2``...; row numbers (of ``embedding``) are int64.

    Raises
    ------
    UnknownName : no such operator, or no such attribute.
    UsageError : shapes or attributes that do not fit.
    """
    operator = operator_named(op)
    names = ["input", *(f"input{index}" for index in range(2, len(input_shapes) + 1))][: len(input_shapes)]
    tensors: dict[str, Tensor] = {}
    for index, (name, shape) in enumerate(zip(names, input_shapes, strict=True)):
        check_size(tuple(shape), f"{op}: {name}")
        stored = dtype("int64") if index in operator.indices else precision.storage
        tensors[name] = Tensor(name, tuple(shape), stored, "input")
    node = _node(operator, Step(op, op, op, tuple(names), {}), attributes or {}, tensors, precision.storage)
    return Workload(op, op, (node,), tensors, tuple(names), node.outputs, {}, precision)


def _node(
    operator: Operator,
    step: Step,
    attributes: Mapping[str, object],
    tensors: dict[str, Tensor],
    storage: DType,
    shared: Sequence[Tensor] = (),
) -> Node:
    """Infer one node, adding its weights and outputs to ``tensors``; ``shared`` are its first weights."""
    inferred, complete = _inferred(operator, [tensors[name] for name in step.inputs], attributes)
    made: list[Tensor] = []
    weights: list[str] = []
    for index, weight in enumerate(inferred.weights):
        if index < len(shared):
            given = shared[index]
            if given.shape != weight.shape:
                raise UsageError(f"tied to {given.name} {dims(given.shape)}, but its weight is {dims(weight.shape)}")
            weights.append(given.name)
            continue
        weights.append(f"{step.name}.{weight.suffix}")
        kind = inferred.dtype if weight.role == "state" else None
        made.append(Tensor(weights[-1], weight.shape, kind or storage, weight.role))
    outputs = [step.name, *(f"{step.name}:{index}" for index in range(1, len(inferred.outputs)))]
    for name, shape in zip(outputs, inferred.outputs, strict=True):
        made.append(Tensor(name, shape, inferred.dtype or storage))
    for tensor in made:
        if tensor.name in tensors:
            raise UsageError(f"two tensors are called {tensor.name!r}")
        tensors[tensor.name] = tensor
    return Node(step.name, step.op, step.inputs, tuple(outputs), tuple(weights), complete, step.template)


_found: Memo[tuple[Operator, Inferred, Mapping[str, Attribute]]] = Memo(20_000)
"""Shapes and attributes of operators by what they follow from."""


def _inferred(
    operator: Operator, inputs: Sequence[Tensor], attributes: Mapping[str, object]
) -> tuple[Inferred, Mapping[str, Attribute]]:
    """Output and weight shapes, and complete attributes; worked out once for equal inputs and attributes."""
    shapes = tuple((tensor.shape, tensor.dtype.name, tensor.role) for tensor in inputs)
    kinds = tuple(map(type, attributes.values()))  # True is not 1
    key = (id(operator), shapes, tuple(attributes.items()), kinds)
    _, inferred, complete = _found.once(key, lambda: (operator, *operator.inferred(inputs, attributes)))
    return inferred, complete


def node_of(
    op: str,
    name: str,
    inputs: tuple[str, ...],
    attributes: Mapping[str, object],
    tensors: dict[str, Tensor],
    storage: DType,
) -> Node:
    """One more node on existing tensors; its weights and outputs are added to ``tensors``."""
    return _node(operator_named(op), Step(name, name, op, inputs, {}), attributes, tensors, storage)


@dataclass(frozen=True)
class _Made:
    """What the first of several steps that are alike has made."""

    number: int
    attributes: Mapping[str, Attribute]
    weights: tuple[tuple[str, Tensor, int], ...]
    outputs: tuple[tuple[str, Tensor, int], ...]


class _Builder:
    """Adds nodes and tensors step by step; turns every error into one with file and line.

    Steps with the same operator and attributes on inputs of the same kinds (shape, format, role) are worked out once.
    ``kinds`` numbers the kind of every tensor, ``likeness`` is that of :class:`Workload`.
    """

    def __init__(self, network: Network, storage: DType, bound_note: str) -> None:
        self.network = network
        self.storage = storage
        self.bound_note = bound_note
        self.nodes: list[Node] = []
        self.tensors: dict[str, Tensor] = {}
        self.made: dict[str, Node] = {}
        self.likeness: list[int] = []
        self.kinds: dict[str, int] = {}
        self._numbers: dict[Hashable, int] = {}
        self._known: dict[Hashable, _Made] = {}

    def source(self, source: Source, bound: Mapping[str, int]) -> None:
        try:
            shape = tuple(size.evaluate(bound) for size in source.shape)
            check_size(shape, "shape")
            stored = dtype(source.dtype) if source.dtype else self.storage
        except UsageError as error:
            raise self._fault(source.line, f"inputs.{source.name}", error) from None
        tensor = Tensor(source.name, shape, stored, "input")
        self._add(tensor, self._kind(tensor))

    def step(self, step: Step) -> None:
        try:
            operator = operator_named(step.op)
            if operator.inputs == (0, 0):  # it has no input, whatever comes before it
                step = replace(step, inputs=())
            key = step.key, tuple(self.kinds[name] for name in step.inputs)
            known = None if step.tied else self._known.get(key)
            if known is not None:
                node = self._again(step, known)
            else:
                node = _node(operator, step, step.attributes, self.tensors, self.storage, self._shared(step))
                known = self._first(step, node)
                if not step.tied:
                    self._known[key] = known
        except UsageError as error:
            raise self._fault(step.line, step.name, error) from None
        self.made[step.name] = node
        self.nodes.append(node)
        self.likeness.append(known.number)

    def _first(self, step: Step, node: Node) -> _Made:
        """What a node has made, for those like it."""
        weights, outputs = (
            tuple((name.removeprefix(step.name), self.tensors[name], self._kind(self.tensors[name])) for name in names)
            for names in (node.weights, node.outputs)
        )
        for suffix, _, kind in (*weights, *outputs):
            self.kinds.setdefault(step.name + suffix, kind)
        return _Made(len(self.nodes), node.attributes, weights, outputs)

    def _again(self, step: Step, known: _Made) -> Node:
        """A node like an earlier one, with its own weights and outputs."""
        made: list[list[str]] = []
        for several in (known.weights, known.outputs):
            names = []
            for suffix, like, kind in several:
                name = step.name + suffix
                self._add(Tensor(name, like.shape, like.dtype, like.role), kind)
                names.append(name)
            made.append(names)
        weights, outputs = map(tuple, made)
        return Node(step.name, step.op, step.inputs, outputs, weights, known.attributes, step.template)

    def _add(self, tensor: Tensor, kind: int) -> None:
        if tensor.name in self.tensors:
            raise UsageError(f"two tensors are called {tensor.name!r}")
        self.tensors[tensor.name] = tensor
        self.kinds[tensor.name] = kind

    def _kind(self, tensor: Tensor) -> int:
        """The number of the shape, format and role of a tensor."""
        of = (tensor.shape, tensor.dtype.name, tensor.role)
        return self._numbers.setdefault(of, len(self._numbers))

    def _shared(self, step: Step) -> list[Tensor]:
        """Weights that this layer shares with another: the first one; all of them where it is the same layer again
        (same operator and attributes); or the outputs of the other, where that has no weights.
        """
        if not step.tied:
            return []
        if step.tied not in self.made:
            raise UsageError(f"tied to {step.tied}, which has no weight")
        node = self.made[step.tied]
        again = node.op == step.op and node.attributes == operator_named(step.op).attributes(step.attributes).values
        names = (node.weights if again else node.weights[:1]) or node.outputs[:1]
        return [self.tensors[name] for name in names]

    def _fault(self, line: int | None, path: str, error: UsageError) -> SpecError:
        return self.network.fault(line, path, f"{error}{self.bound_note}")


def _listed(symbols: Mapping[str, int] | None) -> str:
    return ", ".join(f"{name} = {value}" for name, value in (symbols or {}).items())
