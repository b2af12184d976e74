"""What does a fit return when chips, or halves of their calls, are left out of it?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.validation import Scored

How = Literal["device", "half"]
WORDS: dict[str, str] = {"device": "card left out", "half": "half of the calls seen"}
_REASONS: dict[str, str] = {
    "faster than light": "below the speed-of-light bound",
    "other chips, whole nets, warm calls": "of other chips, of whole networks, or with a warm cache",
    "nothing launched": "without a kernel",
    "another stack": "of another software stack",
    "not one known kernel": "without a single known kernel",
}


def reason(key: str) -> str:
    """What a reason in the data of a calibration says to a reader."""
    return _REASONS.get(key, key)


def said(left_out: Mapping[str, int]) -> str:
    """``3 below the speed-of-light bound, 1 without a kernel``."""
    return ", ".join(f"{count:,} {reason(key)}" for key, count in left_out.items() if count)


@dataclass(frozen=True)
class LeftOut:
    """Calls scored by parameters that did not see them, and the calibration that predicts the networks of every chip.

    Parameters
    ----------
    chips : as if they had not been measured.
    skipped : calls that were not scored, counted by reason.
    """

    scored: list[Scored]
    numbers: Mapping[str, Calibration]
    chips: Mapping[str, Chip]
    skipped: dict[str, int]


LeaveOut = Callable[..., LeftOut]
"""(measurements, :data:`How`, chips by name, ``apart=``, ``around=``) -> :class:`LeftOut`."""
