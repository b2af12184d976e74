"""How much memory does a net need, node by node? Storage is born, used for the last time, and freed.

PyTorch's own rules: a tensor lives until the last node that reads it; in training also until the backward of
every operator that saved it; views and in-place results share storage; a gradient lives from the first node
that contributes to it to the backward of the node that made its tensor; gradients of weights and the
optimizer's state stay. Rounding by the allocator, library workspaces and the CUDA context come on top.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from roofline.core.prediction import Memory
from roofline.core.schedule import Kernel
from roofline.core.stack import Stack
from roofline.core.workload import Node, Tensor, Workload
from roofline.lowering.lower import case_of, node_kernels
from roofline.lowering.optimizers import temporaries
from roofline.lowering.training import CUTS, Step, gradient_kernels, saved_by
from roofline.operators.case import Saved

Amounts = dict[str, float]


def memory_of(workload: Workload, stack: Stack = Stack()) -> Memory:  # noqa: B008 (a frozen value)
    """Bytes of an inference at its fullest moment."""
    ledger = _Ledger(workload, stack)
    for index, node in enumerate(workload.nodes):
        ledger.forward(index, node)
    return ledger.memory()


def memory_of_training(step: Step) -> Memory:
    """Bytes of a training step at its fullest moment: forward, backward or optimizer."""
    ledger = _Ledger(step.workload, step.stack, step.held)
    nodes = step.workload.nodes
    saving = {index for index, node in enumerate(nodes) if step.trained.intersection((*node.inputs, *node.weights))}
    for segment in step.segments:
        held = set() if segment.again else saving
        if segment.again:
            ledger.hold_inputs(segment.start, segment.stop)
        for index in range(segment.start, segment.stop):
            ledger.forward(index, nodes[index], save=index in held)
    ledger.leave_autocast()
    if step.recipe.accumulate > 1:
        ledger.accumulating = True
        ledger.gradients = dict.fromkeys(step.gradients, True)
        ledger.grow("gradients", sum(t.bytes for t in step.gradients.values()))
    for segment in reversed(step.segments):
        if segment.again:
            for index in range(segment.start, segment.stop):
                ledger.forward(index, nodes[index], save=index in saving)
        for index in reversed(range(segment.start, segment.stop)):
            ledger.backward(index, nodes[index], step)
        if segment.again:
            ledger.drop_inputs(segment.start, segment.stop)
    states = step.recipe.states * sum(t.bytes for t in step.parameters)
    updated = list(step.gradients.values())
    ledger.transient("workspace", temporaries(updated, step.recipe, step.implementation))
    return ledger.memory(states)


def saved_bytes(step: Step) -> float:
    """Bytes the forward pass keeps for the backward, weights excluded: what autograd's hooks see."""
    owner = step.workload.owners()
    names, extra = set[str](), 0.0
    for node in step.workload.nodes:
        if step.trained.intersection((*node.inputs, *node.weights)):
            kept = saved_by(node, step.workload, step.stack)
            names |= {owner.get(name, name) for name in kept.names(node)}
            names |= {name for name in node.weights if step.workload.tensors[name].role == "activation"}
            extra += kept.extra
    return extra + sum(t.bytes for name in names if (t := step.workload.tensors[name]).role != "weight")


def _temporaries(kernels: Sequence[Kernel], first: int) -> float:
    """Bytes of the temporaries of one node (tensors from ``first`` on) at the fullest moment.

    Each lives from the kernel that writes it to the last that reads it; one that none reads stays to the end.
    """
    last = {place: index for index, k in enumerate(kernels) for place in (k.source, k.source2) if place >= first}
    alive: dict[int, float] = {}
    most = 0.0
    for index, kernel in enumerate(kernels):
        if kernel.target >= first:
            alive[kernel.target] = kernel.writes
        most = max(most, sum(alive.values()))
        alive = {place: size for place, size in alive.items() if last.get(place, len(kernels)) > index}
    return most


@dataclass
class _Gradient:
    """Storage of a gradient and how many tensors it is the gradient of."""

    size: float
    uses: int = 1


