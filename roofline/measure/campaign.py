"""What does this machine do? One campaign: many operators and a few networks, in interleaved rounds.

A round visits every question once, in a fresh random order, so that a slow minute of the machine hits a
few samples of everything and not every sample of something. Each sample is written as it is made; a
campaign that was killed goes on where it stopped.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from roofline.core.measurement import SCHEMA, Measurement
from roofline.core.stack import Stack
from roofline.errors import DeviceLost, RooflineError
from roofline.measure import networks, run_eight_bit
from roofline.measure.allocator import pin_allocator
from roofline.measure.bench import bench_of
from roofline.measure.bench_cuda import also_recorded
from roofline.measure.design import Question, design, ladder
from roofline.measure.design_cuda import grow
from roofline.measure.environment import capture
from roofline.measure.numerics import computing_in, numerics, precision_of
from roofline.measure.run import import_torch
from roofline.measure.store import Store

Progress = Callable[[int, int, str], None]

PROVENANCE = "measured here with roofline's campaign"


@dataclass(frozen=True)
class Plan:
    """How much to measure: operator shapes (0: none), rounds, networks with their sizes; ``seed`` fixes the shapes.

    growth : how many times the batch of a shape may grow (:mod:`roofline.measure.design_cuda`).
    """

    rows: int = 1800
    rounds: int = 4
    networks: Mapping[str, Mapping[str, int]] = field(default_factory=lambda: networks.MEASURED)
    seed: int = 0
    growth: int = 1

    @classmethod
    def quick(cls) -> Plan:
        """A campaign of some twenty seconds."""
        return cls(rows=500, rounds=2)


def run_campaign(
    path: str | Path,
    chip: str,
    plan: Plan | None = None,
    *,
    dtype: str = "fp32",
    device: str = "cpu",
    threads: int = 1,
    progress: Progress | None = None,
) -> Path:
    """Measure everything in ``plan`` that ``path`` does not hold yet; returns ``path``.

    Parameters
    ----------
    path : JSON Lines file, made or continued.
    chip : name the rows carry.
    device : ``cpu`` or ``cuda``.
    progress : called with (samples done, samples in all, what is being measured).

    Raises
    ------
    MissingExtra : torch is not installed. OutputError : the file cannot be written.
    DeviceLost : a GPU went away, or another one came; what was measured is in the file.
    """
    plan = plan or Plan()
    torch = import_torch()
    torch.set_num_threads(threads)
    stack = Stack(version=torch.__version__.split("+")[0], threads=threads)
    with Store(path) as store, computing_in(dtype), torch.inference_mode():
        pinned = pin_allocator() if device == "cpu" else False
        environment = store.append_environment(capture(device) | {"allocator_pinned": pinned})
        bench = bench_of(device, dtype)
        cold = list(_operator_jobs(plan, chip, dtype, stack))
        nets = () if numerics(dtype).only else _network_jobs(plan, chip, dtype, stack)
        repeated = [*cold, *(also_recorded(nets) if device == "cuda" else nets)]
        warm = [replace(row, cache="warm") for row in cold] if device == "cpu" else []
        jobs = [*repeated, *warm]
        total = len(repeated) * plan.rounds + len(warm)
        done, count = store.done, 0
        for number in range(plan.rounds):
            order = [*repeated, *(warm if number == 0 else ())]
            random.Random(f"{plan.seed}/{number}/{len(done)}").shuffle(order)
            for row in order:
                count += 1
                if (row.key, number) in done:
                    continue
                if progress:
                    progress(count, total, row.label)
                try:
                    burst = bench(row)
                except DeviceLost:
                    raise  # nothing after it could be measured either
                except (RooflineError, RuntimeError) as error:
                    # out of memory, or an operator this torch lacks: said in the file, and on it goes
                    why = (str(error).splitlines() or [type(error).__name__])[0]
                    store.append(
                        {"record": "skipped", "schema": SCHEMA, "key": row.key, "label": row.label, "why": why}
                    )
                    continue
                store.append_sample(
                    row.key,
                    number,
                    seconds=burst.typical,
                    blocks=burst.seconds,
                    flags=burst.flags,
                    **burst.facts,
                )
        for row in _summaries(jobs, store, environment):
            store.append(row.to_dict())
    return Path(path)


def _operator_jobs(plan: Plan, chip: str, dtype: str, stack: Stack) -> Iterator[Measurement]:
    questions = [*design(plan.rows, seed=plan.seed), *ladder()] if plan.rows else []
    for question in grow(questions, plan.growth, seed=plan.seed):
        yield _row(question, chip, dtype, stack)


def _row(question: Question, chip: str, dtype: str, stack: Stack) -> Measurement:
    own = precision_of(question.op, dtype)
    return Measurement(
        kind="operator",
        chip=chip,
        dtype=own,
        seconds=0.0,
        stack=stack,
        op=question.op,
        attributes={**question.attributes, "bias": False} if own in run_eight_bit.PRODUCTS else question.attributes,
        inputs=question.inputs,
        cache="cold",
        provenance=PROVENANCE,
    )


def _network_jobs(plan: Plan, chip: str, dtype: str, stack: Stack) -> Iterator[Measurement]:
    for name, symbols in plan.networks.items():
        yield Measurement(
            kind="network",
            chip=chip,
            dtype=dtype,
            seconds=0.0,
            stack=stack,
            network=name,
            symbols=symbols,
            cache="warm",
            provenance=PROVENANCE,
        )


def _summaries(jobs: Sequence[Measurement], store: Store, environment: str) -> Iterator[Measurement]:
    """One measurement per question: the best round, which is the one the machine disturbed least."""
    rounds: dict[str, list[tuple[float, Sequence[str]]]] = {}
    for (key, _), sample in store.samples().items():
        rounds.setdefault(key, []).append((float(sample["seconds"]), sample.get("flags") or ()))
    for row in jobs:
        if row.key not in rounds:
            continue
        taken = rounds[row.key]
        best = min(seconds for seconds, _ in taken)
        flags = {flag for _, flagged in taken for flag in flagged if all(flag in other for _, other in taken)}
        if best < 0.5 * statistics.median(seconds for seconds, _ in taken):
            flags.add("unsteady")
        yield replace(
            row,
            seconds=best,
            samples=tuple(seconds for seconds, _ in taken),
            flags=tuple(sorted(flags)),
            environment=environment,
        )
