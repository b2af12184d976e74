"""How far off are recurrent layers on a GPU? DeepBench's cuDNN rows on a Titan X of Maxwell.

    ROOFLINE_DATA=<folder of the sets> python studies/recurrences.py

One layer in one direction, called from C++ (code/nvidia/rnn_bench.cu): the input is as wide as the state and is added
as it is (CUDNN_SKIP_INPUT), so there is no product of the inputs, and one product for the gradient of the weights.
Prints mean error and median bias of forward, gradient of the data and of the weights for every cell, and what
:data:`roofline.devices.gpu.host.STEP_S` would be on either half of the rows, with the errors of the other half.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from gpu_data import APART

from roofline.core.calibration import Calibration
from roofline.core.dtype import precision
from roofline.core.schedule import Schedule
from roofline.core.stack import Stack
from roofline.devices.gpu import host
from roofline.devices.timing import time_schedule
from roofline.lowering import lower, single
from roofline.lowering.nodes import case_of
from roofline.operators import operator_named
from roofline.prediction.select import resolve_calibration
from roofline.specs import load_calibration, load_chip
from roofline.specs.lookup import package_folder

CHIP = load_chip("titan-x-maxwell")
CELLS = {"Vanilla": "rnn", "LSTM": "lstm", "GRU": "gru"}
PASSES = ("fwd", "bwd_in", "bwd_w")
STEPS = [1e-6 * us for us in range(0, 61, 2)]


@dataclass(frozen=True)
class Row:
    """One pass of one layer: what runs, how long it took [s], and the hash of its shape."""

    cell: str
    which: str
    schedule: Schedule
    seconds: float
    digest: str


def rows(data: Path) -> Iterator[Row]:
    with gzip.open(data / "deepbench/rnn.csv.gz", "rt") as lines:
        for row in csv.DictReader(lines):
            op, hidden, batch, steps = CELLS[row["cell"]], int(row["hidden"]), int(row["N"]), int(row["T"])
            digest = hashlib.sha256(f"{op} {hidden} {batch} {steps}".encode()).hexdigest()
            for which, schedule in zip(PASSES, passes(op, hidden, batch, steps), strict=True):
                yield Row(row["cell"], which, schedule, float(row[f"{which}_ms"]) / 1e3, digest)


def passes(op: str, hidden: int, batch: int, steps: int) -> tuple[Schedule, ...]:
    """The kernels of forward, gradient of the data and of the weights, without those of the inputs."""
    work = replace(single(op, {"hidden": hidden, "skip_input": True}, [(batch, steps, hidden)]), training=True)
    backward = operator_named(op).backward
    assert backward is not None
    gates, data, weights, *_ = backward(case_of(work.nodes[0], work, Stack()), (True,))
    return lower(work), Schedule.of([gates, data]), Schedule.of([weights])


def ratio(row: Row, calibration: Calibration | None, step: float = host.STEP_S) -> float:
    """Predicted over measured."""
    total = float(time_schedule(row.schedule, CHIP, calibration=calibration).total.sum())
    waits = host.between_steps(row.schedule, CHIP) if calibration is not None else np.zeros(1)
    return (total + float(waits.sum()) * (step / host.STEP_S - 1.0)) / row.seconds


def show(found: list[Row], score: Callable[[Row], float]) -> None:
    for cell in CELLS:
        for which in PASSES:
            off = np.array([score(row) for row in found if (row.cell, row.which) == (cell, which)]) - 1.0
            print(
                f"  {cell:8} {which:7} {len(off):3} rows, mean {np.abs(off).mean():6.1%}, bias {np.median(off):+6.1%}"
            )


def main() -> None:
    folder = os.environ.get("ROOFLINE_DATA")
    if not folder:
        sys.exit("set ROOFLINE_DATA to the folder that holds deepbench/")
    everything = list(rows(Path(folder)))
    found = [row for row in everything if (row.digest[0] in APART) == ("--apart" in sys.argv)]
    shared = load_calibration(package_folder("hw_specs") / "calibrations/any-gpu/public.yaml")
    own = resolve_calibration(CHIP, precision("fp32"), None)
    for title, calibration, step in (
        ("plain roofline", None, 0.0),
        ("own numbers of the chip, launches alone", own, 0.0),
        ("own numbers of the chip", own, host.STEP_S),
        ("numbers shared by all GPUs", shared, host.STEP_S),
    ):
        print(title)
        show(found, lambda row, calibration=calibration, step=step: ratio(row, calibration, step))  # type: ignore[misc]
    stepped = [row for row in found if row.which != "bwd_w"]
    even = np.array([int(row.digest[1], 16) % 2 == 0 for row in stepped])
    errors = np.array([[abs(ratio(row, own, step) - 1.0) for row in stepped] for step in STEPS])
    for seen in (even, ~even):
        best = int(errors[:, seen].mean(axis=1).argmin())
        print(f"fitted on {seen.sum()} rows: {STEPS[best] * 1e6:.0f} us; the others: {errors[best, ~seen].mean():.1%}")


if __name__ == "__main__":
    main()
