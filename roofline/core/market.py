"""In which package is a chip sold, what does it cost, and which software still runs on it?"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from roofline.core import checks
from roofline.core.fact import STATUSES, Fact, Status, check_figure

Rent = Literal["", "hour"]
RENTS: tuple[Rent, ...] = ("hour",)


@dataclass(frozen=True)
class Package:
    """The product that contains the device, and how many of it: a card with two, an instance with four."""

    name: str
    count: Fact

    def __post_init__(self) -> None:
        checks.text("name of a package", self.name)
        check_figure(f"number of devices in {self.name}", self.count)


@dataclass(frozen=True)
class Price:
    """An amount, its currency, and its date.

    Parameters
    ----------
    amount : in the currency.
    currency : its code.
    date : when the price was valid.
    source : where it was published.
    status : how reliable it is.
    per : ``unit`` (this device) or the name of a package, which contains ``devices`` of it.
    every : the rental period; empty for a purchase.
    devices : in that package.
    """

    amount: float
    currency: str
    date: str
    source: str
    status: Status = "datasheet"
    per: str = "unit"
    every: Rent = ""
    devices: float = 1.0

    def __post_init__(self) -> None:
        checks.positive("amount of a price", self.amount)
        checks.text("currency of a price", self.currency)
        checks.text("date of a price", self.date)
        checks.text("source of a price", self.source)
        checks.word("status of a price", self.status, STATUSES)
        checks.text("per", self.per)
        checks.word("time of rent", self.every, RENTS, optional=True)
        checks.positive("devices of a price", self.devices)

    @property
    def each(self) -> float:
        """The amount for one device: ``amount / devices``."""
        return self.amount / self.devices

    def buys(self, per_s: float) -> float:
        """Output per unit of the currency, from a rate ``per_s``.

        Bought: units per second. Rented: ``per_s`` times the rental period.
        """
        return per_s * (3600.0 if self.every else 1.0) / self.each


@dataclass(frozen=True)
class Software:
    """The software that runs the chip: first and last versions (``None``: unknown, or not ended)."""

    last_cuda: str | None = None
    last_torch: str | None = None
    note: str = ""
    source: str = ""
    status: Status = "unverified"
    cuda_capability: str | None = None
    first_cuda: str | None = None
    first_torch: str | None = None

    def __post_init__(self) -> None:
        for own in fields(self):
            checks.instance(own.name, getattr(self, own.name), str, optional=own.default is None)
        checks.word("status of the software", self.status, STATUSES)
