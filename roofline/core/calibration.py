"""What did measurements say about a chip? Fitted parameters, their uncertainty, and the data behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roofline.core import checks
from roofline.core.dtype import precision
from roofline.core.shown import Shown
from roofline.core.stack import Stack
from roofline.errors import UsageError

Floats = NDArray[np.float64]

ANY_GPU = "any GPU"
"""The chip name of a calibration fitted on several GPUs, for all GPUs."""


def any_of(architecture: str) -> str:
    """The chip name of a calibration fitted on chips of an architecture, for all of them."""
    return f"any {architecture}"


NOTHING_HELD_OUT = "nothing"
"""``data.held_out`` of a calibration whose errors are of the figures that it was fitted to."""


@dataclass(frozen=True)
class Spread:
    """How far measurements scatter around predictions, as a function of the kernel::

        scale = exp(features . coefficients), within the smallest and largest scale of the fit (``scale``)    [1]
        log(measured / predicted) is between low * scale and high * scale for 90 % of the measurements

    Source: normalized conformal prediction (Papadopoulos et al., ECML 2002).
    """

    coefficients: tuple[float, ...]
    scale: tuple[float, float]
    low: float
    high: float

    def __post_init__(self) -> None:
        for value in checks.sequence("coefficients", self.coefficients, "numbers"):
            checks.number("coefficients", value)
        _check_range("scale", self.scale)
        checks.number("low", self.low)
        checks.number("high", self.high)

    def interval(self, features: Floats) -> tuple[Floats, Floats]:
        """Factors on predictions: ``exp(low * scale)``, ``exp(high * scale)`` [1], shape (N,) each.

        Parameters
        ----------
        features : one row per kernel [1], shape (N, number of coefficients).
        """
        scale = np.clip(np.exp(features @ np.array(self.coefficients)), *self.scale)
        return np.exp(self.low * scale), np.exp(self.high * scale)


@dataclass(frozen=True)
class FamilyFit:
    """The fit of one plan of a device model.

    Parameters
    ----------
    parameters, uncertainty : by name; uncertainty is one standard error of the logarithm.
    quantiles : level -> quantile of log(measured / predicted) on held-out groups.
    points : number of fitted measurements.
    range : feature -> (smallest, largest) among them.
    median_error, p90_error : held-out quantiles of |predicted / measured - 1|.
    spread : scale of the error by kernel.
    borrowed : operators without measurements, whose parameters were transferred from other machines.
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

    def __post_init__(self) -> None:
        checks.numbers("parameters", self.parameters)
        checks.numbers("uncertainty", self.uncertainty)
        for what in ("parameters", "uncertainty"):
            for name, value in getattr(self, what).items():
                checks.not_negative(f"{what}: {name}", value)
        checks.numbers("quantiles", self.quantiles)
        if self.quantiles and not {"0.05", "0.95"} <= self.quantiles.keys():
            raise UsageError("quantiles: those of 0.05 and 0.95 make the interval; both are needed")
        checks.count("points", self.points, 0)
        for name, ends in checks.table("range", self.range).items():
            _check_range(f"range of {name}", ends)
        checks.not_negative("median_error", self.median_error)
        checks.not_negative("p90_error", self.p90_error)
        checks.instance("spread", self.spread, Spread, optional=True)
        checks.texts("borrowed", self.borrowed)


@dataclass(frozen=True, repr=False)
class Calibration(Shown):
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

    def __post_init__(self) -> None:
        for name in ("chip", "architecture", "model", "dtype", "file"):
            checks.text(name, getattr(self, name))
        try:
            Stack.from_dict(checks.table("stack", self.stack))
        except UsageError as error:
            raise UsageError(f"stack of a calibration: {error}") from None
        checks.entries("families", self.families, str, FamilyFit)
        checks.numbers("ceilings", self.ceilings)
        for name, value in self.ceilings.items():
            checks.not_negative(f"ceilings: {name}", value)
        checks.table("data", self.data)
        for name in ("operators", "devices", "lenders", "families"):
            if name in self.data and not _are_texts(self.data[name]):
                raise UsageError(f"data: {name}: expected a list of names, got {checks.shown(self.data[name])}")
        if self.dtype not in ("", "any"):  # a file without one is reported by the reader
            precision(self.dtype)

    @property
    def points(self) -> int:
        """Number of measurements behind it, over all families; 0 if none was of its own chip or stack."""
        return sum(fit.points for fit in self.families.values())


def _check_range(what: str, ends: Any) -> None:
    """Refuse a range that is no (smallest, largest)."""
    if len(checks.sequence(what, ends, "[smallest, largest]")) != 2:
        checks.refuse(what, "[smallest, largest]", ends)
    for end in ends:
        checks.number(what, end)
    if ends[0] > ends[1]:
        checks.refuse(what, "[smallest, largest]", ends)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)
