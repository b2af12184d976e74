"""How far do measurements scatter around predictions that have not seen them, and what does that depend on?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from roofline.core.calibration import Spread
from roofline.core.schedule import Schedule
from roofline.devices.cpu import model as cpu

Floats = NDArray[np.float64]

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Quantiles of residuals that a calibration keeps; the outer two make its intervals."""
LIGHT_TOLERANCE = 0.03
"""Measurements this much faster than the speed-of-light bound are kept out of fits and counted."""
MIN_KNOWN = 4
"""Of fewer residuals nothing is said."""
FEW_ROWS = 60
RIDGE, FLOOR = 5.0, 0.02
"""Of the residual scale: pull of its coefficients to zero, and the error nothing is better than."""


def residual_spread(kernels: Schedule, predicted: Floats, residual: Floats) -> Spread | None:
    """The scale of held-out residuals as a function of :func:`roofline.devices.cpu.model.difficulty`.

    A ridge regression of log(|residual| + FLOOR), then the 5 % and 95 % quantiles of what is left.
    """
    known = ~np.isnan(residual)
    if known.sum() < MIN_KNOWN:
        return None
    features = cpu.difficulty(kernels.select(known), predicted[known])
    left = residual[known]
    if len(left) < FEW_ROWS:
        features[:, 2:] = 0.0  # few rows tell the size of errors, not what they depend on
    centre, width = features.mean(axis=0), features.std(axis=0)
    centre[0], width[width < 1e-9] = 0.0, 1.0
    scaled = (features - centre) / width
    scaled[:, 1:] *= features[:, 1:].std(axis=0) > 1e-9
    pull = RIDGE * np.diag([0.0, *np.ones(features.shape[1] - 1)])
    weights = np.linalg.solve(scaled.T @ scaled + pull, scaled.T @ np.log(np.abs(left) + FLOOR))
    weights = weights / width
    weights[0] -= float(weights[1:] @ centre[1:])
    scale = np.exp(features @ weights)
    return Spread(
        tuple(float(weight) for weight in weights),
        (float(scale.min()), float(scale.max())),
        quantile(left / scale, LEVELS[0]),
        quantile(left / scale, LEVELS[-1]),
    )


def quantile(residual: Floats, level: float) -> float:
    """Quantile with the finite-sample step of split conformal prediction: outward by one rank."""
    clean = np.sort(residual[~np.isnan(residual)])
    if len(clean) == 0:
        return float("nan")
    rank = np.ceil((len(clean) + 1) * level) if level >= 0.5 else np.floor((len(clean) + 1) * level)
    return float(clean[int(np.clip(rank - 1, 0, len(clean) - 1))])
