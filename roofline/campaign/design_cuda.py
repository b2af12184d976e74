"""How large are the questions for a GPU? Those for a CPU, with a larger batch on a faster chip."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from roofline.campaign.question import MAX_FLOPS, Question
from roofline.core.chip import Chip
from roofline.core.dtype import precision

LONGEST_S = 5e-3
"""Seconds of the largest matrix multiplication at the fp32 peak."""


def growth_of(chip: Chip) -> int:
    """Largest factor on the batch of a question on a chip: a power of two, so small changes of a chip file give the
    same questions.
    """
    wanted = precision("fp32")
    peak = max((engine.peak(wanted) for engine in chip.engines if wanted in engine.rates), default=0.0)
    return int(2 ** max(0.0, math.floor(math.log2(max(peak, 1.0) * LONGEST_S / MAX_FLOPS))))


def grow(questions: Iterable[Question], most: int, *, seed: int = 0) -> list[Question]:
    """Every question with its first dimension times a number from 1 to ``most``, evenly distributed in its logarithm.

    All inputs that share the batch grow with it; weights do not, so work and traffic grow by at most that factor.
    """
    rng = np.random.default_rng([seed, most])
    grown = []
    for question in questions:
        times = round(float(most ** rng.uniform()))
        batch, rank = (question.inputs[0] or (1,))[0], len(question.inputs[0])
        inputs = tuple(
            (times * shape[0], *shape[1:]) if len(shape) == rank and shape[:1] == (batch,) else shape
            for shape in question.inputs
        )
        grown.append(replace(question, inputs=inputs))
    return grown
