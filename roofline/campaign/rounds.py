"""In which order are the questions of a campaign measured, and what is written of each visit?

A leg is one round of one number of threads: questions in random order, in one environment, with visits to the reference
kernels between them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from roofline.campaign.environment import attempt, capture
from roofline.campaign.run import import_torch
from roofline.campaign.timer_cpu import Burst
from roofline.campaign.watch import Watch
from roofline.core.measurement import SCHEMA, Measurement
from roofline.errors import DeviceLost, RooflineError
from roofline.measurements.plan import Plan, Progress
from roofline.measurements.repeatability import chosen
from roofline.measurements.store import Store


@dataclass(frozen=True)
class Group:
    """The questions of one number of threads: those measured in every round, and those in every second one."""

    often: tuple[Measurement, ...]
    seldom: tuple[Measurement, ...]

    @property
    def all(self) -> tuple[Measurement, ...]:
        return (*self.often, *self.seldom)


@dataclass(frozen=True)
class Leg:
    """One round of one number of threads: questions in random order, all measured in one environment."""

    rows: tuple[Measurement, ...]
    round: int
    threads: int
    repeat: bool


def legs(groups: Sequence[Group], plan: Plan, fresh: int, *, repeat: bool) -> Iterator[Leg]:
    """The rounds of a campaign, or of its repeated part at the end; ``fresh`` gives another order."""
    for number in range(plan.rounds):
        rng = random.Random(f"{plan.seed}/{number}/{fresh}" + ("/again" if repeat else ""))
        for group in rng.sample(groups, len(groups)):
            rows = [*group.often, *(group.seldom if number % 2 == 0 else ())]
            if repeat:
                again = {row.key for row in chosen(group.all, plan.seed)}
                rows = [row for row in rows if row.key in again]
            rng.shuffle(rows)
            if rows:
                yield Leg(tuple(rows), number, rows[0].stack.threads, repeat)


@dataclass
class Run:
    """One run of a campaign: its file, its timer and its results so far."""

    store: Store
    bench: Callable[[Measurement], Burst]
    watch: Watch
    device: str
    pinned: bool
    progress: Progress | None
    total: int = 0
    count: int = 0
    why: str = ""
    seen: set[str] = field(default_factory=set)
    skipped: set[str] = field(default_factory=set)

    def measure(self, leg: Leg) -> None:
        """Take the samples of one leg that the file does not have yet."""
        done = self.store.repeats().keys() if leg.repeat else self.store.done
        left = {row.key for row in leg.rows if (row.key, leg.round) not in done} - self.skipped
        if not left:
            self.count += len(leg.rows)
            return
        import_torch().set_num_threads(leg.threads)
        facts = capture(self.device) | {"allocator_pinned": self.pinned}
        environment = self.store.append_environment(facts)
        self.watch.look(leg.round, leg.threads, now=True)
        for row in leg.rows:
            self.count += 1
            if row.key not in left:
                continue
            visit = self.watch.look(leg.round, leg.threads)
            if self.progress:
                state = f"{self.watch.state}: " if self.watch.state else ""
                self.progress(self.count, self.total, state + row.label)
            try:
                burst = self.bench(row)
            except DeviceLost:
                raise  # the device is lost: nothing else can be measured
            except (RooflineError, RuntimeError) as error:
                # out of memory, or an operator this torch lacks: recorded in the file, then the next one
                self._skip(row, error)
                continue
            odd = ("nan",) if row.key not in self.seen and has_nan(burst.output) else ()
            self.seen.add(row.key)
            self.store.append_sample(
                row.key,
                leg.round,
                seconds=burst.typical,
                blocks=burst.seconds,
                flags=(*burst.flags, *odd),
                repeat=leg.repeat,
                environment=environment,
                visit=visit,
                **burst.facts,
            )
            del burst  # its output would occupy memory during the next measurement
        self.watch.look(leg.round, leg.threads, now=True)

    def _skip(self, row: Measurement, error: Exception) -> None:
        why = (str(error).splitlines() or [type(error).__name__])[0]
        self.why = self.why or f"{row.label}: {why}"
        self.skipped.add(row.key)
        self.store.append({"record": "skipped", "schema": SCHEMA, "key": row.key, "label": row.label, "why": why})


def has_nan(output: Any) -> bool:
    """Whether the result of a call, a tensor or several, contains NaN; False where torch cannot tell."""
    if isinstance(output, list | tuple):
        return any(has_nan(part) for part in output)
    if not getattr(output, "is_floating_point", lambda: False)() or not output.numel():
        return False
    # the minimum is NaN if one number is; no copy is made
    return bool(attempt(lambda: output.detach().amin().isnan()))
