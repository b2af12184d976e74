"""How is one optimizer step run in PyTorch? Parameters, gradients and states come from a pool in rotation.

A question is ``op: adam`` with the shapes of its parameters as inputs and, as attribute, the ``implementation``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from roofline.campaign.run_sequences import Call, Weights
from roofline.core.run import IMPLEMENTATIONS

OPTIMIZERS = {
    "sgd": ("SGD", {"lr": 1e-4}),
    "momentum": ("SGD", {"lr": 1e-4, "momentum": 0.9}),
    "adam": ("Adam", {"lr": 1e-6}),
    "adamw": ("AdamW", {"lr": 1e-6}),
}
"""Class of ``torch.optim`` and its arguments, by the optimizer's name in a recipe."""
SETS = 6
"""Sets of parameters in rotation, so that none is in a cache when it is used again."""
SETS_BYTES = 1 << 28
"""Most memory that they use together [B]."""


def steps(
    torch: Any, op: str, attributes: Mapping[str, Any], shapes: Sequence[Sequence[int]], pool: Weights
) -> Iterator[Call]:
    """Endless steps, each of the next set of parameters."""
    name, arguments = OPTIMIZERS[op]
    implementation = attributes.get("implementation", "loop")
    chosen = {kind: kind == implementation for kind in IMPLEMENTATIONS if kind != "loop"}
    size = 4 * sum(pool.take(shape).nbytes for shape in shapes)
    sets = []
    for _ in range(max(1, min(SETS, SETS_BYTES // max(size, 1)))):
        with torch.inference_mode(False):
            parameters = [pool.take(shape).clone().requires_grad_() for shape in shapes]
            for parameter in parameters:
                parameter.grad = pool.take(parameter.shape).clone()
            optimizer = getattr(torch.optim, name)(parameters, **arguments, **chosen)
            optimizer.step()
        sets.append(optimizer.step)
    while True:
        for step in sets:
            yield _outside(torch, step)


def _outside(torch: Any, step: Call) -> Call:
    def call() -> None:
        with torch.inference_mode(False):
            step()

    return call
