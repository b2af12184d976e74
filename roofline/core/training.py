"""How is a net trained? Everything about a step that is not the net itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from roofline.errors import UnknownName, UsageError

OptimizerName = Literal["sgd", "momentum", "adam", "adamw"]
Implementation = Literal["loop", "foreach", "fused"]
OPTIMIZERS: tuple[OptimizerName, ...] = get_args(OptimizerName)
IMPLEMENTATIONS: tuple[Implementation, ...] = get_args(Implementation)

STATES: Mapping[str, int] = {"sgd": 0, "momentum": 1, "adam": 2, "adamw": 2}
"""Numbers an optimizer keeps for every parameter."""


@dataclass(frozen=True)
class Recipe:
    """One training step: forward, loss, backward, optimizer.

    optimizer : one of :data:`OPTIMIZERS`.
    implementation : ``loop`` (one parameter after the other), ``foreach`` (lists of parameters in one
        kernel), ``fused`` (one pass); ``""`` is PyTorch's default, foreach on GPUs and loop elsewhere.
    pure : 16-bit nets keep everything in 16 bits; else mixed precision with fp32 weights (autocast).
    accumulate : micro-batches whose gradients are summed before one optimizer step.
    checkpoint : keep only the inputs of repeated blocks and compute the rest again on the way back.
    """

    optimizer: OptimizerName = "sgd"
    implementation: Implementation | Literal[""] = ""
    pure: bool = False
    accumulate: int = 1
    checkpoint: bool = False

    def __post_init__(self) -> None:
        if self.optimizer not in OPTIMIZERS:
            raise UnknownName("optimizer", self.optimizer, OPTIMIZERS)
        if self.implementation and self.implementation not in IMPLEMENTATIONS:
            raise UnknownName("implementation of an optimizer", self.implementation, IMPLEMENTATIONS)
        if self.accumulate < 1:
            raise UsageError(f"accumulate is {self.accumulate}; it must be at least 1 micro-batch")

    @property
    def states(self) -> int:
        """Numbers kept for every parameter."""
        return STATES[self.optimizer]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)
