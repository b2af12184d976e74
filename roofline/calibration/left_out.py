"""What does a kind of device give back when chips, or halves of their calls, are left out of its fit?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.validation import Scored

How = Literal["device", "half"]
WORDS: dict[str, str] = {"device": "card left out", "half": "half of the calls seen"}


@dataclass(frozen=True)
class LeftOut:
    """Calls scored by numbers that did not see them, and what predicts the networks of every chip.

    chips : as they would be known had nobody measured them. skipped : what was not scored, counted by reason.
    """

    scored: list[Scored]
    numbers: Mapping[str, Calibration]
    chips: Mapping[str, Chip]
    skipped: dict[str, int]


LeaveOut = Callable[..., LeftOut]
"""(measurements, :data:`How`, chips by name, ``apart=``, ``around=``) -> :class:`LeftOut`."""
