"""What did measurements teach about a chip? Fitted numbers, how sure they are, what they rest on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class FamilyFit:
    """The fit of one operator family.

    parameters, uncertainty : by name; uncertainty is one standard error of the logarithm.
    quantiles : quantiles of log(measured / predicted) on held-out groups, level -> value.
    points : rows fitted; ``range`` is feature -> (smallest, largest) among them.
    median_error, p90_error : held-out quantiles of |predicted / measured - 1|.
    spread : (seconds, low, high) rows: around a prediction of that many seconds, the 5 % and 95 %
        quantiles of log(measured / predicted). Short calls and long ones err differently.
    """

    parameters: Mapping[str, float]
    uncertainty: Mapping[str, float]
    quantiles: Mapping[str, float]
    points: int
    range: Mapping[str, tuple[float, float]]
    median_error: float
    p90_error: float = 0.0
    spread: tuple[tuple[float, float, float], ...] = ()

    def interval(self, seconds: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Factors (low, high) around predictions of ``seconds``, interpolated over log seconds.

        NaN where the fit knows no residuals.
        """
        if not self.spread:
            unknown = np.full(np.shape(seconds), np.nan)
            return unknown, unknown
        centre, low, high = np.array(self.spread).T
        where = np.log(np.maximum(seconds, 1e-12))
        return np.exp(np.interp(where, np.log(centre), low)), np.exp(np.interp(where, np.log(centre), high))


@dataclass(frozen=True)
class Calibration:
    """Fitted parameters of one device model on one chip under one stack."""

    chip: str
    architecture: str
    model: str
    dtype: str
    stack: Mapping[str, Any]
    families: Mapping[str, FamilyFit]
    ceilings: Mapping[str, float]
    data: Mapping[str, Any] = field(default_factory=dict)
    total_quantiles: Mapping[str, float] = field(default_factory=dict)
    file: str = ""
