"""How is a number said, so that a person reads it at a glance?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from roofline.core.chip import Price
from roofline.core.resources import RESOURCES
from roofline.units import format_si
from roofline.units import plural as plural

if TYPE_CHECKING:
    from roofline.core.prediction import Prediction


def count(value: float) -> str:
    """A rate or a number of things: ``1,834``, ``61.6``, ``0.42``, ``12.4 M``."""
    if abs(value) >= 1e6:
        return format_si(value, "")
    if value == int(value):
        return f"{int(value):,}"
    digits = 0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2
    return f"{value:,.{digits}f}" if abs(value) >= 0.01 else f"{value:.2g}"


def percent(share: float) -> str:
    """``61 %``; what is there but small is ``<1 %``, and what lacks a little ``>99 %``."""
    if 0 < share < 0.005 or 0.995 <= share < 1 - 1e-9:
        return "<1 %" if share < 0.5 else ">99 %"
    return f"{share * 100:.0f} %"


def seconds(value: float) -> str:
    """``39.4 ms``."""
    return format_si(value, "s")


def times(ratio: float) -> str:
    """``1.66x``, and ``58x`` where more digits would only pretend."""
    return f"{ratio:.0f}x" if ratio >= 99.5 else f"{ratio:.1f}x" if ratio >= 9.95 else f"{ratio:.2f}x"


def gigabytes(value: float) -> str:
    """Decimal, as memory is sold: ``0.41 GB``."""
    return format_si(value, "B")


def shares(parts: Mapping[str, float]) -> str:
    """``CUDA cores 61 %, DRAM 39 %``."""
    return ", ".join(f"{RESOURCES.get(name, name)} {percent(share)}" for name, share in parts.items())


def samples(prediction: Prediction) -> str:
    """What one entry of the batch is called."""
    return "images" if "image" in prediction.symbols else "samples"


def price(value: Price) -> str:
    """``499 USD (2018-10-17)``, ``1.18 USD an hour per inf1.6xlarge of 4 (2019-12)``."""
    amount = f"{value.amount:,.0f}" if value.amount >= 100 else f"{value.amount:.4g}"
    time = f" an {value.every}" if value.every else ""
    of = f" of {value.devices:g}" if value.devices != 1 else ""
    package = f" per {value.per}{of}" if value.per != "unit" else ""
    return f"{amount} {value.currency}{time}{package} ({value.date})"


def for_money(value: Price, per_s: float, noun: str) -> str:
    """``1.23 images/s per USD`` where it is bought, ``4.2 M images per USD`` where it is rented."""
    return f"{count(value.buys(per_s))} {noun}{'' if value.every else '/s'} per {value.currency}"
