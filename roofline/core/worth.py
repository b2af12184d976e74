"""What does one get for the money and for the energy? Speed beside price and power of a chip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from roofline.core.chip import Chip
from roofline.core.market import Package, Price


@dataclass(frozen=True)
class Worth:
    """The speed of one chip beside its first price and its power limit.

    samples_per_s : of one chip; None where there is no prediction.
    price : the first price of its file; None where none is known. power_w : its power limit [W].
    packages : what it is sold in with more than one device, each with a batch of its own.
    """

    samples_per_s: float | None
    price: Price | None = None
    power_w: float | None = None
    packages: tuple[Package, ...] = ()

    @classmethod
    def of(cls, chip: Chip | None, samples_per_s: float | None) -> Worth:
        """The worth of a speed on a chip; everything unknown where there is no chip."""
        if chip is None:
            return cls(samples_per_s)
        price = chip.price[0] if chip.price else None
        larger = tuple(package for package in chip.packages if package.count.value > 1)
        return cls(samples_per_s, price, chip.power.value if chip.power else None, larger)

    @property
    def per_price(self) -> float | None:
        """Samples per second for one unit of the currency it is bought with; None where it is rented."""
        return self._buys(rented=False)

    @property
    def per_rent(self) -> float | None:
        """Samples for one unit of the currency it is rented with; None where it is bought."""
        return self._buys(rented=True)

    def _buys(self, *, rented: bool) -> float | None:
        if not self.samples_per_s or self.price is None or bool(self.price.every) != rented:
            return None
        return self.price.buys(self.samples_per_s)

    @property
    def per_joule(self) -> float | None:
        """Samples per joule at the power limit of the chip."""
        return self.samples_per_s / self.power_w if self.samples_per_s and self.power_w else None

    def to_dict(self) -> dict[str, Any]:
        return {
            "price": dict(vars(self.price)) if self.price else None,
            "power_w": self.power_w,
            "samples_per_s_per_price": self.per_price,
            "samples_per_rent": self.per_rent,
            "samples_per_joule": self.per_joule,
            "packages": [
                {
                    "name": package.name,
                    "devices": package.count.value,
                    "samples_per_s": self.samples_per_s * package.count.value if self.samples_per_s else None,
                }
                for package in self.packages
            ],
        }
