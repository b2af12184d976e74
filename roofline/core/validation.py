"""How accurate were predictions? Scored measurements and their summary."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roofline.core.measurement import Measurement
from roofline.core.shown import Shown
from roofline.units import plural

Floats = NDArray[np.float64]
PLAUSIBILITY = "plausibility"
"""Flag of a figure that is a claim about an unspecified network, not a measurement of this one."""


@dataclass(frozen=True)
class Score:
    """Errors of predictions against measurements; relative errors are |predicted / measured - 1|.

    Parameters
    ----------
    rows : number of measurements.
    bias : median of predicted / measured, minus 1.
    rank_correlation : Spearman's, NaN for one measurement.
    coverage : share of measurements inside their interval; width : median of high / low.
    """

    rows: int
    median: float
    mean: float
    p90: float
    worst: float
    bias: float
    rank_correlation: float
    coverage: float
    width: float
    plain_median: float
    plain_mean: float

    def to_dict(self) -> dict[str, Any]:
        renamed = {"coverage": "interval_coverage", "width": "interval_width"}
        return {renamed.get(name, name): _json(value) for name, value in self.__dict__.items()}


SEEN = "seen by the fit"
"""``held_out`` of measurements that a calibration was fitted on and that were not held out."""


@dataclass(frozen=True)
class Scored:
    """One measurement: measured, predicted (low, middle, high) and plain-roofline seconds [s].

    ``impossible`` holds the arithmetic of a measurement below the speed-of-light bound; it is empty for all others.
    """

    measurement: Measurement
    family: str
    measured: float
    predicted: float
    low: float
    high: float
    plain: float
    tier: str
    held_out: str
    impossible: str = ""

    @property
    def error(self) -> float:
        return self.predicted / self.measured - 1.0

    def to_dict(self) -> dict[str, Any]:
        return {
            "label": self.measurement.label,
            "kind": self.measurement.kind,
            "family": self.family,
            "chip": self.measurement.chip,
            "dtype": self.measurement.dtype,
            "measured": self.measured,
            "predicted": {"low": _json(self.low), "middle": self.predicted, "high": _json(self.high)},
            "plain": self.plain,
            "error": self.error,
            "tier": self.tier,
            "held_out": self.held_out,
            **({"impossible": self.impossible} if self.impossible else {}),
        }


@dataclass(frozen=True, repr=False)
class Validation(Shown):
    """Every scored measurement, and the scores by kind, family, device and network.

    ``skipped`` counts measurements that could not be predicted, by reason; nothing is dropped silently.
    """

    rows: tuple[Scored, ...]
    skipped: Mapping[str, int]
    calibration: str = ""
    warnings: tuple[str, ...] = ()

    def of_kind(self, kind: str) -> tuple[Scored, ...]:
        return tuple(row for row in self.rows if row.measurement.kind == kind)

    def by(self, kind: str, key: Callable[[Scored], str]) -> dict[str, Score]:
        """Scores of the measurements of one kind, grouped."""
        groups: dict[str, list[Scored]] = {}
        for row in self.of_kind(kind):
            groups.setdefault(key(row), []).append(row)
        return {name: score(rows) for name, rows in sorted(groups.items())}

    @property
    def operators(self) -> Score | None:
        rows = self.of_kind("operator")
        return score(rows) if rows else None

    @property
    def networks(self) -> Score | None:
        rows = self.of_kind("network")
        return score(rows) if rows else None

    @property
    def median(self) -> float:
        """Median error over everything scored, which ``--threshold`` is compared with."""
        return score(self.rows).median

    @property
    def impossible(self) -> tuple[Scored, ...]:
        """The measurements below the speed-of-light bound."""
        return tuple(row for row in self.rows if row.impossible)

    def worst(self, count: int = 10) -> list[Scored]:
        return sorted(self.rows, key=lambda row: -abs(np.log(row.predicted / row.measured)))[:count]

    def to_dict(self) -> dict[str, Any]:
        def scores(groups: Mapping[str, Score]) -> dict[str, Any]:
            return {name: value.to_dict() for name, value in groups.items()}

        return {
            "schema_version": 1,
            "calibration": self.calibration,
            "median": self.median,
            "warnings": list(self.warnings),
            "skipped": dict(self.skipped),
            "faster_than_light": len(self.impossible),
            "operators": self.operators.to_dict() if self.operators else None,
            "networks": self.networks.to_dict() if self.networks else None,
            "by_family": scores(self.by("operator", lambda row: row.family)),
            "by_device": {kind: scores(self.by(kind, _device)) for kind in ("operator", "network")},
            "by_network": scores(self.by("network", lambda row: row.measurement.network)),
            "rows": [row.to_dict() for row in self.rows],
        }


_GROUPS = {"all": "all", "seen by their fit": "used in a fit", "not seen by any": "not used in any fit"}
"""Names of the groups of published figures for readers."""


@dataclass(frozen=True, repr=False)
class PublishedScores(Shown):
    """Cited figures with predictions; ``unfitted`` are the seconds of the same model with nothing fitted [s].

    Figures that are claims rather than measurements are in ``rows`` but in no score.
    """

    rows: tuple[Scored, ...]
    unfitted: tuple[float, ...]
    skipped: Mapping[str, int]

    @property
    def counted(self) -> tuple[int, ...]:
        """Indices of the measured figures."""
        return tuple(i for i, row in enumerate(self.rows) if PLAUSIBILITY not in row.measurement.flags)

    @property
    def median(self) -> float:
        """Median error of the measured figures."""
        return float(np.median([abs(self.rows[i].error) for i in self.counted]))

    def groups(self) -> dict[str, tuple[int, ...]]:
        """The measured figures by whether their fit used them."""
        seen = tuple(i for i in self.counted if self.rows[i].measurement.fit)
        unseen = tuple(i for i in self.counted if not self.rows[i].measurement.fit)
        return {"all": self.counted, "seen by their fit": seen, "not seen by any": unseen}

    def summary(self) -> tuple[str, ...]:
        """A sentence for each group with figures."""
        return tuple(
            f"{_GROUPS[name]}: {plural(len(places), 'figure')}, median error {errors['predicted']:.1%}, unfitted model "
            f"{errors['unfitted']:.0%}, plain roofline {errors['plain']:.0%}; {inside} inside the interval"
            for name, places in self.groups().items()
            if places
            for errors, inside in [(self._medians(places), sum(self._inside(i) for i in places))]
        )

    def _inside(self, place: int) -> bool:
        row = self.rows[place]
        return row.low <= row.measured <= row.high

    def _medians(self, places: Sequence[int]) -> dict[str, float]:
        rows = [(self.rows[i], self.unfitted[i]) for i in places]
        return {
            "predicted": float(np.median([abs(row.error) for row, _ in rows])),
            "unfitted": float(np.median([abs(bare / row.measured - 1) for row, bare in rows])),
            "plain": float(np.median([abs(row.plain / row.measured - 1) for row, _ in rows])),
        }

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema_version": 1,
            "skipped": dict(self.skipped),
            "scores": {
                name: {"rows": len(places), **self._medians(places), "inside": sum(map(self._inside, places))}
                for name, places in self.groups().items()
                if places
            },
            "rows": [
                row.to_dict()
                | {"unfitted": bare, "what": row.measurement.what, "source": row.measurement.provenance}
                | {"fit": row.measurement.fit, "flags": list(row.measurement.flags)}
                for row, bare in zip(self.rows, self.unfitted, strict=True)
            ],
        }


def _device(row: Scored) -> str:
    return row.measurement.chip


def score(rows: Sequence[Scored]) -> Score:
    """The score of at least one measurement; see :class:`Score` for the equations."""
    measured = np.array([row.measured for row in rows])
    predicted = np.array([row.predicted for row in rows])
    low, high = np.array([row.low for row in rows]), np.array([row.high for row in rows])
    plain = np.array([row.plain for row in rows])
    error = np.abs(predicted / measured - 1.0)
    return Score(
        rows=len(rows),
        median=float(np.median(error)),
        mean=float(error.mean()),
        p90=float(np.quantile(error, 0.9)),
        worst=float(error.max()),
        bias=float(np.median(predicted / measured) - 1.0),
        rank_correlation=rank_correlation(measured, predicted),
        coverage=float(((measured >= low) & (measured <= high)).mean()),
        width=_median((high / np.maximum(low, 1e-300))[np.isfinite(high) & np.isfinite(low)]),
        plain_median=float(np.median(np.abs(plain / measured - 1.0))),
        plain_mean=float(np.mean(np.abs(plain / measured - 1.0))),
    )


def _median(values: Floats) -> float:
    return float(np.median(values)) if len(values) else float("nan")


def rank_correlation(a: Floats, b: Floats) -> float:
    """Spearman's rank correlation, ``correlation of ranks`` [1], without correction for ties; NaN for fewer than two
    values.

    ``a`` and ``b`` have shape (N,).
    """
    if len(a) < 2:
        return float("nan")
    ranks = [np.argsort(np.argsort(values)).astype(np.float64) for values in (a, b)]
    return float(np.asarray(np.corrcoef(ranks))[0, 1])


def _json(value: Any) -> Any:
    """NaN and infinity are not JSON."""
    return None if isinstance(value, float) and not np.isfinite(value) else value
