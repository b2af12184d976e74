"""How many kernels, predictions and points of a sweep can be made per second, beside the floor of NumPy?

Everything runs in turn, round after round, and the median of the rounds counts: on a shared machine only what is
measured side by side can be compared. All kernels differ, so nothing is timed once for many. Seconds are CPU time.

    python benchmarks/throughput.py [kernels...]     [default: 100 10000 1000000]
    python benchmarks/throughput.py --quick          few kernels, one round
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from synthetic import CEILINGS, calibration, chip, fittable, lower, parameters

import roofline
from roofline import specs
from roofline.core.dtype import precision
from roofline.core.schedule import Schedule
from roofline.devices import ceiling
from roofline.devices.cpu import model as cpu
from roofline.devices.gpu import model as gpus
from roofline.devices.gpu.parameters import Parameters
from roofline.devices.timing import time_schedule
from roofline.prediction.select import resolve_calibration

ROUNDS = 5
GPUS = ("gtx-980", "rtx-2070", "rtx-3090", "a100-sxm-80gb", "h100-sxm")
FLOOR = "NumPy: x * y + z"


def medians(tasks: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Seconds of every task, all of them run in turn once a round; the first round is not counted if there are more."""
    took: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(rounds + (rounds > 1)):
        for name, task in tasks.items():
            start = time.process_time()
            task()
            took[name].append(time.process_time() - start)
    return {name: median(seconds[-rounds:]) for name, seconds in took.items()}


def different(shapes: Schedule, number: int) -> Schedule:
    """As many kernels, of which no two are alike: the operators of a campaign with more and more rows."""
    rows = np.arange(number)
    some = shapes.select(rows % len(shapes))
    return replace(some, m=some.m + rows // len(shapes))


def kernels(numbers: list[int], rounds: int) -> None:
    """Kernels per second of every model, for each number of kernels."""
    gpu, part, fitted, known = specs.load_chip("rtx-2070"), chip(), calibration(), parameters()
    shared = resolve_calibration(gpu, precision("fp32"), None)
    shapes = lower(fittable(500))
    models: dict[str, Callable[[Schedule], Any]] = {
        FLOOR: lambda schedule: schedule.flops * schedule.reads + schedule.writes,
        "plain roofline, rtx-2070": lambda schedule: ceiling.ceiling_times(schedule, gpu),
        "speed-of-light bound, rtx-2070": lambda schedule: ceiling.light(schedule, gpu),
        "model of CPU cores": lambda schedule: cpu.cpu_times(schedule, known, CEILINGS),
        "model of GPUs, rtx-2070": lambda schedule: gpus.gpu_times(schedule, gpu, Parameters()),
        "all of it with intervals, rtx-2070": lambda schedule: time_schedule(schedule, gpu, calibration=shared),
        "all of it with intervals, CPU": lambda schedule: time_schedule(schedule, part, calibration=fitted),
    }
    found = []
    for number in numbers:
        schedule = different(shapes, number)
        found.append(medians({name: partial(model, schedule) for name, model in models.items()}, rounds))
    print(f"{'kernels/s':36}" + "".join(f"{number:>14,}" for number in numbers))
    for name in models:
        cells = (number / max(took[name], 1e-9) for number, took in zip(numbers, found, strict=True))
        print(f"{name:36}" + "".join(f"{cell:>14,.0f}" for cell in cells))


def calls(rounds: int) -> None:
    """Milliseconds of one warm prediction, lowering included; seconds of a sweep of GPUs, networks and batches."""
    batches = count(5)
    card = specs.load_chip("rtx-2070")
    small, large = specs.load_network("resnet50"), specs.load_network("llama-3-8b")
    how = {"dtype": "fp16"}
    million = np.ones(1_000_000)
    tasks: dict[str, Callable[[], Any]] = {
        "NumPy: a million x * y + z": lambda: million * million + million,
        "resnet50, the same question": lambda: roofline.predict(card, small, batch=4),
        "resnet50, new batch": lambda: roofline.predict(card, small, batch=next(batches)),
        "resnet50, new chip": lambda: roofline.predict(replace(card), small, batch=4),
        "llama-3-8b, new batch": lambda: roofline.predict(card, large, batch=next(batches), **how),
    }
    roofline.predict(card, small, batch=4)
    print(f"\n{'milliseconds of CPU time':36}")
    for name, seconds in medians(tasks, rounds * 3).items():
        print(f"{name:36}{1e3 * seconds:>14.2f}")
    chips = list(GPUS) * (1 if rounds == 1 else 20)
    networks = [small] if rounds == 1 else list(roofline.networks())[:20]
    points = roofline.sweep(chips, networks, batch=[1, 2, 4, 8, 16, 32, 64, 128, 192, 256])
    start = time.process_time()
    refused = sum(bool(row.refusal) for row in points)
    took = time.process_time() - start
    print(f"\nsweep: {len(points):,} points, {refused:,} of them refused, in {took:.1f} s of CPU time")


def main() -> None:
    words = [word for word in sys.argv[1:] if word != "--quick"]
    quick = "--quick" in sys.argv
    numbers = [int(float(word)) for word in words] or ([100, 1_000] if quick else [100, 10_000, 1_000_000])
    rounds = 1 if quick else ROUNDS
    kernels(numbers, rounds)
    calls(rounds)


if __name__ == "__main__":
    main()
