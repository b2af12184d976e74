"""How do chips compare on a net, and why? The answer as a value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from roofline.core.chip import Price
from roofline.core.prediction import SCHEMA_VERSION, Prediction
from roofline.core.stack import Stack

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
    price: Price | None = None
    power_w: float | None = None

    @property
    def samples_per_s(self) -> float | None:
        return self.prediction.samples_per_s if self.prediction else None

    @property
    def per_price(self) -> float | None:
        """Samples per second for one unit of the currency it is bought with; None where it is rented."""
        return self._buys(rented=False)

    @property
    def per_rent(self) -> float | None:
        """Samples for one unit of the currency it is rented with; None where it is bought."""
        return self._buys(rented=True)

    def _buys(self, *, rented: bool) -> float | None:
        each = self._of_each_chip()
        if each is None or self.price is None or bool(self.price.every) != rented:
            return None
        return self.price.buys(each)

    def _of_each_chip(self) -> float | None:
        return self.samples_per_s and self.samples_per_s / self.prediction.stack.chips  # type: ignore[union-attr]

    @property
    def per_watt(self) -> float | None:
        """Samples per joule at the power limit of the chip."""
        each = self._of_each_chip()
        return each / self.power_w if each and self.power_w else None

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
            "price": dict(vars(self.price)) if self.price else None,
            "power_w": self.power_w,
            "samples_per_s_per_price": self.per_price,
            "samples_per_rent": self.per_rent,
            "samples_per_joule": self.per_watt,
            "prediction": prediction.to_dict() if prediction else None,
        }


@dataclass(frozen=True)
class Comparison:
    """Chips beside each other on one net; entries by precision, then in the order of the chips.

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
    """``1.66x: 61 % of the time is bound by CUDA cores, where it has 1.62x the peak; 39 % by DRAM...``"""
    known = list(reasons)
    if not known:
        return ""
    large = [reason for reason in known if reason.share >= SMALL] or known[:1]
    told = [_clause(reason, first=index == 0) for index, reason in enumerate(large)]
    rest = [reason for reason in known if reason not in large]
    if rest:
        share = sum(reason.share for reason in rest)
        faster = share / sum(reason.share / reason.speedup for reason in rest)
        told.append(f"{_percent(share)} in smaller parts, {faster:.2f}x")
    return f"{speedup:.2f}x: {'; '.join(told)}"


def _clause(reason: Reason, *, first: bool) -> str:
    share = _percent(reason.share)
    start = f"{share} of the time is bound by {reason.before}" if first else f"{share} by {reason.before}"
    if reason.ratio is None:
        if reason.before == reason.after:
            return f"{start}, {reason.speedup:.2f}x as fast here"
        return f"{start}, here by {reason.after}, {reason.speedup:.2f}x"
    noun = {"peak": "the peak", "bandwidth": "the bandwidth", "launch": "the launch rate"}[reason.what]
    told = f"{start}, where it has {reason.ratio:.2f}x {noun}"
    if reason.before != reason.after:
        told += f" ({reason.after})"
    if abs(reason.speedup / reason.ratio - 1) > 0.05:
        told += f", {reason.speedup:.2f}x as fast"
    return told


def _percent(share: float) -> str:
    return "under 1 %" if 0 < share < 0.005 else f"{share * 100:.0f} %"
