"""How does a network run? In inference or in training, by which recipe, with which tensors stored in fewer bits."""

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
"""Longest accepted host time to launch a kernel [s]."""

STATES: Mapping[str, int] = {"sgd": 0, "momentum": 1, "adam": 2, "adamw": 2, "none": 0}
"""State values that an optimizer keeps for every parameter."""


@dataclass(frozen=True)
class Recipe:
    """One training step: forward, loss, backward, optimizer.

    Parameters
    ----------
    optimizer : one of :data:`OPTIMIZERS`; ``none`` stops at the gradients.
    implementation : ``loop`` (one parameter after the other), ``foreach`` (lists of parameters in one kernel),
        ``fused`` (one pass); ``""`` is PyTorch's default: foreach on GPUs, loop elsewhere.
    pure : True keeps everything in 16 bits; False is mixed precision with fp32 weights (autocast).
    accumulate : micro-batches whose gradients are added before one optimizer step.
    checkpoint : store only the inputs of repeated blocks and recompute the rest in the backward.
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
        """A recipe: as given, by the name of an optimizer or a table of fields, or the default for None."""
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
        """State values for every parameter."""
        return STATES[self.optimizer]


@dataclass(frozen=True)
class Run:
    """How a network is used.

    Parameters
    ----------
    mode : ``inference`` or ``training``.
    recipe : of a training step: a :class:`Recipe`, or what :meth:`Recipe.of` accepts.
    weights : storage of the weights of matrix multiplications, if narrower than the precision: ``int8``, ``int4``.
    cache : storage of keys and values of earlier tokens; ``""`` is that of the precision.
    loader_rate : samples per second of the input pipeline; ``inf`` counts only the copy to the device, ``None``
        neither.
    host_dispatch : host time to launch one elementwise kernel on a GPU [s] (other kernels take longer: ``EFFORT`` in
        ``devices/gpu/host.py``); ``None`` is the usual time for the mode of the stack.
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
            raise UsageError("weights and KV caches in fewer bits are for inference only; leave them out in training")
        rate, host = self.loader_rate, self.host_dispatch
        if rate is not None and not (checks.is_number(rate) and rate > 0):
            raise UsageError(f"loader rate: expected samples/s above zero, got {checks.shown(rate)}")
        if host is not None and not (checks.is_number(host) and 0 <= host < LONGEST_DISPATCH_S):
            wanted = f"seconds from 0 to below {LONGEST_DISPATCH_S:g}"
            raise UsageError(f"host dispatch: expected {wanted}, got {checks.shown(host)}")
        for name in ("loader_rate", "host_dispatch"):  # JSON cannot store a NumPy number
            if getattr(self, name) is not None:
                object.__setattr__(self, name, float(getattr(self, name)))

    @classmethod
    def of(cls, value: Run | str | None, mode: str | None = None, optimizer: str | Recipe | None = None) -> Run:
        """A run: as given, the default of a word of :data:`MODES`, or an inference for None.

        Parameters
        ----------
        mode, optimizer : words instead of a value; an optimizer needs ``mode="training"``.

        Raises
        ------
        UsageError : both a run and words for it, or an optimizer in inference.
        """
        if mode is not None or optimizer is not None:
            if value is not None:
                raise UsageError("mode and optimizer are part of run; give either run, or mode and optimizer")
            if mode != "training" and optimizer is not None:
                raise UsageError("an optimizer applies to training only; add mode='training'")
            return cls(cast(Mode, mode), Recipe.of(optimizer))
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
            own["loader_rate"] = "inf"  # JSON has no infinity
        return own if self.training else own | {"recipe": None}
