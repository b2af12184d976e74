"""What did measurements teach about a chip? Fitted numbers, how sure they are, what they rest on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class FamilyFit:
    """The fit of one operator family.

    parameters, uncertainty : by name; uncertainty is one standard error of the logarithm.
    quantiles : quantiles of log(measured / predicted) on held-out groups, level -> value.
    points : rows fitted; ``range`` is feature -> (smallest, largest) among them.
    median_error : held-out median of |predicted / measured - 1|.
    """

    parameters: Mapping[str, float]
    uncertainty: Mapping[str, float]
    quantiles: Mapping[str, float]
    points: int
    range: Mapping[str, tuple[float, float]]
    median_error: float
    p90_error: float = 0.0


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
