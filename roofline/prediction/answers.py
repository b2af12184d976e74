"""How are many questions answered at once? Programs that run on one chip in one way are timed in one call."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.memo import Memo, Same
from roofline.core.parts import Parts, join
from roofline.core.prediction import Prediction
from roofline.core.schedule import Schedule
from roofline.core.stack import Stack
from roofline.devices import ceiling
from roofline.devices.timed import Timing
from roofline.devices.timing import time_parts
from roofline.errors import RooflineError
from roofline.lowering.program import Program
from roofline.prediction.combine import combine
from roofline.prediction.select import datasheet_spread
from roofline.prediction.setting import Setting
from roofline.prediction.warnings import slower_together

FEW = 100
"""Answers to more questions are not kept: a sweep does not ask twice."""

MOST_KERNELS = 20_000
"""Kernels that are timed in one call: enough to hide its fixed cost, few enough for the caches of a CPU."""

Answer = Prediction | RooflineError
T = TypeVar("T")


@dataclass(frozen=True)
class Question:
    """A program in a setting: how long does it take?"""

    setting: Setting
    program: Program


def itself(answer: Answer) -> Answer:
    """The answer as it is."""
    return answer


def answers(questions: Sequence[Question], read: Callable[[Answer], T]) -> list[T]:
    """What ``read`` makes of the answer to every question, in order.

    An answer is a prediction, or the error that says why there is none. It is read as soon as it is there and not kept
    for its own sake, so that thousands need little memory.
    """
    found: dict[int, T] = {}
    groups = defaultdict[Hashable, list[int]](list)
    for index, question in enumerate(questions):
        if known := _kept.get(_key(question)):
            found[index] = read(_beside_one_chip(question, known))
        else:
            groups[id(question.setting), _way(question)].append(index)
    for members in groups.values():
        for some in _several(members, questions):
            made = _together(questions[some[0]].setting, [questions[index].program for index in some])
            for index, answer in zip(some, made, strict=True):
                if isinstance(answer, Prediction) and len(questions) <= FEW:
                    _kept.put(_key(questions[index]), answer, 1 + len(answer.layers))
                found[index] = read(_beside_one_chip(questions[index], answer))
    return [found[index] for index in range(len(questions))]


def _key(question: Question) -> Hashable:
    """What an answer depends on; None, which is never kept, where there is no calibration to be found."""
    setting = question.setting
    try:
        fitted = setting.calibration
    except RooflineError:
        return None
    return Same(setting.part), Same(question.program), setting.stack, Same(fitted), setting.precision


_kept: Memo[Prediction] = Memo(30_000)
"""Answers to earlier questions; weights are layers."""


def _way(question: Question) -> Hashable:
    """What the programs of one call have in common, beside their setting."""
    program, part = question.program, question.setting.part
    bandwidth = ceiling.dram_bandwidth(part, program.memory.total)
    return program.run.training, program.run.host_dispatch, program.schedule.precision_names, bandwidth


def _several(members: list[int], questions: Sequence[Question]) -> Iterator[list[int]]:
    """The members in order, as many at a time as one call times."""
    some: list[int] = []
    kernels = 0
    for index in members:
        size = len(questions[index].program.schedule)
        if some and kernels + size > MOST_KERNELS:
            yield some
            some, kernels = [], 0
        some.append(index)
        kernels += size
    if some:
        yield some


def _together(setting: Setting, programs: list[Program]) -> Iterator[Answer]:
    """The predictions of programs of one kind; each has its own error where not all of them can be predicted."""
    try:
        fitted = setting.calibration
        setting.part.resolve(setting.precision)
        timing, starts = time_programs(programs, setting.part, setting.stack, fitted)
    except RooflineError as error:
        if len(programs) == 1:
            yield error
            return
        middle = len(programs) // 2
        yield from _together(setting, programs[:middle])
        yield from _together(setting, programs[middle:])
        return
    for program, start in zip(programs, starts, strict=True):
        yield combine(setting, program, timing.part(program.schedule, start))


def time_programs(
    programs: Sequence[Program], chip: Chip, stack: Stack, calibration: Calibration | None
) -> tuple[Timing, list[int]]:
    """Every kernel of programs that differ in network and sizes, by :func:`roofline.devices.timing.time_parts` [s].

    Returns
    -------
    timing : of the kernels of all programs.
    starts : the first kernel of each program.
    """
    schedule, parts = _joined.once(tuple(map(Same, programs)), lambda: _join(programs))
    timing = time_parts(
        schedule,
        parts,
        chip,
        stack=stack,
        calibration=calibration,
        spread=datasheet_spread(chip),
        network=True,
        host_dispatch=programs[0].run.host_dispatch,
    )
    return timing, parts.starts[:-1].tolist()


def _join(programs: Sequence[Program]) -> tuple[Schedule, Parts]:
    schedule, starts, tensors = join([program.schedule for program in programs])
    pieces = [1 if program.run.training else program.workload.samples for program in programs]
    footprint = [program.memory.total for program in programs]
    return schedule, Parts(starts, np.array(pieces), np.array(footprint), tensors)


_joined: Memo[tuple[Schedule, Parts]] = Memo(8)
"""The schedules of the last groups of programs, which a sweep times on one chip after the other."""


def _beside_one_chip(question: Question, answer: Answer) -> Answer:
    """The answer, with a warning where several chips take longer together than one."""
    setting = question.setting
    if isinstance(answer, RooflineError) or setting.stack.serving != "sharded" or setting.stack.chips == 1:
        return answer
    (alone,) = answers([Question(setting.alone, question.program)], itself)
    if isinstance(alone, RooflineError):
        return alone
    return replace(answer, warnings=(*answer.warnings, *slower_together(answer, alone)))
