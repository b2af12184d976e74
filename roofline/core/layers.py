"""How long does each layer take? The layers of a prediction, held as columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from roofline.core.labels import Labels
from roofline.core.lazy import lazy
from roofline.core.tiers import TIERS, Tier

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """Seconds: ``middle`` is the prediction, ``low`` and ``high`` its nominal 90 % interval."""

    low: float
    middle: float
    high: float

    def to_dict(self) -> dict[str, float]:
        return {"low": self.low, "middle": self.middle, "high": self.high}


@dataclass(frozen=True)
class LayerPrediction:
    """One node of the network: what it does, how long it takes, what bounds it.

    ``resources`` are the seconds each resource alone would take, summed over the node's kernels. In
    training a node stands twice, in the ``phase`` forward and in backward.
    """

    name: str
    op: str
    shapes: str
    flops: float
    bytes: float
    seconds: Interval
    bound: str
    tier: Tier
    resources: Mapping[str, float] = field(default_factory=dict)
    covered: bool = True
    template: str = ""
    phase: str = "forward"

    @property
    def intensity(self) -> float:
        """Arithmetic intensity: operations per byte of compulsory DRAM traffic [FLOP/B]; 0 where nothing moves."""
        return self.flops / self.bytes if self.bytes else 0.0

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "kind": self.op,
            "shapes": self.shapes,
            "flops": self.flops,
            "bytes": self.bytes,
            "intensity": self.intensity,
            "seconds": self.seconds.to_dict(),
            "bound": self.bound,
            "tier": self.tier,
            "resources": dict(self.resources),
            "covered": self.covered,
            "phase": self.phase,
            "repeats": 1,
        }


@dataclass(frozen=True, eq=False)
class Layers(Sequence[LayerPrediction]):
    """The layers of a prediction: a sequence of :class:`LayerPrediction`, made from L-long columns when they are read.

    Parameters
    ----------
    names, ops, shapes, templates, phases : words of every layer.
    flops, bytes : operations [FLOP] and compulsory bytes [B].
    low, middle, high : seconds [s].
    bound, tier : what bounds it, and what its time rests on.
    covered : whether a formula stands behind it.
    resources : seconds of each resource [s].
    """

    names: tuple[str, ...]
    ops: tuple[str, ...]
    shapes: Sequence[str]
    templates: tuple[str, ...]
    phases: tuple[str, ...]
    flops: Floats
    bytes: Floats
    low: Floats
    middle: Floats
    high: Floats
    bound: Labels
    tier: Labels
    covered: NDArray[np.bool_]
    resources: Mapping[str, Floats]

    @classmethod
    def of(cls, layers: Iterable[LayerPrediction]) -> Layers:
        """Layers as columns."""
        if isinstance(layers, Layers):
            return layers
        rows = list(layers)

        def numbers(values: Iterable[float]) -> Floats:
            return np.array(list(values), dtype=np.float64)

        resources = dict.fromkeys(name for row in rows for name in row.resources)
        return cls(
            names=tuple(row.name for row in rows),
            ops=tuple(row.op for row in rows),
            shapes=tuple(row.shapes for row in rows),
            templates=tuple(row.template for row in rows),
            phases=tuple(row.phase for row in rows),
            flops=numbers(row.flops for row in rows),
            bytes=numbers(row.bytes for row in rows),
            low=numbers(row.seconds.low for row in rows),
            middle=numbers(row.seconds.middle for row in rows),
            high=numbers(row.seconds.high for row in rows),
            bound=Labels.of([row.bound for row in rows]),
            tier=Labels.of([row.tier for row in rows]),
            covered=np.array([row.covered for row in rows], dtype=bool),
            resources={name: numbers(row.resources.get(name, 0.0) for row in rows) for name in resources},
        )

    def and_then(self, layer: LayerPrediction) -> Layers:
        """These layers and one more."""
        return Layers.of([*self, layer])

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, index: int) -> LayerPrediction: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[LayerPrediction, ...]: ...
    def __getitem__(self, index: int | slice) -> LayerPrediction | tuple[LayerPrediction, ...]:
        return self._rows[index]

    def __iter__(self) -> Iterator[LayerPrediction]:
        return iter(self._rows)

    def __eq__(self, other: object) -> bool:
        return self._rows == tuple(other) if isinstance(other, Layers | tuple) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self._rows)

    @lazy
    def _rows(self) -> tuple[LayerPrediction, ...]:
        low, middle, high, flops, moved, covered = (
            column.tolist() for column in (self.low, self.middle, self.high, self.flops, self.bytes, self.covered)
        )
        bounds, tiers = list(self.bound), list(self.tier)
        resources = [(name, seconds.tolist()) for name, seconds in self.resources.items()]
        return tuple(
            LayerPrediction(
                name=self.names[i],
                op=self.ops[i],
                shapes=self.shapes[i],
                flops=flops[i],
                bytes=moved[i],
                seconds=Interval(low[i], middle[i], high[i]),
                bound=bounds[i],
                tier=tiers[i],  # type: ignore[arg-type]
                resources={name: seconds[i] for name, seconds in resources if seconds[i]},
                covered=covered[i],
                template=self.templates[i],
                phase=self.phases[i],
            )
            for i in range(len(self))
        )

    def shares(self, labels: Labels) -> dict[str, float]:
        """The share of the time in the layers of every word [1], largest first; words without time are left out."""
        sums = labels.sums(self.middle)
        total = sum(sums.values()) or 1.0
        return {word: seconds / total for word, seconds in sums.items() if seconds > 0}

    @lazy
    def bounds(self) -> dict[str, float]:
        """Share of the time in layers that each resource bounds [1], largest first."""
        return self.shares(self.bound)

    @lazy
    def tiers(self) -> dict[str, float]:
        """Share of the time that rests on each tier [1], largest first."""
        return self.shares(self.tier)

    @property
    def convolves(self) -> bool:
        """Whether any layer is a convolution."""
        return any(op.startswith("conv") for op in set(self.ops))

    @property
    def seconds(self) -> Interval:
        """Errors of layers are correlated, so ``low``, ``middle`` and ``high`` are each added [s]."""
        return Interval(*(float(end.sum()) for end in (self.low, self.middle, self.high)))

    @property
    def worst(self) -> Tier:
        """The tier with the least evidence; ``datasheet`` where there is no layer."""
        ranks = self.tier.ranks(TIERS)
        return TIERS[int(ranks.max())] if len(self) else "datasheet"
