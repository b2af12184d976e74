"""How are an operator's gradients run in PyTorch without the autograd engine?

The operator runs once and records a graph of its backward. The engine would call the nodes of that graph one after the
other; here they are called directly. ``torch.autograd.grad`` would add 0.1 ms, which a network pays once and not for
every operator. Only for a recurrent layer, with its thousands of nodes, is the engine faster than direct calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from roofline.campaign.run_sequences import Call, Weights
from roofline.errors import Unsupported

INPUTS, WEIGHTS = ("data", "backward"), ("weights", "backward")
"""Parts that need gradients of the inputs, and of the weights."""
_LEAF = "torch::autograd::AccumulateGrad"
_VIEWS = ("TBackward0", "ViewBackward0", "UnsafeViewBackward0", "TransposeBackward0", "ExpandBackward0")
"""Nodes that compute nothing when they follow the operator."""


class Trained:
    """Weights of ``pool`` that require gradients, if ``part`` needs them."""

    def __init__(self, pool: Weights, part: str) -> None:
        self._pool, self._asked = pool, part in WEIGHTS
        self.taken: list[Any] = []

    def take(self, shape: Sequence[int]) -> Any:
        self.taken.append(self._pool.take(shape).detach().requires_grad_(self._asked))
        return self.taken[-1]


def leaf(tensor: Any, part: str) -> Any:
    """An input that requires a gradient, if ``part`` needs it and it is no integer tensor."""
    return tensor.detach().requires_grad_(part in INPUTS) if tensor.is_floating_point() else tensor


def backward_call(torch: Any, forward: Call, wanted: Sequence[Any] | None = None) -> Call:
    """One call that runs the backward of what ``forward`` computes, on a gradient of random numbers.

    Parameters
    ----------
    wanted : tensors whose gradients the engine is asked for; None calls the nodes directly.

    Raises
    ------
    Unsupported : nothing that ``forward`` read requires a gradient.
    """
    result = forward()
    result = result[0] if isinstance(result, tuple) else result
    root = result.grad_fn
    if root is None:
        raise Unsupported("no input or weight has a gradient")
    given = torch.randn_like(result)
    if wanted is not None:
        return lambda: torch.autograd.grad(result, wanted, given, retain_graph=True)
    steps = _order(root)
    first, shapes = _arguments(root, {0: given}), _shapes(root)
    if len(steps) == 1:
        return lambda: _reduced(root(*first), shapes)

    def call() -> list[Any]:
        arrived: dict[Any, dict[int, Any]] = {root: {0: given}}
        finished = []
        for node, following in steps:
            made = _reduced(node(*_arguments(node, arrived.pop(node))), _shapes(node))
            for gradient, (after, place) in zip(made, following, strict=True):
                if after is None:
                    finished.append(gradient)
                elif gradient is not None:
                    places = arrived.setdefault(after, {})
                    places[place] = places[place] + gradient if place in places else gradient
        return finished

    return call


def _order(root: Any) -> list[tuple[Any, list[tuple[Any, int]]]]:
    """The nodes that compute, each before those its gradients go to; leaves and views at the end are left out."""
    needed: dict[Any, list[tuple[Any, int]]] = {}

    def visit(node: Any) -> bool:
        """Whether anything is computed at this node or after it."""
        if node is None or node.name() == _LEAF:
            return False
        if node in needed:
            return True
        following = [(after if visit(after) else None, place) for after, place in node.next_functions]
        if node.name() in _VIEWS and all(after is None for after, _ in following):
            return False
        needed[node] = following
        return True

    visit(root)
    return list(reversed(needed.items()))


def recorded(torch: Any, forward: Call) -> Call:
    """The call as it runs in training, where every operation records what its backward needs."""

    def call() -> Any:
        with torch.inference_mode(False), torch.enable_grad():
            return forward()

    return call


def _shapes(node: Any) -> list[tuple[int, ...] | None]:
    """The shapes of the gradients that the next nodes need; None where none is needed."""
    return [
        None
        if after is None
        else tuple(after.variable.shape if after.name() == _LEAF else after._input_metadata[place].shape)
        for after, place in node.next_functions
    ]


def _reduced(made: Any, shapes: Sequence[tuple[int, ...] | None]) -> list[Any]:
    """Gradients summed over broadcast dimensions, as the engine does between two nodes."""
    return [
        gradient if gradient is None or shape is None or gradient.shape == shape else gradient.sum_to_size(shape)
        for gradient, shape in zip(made if isinstance(made, tuple) else (made,), shapes, strict=True)
    ]


def _arguments(node: Any, gradients: dict[int, Any]) -> tuple[Any, ...]:
    return tuple(gradients.get(place) for place in range(len(node._input_metadata)))
