"""How fast is this machine? One campaign: many operators and a few networks, in interleaved rounds.

A round measures every question once, in a new random order, so a slow minute of the machine affects a few samples of
everything and not every sample of something. Each sample is written immediately; a killed campaign continues where it
stopped. Reference kernels are timed between the questions, the environment is recorded in every round, and a tenth of
the questions is measured again at the end.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

from roofline.campaign import devices, run_eight_bit
from roofline.campaign.allocator import pin_allocator
from roofline.campaign.bench import bench_of
from roofline.campaign.bench_cuda import also_recorded
from roofline.campaign.design import design, ladder
from roofline.campaign.design_cuda import grow
from roofline.campaign.environment import machine_name
from roofline.campaign.header import header_of
from roofline.campaign.numerics import computing_in, numerics, precision_of, torch_dtype
from roofline.campaign.question import Question
from roofline.campaign.rounds import Group, Run, legs
from roofline.campaign.run import import_torch
from roofline.campaign.watch import Watch
from roofline.core.measurement import Measurement
from roofline.core.run import MODES
from roofline.core.stack import Stack
from roofline.errors import DataError
from roofline.measurements.health import flags_between, worst_first
from roofline.measurements.plan import Plan, Progress
from roofline.measurements.repeatability import record_of, repeatability
from roofline.measurements.store import Record, Store
from roofline.measurements.summary import closing_words
from roofline.units import plural

PROVENANCE = "measured here with roofline's campaign"


def run_campaign(
    path: str | Path,
    chip: str,
    plan: Plan | None = None,
    *,
    dtype: str = "fp32",
    device: str = "cpu",
    threads: int | Sequence[int] = 1,
    progress: Progress | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Path:
    """Measure everything in ``plan`` that ``path`` does not contain yet; returns ``path``.

    Parameters
    ----------
    path : JSON Lines file, created or continued.
    chip : name of the chip in the measurements.
    plan : how much to measure.
    dtype : precision.
    device : ``cpu`` or ``cuda``.
    threads : compute threads of a CPU; several numbers measure every question with each of them.
    progress : called with (samples done, all samples, current question).
    say : called with each line about the file and the state of the machine.

    Raises
    ------
    MissingExtra : torch is not installed.
    Unsupported : it cannot compute in ``dtype``.
    UsageError : the file belongs to another campaign.
    OutputError : the file cannot be written.
    DataError : nothing could be measured.
    DeviceLost : a GPU disappeared or was replaced; completed measurements are in the file.
    """
    plan = plan or Plan()
    torch = import_torch()
    torch_dtype(dtype)
    counts = (threads,) if isinstance(threads, int) else tuple(dict.fromkeys(threads))
    torch.set_num_threads(counts[0])
    stacks = [Stack(version=torch.__version__.split("+")[0], threads=count) for count in counts]
    groups = [_group(plan, chip, dtype, device, stack) for stack in stacks]
    jobs = [row for group in groups for row in group.all]
    with Store(path) as store, computing_in(dtype), torch.inference_mode():
        pinned = pin_allocator() if device == "cpu" else False
        machine = devices.cuda_device().title() if device == "cuda" else machine_name(device)
        about = {"chip": chip, "dtype": dtype, "device": device, "machine": machine}
        store.begin(header_of(plan, jobs, **about, allocator_pinned=pinned, stacks=stacks))
        for note in store.notes:
            say(note)
        bench = bench_of(device, dtype)
        watch = Watch(bench, store.append, list(store.references))
        run = Run(store, bench, watch, device, pinned, progress)
        run.total = sum(len(leg.rows) for repeat in (False, True) for leg in legs(groups, plan, 0, repeat=repeat))
        for leg in legs(groups, plan, len(store.done), repeat=False):
            run.measure(leg)
        if not store.samples():
            raise DataError(
                f"{path}: nothing could be measured; reason for the first of {plural(len(jobs), 'attempt')}: {run.why}"
            )
        between = flags_between(watch.visits)
        for row in _summaries(jobs, store, between):
            store.append(row.to_dict())
        for leg in legs(groups, plan, len(store.repeats()), repeat=True):
            run.measure(leg)
        if store.repeats():
            store.append(record_of(repeatability(store.measurements, store.repeats())))
        for line in closing_words(store.measurements, watch.visits, store.repeats()):
            say(line)
    return Path(path)


def _group(plan: Plan, chip: str, dtype: str, device: str, stack: Stack) -> Group:
    cold = list(_operator_jobs(plan, chip, dtype, stack))
    warm = [replace(row, cache="warm") for row in cold] if device == "cpu" else []
    nets = () if numerics(dtype).only else _network_jobs(plan, chip, dtype, stack)
    return Group((*cold, *(also_recorded(nets) if device == "cuda" else nets)), tuple(warm))


def _operator_jobs(plan: Plan, chip: str, dtype: str, stack: Stack) -> Iterator[Measurement]:
    questions = [*design(plan.rows, seed=plan.seed, training=plan.training), *ladder()] if plan.rows else []
    for question in grow(questions, plan.growth, seed=plan.seed):
        yield _row(question, chip, dtype, stack)


def _row(question: Question, chip: str, dtype: str, stack: Stack) -> Measurement:
    own = precision_of(question.op, dtype, question.part)
    return Measurement(
        kind="operator",
        chip=chip,
        dtype=own,
        seconds=0.0,
        stack=stack,
        op=question.op,
        attributes={**question.attributes, "bias": False} if own in run_eight_bit.PRODUCTS else question.attributes,
        inputs=question.inputs,
        part=question.part,
        cache="cold",
        provenance=PROVENANCE,
    )


def _network_jobs(plan: Plan, chip: str, dtype: str, stack: Stack) -> Iterator[Measurement]:
    for (name, symbols), mode in product(plan.networks.items(), MODES if plan.training else MODES[:1]):
        yield Measurement(
            kind="network",
            chip=chip,
            dtype=dtype,
            seconds=0.0,
            stack=stack,
            network=name,
            symbols=symbols,
            mode=mode,
            cache="warm",
            provenance=PROVENANCE,
        )


def _summaries(jobs: Sequence[Measurement], store: Store, between: Sequence[Sequence[str]]) -> Iterator[Measurement]:
    """One measurement per question: the best round, which is the least disturbed one.

    A measurement has the flags of the sample with its seconds, its own and those of that moment (``between`` two visits
    to the reference kernels). NaN is flagged if any sample has it.
    """
    rounds: dict[str, list[Record]] = {}
    for (key, _), sample in sorted(store.samples().items(), key=lambda item: item[0][1]):
        rounds.setdefault(key, []).append(sample)
    for row in jobs:
        if row.key not in rounds:
            continue
        taken = rounds[row.key]
        best = min(taken, key=lambda sample: float(sample["seconds"]))
        seconds = tuple(float(sample["seconds"]) for sample in taken)
        flags = {flag for sample in taken for flag in sample["flags"] if flag == "nan"}
        flags |= {*best["flags"], *between[best["visit"]]}
        if min(seconds) < 0.5 * statistics.median(seconds):
            flags.add("unsteady")
        yield replace(
            row,
            seconds=min(seconds),
            samples=seconds,
            flags=worst_first(flags),
            environment=str(best["environment"]),
        )
