"""Which parameters fit the GPU model to measured calls?

Errors are logarithms, with a robust loss (soft L1 above 10 %)::

    minimize sum weight^2 * soft_l1(log(predicted / measured) / SCALE) + sum (pull * log(parameter / start))^2
    soft_l1(e) = 2 * (sqrt(1 + e^2) - 1)

In the fit of shared parameters every GPU and set has the same weight. A GPU's own parameters are fitted around the
shared ones: each call adds evidence, and the prior pulls (:data:`PRIOR`). Launch floors are fitted at the same time;
they belong to the measurements, not to the GPU.

Form: this project's own; evidence: docs/evidence-gpu.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from roofline.calibration.gpu.rows import HOST_BOUND, Key, Part
from roofline.core.chip import Chip
from roofline.devices.gpu.parameters import Parameters
from roofline.devices.gpu.power import sustained_share

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Stage:
    """Parameters fitted together, and the families they are fitted on; a GPU with measurements gets its ``own``."""

    families: tuple[str, ...]
    shared: tuple[str, ...]
    own: tuple[str, ...]


STAGES = (
    Stage(
        ("linear", "bmm"),
        (
            *("wide", "narrow", "edge", "prologue", "reach", "product", "sharpness"),
            *("scatter", "pages", "paged"),
        ),
        ("sustained",),
    ),
    Stage(("elementwise", "copy"), ("stream", "inline", "early"), ("stream", "early")),
    Stage(
        ("softmax", "norm"),
        ("row", "again", "kept", "row_clocks", "element_clocks", "softmax_early", "norm_early"),
        ("row", "row_clocks", "element_clocks"),
    ),
    Stage(("tensor-other",), ("conv_tensor",), ()),
    Stage(("tensor",), ("tensor", "port", "fill", "panel"), ("tensor", "fill")),
    Stage(
        ("conv", "conv1x1"),
        ("conv", "winograd", "staged", "conv_start", "transform", "filters", "cool", "strided", "weight"),
        ("conv", "winograd", "staged"),
    ),
)

SCALE = 0.1
"""Errors above this count linearly, not by their square."""
PRIOR = 0.25
"""Distance of a GPU's own parameters from the shared ones, as a standard deviation of the logarithm."""
NOISE = 0.15
"""Distance of single calls from a good fit, as a standard deviation of the logarithm."""
REACH = 2.5
"""Bounds of a fit: this far from the start in logarithms, on either side."""
ROUNDS = 25
"""Largest number of evaluations of a fit, without those for derivatives."""
STEP = 1e-3
"""Relative step of numerical derivatives: larger than the jumps between tiles."""


@dataclass
class Fit:
    """Shared parameters, those of single GPUs, and the launch floors [s] of parts."""

    shared: dict[str, float] = field(default_factory=dict)
    own: dict[str, dict[str, float]] = field(default_factory=dict)
    floors: dict[Key, float] = field(default_factory=dict)

    def parameters(self, chip: str = "") -> Parameters:
        return Parameters.of({**self.shared, **self.own.get(chip, {})})

    def predict(self, part: Part, chip: str | None = None, floor: float | None = None) -> Floats:
        """Seconds of the calls of a part by the parameters of a GPU (by default its own; ``""``: the shared ones) [s].

        Parameters
        ----------
        floor : launch floor where the set has no fitted one [s]; by default the launch time of the chip.
        """
        under = self.floors.get(part.key, floor) if part.floor is None else part.floor
        return part.predicted(self.parameters(part.chip.name if chip is None else chip), under)


def fit_shared(parts: Mapping[Key, Part], start: Mapping[str, float] | None = None) -> Fit:
    """Parameters for any GPU; the clock that each GPU held is fitted too, in ``own``. See the module for the equation.

    Parameters
    ----------
    parts : calls by GPU, set, precision and family.
    start : parameters to start from.
    """
    found = Fit(dict(start or {}))
    for stage in STAGES:
        mine = {key: part for key, part in parts.items() if part.family in stage.families}
        chips = {part.chip.name: part.chip for part in mine.values()}
        free = {("", name): getattr(found.parameters(), name) for name in stage.shared}
        if "sustained" in stage.own:
            free |= {(name, "sustained"): float(sustained_share(chip, Parameters())) for name, chip in chips.items()}
        pull = np.array([2.0 if chip else 20.0 for chip, _ in free])
        _least_squares(found, mine, free, 1.0 / pull, even=True)
    return found


def fit_own(found: Fit, parts: Mapping[Key, Part], chips: Mapping[str, Chip]) -> None:
    """The own parameters of these GPUs around the shared ones; changes ``found``. See the module for the equation.

    Parameters
    ----------
    found : the shared fit.
    parts : calls.
    chips : GPUs by name.
    """
    for name, chip in chips.items():
        found.own[name] = {}
        for stage in STAGES:
            mine = {key: part for key, part in parts.items() if key[0] == name and part.family in stage.families}
            if not mine:
                continue
            shared = found.parameters(name)
            free = {(name, number): getattr(shared, number) for number in stage.own}
            if "sustained" in stage.own:
                free[name, "sustained"] = float(sustained_share(chip, shared))
            _least_squares(found, mine, free, np.full(len(free), 1.0 / PRIOR), even=False)


def _weights(part: Part) -> Floats:
    """Weight of each call: lower where it is hardly longer than the host's floor."""
    if part.floor is None:
        return np.ones(len(part))
    return np.clip((part.seconds / part.floor - 1.0) / HOST_BOUND, 0.0, 1.0)


def _least_squares(
    found: Fit,
    parts: Mapping[Key, Part],
    free: Mapping[tuple[str, str], float],
    pull: Floats,
    *,
    even: bool,
) -> None:
    """Fit ``free`` ((chip or "", parameter) -> start) and the floors of these parts; changes ``found``.

    Parameters
    ----------
    pull : weight of each parameter's distance from its start.
    even : parts have the same weight, however many calls.
    """
    from scipy.optimize import least_squares

    if not parts or not free:
        return
    floors = {key: found.floors.get(key, part.least) for key, part in parts.items() if part.floor is None}
    start = np.log(np.array([*free.values(), *floors.values()]))
    weight = {key: _weights(part) * (len(part) ** -0.5 if even else SCALE / NOISE) for key, part in parts.items()}
    seen: dict[Key, tuple[object, Floats]] = {}

    def put(x: Floats) -> None:
        values = [float(value) for value in np.exp(x)]
        for (chip, name), value in zip(free, values, strict=False):
            (found.own.setdefault(chip, {}) if chip else found.shared)[name] = value
        found.floors.update(zip(floors, values[len(free) :], strict=True))

    def errors(key: Key, part: Part) -> Floats:
        """Cached, because most parameters affect only one part."""
        state = (found.parameters(part.chip.name), found.floors.get(key))
        if key not in seen or seen[key][0] != state:
            off = np.log(found.predict(part) / part.seconds) / SCALE
            seen[key] = state, weight[key] * np.sign(off) * np.sqrt(2.0 * (np.sqrt(1.0 + off**2) - 1.0))
        return seen[key][1]

    def residual(x: Floats) -> Floats:
        put(x)
        rows = [errors(key, part) for key, part in parts.items()]
        return np.concatenate([*rows, pull * (x - start)[: len(free)]])

    best = least_squares(
        residual, start, max_nfev=ROUNDS, diff_step=[STEP] * len(start), bounds=(start - REACH, start + REACH)
    )
    put(best.x)
