"""Which operators are worth measuring, and in which order? Shapes that cover those of networks, family by family.

Each family is a cube: its sizes (in logarithms) and its choices. The first questions of a family are corners of that
cube, the others points of a Sobol' sequence, of which every prefix covers the cube evenly. Invalid questions, and those
of more than about 40 ms on a slow core, are left out. Families alternate by their shares, so a campaign that stops
early covers half of everything. No layer of a built-in network is included on purpose: networks are the test of a
calibration.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from itertools import chain, islice

import numpy as np

from roofline.campaign import design_forward as forward
from roofline.campaign import design_training as training
from roofline.campaign.question import Point, Question

Family = Callable[[Point], Question | None]

FORWARD: dict[str, tuple[float, Family]] = {
    "conv": (0.12, forward.conv),
    "conv1x1": (0.08, forward.conv1x1),
    "depthwise": (0.06, forward.depthwise),
    "unusual conv": (0.03, forward.unusual),
    "linear": (0.08, forward.linear),
    "bmm": (0.05, forward.bmm),
    "attention": (0.035, forward.attention),
    "decode": (0.02, forward.decode),
    "elementwise": (0.07, forward.elementwise),
    "norm": (0.05, forward.norm),
    "softmax": (0.02, forward.softmax),
    "pool": (0.02, forward.pool),
    "reduction": (0.02, forward.reduction),
    "embedding": (0.01, forward.embedding),
    "copy": (0.03, forward.copy),
    "recurrent": (0.02, forward.recurrent),
}
BACKWARD: dict[str, tuple[float, Family]] = {
    "conv gradient": (0.06, training.gradient(forward.conv, "data", "weights")),
    "conv1x1 gradient": (0.04, training.gradient(forward.conv1x1, "data", "weights")),
    "depthwise gradient": (0.035, training.gradient(forward.depthwise, "data", "weights")),
    "linear gradient": (0.04, training.gradient(forward.linear, "data", "weights")),
    "bmm gradient": (0.01, training.gradient(forward.bmm, "data")),
    "attention gradient": (0.02, training.gradient(forward.attention, "backward")),
    "elementwise gradient": (0.05, training.stream),
    "norm gradient": (0.03, training.norm(forward.norm)),
    "softmax gradient": (0.01, training.gradient(forward.softmax, "data")),
    "pool gradient": (0.01, training.gradient(forward.pool, "data")),
    "embedding gradient": (0.01, training.gradient(forward.embedding, "backward")),
    "recurrent gradient": (0.015, training.gradient(forward.recurrent, "training", "backward")),
    "loss": (0.005, training.loss),
    "optimizer": (0.025, training.optimizer),
}
"""Share of each family among all questions: more where a family has more kernel paths."""

FEWEST = 6
"""Least number of questions of a family."""
CORNERS = 2
"""Questions of each family at the ends of all ranges."""
_COORDINATES = 24
_TRIES = 64


def design(rows: int, *, seed: int = 0, training: bool = True) -> list[Question]:
    """``rows`` questions or somewhat fewer, the most informative first; equal seeds give equal designs.

    Parameters
    ----------
    training : also about gradients and optimizers.
    """
    placed: list[tuple[float, int, Question]] = []
    families = {**FORWARD, **(BACKWARD if training else {})}
    whole = sum(share for share, _ in families.values())
    for number, (share, draw) in enumerate(families.values()):
        wanted = max(FEWEST, math.ceil(rows * share / whole))
        points = chain(_corners(seed, number), _filling(seed, number, wanted))
        found = islice(_questions(draw, points), wanted)
        placed += [((index + 0.5) / wanted, number, question) for index, question in enumerate(found)]
    return [question for _, _, question in sorted(placed, key=lambda one: one[:2])][:rows]


def identity(question: Question) -> str:
    """Text that is equal for equal questions."""
    return repr((question.op, sorted(question.attributes.items()), question.inputs, question.part))


def _questions(draw: Family, points: Iterator[Point]) -> Iterator[Question]:
    seen: set[str] = set()
    for point in points:
        question = draw(point)
        if question is not None and (text := identity(question)) not in seen:
            seen.add(text)
            yield question


def _corners(seed: int, family: int) -> Iterator[Point]:
    """Some points at the ends of all coordinates; most of the other corners of a cube are no valid questions."""
    ends = np.random.default_rng([seed, family]).choice([0.01, 0.99], (CORNERS, _COORDINATES))
    return map(Point, ends.tolist())


def _filling(seed: int, family: int, wanted: int) -> Iterator[Point]:
    from scipy.stats import qmc

    sequence = qmc.Sobol(_COORDINATES, seed=np.random.default_rng([seed, family, 1]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # powers of two are balanced; the first of them is enough
        for _ in range(_TRIES):
            yield from map(Point, sequence.random(wanted).tolist())


def ladder() -> list[Question]:
    """Streams from 64 KiB to 128 MiB: how bandwidth falls from the caches to DRAM.

    A copying ReLU, the same in place (the highest bandwidth of one core), an addition and a sum.
    """
    steps = [round(2.0 ** (exponent / 2)) * 64 for exponent in range(16, 39)]
    return [
        question
        for size in steps
        for question in (
            Question("elementwise", "relu", {}, ((size,),)),
            Question("elementwise", "relu", {"inplace": True}, ((size,),)),
            Question("elementwise", "add", {}, ((size,), (size,))),
            Question("reduction", "sum", {}, ((size,),)),
        )
        if size * (3 if question.op == "add" else 2) <= 2**26
    ]
