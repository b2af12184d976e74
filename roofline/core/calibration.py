"""What did measurements teach about a chip? Fitted numbers, how sure they are, what they rest on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ANY_GPU = "any GPU"
"""The chip of a calibration fitted on several GPUs, for all of them."""


def any_of(architecture: str) -> str:
    """The chip of a calibration fitted on cards of an architecture, for all of them."""
    return f"any {architecture}"


@dataclass(frozen=True)
class Spread:
    """How far measurements scatter around predictions, by what the kernel looks like.

    A kernel with features x has scale exp(x . coefficients), kept within ``scale`` (the smallest and
    largest among the rows seen); log(measured / predicted) lies between ``low`` and ``high`` scales in
    nine cases of ten (normalized conformal prediction: Papadopoulos et al., ECML 2002).
    """

    coefficients: tuple[float, ...]
    scale: tuple[float, float]
    low: float
    high: float

    def interval(self, features: Floats) -> tuple[Floats, Floats]:
        """Factors (low, high) on predictions; ``features`` has one row per kernel."""
        scale = np.clip(np.exp(features @ np.array(self.coefficients)), *self.scale)
        return np.exp(self.low * scale), np.exp(self.high * scale)


@dataclass(frozen=True)
class FamilyFit:
    """The fit of one plan of a device model.

    parameters, uncertainty : by name; uncertainty is one standard error of the logarithm.
    quantiles : quantiles of log(measured / predicted) on held-out groups, level -> value.
    points : rows fitted; ``range`` is feature -> (smallest, largest) among them.
    median_error, p90_error : held-out quantiles of |predicted / measured - 1|.
    borrowed : operators among the parameters that no row was about: other machines' numbers, carried over.
    """

    parameters: Mapping[str, float]
    uncertainty: Mapping[str, float]
    quantiles: Mapping[str, float]
    points: int
    range: Mapping[str, tuple[float, float]]
    median_error: float
    p90_error: float = 0.0
    spread: Spread | None = None
    borrowed: tuple[str, ...] = ()


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
    file: str = ""
