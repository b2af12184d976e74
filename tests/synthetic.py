"""A CPU that exists only here: its parameters are known, so a fit of its measurements can be checked.

The parameters are the starting points of the fit, moved by a factor of their own. Measurements are
what the model gives for shapes of the campaign's design, times a log-normal noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from small import shallow

from roofline import lowering, operators, specs
from roofline.campaign.design import design, ladder
from roofline.campaign.question import Question
from roofline.core.calibration import Calibration, FamilyFit, Spread
from roofline.core.chip import Chip, Clock, Engine, Fact, MemoryLevel
from roofline.core.dtype import precision
from roofline.core.measurement import Measurement
from roofline.core.schedule import Schedule
from roofline.core.stack import Stack
from roofline.devices.cpu.model import Ceilings, cpu_times, difficulty
from roofline.devices.cpu.plans import PLANS, plan_labels
from roofline.errors import Unsupported
from roofline.measurements.kernels import kernel_of

CEILINGS = Ceilings(cache=8e10, dram=2e10, knee=1.6e7)
NOISE = 0.05


@dataclass(frozen=True)
class Synthetic:
    """The chip, the truth about it, and ``rows`` measured on it (``truth``: without the noise)."""

    chip: Chip
    calibration: Calibration
    rows: tuple[Measurement, ...]
    truth: NDArray[np.float64]


def fact(value: float) -> Fact:
    return Fact(value, "made up", "unverified")


def chip(cores: int = 4, clock_hz: float = 4e9, dram: float = 6e10) -> Chip:
    """64 multiply-adds per clock and core: more than any plan here reaches."""
    return Chip(
        name="cpu-synthetic",
        title="a CPU that does not exist",
        kind="cpu",
        vendor="nobody",
        architecture="synthetic",
        engines=(
            Engine(
                "cores",
                "vector",
                fact(cores),
                Clock(fact(clock_hz), top=fact(1.05 * clock_hz)),
                {precision("fp32"): fact(64.0), precision("fp64"): fact(32.0)},
            ),
        ),
        memory=(
            MemoryLevel("L2", capacity=fact(cores * 2.0**20), private=True),
            MemoryLevel("L3", capacity=fact(2.0**25), bandwidth=fact(2e11)),
            MemoryLevel("DRAM", capacity=fact(64e9), bandwidth=fact(dram)),
        ),
    )


def parameters() -> dict[str, dict[str, float]]:
    """The truth: by plan, every parameter of it, those of single operators by ``name:operator``."""
    return {
        plan: {
            f"{name}{op}": float(np.clip(start * moved(f"{plan}/{name}{op}"), low, high))
            for name, (start, low, high) in what.free.items()
            for op in (operators_of_plans()[plan] if name.endswith(":") else ("",))
        }
        for plan, what in PLANS.items()
    }


def moved(name: str) -> float:
    """A factor from 0.8 to 1.25 that belongs to a name."""
    return float(0.8 * (1.25 / 0.8) ** (crc32(name.encode()) / 2**32))


@cache
def operators_of_plans() -> dict[str, list[str]]:
    """The operators that take each plan, as far as campaign and nets go; all of them where none does."""
    found: dict[str, set[str]] = {plan: set() for plan in PLANS}
    nets = [lowering.lower(lowering.build(shallow(specs.load_network(net)))) for net in specs.list_networks()]
    for schedule in (lower([*fittable(300), *ladder()]), *nets):
        for plan, op in zip(plan_labels(schedule), schedule.op_labels(), strict=True):
            if plan:  # hashes are no business of a fit
                found[plan].add(op)
    return {plan: sorted(names or operators.OPERATORS) for plan, names in found.items()}


def calibration() -> Calibration:
    """The truth as a calibration: 8 % below to 10 % above, whatever a kernel looks like."""
    features = difficulty(lower([Question("", "relu", {}, ((1,),))]), np.ones(1)).shape[1]
    spread = Spread((0.0,) * features, (1.0, 1.0), -0.08, 0.1)
    return Calibration(
        chip="cpu-synthetic",
        architecture="synthetic",
        model="cpu",
        dtype="fp32",
        stack=Stack().to_dict(),
        families={
            plan: FamilyFit(values, {}, {}, 100, {}, 0.03, spread=spread) for plan, values in parameters().items()
        },
        ceilings={"cache": CEILINGS.cache, "dram": CEILINGS.dram, "knee": CEILINGS.knee},
        file="synthetic.yaml",
    )


def lower(questions: Sequence[Question]) -> Schedule:
    """The kernels of single operators, one each, as a fit sees them."""
    kernels = [replace(kernel_of(row(one, 1.0)), layer=place) for place, one in enumerate(questions)]
    return Schedule.of(kernels)


def fittable(rows: int, seed: int = 0) -> list[Question]:
    """The questions of a design that a fit can use: those of one kernel."""
    found = []
    for question in design(rows, seed=seed):
        with suppress(Unsupported):
            kernel_of(row(question, 1.0))
            found.append(question)
    return found


def seconds(schedule: Schedule) -> NDArray[np.float64]:
    """What every kernel really takes."""
    return cpu_times(schedule, parameters(), CEILINGS).total


def row(question: Question, measured: float, chip_name: str = "cpu-synthetic") -> Measurement:
    return Measurement(
        kind="operator",
        chip=chip_name,
        dtype="fp32",
        seconds=measured,
        op=question.op,
        attributes=question.attributes,
        inputs=question.inputs,
        part=question.part,
        cache="cold",
        samples=(measured,),
    )


def synthetic(rows: int = 700, seed: int = 1) -> Synthetic:
    """A campaign of about ``rows`` shapes and the bandwidth ladder."""
    questions = [*fittable(rows, seed), *ladder()]
    schedule = lower(questions)
    truth = seconds(schedule) * schedule.repeats
    noisy = truth * np.exp(np.random.default_rng(seed).normal(0.0, NOISE, len(truth)))
    measured = tuple(row(question, float(took)) for question, took in zip(questions, noisy, strict=True))
    return Synthetic(chip(), calibration(), measured, truth)
