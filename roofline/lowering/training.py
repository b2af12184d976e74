"""Which kernels run in one training step? Forward, loss, gradients in reverse, optimizer.

As eager PyTorch does it: each operator's backward follows from its own plan (:class:`Operator.backward`), gradients
that meet at a tensor are added, and gradients are freed between steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial

from roofline.core.run import Implementation, Recipe
from roofline.core.schedule import Kernel, Schedule
from roofline.core.stack import Stack
from roofline.core.workload import Node, Tensor, Workload
from roofline.errors import Unsupported, UsageError
from roofline.lowering.autocast import autocast
from roofline.lowering.build import node_of
from roofline.lowering.fusion import fuse
from roofline.lowering.gradients import Flow, unnumbered
from roofline.lowering.lower import forward_kernels, merged
from roofline.lowering.nodes import case_of, once
from roofline.lowering.optimizers import optimizer_kernels
from roofline.operators.case import Case, Saved
from roofline.operators.cuda import launches
from roofline.operators.table import operator_named

CUTS = ("slice", "select")
"""All slices of one tensor return their gradients in one copy (as the pieces of ``split`` do)."""

LOSS = "loss"


@dataclass(frozen=True)
class Segment:
    """Nodes ``start`` to ``stop``; ``again``: they are recomputed for the backward."""

    start: int
    stop: int
    again: bool


@dataclass(frozen=True)
class Step:
    """A training step of a network: its workload with loss and casts, and how it is trained.

    ``workload`` is one micro-batch; ``held`` are the outputs of the network, which the training loop keeps until the
    next step.
    """

    workload: Workload
    recipe: Recipe
    stack: Stack
    implementation: Implementation
    mixed: bool
    held: tuple[str, ...] = ()
    cuda: bool = False

    @cached_property
    def parameters(self) -> tuple[Tensor, ...]:
        """The trained tensors, each once."""
        return tuple(t for t in self.workload.tensors.values() if t.role == "weight")

    @cached_property
    def gradients(self) -> dict[str, Tensor]:
        """The gradient of every parameter: of its size, or for a sparse table of the rows that were used."""
        used: dict[str, int] = {}
        for node in self.workload.nodes:
            if node.attributes.get("sparse"):
                rows = self.workload.tensors[node.inputs[0]].elements
                used[node.weights[0]] = used.get(node.weights[0], 0) + rows
        return {
            tensor.name: replace(tensor, shape=(min(used[tensor.name], tensor.shape[0]), *tensor.shape[1:]))
            if tensor.name in used
            else tensor
            for tensor in self.parameters
        }

    @cached_property
    def trained(self) -> frozenset[str]:
        """Tensors that gradients flow into: weights, and every float computed from them (integers have none)."""
        names = {tensor.name for tensor in self.parameters}
        for node in self.workload.nodes:
            if any(name in names for name in (*node.inputs, *node.weights)):
                names.update(name for name in node.outputs if self.workload.tensors[name].dtype.kind != "int")
        return frozenset(names)

    @cached_property
    def reaching(self) -> frozenset[str]:
        """Tensors that the loss depends on."""
        names = set(self.workload.outputs)
        for node in reversed(self.workload.nodes):
            if names.intersection(node.outputs):
                names.update((*node.inputs, *node.weights))
        return frozenset(names)

    @cached_property
    def cuts(self) -> dict[str, list[str]]:
        """The slices of every sliced tensor, in order; slices that the loss does not depend on give no gradient."""
        cuts: dict[str, list[str]] = {}
        for node in self.workload.nodes:
            if node.op in CUTS and node.name in self.reaching:
                cuts.setdefault(node.inputs[0], []).append(node.name)
        return cuts

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """The network in order; with checkpointing each copy of a repeated block is one segment."""
        nodes = self.workload.nodes
        if not self.recipe.checkpoint:
            return (Segment(0, len(nodes), False),)
        found: list[Segment] = []
        keys = [_copy_of(node) for node in nodes]
        for index, key in enumerate(keys):
            if found and key == keys[index - 1]:
                found[-1] = replace(found[-1], stop=index + 1)
            else:
                found.append(Segment(index, index + 1, bool(key)))
        return tuple(found)


def training_step(workload: Workload, recipe: Recipe, stack: Stack, *, cuda: bool) -> Step:
    """One training step of a bound network.

    A network whose output is no loss gets one: cross-entropy over its last dimension (of images over the channels),
    mean squared error where there is only one class. 16-bit floats mean mixed precision unless ``recipe.pure``.

    Parameters
    ----------
    cuda : PyTorch runs as on CUDA: optimizers over lists of tensors unless the recipe says otherwise, and some
        gradients in several kernels.

    Raises
    ------
    UsageError : a precision that cannot be trained in.
    Unsupported : an operator without a backward pass.
    """
    storage = workload.precision.storage
    if storage.kind != "float" or storage.bits < 16:
        raise UsageError(f"training in {workload.precision} is not modelled; use fp32, tf32, fp16 or bf16")
    work = _with_loss(replace(workload, training=True))
    mixed = storage.bits == 16 and not recipe.pure
    if mixed:
        work = autocast(work)
    for node in work.nodes:
        if operator_named(node.op).backward is None:
            raise Unsupported(
                f"{node.name}: {node.op} has no backward pass, so training of {work.name} cannot be predicted"
            )
    default: Implementation = "foreach" if cuda else "loop"
    return Step(work, recipe, stack, recipe.implementation or default, mixed, workload.outputs, cuda)


def lower_training(step: Step) -> Schedule:
    """The kernels of a step in order; ``phase`` says which part each belongs to.

    ``layer`` numbers the nodes of ``step.workload``; the optimizer has the number after the last.
    """
    return Schedule.of(_kernels(step))


def _kernels(step: Step) -> Iterator[Kernel]:
    work, stack = step.workload, step.stack
    saved = [name for node in work.nodes for name in saved_by(node, work, stack).names(node)]
    plain = list(forward_kernels(work, stack))
    forward = merged(plain, work, stack, saved)
    times = step.recipe.accumulate
    backward = list(_backward(step, plain, saved))
    for kernel in (*forward, *backward):
        yield replace(kernel, repeats=kernel.repeats * times, calls=kernel.calls * times)
    layer = len(step.workload.nodes)
    if times > 1:
        for tensor in step.gradients.values():
            yield replace(_sum_of_gradients(tensor, layer), repeats=times - 1, calls=times - 1)
    if step.recipe.optimizer == "none":
        return
    unscale = step.mixed and step.workload.precision.compute == "fp16"
    updated = list(step.gradients.values())  # of a sparse table only the rows
    yield from optimizer_kernels(updated, step.recipe, step.implementation, layer=layer, unscale=unscale)


def _backward(step: Step, plain: list[Kernel], saved: list[str]) -> Iterator[Kernel]:
    """Gradients of every node that gradients reach, last node first; fused where the stack compiles.

    Parameters
    ----------
    plain : the unfused forward kernels, of which some run again.
    saved : names of the tensors they save.
    """
    flow = Flow(next=0)
    for segment in reversed(step.segments):
        if segment.again:
            again = [kernel for kernel in plain if segment.start <= kernel.layer < segment.stop]
            for kernel in merged(again, step.workload, step.stack, saved):
                yield replace(kernel, phase="backward")
        kernels = list(_segment(step, segment, flow))
        if step.stack.mode == "compiled":
            kernels = fuse(kernels, flow.needed, anywhere=True, sizes=flow.sizes)
        yield from map(unnumbered, kernels)


def _segment(step: Step, segment: Segment, flow: Flow) -> Iterator[Kernel]:
    """The backward kernels of some nodes, with the gradients they read and make by number."""
    work, compiled = step.workload, step.stack.mode == "compiled"
    for index in reversed(range(segment.start, segment.stop)):
        node = work.nodes[index]
        if not step.reaching.intersection(node.outputs) or not step.trained.intersection(node.outputs):
            continue
        case = case_of(node, work, step.stack)
        kernels = gradient_kernels(case, step)
        if step.cuda:
            kernels = [one for kernel in kernels for one in launches(kernel, compiled=compiled)]
        if node.op in CUTS:
            flow.kept.update(flow.of[name] for name in step.cuts[node.inputs[0]] if name in flow.of)
        sum_of = partial(_sum_of_gradients, layer=index)
        for kernel in flow.through(node, kernels, _contributions(node, step), sum_of):
            yield replace(kernel, layer=index, phase="backward")


def saved_by(node: Node, workload: Workload, stack: Stack) -> Saved:
    """The tensors that the forward pass of a node saves for its backward."""
    return once("saves", case_of(node, workload, stack), operator_named(node.op).saves)


def gradient_kernels(case: Case, step: Step) -> list[Kernel]:
    """The backward kernels of one node."""
    node = case.node
    backward = operator_named(node.op).backward
    assert backward is not None
    if node.op in CUTS:
        siblings = step.cuts[node.inputs[0]]
        if siblings[0] != node.name:  # the first slice returns the gradients of all
            return []
        whole = case.inputs[0].bytes
        parts = sum(step.workload.tensors[name].bytes for name in siblings)
        zeros = whole if parts < whole else 0.0
        return [case.gradient("copy", op="split_backward", reads=parts, writes=parts + zeros, target=0)]
    return backward(case, tuple(name in step.trained for name in node.inputs))


def _contributions(node: Node, step: Step) -> list[tuple[int, Tensor]]:
    """Tensors that this node's backward gives a gradient to, once for every use, with their places."""
    if node.op in CUTS and step.cuts[node.inputs[0]][0] != node.name:
        return []
    names = enumerate((*node.inputs, *node.weights))
    return [(place, step.workload.tensors[name]) for place, name in names if name in step.trained]


