"""How do the times of several resources make the time of one kernel?

A device model says for each kernel how long every resource would take by itself. They are kept, so
that bounds and explanations are read off rather than computed a second time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Times:
    """Seconds per resource and joined, one entry per kernel.

    resources : name -> seconds this resource alone would take.
    total : joined seconds.
    formula : how ``total`` was joined, in the words ``explain`` prints.
    """

    resources: Mapping[str, Floats]
    total: Floats
    formula: str = ""

    def __len__(self) -> int:
        return len(self.total)

    def bound(self) -> list[str]:
        """The resource that takes longest, per kernel."""
        if len(self) == 0:
            return []
        names = list(self.resources)
        stacked = np.stack([self.resources[name] for name in names])
        return [names[index] for index in stacked.argmax(axis=0)]
