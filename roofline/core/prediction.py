"""How long will it take, why, and how sure are we? The answer as a value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from roofline.core.chip import Chip
from roofline.core.labels import Labels
from roofline.core.layers import Interval as Interval
from roofline.core.layers import LayerPrediction as LayerPrediction
from roofline.core.layers import Layers as Layers
from roofline.core.run import Run
from roofline.core.shown import SCHEMA_VERSION as SCHEMA_VERSION
from roofline.core.shown import Shown
from roofline.core.stack import Stack
from roofline.core.tiers import TIERS as TIERS
from roofline.core.tiers import Tier as Tier
from roofline.core.tiers import meaning_of
from roofline.core.worth import Worth


@dataclass(frozen=True)
class Memory:
    """Bytes of device memory one run needs at its fullest moment.

    weights : parameters as stored, and running statistics. cache : keys and values of earlier tokens.
    activations : inputs, results, what is saved for the backward, and gradients of activations.
    gradients : of parameters. optimizer : its state. workspace : temporaries of plans and optimizers.
    """

    weights: float
    activations: float
    workspace: float = 0.0
    gradients: float = 0.0
    optimizer: float = 0.0
    cache: float = 0.0

    @property
    def total(self) -> float:
        return self.weights + self.activations + self.workspace + self.gradients + self.optimizer + self.cache

    def to_dict(self) -> dict[str, float]:
        return {
            "weights": self.weights,
            "gradients": self.gradients,
            "optimizer": self.optimizer,
            "activations": self.activations,
            "workspace": self.workspace,
            "cache": self.cache,
            "total": self.total,
        }


@dataclass(frozen=True)
class Anchor:
    """The measurement a prediction was carried over from.

    chip, dtype, seconds : what was measured; ``predicted`` what the model says of it.
    rule : seconds by the two-number rule, measured / sqrt(peak ratio x bandwidth ratio).
    pairs : of cards that the interval rests on. file : where the row stands.
    """

    chip: str
    dtype: str
    seconds: float
    predicted: float
    rule: float
    pairs: int
    file: str = ""


@dataclass(frozen=True)
class Merged:
    """What a compiler spares: launches now and one by one before, and bytes that are no longer moved."""

    kernels: int
    eager_kernels: int
    saved_bytes: float


@dataclass(frozen=True, repr=False)
class Prediction(Shown):
    """A whole network on a chip under a stack.

    layers : a sequence of :class:`LayerPrediction`.
    hardware : the chip as its file describes it: price, power, packages. None where the prediction was made by hand.
    unfitted : tier ``datasheet`` means a model with no parameter fitted, not the plain roofline.
    """

    chip: str
    workload: str
    batch: int
    symbols: Mapping[str, int]
    dtype: str
    stack: Stack
    seconds: Interval
    layers: Layers
    tier: Tier
    memory: Memory
    capacity: float | None
    parameters: int
    run: Run = field(default_factory=Run)
    calibration: str = ""
    anchor: Anchor | None = None
    merged: Merged | None = None
    warnings: tuple[str, ...] = ()
    hardware: Chip | None = field(default=None, compare=False)
    unfitted: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", Layers.of(self.layers))

    @property
    def network(self) -> str:
        """The name of the network, as ``workload``."""
        return self.workload

    @property
    def mode(self) -> str:
        """``inference`` or ``training``."""
        return self.run.mode

    @property
    def samples_per_s(self) -> float:
        return self.batch / self.seconds.middle

    @property
    def tokens_per_s(self) -> float | None:
        """Tokens per second of a network that reads sequences; None for any other."""
        seq = self.symbols.get("seq")
        return self.samples_per_s * seq if seq else None

    @property
    def worth(self) -> Worth:
        """Samples per second of one chip beside its price and its power limit."""
        return Worth.of(self.hardware, self.samples_per_s / self.stack.chips)

    @property
    def fits(self) -> bool | None:
        """Whether it fits in device memory; None where the capacity is unknown."""
        return None if self.capacity is None else self.memory.total <= self.capacity

    @property
    def bounds(self) -> dict[str, float]:
        """Share of the time spent in layers that each resource bounds, largest first."""
        return self.layers.bounds

    @property
    def bound(self) -> str:
        return next(iter(self.bounds), "")

    @property
    def tiers(self) -> dict[str, float]:
        """Share of the time that rests on each tier."""
        return self.layers.tiers

    @property
    def phases(self) -> dict[str, float]:
        """Seconds of each part of the run: forward, backward, optimizer, waiting (for the loader)."""
        return Labels.of(self.layers.phases).sums(self.layers.middle, largest_first=False)

    @property
    def flops(self) -> float:
        return float(self.layers.flops.sum())

    @property
    def bytes(self) -> float:
        return float(self.layers.bytes.sum())

    @property
    def covered(self) -> dict[str, float | None]:
        """Share of FLOPs and bytes that a formula stands behind; None where that is unknown.

        The operations of a layer without a formula are not known, so neither is their share.
        """
        layers, known = self.layers, self.layers.covered
        return {
            "flops": 1.0 if known.all() else None,
            "bytes": float(layers.bytes[known].sum()) / self.bytes if self.bytes else 1.0,
        }

    def to_dict(self) -> dict[str, Any]:
        """The public JSON form; all in SI units."""
        return {
            "schema_version": SCHEMA_VERSION,
            "chip": self.chip,
            "workload": self.workload,
            "batch": self.batch,
            "symbols": dict(self.symbols),
            "dtype": self.dtype,
            "mode": self.mode,
            "run": self.run.to_dict(),
            "stack": self.stack.to_dict(),
            "seconds": self.seconds.to_dict(),
            "samples_per_s": self.samples_per_s,
            "tokens_per_s": self.tokens_per_s,
            **self.worth.to_dict(),
            "bound": self.bound,
            "bounds": self.bounds,
            "phases": self.phases,
            "tier": self.tier,
            "tiers": self.tiers,
            "tier_meaning": meaning_of(self.tier, modelled=self.unfitted),
            "calibration": self.calibration,
            "anchor": dict(vars(self.anchor)) if self.anchor else None,
            **({"merged": dict(vars(self.merged))} if self.merged else {}),
            "covered": self.covered,
            "flops": self.flops,
            "bytes": self.bytes,
            "parameters": self.parameters,
            "memory": self.memory.to_dict(),
            "capacity": self.capacity,
            "fits": self.fits,
            "warnings": list(self.warnings),
            "layers": [layer.to_dict() for layer in self.layers],
        }


def warnings_together(predictions: Iterable[Prediction]) -> tuple[str, ...]:
    """The warnings of several predictions, each text once, with the chips and precisions that it is about.

    What a tier means is said once for all of them, so warnings about tiers are left out.
    """
    several, about = list(predictions), dict[str, list[str]]()
    for made in several:
        for text in made.warnings:
            named = text.startswith(f"{made.chip}: ")
            about.setdefault(text, []).append("" if named else f"{made.chip} {made.dtype}")
    return tuple(
        text if len(who) == len(several) or "" in who else f"{', '.join(dict.fromkeys(who))}: {text}"
        for text, who in about.items()
        if not text.startswith("tier ")
    )
