"""How do measurements scatter around predictions that did not see them, and what does that depend on?

Source: normalized conformal prediction (Papadopoulos et al., ECML 2002; Lei et al., JASA 113, 2018).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from roofline.core.calibration import Spread
from roofline.core.schedule import Schedule
from roofline.devices.cpu import model as cpu

Floats = NDArray[np.float64]

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Quantiles of residuals that a calibration stores; the outer two give its intervals."""
LIGHT_TOLERANCE = 0.03
"""Measurements faster than the speed-of-light bound by more than this share are left out of fits, and counted."""
MIN_KNOWN = 4
"""With fewer residuals there is no interval."""
FEW_ROWS = 60
"""With fewer residuals the scale depends on the predicted time only."""
RIDGE, FLOOR = 5.0, 0.02
"""Of the residual scale: pull of its coefficients to zero, and the smallest error."""


def residual_spread(kernels: Schedule, predicted: Floats, residual: Floats) -> Spread | None:
    """Scale of held-out residuals as a function of :func:`roofline.devices.cpu.model.difficulty`::

        log(scale) = ridge regression of log(|residual| + FLOOR) on the features    [1]
        interval   = predicted * exp(scale * (5 % and 95 % quantile of residual / scale))    [s]

    Source: normalized conformal prediction (see the module); features: this project's own (docs/evidence-cpu.md).

    Parameters
    ----------
    kernels : N kernels.
    predicted : held-out prediction [s], shape (N,).
    residual : log(measured / predicted) [1], shape (N,); NaN where there is none.

    Returns
    -------
    spread : coefficients and quantiles [1]; None for fewer than MIN_KNOWN residuals.
    """
    known = ~np.isnan(residual)
    if known.sum() < MIN_KNOWN:
        return None
    features = cpu.difficulty(kernels.select(known), predicted[known])
    left = residual[known]
    if len(left) < FEW_ROWS:
        features[:, 2:] = 0.0  # few residuals show the size of errors, not what they depend on
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
    """Quantile with the finite-sample step of split conformal prediction: outward by one rank::

        rank = ceil((N + 1) * level) for level >= 0.5, else floor((N + 1) * level)

    Source: Lei et al., JASA 113, 2018.

    Parameters
    ----------
    residual : N values, NaN ignored.
    level : between 0 and 1 [1].

    Returns
    -------
    quantile : in the unit of ``residual``.
    """
    clean = np.sort(residual[~np.isnan(residual)])
    if len(clean) == 0:
        return float("nan")
    rank = np.ceil((len(clean) + 1) * level) if level >= 0.5 else np.floor((len(clean) + 1) * level)
    return float(clean[int(np.clip(rank - 1, 0, len(clean) - 1))])
