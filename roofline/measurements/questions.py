"""Which questions does a set of measurements answer?"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from roofline.core.measurement import Measurement


def questions_of(measurements: Sequence[Measurement]) -> str:
    """A digest of the measured questions, not of the times: equal for two campaigns over the same shapes."""
    keys = sorted({m.key for m in measurements if m.kind == "operator" and m.cache != "warm"})
    return hashlib.sha256("".join(keys).encode()).hexdigest()[:16]
