"""How long does work that only moves bytes take on a GPU: streams, and walks along rows?

See :mod:`roofline.devices.gpu` for the equations.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from roofline.core.chip import Chip
from roofline.core.schedule import Schedule
from roofline.devices.gpu_parameters import Parameters

Floats = NDArray[np.float64]

STREAMS = ("elementwise", "copy")
ROWS = ("softmax", "norm", "reduction", "pool", "embedding", "depthwise")
"""What walks over its operands; depthwise convolutions too, which have too few products to fill tiles."""


def streams(schedule: Schedule, chip: Chip, parameters: Parameters, launch: Floats) -> tuple[Floats, Floats]:
    """Seconds of every stream with its launch, and of moving its bytes."""
    moving = schedule.bytes / (parameters.stream * (chip.dram.total_bandwidth or np.inf))
    q = parameters.joint
    return (moving**q + launch**q) ** (1 / q), moving


def rows(schedule: Schedule, chip: Chip, parameters: Parameters, launch: Floats) -> tuple[Floats, Floats]:
    """Seconds of every walk along rows with its launch, and of moving its bytes."""
    again = np.where(schedule.in_family("norm") & (schedule.passes > 1), parameters.again * schedule.reads, 0.0)
    moving = (schedule.bytes + again) / (parameters.row * (chip.dram.total_bandwidth or np.inf))
    return moving + launch, moving
