"""How is a net run? In inference or in training, by which recipe, with what stored in fewer bits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import inf
from typing import Any, Literal, get_args

from roofline.errors import UnknownName, UsageError

Mode = Literal["inference", "training"]
OptimizerName = Literal["sgd", "momentum", "adam", "adamw", "none"]
Implementation = Literal["loop", "foreach", "fused"]
MODES: tuple[Mode, ...] = get_args(Mode)
OPTIMIZERS: tuple[OptimizerName, ...] = get_args(OptimizerName)
IMPLEMENTATIONS: tuple[Implementation, ...] = get_args(Implementation)
STORED_WEIGHTS = ("int8", "int4", "fp8_e4m3")
STORED_CACHES = ("int8", "fp8_e4m3", "fp16", "bf16")

STATES: Mapping[str, int] = {"sgd": 0, "momentum": 1, "adam": 2, "adamw": 2, "none": 0}
"""Numbers an optimizer keeps for every parameter."""


@dataclass(frozen=True)
class Recipe:
    """One training step: forward, loss, backward, optimizer.

    optimizer : one of :data:`OPTIMIZERS`; ``none`` stops at the gradients.
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
        _known("optimizer", self.optimizer, OPTIMIZERS)
        if self.implementation:
            _known("implementation of an optimizer", self.implementation, IMPLEMENTATIONS)
        if self.accumulate < 1:
            raise UsageError(f"accumulate is {self.accumulate}; it must be at least 1 micro-batch")

    @property
    def states(self) -> int:
        """Numbers kept for every parameter."""
        return STATES[self.optimizer]


@dataclass(frozen=True)
class Run:
    """What is done with a net.

    mode : ``inference`` or ``training``, the latter by ``recipe``.
    weights : storage of the weights of products, where it is narrower than the precision: ``int8``, ``int4``.
    cache : storage of keys and values of earlier tokens; ``""`` is that of the precision.
    loader_rate : samples per second that the input pipeline delivers; ``inf`` counts only the copy to the
        device, ``None`` neither.
    host_dispatch : seconds the host takes to hand over one elementwise kernel to a GPU (others take it longer:
        :data:`roofline.devices.gpu.host.EFFORT`); ``None`` is what is usual for the mode of the stack.
    """

    mode: Mode = "inference"
    recipe: Recipe = field(default_factory=Recipe)
    weights: str = ""
    cache: str = ""
    loader_rate: float | None = None
    host_dispatch: float | None = None

    def __post_init__(self) -> None:
        _known("mode", self.mode, MODES)
        if self.weights:
            _known("storage of weights", self.weights, STORED_WEIGHTS)
        if self.cache:
            _known("storage of keys and values", self.cache, STORED_CACHES)
        if self.training and (self.weights or self.cache):
            raise UsageError("weights and caches in fewer bits are for inference; training keeps its own formats")
        if self.loader_rate is not None and not self.loader_rate > 0:
            raise UsageError(f"the loader delivers {self.loader_rate} samples/s; it must be above zero")
        if self.host_dispatch is not None and not 0 <= self.host_dispatch < inf:
            raise UsageError(f"the host takes {self.host_dispatch} s for a launch; it must not be below zero")

    @property
    def training(self) -> bool:
        return self.mode == "training"

    def to_dict(self) -> dict[str, Any]:
        """Plain data; the recipe of a training step only."""
        own = asdict(self)
        if self.loader_rate == inf:
            own["loader_rate"] = "inf"  # JSON has no such number
        return own if self.training else own | {"recipe": None}


def _known(kind: str, name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        raise UnknownName(kind, name, known)
