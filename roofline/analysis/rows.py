"""What does a sweep say of one point? The head of a prediction in one flat row, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from roofline.core.warned import codes
from roofline.errors import RooflineError
from roofline.prediction.answers import Answer

SEPARATOR = " | "


@dataclass(frozen=True)
class Row:
    """One point of a sweep. Seconds, bytes, samples per second; None where nothing is known.

    symbols, what_if : as text, ``seq=512``, ``DRAM.bandwidth=600 GB/s``.
    bound_share : share of the time that the bound limits. warnings : their codes (docs/sweep.md), separated by spaces.
    notes : of the network's reader, joined by :data:`SEPARATOR`.
    refusal : why there is no prediction; empty where there is one.
    """

    network: str
    chip: str
    batch: int | None
    dtype: str
    mode: str
    optimizer: str
    stack: str
    symbols: str
    what_if: str
    low_s: float | None = None
    seconds: float | None = None
    high_s: float | None = None
    samples_per_s: float | None = None
    tokens_per_s: float | None = None
    bound: str = ""
    bound_share: float | None = None
    tier: str = ""
    flops: float | None = None
    bytes: float | None = None
    memory: float | None = None
    capacity: float | None = None
    fits: bool | None = None
    power_w: float | None = None
    samples_per_joule: float | None = None
    price: float | None = None
    currency: str = ""
    samples_per_s_per_price: float | None = None
    samples_per_rent: float | None = None
    calibration: str = ""
    warnings: str = ""
    notes: str = ""
    refusal: str = ""


COLUMNS = tuple(column.name for column in fields(Row))


def figures_of(made: Answer) -> dict[str, Any]:
    """The columns of a row that follow from an answer."""
    if isinstance(made, RooflineError):
        return {"refusal": str(made)}
    worth, bounds = made.worth, made.bounds
    return {
        "network": made.workload,
        "chip": made.chip,
        "batch": made.batch,
        "low_s": made.seconds.low,
        "seconds": made.seconds.middle,
        "high_s": made.seconds.high,
        "samples_per_s": made.samples_per_s,
        "tokens_per_s": made.tokens_per_s,
        "bound": next(iter(bounds), ""),
        "bound_share": next(iter(bounds.values()), None),
        "tier": made.tier,
        "flops": made.flops,
        "bytes": made.bytes,
        "memory": made.memory.total,
        "capacity": made.capacity,
        "fits": made.fits,
        "power_w": worth.power_w,
        "samples_per_joule": worth.per_joule,
        "price": worth.price.amount if worth.price else None,
        "currency": worth.price.currency if worth.price else "",
        "samples_per_s_per_price": worth.per_price,
        "samples_per_rent": worth.per_rent,
        "calibration": made.calibration,
        "warnings": " ".join(codes(made.warnings)),
        "refusal": "",
    }