def _sum_of_gradients(tensor: Tensor, layer: int) -> Kernel:
    """The kernel that adds two gradients of one tensor."""
    return Kernel(
        family="elementwise",
        op="add_gradients",
        layer=layer,
        precision=tensor.dtype.name,
        elements=tensor.elements,
        itemsize=tensor.dtype.bytes,
        flops=float(tensor.elements),
        reads=2 * tensor.bytes,
        writes=tensor.bytes,
        phase="backward",
    )


def _with_loss(work: Workload) -> Workload:
    """The network with a loss for every output that is no loss."""
    nodes, tensors, losses = list(work.nodes), dict(work.tensors), []
    for index, name in enumerate(work.outputs):
        shape = tensors[name].shape
        if shape in ((), (1,)) or tensors[name].dtype.kind != "float":
            losses.append(name)
            continue
        dim = 1 if len(shape) == 4 else -1
        op, attributes = ("cross_entropy", {"dim": dim}) if shape[dim] > 1 else ("mean_squares", {})
        made = LOSS if index == 0 else f"{LOSS}{index + 1}"
        nodes.append(node_of(op, made, (name,), attributes, tensors, work.precision.storage))
        losses.append(made)
    return replace(work, nodes=tuple(nodes), tensors=tensors, outputs=tuple(losses))


def _copy_of(node: Node) -> str:
    """The copy of an outermost repeated block that a node belongs to; empty for none."""
    parts = node.template.split(".")
    if "*" not in parts:
        return ""
    return ".".join(node.name.split(".")[: parts.index("*") + 1])
