"""How many kernels can be predicted per second, from a thousand to a million at once?

The shapes are the operators of a campaign, repeated. The table counts the time of the models; the first line is the
lowering of the shapes.

    python benchmarks/throughput.py [kernels...]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from synthetic import CEILINGS, calibration, chip, fittable, lower, parameters

from roofline import specs
from roofline.core.chip import TileList
from roofline.core.schedule import Schedule
from roofline.devices import ceiling
from roofline.devices.cpu import model as cpu
from roofline.devices.gpu import model as gpus
from roofline.devices.gpu.parameters import Parameters
from roofline.devices.timing import time_schedule

ROUNDS = 3


def fastest(function: Callable[[], Any]) -> float:
    took = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        function()
        took.append(time.perf_counter() - start)
    return min(took)


def main() -> None:
    counts = [int(float(text)) for text in sys.argv[1:]] or [1_000, 100_000, 1_000_000]
    asked = fittable(500)
    start = time.perf_counter()
    shapes = lower(asked)
    print(f"lowering: {len(shapes) / (time.perf_counter() - start):,.0f} operators/s")
    gpu, part, fitted, known = specs.load_chip("rtx-2070"), chip(), calibration(), parameters()
    one_tile = replace(gpu, tiles={kind: TileList(((128, 128),), "benchmark") for kind in gpu.tiles})
    gemms = [index for index, name in enumerate(shapes.family_names()) if name in ("linear", "bmm")]
    models: dict[str, Callable[[Schedule], Any]] = {
        "plain roofline, rtx-2070": lambda schedule: ceiling.ceiling_times(schedule, gpu),
        "speed-of-light bound, rtx-2070": lambda schedule: ceiling.light(schedule, gpu),
        "model of CPU cores": lambda schedule: cpu.cpu_times(schedule, known, CEILINGS),
        "model of GPUs, rtx-2070": lambda schedule: gpus.gpu_times(schedule, gpu, Parameters()),
        "its GEMMs, tiles searched": lambda schedule: gpus.gpu_times(among(gemms, schedule), gpu, Parameters()),
        "its GEMMs, one tile": lambda schedule: gpus.gpu_times(among(gemms, schedule), one_tile, Parameters()),
        "all of it with intervals, rtx-2070": lambda schedule: time_schedule(schedule, gpu),
        "all of it with intervals, CPU": lambda schedule: time_schedule(schedule, part, calibration=fitted),
    }

    def among(rows: list[int], schedule: Schedule) -> Schedule:
        """As many kernels, of these rows alone."""
        return shapes.select(np.resize(rows, len(schedule)))

    print(f"{'kernels/s':36}" + "".join(f"{count:>14,}" for count in counts))
    for name, model in models.items():
        cells = []
        for count in counts:
            schedule = shapes.select(np.arange(count) % len(shapes))
            took = fastest(partial(model, schedule))
            cells.append(f"{count / took:>14,.0f}")
        print(f"{name:36}" + "".join(cells), flush=True)


if __name__ == "__main__":
    main()
