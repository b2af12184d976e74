"""How much memory does a network need, node by node? Each tensor is allocated, used for the last time, and freed.

The rules are PyTorch's. A tensor lives until the last node that reads it; in training also until the backward of every
operator that saved it. Views and in-place results share storage. A gradient lives from the first node that contributes
to it to the backward of the node that made its tensor. Weight gradients and optimizer states stay. Rounding by the
allocator, library workspaces and the CUDA context are not included::

    peak memory = max over time of the sum of bytes of live tensors    [B]

Source: rules of PyTorch's autograd; evidence: docs/evidence.md (PyTorch's saved-tensor hooks and allocator).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import get_args

import numpy as np

from roofline.core.prediction import Memory
from roofline.core.stack import Stack
from roofline.core.workload import Node, Role, Tensor, Workload
from roofline.lowering.nodes import case_of, lowered_nodes, peak_of
from roofline.lowering.optimizers import temporaries
from roofline.lowering.training import CUTS, Step, gradient_kernels, saved_by
from roofline.operators.case import Saved

Amounts = dict[str, float]


def memory_of(workload: Workload, stack: Stack = Stack()) -> Memory:  # noqa: B008 (a frozen value)
    """Peak memory of an inference by kind [B]: ``max over nodes of live bytes``, see the module.

    Parameters
    ----------
    workload : the bound network.
    stack : software stack.
    """
    owner, tensors, end = workload.owners, workload.tensors, len(workload.nodes)
    born: dict[str, int] = {}
    last: dict[str, int] = {}
    for index, node in enumerate(workload.nodes):
        for name in node.outputs:
            born.setdefault(owner.get(name, name), index)
        for name in (*node.inputs, *node.outputs):
            last[owner.get(name, name)] = index
    for name in workload.inputs:
        born[owner.get(name, name)] = 0
    last.update((owner.get(name, name), end) for name in (*workload.inputs, *workload.outputs))
    roots = [root for root in born if tensors[root].role in ("activation", "input")]
    sizes = np.array([tensors[root].bytes for root in roots])
    made, freed = (np.bincount([index[root] for root in roots], sizes, minlength=end + 1) for index in (born, last))
    live = np.cumsum(made - np.concatenate([[0.0], freed[:-1]]))[:end]  # before a node frees what it was last to read
    temporaries = np.array([low.temporaries for low in lowered_nodes(workload, stack)])
    most = int((live + temporaries).argmax()) if end else 0
    roles = _by_role(workload)
    return Memory(
        weights=roles["weight"] + roles["state"],
        activations=float(live[most]) if end else float(sizes.sum()),
        workspace=float(temporaries[most]) if end else 0.0,
        cache=0.0 if workload.training else roles["cache"],
    )


def _by_role(workload: Workload) -> Amounts:
    """Bytes of all tensors by their role."""
    roles: Amounts = dict.fromkeys(get_args(Role), 0.0)
    for tensor in workload.tensors.values():
        roles[tensor.role] += tensor.bytes
    return roles


def memory_of_training(step: Step) -> Memory:
    """Peak memory of a training step by kind [B]: the largest of forward, backward and optimizer, see the module.

    Parameters
    ----------
    step : the training step.
    """
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
    """Bytes that the forward pass saves for the backward [B], weights excluded; PyTorch's saved-tensor hooks see the
    same.

    Parameters
    ----------
    step : the training step.
    """
    owner = step.workload.owners
    names, extra = set[str](), 0.0
    for node in step.workload.nodes:
        if step.trained.intersection((*node.inputs, *node.weights)):
            kept = saved_by(node, step.workload, step.stack)
            names |= {owner.get(name, name) for name in kept.names(node)}
            names |= {name for name in node.weights if step.workload.tensors[name].role == "activation"}
            extra += kept.extra
    return extra + sum(t.bytes for name in names if (t := step.workload.tensors[name]).role != "weight")


@dataclass
class _Gradient:
    """Storage of a gradient, and how many tensors it is the gradient of."""

    size: float
    uses: int = 1


@dataclass
class _Ledger:
    """The live tensors. ``now`` and ``peak`` are bytes by kind; weights, states and caches never change."""

    workload: Workload
    stack: Stack
    held: tuple[str, ...] = ()
    now: Amounts = field(default_factory=lambda: {"activations": 0.0, "gradients": 0.0, "workspace": 0.0})
    peak: Amounts = field(default_factory=dict)
    most: float = 0.0
    gradients: dict[str, bool] = field(default_factory=dict)
    accumulating: bool = False
    flowing: dict[str, _Gradient] = field(default_factory=dict)

    def __post_init__(self) -> None:
        work = self.workload
        self.owner = work.owners
        self.lowered = lowered_nodes(work, self.stack)
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
        if size > 0 and (total := sum(self.now.values())) > self.most:
            self.most, self.peak = total, dict(self.now)

    def transient(self, kind: str, size: float) -> None:
        if size:
            self.grow(kind, size)
            self.grow(kind, -size)

    def _birth(self, root: str) -> None:
        tensor = self.workload.tensors[root]
        if root not in self.alive and tensor.role in ("activation", "input"):
            self.alive.add(root)
            self.grow("activations", tensor.bytes)

    def _free(self, roots: Iterable[str], after: int) -> None:
        """Free tensors without a reader after node ``after`` that no operator saved."""
        for root in roots:
            if root in self.alive and self.last[root] <= after and self.uses[root] == 0:
                self.alive.remove(root)
                self.grow("activations", -self.workload.tensors[root].bytes)

    def forward(self, index: int, node: Node, save: bool = False) -> None:
        """Run a node: allocate its outputs, free tensors that it was the last to read unless they are saved."""
        kept = saved_by(node, self.workload, self.stack) if save else Saved()
        for name in node.outputs:
            self._birth(self._root(name))
        made = self.lowered[index].temporaries
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
        """Storage that a node's backward reads; fp32 weights are allocated in any case."""
        names = [*kept.names(node), *node.weights]
        return {root for root in map(self._root, names) if self.workload.tensors[root].role in ("activation", "input")}

    def hold_inputs(self, start: int, stop: int) -> None:
        self.uses.update(self._entries(start, stop))

    def drop_inputs(self, start: int, stop: int) -> None:
        roots = self._entries(start, stop)
        self.uses.subtract(roots)
        self._free(roots, len(self.workload.nodes) - 1)

    def _entries(self, start: int, stop: int) -> set[str]:
        """Storage that a segment reads and does not make."""
        nodes = self.workload.nodes[start:stop]
        made = {self._root(name) for node in nodes for name in node.outputs}
        read = {self._root(name) for node in nodes for name in (*node.inputs, *node.weights)}
        return {root for root in read - made if self.workload.tensors[root].role in ("activation", "input")}

    def backward(self, index: int, node: Node, step: Step) -> None:
        """Run a node's backward: allocate gradients of its inputs, free its own gradient and its saved tensors."""
        if not step.trained.intersection((*node.inputs, *node.weights)):
            return
        case = case_of(node, self.workload, self.stack)
        kept = saved_by(node, self.workload, self.stack)
        own = self.flowing.get(node.outputs[0])
        if own is not None or node.outputs[0] in self.workload.outputs:
            moves = gradient_kernels(case, step)
            made = peak_of(moves, case.temporary)
            for name in (*node.inputs, *node.weights):
                if name in step.trained and not (node.op in CUTS and name in self.flowing):
                    passed = None if moves or node.op in CUTS else own  # all slices share one whole gradient
                    self._contribute(step.gradients.get(name, self.workload.tensors[name]), passed)
            self.transient("workspace", made)
        for name in node.outputs:
            self._release(name)
        self.grow("activations", -kept.extra)
        held = self._held(node, kept)
        self.uses.subtract(held)
        self._free({*held, *map(self._root, node.outputs)}, len(self.workload.nodes) - 1)

    def _contribute(self, tensor: Tensor, passed: _Gradient | None) -> None:
        """A gradient (of the shape of ``tensor``) arrives: new storage, or a gradient that is passed on unchanged."""
        name = tensor.name
        if tensor.role == "weight":
            if name not in self.gradients:
                self.gradients[name] = True
                self.grow("gradients", tensor.bytes)
            else:
                # added in place to the gradient of earlier micro-batches; two uses are added into a third table
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
        """The peak memory, with weights, states and caches."""
        roles = _by_role(self.workload)
        return Memory(
            weights=roles["weight"] + roles["state"],
            activations=self.peak.get("activations", 0.0),
            workspace=self.peak.get("workspace", 0.0),
            gradients=self.peak.get("gradients", 0.0),
            optimizer=optimizer,
            cache=0.0 if self.workload.training else roles["cache"],
        )
