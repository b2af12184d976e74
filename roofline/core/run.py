"""How is a net run? In inference or in training, by which recipe, with what stored in fewer bits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from math import inf
from typing import Any, Literal, cast, get_args

from roofline.core import checks
from roofline.errors import UsageError

Mode = Literal["inference", "training"]
OptimizerName = Literal["sgd", "momentum", "adam", "adamw", "none"]
Implementation = Literal["loop", "foreach", "fused"]
MODES: tuple[Mode, ...] = get_args(Mode)
OPTIMIZERS: tuple[OptimizerName, ...] = get_args(OptimizerName)
IMPLEMENTATIONS: tuple[Implementation, ...] = get_args(Implementation)
STORED_WEIGHTS = ("int8", "int4", "fp8_e4m3")
STORED_CACHES = ("int8", "fp8_e4m3", "fp16", "bf16")
LONGEST_DISPATCH_S = 0.01
"""A host that takes as long to hand over a kernel does something else."""

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
        checks.word("optimizer", self.optimizer, OPTIMIZERS)
        checks.word("implementation of an optimizer", self.implementation, IMPLEMENTATIONS, optional=True)
        checks.flag("pure", self.pure)
        if not checks.is_whole(self.accumulate) or not 1 <= self.accumulate <= checks.MOST:
            given, most = checks.shown(self.accumulate), checks.MOST
            raise UsageError(
                f"accumulate is {given}; it must be a whole number of at least 1 micro-batch, at most {most}"
            )
        object.__setattr__(self, "accumulate", int(self.accumulate))
        checks.flag("checkpoint", self.checkpoint)

    @classmethod
    def of(cls, value: Recipe | str | Mapping[str, Any] | None) -> Recipe:
        """A recipe, the one that the name of an optimizer or a table of its fields means, or the usual one for None."""
        if isinstance(value, Recipe):
            return value
        if value is None:
            return cls()
        if isinstance(value, str):
            return cls(cast(OptimizerName, value))
        if not isinstance(value, Mapping):
            checks.refuse("recipe", f"a Recipe, or one of {', '.join(OPTIMIZERS)}", value)
        known = [field.name for field in fields(cls)]
        for name in value:
            checks.word("part of a recipe", name, known)
        return cls(**value)

    @property
    def states(self) -> int:
        """Numbers kept for every parameter."""
        return STATES[self.optimizer]


@dataclass(frozen=True)
class Run:
    """What is done with a net.

    mode : ``inference`` or ``training``, the latter by ``recipe``: a :class:`Recipe`, or what :meth:`Recipe.of`
        takes for one.
    weights : storage of the weights of products, where it is narrower than the precision: ``int8``, ``int4``.
    cache : storage of keys and values of earlier tokens; ``""`` is that of the precision.
    loader_rate : samples per second that the input pipeline delivers; ``inf`` counts only the copy to the
        device, ``None`` neither.
    host_dispatch : seconds the host takes to hand over one elementwise kernel to a GPU (others take it longer:
        ``EFFORT`` in ``devices/gpu/host.py``); ``None`` is what is usual for the mode of the stack.
    """

    mode: Mode = "inference"
    recipe: Recipe = field(default_factory=Recipe)
    weights: str = ""
    cache: str = ""
    loader_rate: float | None = None
    host_dispatch: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "recipe", Recipe.of(self.recipe))
        checks.word("mode", self.mode, MODES)
        checks.word("storage of weights", self.weights, STORED_WEIGHTS, optional=True)
        checks.word("storage of keys and values", self.cache, STORED_CACHES, optional=True)
        if self.training and (self.weights or self.cache):
            raise UsageError("weights and caches in fewer bits are for inference; training keeps its own formats")
        rate, host = self.loader_rate, self.host_dispatch
        if rate is not None and not (checks.is_number(rate) and rate > 0):
            raise UsageError(f"the loader delivers {checks.shown(rate)} samples/s; it must be above zero")
        if host is not None and not (checks.is_number(host) and 0 <= host < LONGEST_DISPATCH_S):
            must = f"it must not be below zero, and below {LONGEST_DISPATCH_S:g} s"
            raise UsageError(f"the host takes {checks.shown(host)} s for a launch; {must}")
        for name in ("loader_rate", "host_dispatch"):  # a number of NumPy is none for JSON
            if getattr(self, name) is not None:
                object.__setattr__(self, name, float(getattr(self, name)))

    @classmethod
    def of(cls, value: Run | str | None) -> Run:
        """A run, the usual one of a word of :data:`MODES`, or an inference for None."""
        if isinstance(value, Run):
            return value
        if value is None:
            return cls()
        checks.word("run", value, MODES)
        return cls(cast(Mode, value))

    @property
    def training(self) -> bool:
        return self.mode == "training"

    def to_dict(self) -> dict[str, Any]:
        """Plain data; the recipe of a training step only."""
        own = asdict(self)
        if self.loader_rate == inf:
            own["loader_rate"] = "inf"  # JSON has no such number
        return own if self.training else own | {"recipe": None}
