"""How do the times of several resources make the time of one kernel?

A device model computes for each kernel how long each resource would take alone. These times are stored, so bounds and
explanations are not computed a second time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roofline.core.labels import Labels

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Times:
    """Seconds of each resource and of the whole kernel, one entry per kernel.

    Parameters
    ----------
    resources : name -> seconds that this resource alone would take [s], shape (N,).
    total : seconds of the kernel [s], shape (N,).
    formula : how ``total`` follows from the resources, as ``explain`` prints it.
    """

    resources: Mapping[str, Floats]
    total: Floats
    formula: str = ""

    def __len__(self) -> int:
        return len(self.total)

    def bound(self) -> Labels:
        """The resource that takes longest, for each kernel."""
        if not self.resources:
            return Labels.of([])
        stacked = np.stack(list(self.resources.values()))
        return Labels(stacked.argmax(axis=0), tuple(self.resources))