@dataclass
class _Ledger:
    """What is alive. ``now`` and ``peak`` are bytes by kind; weights, states and caches never change."""

    workload: Workload
    stack: Stack
    held: tuple[str, ...] = ()
    now: Amounts = field(default_factory=lambda: {"activations": 0.0, "gradients": 0.0, "workspace": 0.0})
    peak: Amounts = field(default_factory=dict)
    gradients: dict[str, bool] = field(default_factory=dict)
    accumulating: bool = False
    flowing: dict[str, _Gradient] = field(default_factory=dict)

    def __post_init__(self) -> None:
        work = self.workload
        self.owner = work.owners()
        self.uses: Counter[str] = Counter()
        self.alive: set[str] = set()
        self.last: dict[str, int] = {}
        for index, node in enumerate(work.nodes):
            for name in (*node.inputs, *node.weights, *node.outputs):
                self.last[self._root(name)] = index
        for name in (*work.inputs, *work.outputs, *self.held):
            self.last[self._root(name)] = len(work.nodes)
        casts = (node for node in work.nodes if node.op == "cast")
        self.copies = {
            c.outputs[0]: self.last[c.outputs[0]] for c in casts if work.tensors[c.inputs[0]].role == "weight"
        }
        self.last.update(dict.fromkeys(self.copies, len(work.nodes)))  # autocast keeps them to its end
        for name in work.inputs:
            self._birth(self._root(name))

    def _root(self, name: str) -> str:
        return self.owner.get(name, name)

    def grow(self, kind: str, size: float) -> None:
        self.now[kind] += size
        if sum(self.now.values()) > sum(self.peak.values()):
            self.peak = dict(self.now)

    def transient(self, kind: str, size: float) -> None:
        self.grow(kind, size)
        self.grow(kind, -size)

    def _birth(self, root: str) -> None:
        tensor = self.workload.tensors[root]
        if root not in self.alive and tensor.role in ("activation", "input"):
            self.alive.add(root)
            self.grow("activations", tensor.bytes)

    def _free(self, roots: Iterable[str], after: int) -> None:
        """Free what nobody reads after node ``after`` and nobody saved."""
        for root in roots:
            if root in self.alive and self.last[root] <= after and self.uses[root] == 0:
                self.alive.remove(root)
                self.grow("activations", -self.workload.tensors[root].bytes)

    def forward(self, index: int, node: Node, save: bool = False) -> None:
        """Run a node: its outputs are born, what it was the last to read is freed unless saved."""
        case = case_of(node, self.workload, self.stack)
        kept = saved_by(node, self.workload, self.stack) if save else Saved()
        for name in node.outputs:
            self._birth(self._root(name))
        made = _temporaries(node_kernels(case), case.temporary)
        self.transient("workspace", max(0.0, made - kept.extra))
        if save:
            self.grow("activations", kept.extra)
            self.uses.update(self._held(node, kept))
        self._free({self._root(name) for name in (*node.inputs, *node.weights, *node.outputs)}, index)

    def leave_autocast(self) -> None:
        """The end of mixed precision: 16-bit copies of weights are freed unless saved."""
        self.last.update(self.copies)
        self._free(set(self.copies), len(self.workload.nodes) - 1)

    def _held(self, node: Node, kept: Saved) -> set[str]:
        """Storage a node's backward will read; weights in fp32 are there anyway."""
        names = [*kept.names(node), *node.weights]
        return {root for root in map(self._root, names) if self.workload.tensors[root].role in ("activation", "input")}

    def hold_inputs(self, start: int, stop: int) -> None:
        self.uses.update(self._entries(start, stop))

    def drop_inputs(self, start: int, stop: int) -> None:
        roots = self._entries(start, stop)
        self.uses.subtract(roots)
        self._free(roots, len(self.workload.nodes) - 1)

    def _entries(self, start: int, stop: int) -> set[str]:
        """What a segment reads and does not make."""
        nodes = self.workload.nodes[start:stop]
        made = {self._root(name) for node in nodes for name in node.outputs}
        read = {self._root(name) for node in nodes for name in (*node.inputs, *node.weights)}
        return {root for root in read - made if self.workload.tensors[root].role in ("activation", "input")}

    def backward(self, index: int, node: Node, step: Step) -> None:
        """Run a node's backward: gradients of what it read are born, its own and what it saved are freed."""
        if not step.trained.intersection((*node.inputs, *node.weights)):
            return
        case = case_of(node, self.workload, self.stack)
        kept = saved_by(node, self.workload, self.stack)
        own = self.flowing.get(node.outputs[0])
        if own is not None or node.outputs[0] in self.workload.outputs:
            moves = gradient_kernels(case, step)
            made = _temporaries(moves, case.temporary)
            for name in (*node.inputs, *node.weights):
                if name in step.trained and not (node.op in CUTS and name in self.flowing):
                    passed = None if moves or node.op in CUTS else own  # all cuts have one whole gradient
                    self._contribute(step.gradients.get(name, self.workload.tensors[name]), passed)
            self.transient("workspace", made)
        for name in node.outputs:
            self._release(name)
        self.grow("activations", -kept.extra)
        held = self._held(node, kept)
        self.uses.subtract(held)
        self._free({*held, *map(self._root, node.outputs)}, len(self.workload.nodes) - 1)

    def _contribute(self, tensor: Tensor, passed: _Gradient | None) -> None:
        """A gradient (of the shape of ``tensor``) arrives: new storage, or what was passed on as it is."""
        name = tensor.name
        if tensor.role == "weight":
            if name not in self.gradients:
                self.gradients[name] = True
                self.grow("gradients", tensor.bytes)
            else:
                # into a gradient of earlier micro-batches in place, of two uses into a third table
                self.transient("gradients", tensor.bytes * (1 if self.accumulating else 2))
            return
        if passed is not None and name not in self.flowing:
            passed.uses += 1
            self.flowing[name] = passed
            return
        self.grow("activations", tensor.bytes)
        if name in self.flowing:  # the sum replaces both
            self._release(name)
        self.flowing[name] = _Gradient(tensor.bytes)

    def _release(self, name: str) -> None:
        gradient = self.flowing.pop(name, None)
        if gradient is not None:
            gradient.uses -= 1
            if gradient.uses == 0:
                self.grow("activations", -gradient.size)

    def memory(self, optimizer: float = 0.0) -> Memory:
        """The fullest moment, with what is there all the time."""
        roles: Amounts = {}
        for tensor in self.workload.tensors.values():
            roles[tensor.role] = roles.get(tensor.role, 0.0) + tensor.bytes
        return Memory(
            weights=roles.get("weight", 0.0) + roles.get("state", 0.0),
            activations=self.peak.get("activations", 0.0),
            workspace=self.peak.get("workspace", 0.0),
            gradients=self.peak.get("gradients", 0.0),
            optimizer=optimizer,
            cache=0.0 if self.workload.training else roles.get("cache", 0.0),
        )
