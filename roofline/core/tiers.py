"""What does a prediction rest on? Five tiers, each with its meaning in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

Tier = Literal["measured", "calibrated", "anchored", "borrowed", "datasheet"]
TIERS: tuple[Tier, ...] = get_args(Tier)
"""Best to worst."""

MEANINGS: Mapping[str, str] = {
    "measured": "this layer was measured on this chip with this software",
    "calibrated": "the parameters were fitted to measurements of this chip",
    "anchored": "this network was measured on another chip, and the time was scaled to this one",
    "borrowed": "the parameters were fitted on other chips or other operators and transferred by the spec sheet",
    "datasheet": "an upper bound on speed from the spec sheet; nothing was measured",
}
UNFITTED = "the model of NPUs and TPUs with no parameter fitted"
"""What ``datasheet`` means where a model with unfitted constants made the prediction."""


def meaning_of(tier: str, *, modelled: bool) -> str:
    """What a tier means, in one sentence without a full stop.

    modelled : a calibration was used. Then ``datasheet`` means the model of arrays with nothing fitted.
    """
    return UNFITTED if tier == "datasheet" and modelled else MEANINGS.get(tier, "")
