"""How do chips compare on a network, and why? The answer as a value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from roofline.core.chip import Chip, Price
from roofline.core.prediction import SCHEMA_VERSION, Prediction, warnings_together
from roofline.core.resources import RESOURCES
from roofline.core.shown import Shown
from roofline.core.stack import Stack
from roofline.core.worth import Worth

SMALL = 0.04
"""Parts below this share of the time are told together."""


@dataclass(frozen=True)
class Reason:
    """A part of the first chip's time: its share, what bounds it before and after, how much faster it gets.

    ``ratio`` compares the figures of the two resources (``what``: peak, bandwidth or launch), where both
    are of one kind.
    """

    share: float
    before: str
    after: str
    speedup: float
    what: str = ""
    ratio: float | None = None

    def to_dict(self) -> dict[str, Any]:
        return dict(vars(self))


@dataclass(frozen=True)
class Entry:
    """One chip at one precision.

    prediction : None where the chip cannot, and then ``refusal`` says why.
    path : which engine multiplies, and how.
    speedup : over the first chip at the same precision, in samples per second.
    speedup_over_first : over the first entry of all, so across precisions.
    rule : the two-number estimate, sqrt(peak ratio x bandwidth ratio).
    """

    chip: str
    title: str
    dtype: str
    prediction: Prediction | None = None
    refusal: str = ""
    path: str = ""
    speedup: float | None = None
    speedup_over_first: float | None = None
    rule: float | None = None
    reasons: tuple[Reason, ...] = ()
    hardware: Chip | None = None

    @property
    def samples_per_s(self) -> float | None:
        return self.prediction.samples_per_s if self.prediction else None

    @property
    def worth(self) -> Worth:
        """Samples per second of one chip beside its price and its power limit."""
        made = self.prediction
        return Worth.of(self.hardware, made.samples_per_s / made.stack.chips if made else None)

    @property
    def price(self) -> Price | None:
        """The first price of the file of the chip."""
        return self.worth.price

    @property
    def power_w(self) -> float | None:
        """The power limit of the chip [W]."""
        return self.worth.power_w

    @property
    def per_price(self) -> float | None:
        """Samples per second for one unit of the currency it is bought with; None where it is rented."""
        return self.worth.per_price

    @property
    def per_rent(self) -> float | None:
        """Samples for one unit of the currency it is rented with; None where it is bought."""
        return self.worth.per_rent

    @property
    def per_watt(self) -> float | None:
        """Samples per joule at the power limit of the chip."""
        return self.worth.per_joule

    @property
    def reason(self) -> str:
        """The speed-up in words; empty for the first chip itself."""
        return words(self.speedup, self.reasons) if self.speedup is not None else ""

    def to_dict(self) -> dict[str, Any]:
        prediction = self.prediction
        return {
            "chip": self.chip,
            "dtype": self.dtype,
            "refusal": self.refusal,
            "path": self.path,
            "speedup": self.speedup,
            "speedup_over_first": self.speedup_over_first,
            "rule": self.rule,
            "reason": self.reason,
            "reasons": [reason.to_dict() for reason in self.reasons],
            **self.worth.to_dict(),
            "prediction": prediction.to_dict() if prediction else None,
        }


@dataclass(frozen=True, repr=False)
class Comparison(Shown):
    """Chips beside each other on one network; entries by precision, then in the order of the chips.

    runs_on : of each chip the software that runs it, empty where it is that of the stack.
    """

    workload: str
    chips: tuple[str, ...]
    dtypes: tuple[str, ...]
    entries: tuple[Entry, ...]
    stack: Stack = field(default_factory=Stack)
    runs_on: tuple[str, ...] = ()

    @property
    def predicted(self) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if entry.prediction)

    @property
    def warnings(self) -> tuple[str, ...]:
        """The warnings of all predictions, each text once, with the chips and precisions that it is about."""
        return warnings_together(entry.prediction for entry in self.predicted if entry.prediction)

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema_version": SCHEMA_VERSION,
            "workload": self.workload,
            "chips": list(self.chips),
            "dtypes": list(self.dtypes),
            "stack": self.stack.to_dict(),
            "entries": [entry.to_dict() for entry in self.entries],
        }


def words(speedup: float, reasons: Iterable[Reason]) -> str:
    """``1.66x: 61 % of the time is bound by CUDA cores: 1.62x the peak; 39 % by DRAM: ...``"""
    known = list(reasons)
    if not known:
        return ""
    large = [reason for reason in known if reason.share >= SMALL] or known[:1]
    told: list[str] = []
    for reason in large:
        told.append(_clause(reason, first=not any(" bound by " in clause for clause in told)))
    rest = [reason for reason in known if reason not in large]
    if rest:
        share = sum(reason.share for reason in rest)
        faster = share / sum(reason.share / reason.speedup for reason in rest)
        told.append(f"{_percent(share)} in other parts: {faster:.2f}x as fast")
    return f"{speedup:.2f}x: {'; '.join(told)}"


def _clause(reason: Reason, *, first: bool) -> str:
    share, faster = _percent(reason.share), f"{reason.speedup:.2f}x as fast"
    if reason.before == reason.after == "host":
        return (
            f"{share} of the time the GPU waits for Python (host-bound), where a faster GPU does not help but --stack "
            "graphs does"
        )
    names = RESOURCES | {"host": "the host (Python)"}
    before, after = (names.get(name, name) for name in (reason.before, reason.after))
    start = f"{share} of the time is bound by {before}" if first else f"{share} by {before}"
    if reason.before != reason.after:
        start += f", on this chip by {after}"
    if reason.ratio is None:
        return f"{start}: {faster}"
    noun = {"peak": "the peak", "bandwidth": "the bandwidth", "launch": "the launch rate"}[reason.what]
    told = f"{start}: {reason.ratio:.2f}x {noun}"
    return f"{told}, {faster}" if abs(reason.speedup / reason.ratio - 1) > 0.05 else told


def _percent(share: float) -> str:
    return "under 1 %" if 0 < share < 0.005 else f"{share * 100:.0f} %"
