"""How large is the error of the GPU model on calls it was not fitted on? Each GPU left out, and half of the calls seen.

A GPU left out is predicted as one that was not measured: by the parameters of the others, the clock that its spec sheet
allows, and tiles of a neighbouring architecture where its own list was read from its kernels. Only the launch floor of
its measurements stays, which belongs to their machine. Its interval contained 90 % of the calls of the other GPUs when
those were left out.

Source: split conformal prediction (Lei et al., JASA 113, 2018); evidence: docs/evidence-gpu.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roofline import specs
from roofline.calibration.gpu.fit import Fit, fit_own, fit_shared
from roofline.calibration.gpu.rows import Part, Parts
from roofline.core.calibration import ANY_GPU, Calibration, FamilyFit
from roofline.core.chip import Chip

Floats = NDArray[np.float64]

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Held:
    """Calls of one part, predicted by parameters that did not see them [s]; 90 % of the calls are between
    low and high.
    """

    part: Part
    predicted: Floats
    low: Floats
    high: Floats

    @property
    def logs(self) -> Floats:
        """``log(measured / predicted)`` of all calls [1]."""
        return np.log(self.part.seconds / self.predicted)

    def within(self, factors: tuple[float, float], calls: Any = slice(None)) -> None:
        """Set the interval of some calls: ``predicted * exp(factor)`` [s] for the low and the high factor."""
        self.low[calls], self.high[calls] = (self.predicted[calls] * np.exp(factor) for factor in factors)


def fits_without_each(parts: Parts, start: Mapping[str, float] | None = None) -> dict[str, Fit]:
    """For every GPU the parameters fitted on the others."""
    return {name: fit_shared(parts.where(chips=set(parts.chips) - {name}), start) for name in parts.chips}


def leave_out(parts: Parts, without: Mapping[str, Fit]) -> list[Held]:
    """Every GPU predicted by the parameters of the others [s]; see :func:`fits_without_each`."""
    held = []
    for part in parts.parts.values():
        unseen = replace(part, chip=stranger(part.chip))
        held.append(_held(part, without[part.chip.name].predict(unseen, "", part.least)))
    for one in held:
        others = (h for h in held if h.part.family == one.part.family and h.part.chip.name != one.part.chip.name)
        one.within(_spread(others))
    return held


def halves(parts: Parts, start: Mapping[str, float] | None = None, *, refit: bool = True) -> list[Held]:
    """Every GPU predicted from every second call, by its own parameters and shared ones fitted on the same calls [s].

    Parameters
    ----------
    refit : False keeps the shared parameters of ``start``.
    """
    held = {key: _held(part, np.ones(len(part))) for key, part in parts.parts.items()}
    for seen in (0, 1):
        known = {key: part.select(_half(part, seen)) for key, part in parts.parts.items()}
        known = {key: part for key, part in known.items() if len(part)}
        found = fit_shared(known, start) if refit else Fit(dict(start or {}))
        fit_own(found, known, {part.chip.name: part.chip for part in known.values()})
        for key, part in parts.parts.items():
            other = _half(part, 1 - seen)
            if other.any():
                held[key].predicted[other] = found.predict(part.select(other))
    return _within_other_half(list(held.values()))


def by_own_numbers(parts: Parts, found: Fit) -> list[Held]:
    """Every GPU predicted by its own parameters, which were fitted on other calls [s]."""
    return _within_other_half([_held(part, found.predict(part)) for part in parts.parts.values()])


def _within_other_half(held: list[Held]) -> list[Held]:
    """Intervals of every second call from the calls between them, of the same GPU and family."""
    for one in held:
        like = [h for h in held if (h.part.chip.name, h.part.family) == (one.part.chip.name, one.part.family)]
        for half in (0, 1):
            one.within(_spread(like, 1 - half), _half(one.part, half))
    return held


def _half(part: Part, which: int) -> NDArray[np.bool_]:
    return np.asarray(np.arange(len(part)) % 2 == which)


def _held(part: Part, predicted: Floats) -> Held:
    return Held(part, predicted, np.zeros_like(predicted), np.full_like(predicted, np.inf))


def _spread(held: Iterable[Held], half: int | None = None) -> tuple[float, float]:
    """Logarithms between which 90 % of the scored calls (of one half) lie; every part has the same weight."""
    logs = []
    for one in held:
        wanted = one.part.scored if half is None else one.part.scored & _half(one.part, half)
        if wanted.any():
            logs.append(one.logs[wanted])
    if not logs:
        return -np.inf, np.inf
    joined, weight = np.concatenate(logs), np.concatenate([np.full(len(part), 1.0 / len(part)) for part in logs])
    rank = max(np.floor(LEVELS[0] * (len(joined) + 1)), 0.5) / len(joined)  # outward by one rank: split conformal
    return quantile(joined, weight, rank), quantile(joined, weight, 1.0 - rank)


def stranger(chip: Chip) -> Chip:
    """The chip as if it had not been measured: tiles read from its kernels are replaced by those of a neighbour."""
    tiles = dict(chip.tiles)
    for kind, own in chip.tiles.items():
        if own.status == "measured":
            near = (specs.tiles_of(name).get(kind) for name in chip.neighbours)
            found = next((tiles for tiles in near if tiles is not None), None)
            tiles.pop(kind)
            tiles |= {kind: found} if found else {}
    return replace(chip, tiles=tiles)


def family_fits(held: Sequence[Held]) -> dict[str, FamilyFit]:
    """Quantiles of held-out residuals ``log(measured / predicted)`` by family [1]; every part has the same weight."""
    fits = {}
    for family in dict.fromkeys(one.part.family for one in held):
        mine = [one for one in held if one.part.family == family and one.part.scored.any()]
        if not mine:
            continue
        scored = [one.logs[one.part.scored] for one in mine]
        logs = np.concatenate(scored)
        weight = np.concatenate([np.full(len(part), 1.0 / len(part)) for part in scored])
        errors = np.abs(np.expm1(-logs))
        fits[family] = FamilyFit(
            parameters={},
            uncertainty={},
            quantiles={f"{level:g}": quantile(logs, weight, level) for level in LEVELS},
            points=len(logs),
            range={name: _range(mine, name) for name in ("flops", "bytes")},
            median_error=quantile(errors, weight, 0.5),
            p90_error=quantile(errors, weight, 0.9),
        )
    return fits


def without_card(chip: str, without: Mapping[str, Fit], held: Sequence[Held]) -> Calibration:
    """The calibration for a GPU left out: the parameters of the others, with their errors on each other."""
    return shared_by(without[chip], [one for one in held if one.part.chip.name != chip])


def shared_by(found: Fit, held: Sequence[Held]) -> Calibration:
    """Parameters for any GPU, with their errors on calls they were not fitted on."""
    data = {"operators": sorted({op for one in held for op in one.part.operators})}
    return Calibration(ANY_GPU, "any", "gpu", "any", {}, family_fits(held), found.shared, data)


def by_halves(chip: Chip, found: Fit, held: Sequence[Held]) -> Calibration:
    """A GPU's own parameters, with the errors of halves of its calls; those of all GPUs for families without calls."""
    families = {**family_fits(held), **family_fits([one for one in held if one.part.chip.name == chip.name])}
    numbers = {**found.shared, **found.own[chip.name]}
    operators = sorted({op for one in held for op in one.part.operators})
    data = {"operators": operators}
    return Calibration(chip.name, chip.architecture, "gpu", "any", {}, families, numbers, data)


def _range(held: Sequence[Held], column: str) -> tuple[float, float]:
    """The smallest and largest kernel, in a column of the schedule."""
    sizes = np.concatenate([getattr(one.part.schedule, column) for one in held])
    return float(sizes.min()), float(sizes.max())


def quantile(values: Floats, weight: Floats, level: float) -> float:
    """The weighted quantile: the smallest value with ``cumulated weight >= level`` [unit of the values].

    Parameters
    ----------
    values, weight : shape (N,).
    level : between 0 and 1 [1].
    """
    order = np.argsort(values)
    place = np.searchsorted(np.cumsum(weight[order]) / weight.sum(), level)
    return float(values[order][min(int(place), len(values) - 1)])
