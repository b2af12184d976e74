"""How far is the plain roofline off on whole transformers, forward and backward? NeuSight's published runs.

    python benchmarks/transformers.py $ROOFLINE_DATA

Times of five transformers on four GPUs in fp32, PyTorch 2.1, eager, attention as two products and a softmax,
training without an optimizer step. Nothing is fitted.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import numpy as np

from roofline.core.calibration import Calibration
from roofline.core.dtype import precision
from roofline.core.prediction import Prediction
from roofline.core.run import Recipe, Run
from roofline.core.stack import Stack
from roofline.measure.public.neusight import NETS
from roofline.operators import lower, single
from roofline.predict import predict, resolve_calibration
from roofline.specs import load_calibration, load_chip
from roofline.specs.lookup import package_folder
from roofline.timing import time_schedule

STACK = Stack(fused_attention=False)


@dataclass(frozen=True)
class Result:
    """One run: measured seconds by phase and the prediction."""

    chip: str
    run: str
    measured: dict[str, float]
    prediction: Prediction

    @property
    def seconds(self) -> float:
        return sum(self.measured.values())

    @property
    def inside(self) -> bool:
        return self.prediction.seconds.low <= self.seconds <= self.prediction.seconds.high


def results(data: Path, calibration: Calibration | str | None = "none") -> Iterator[Result]:
    """Every unfused run of the data set with its prediction."""
    with (data / "neusight" / "end_to_end.csv").open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            if row["run"].endswith("-fusion"):
                continue
            net, mode, seq, batch = row["run"].split("-")
            name, sizes = NETS[net]
            prediction = predict(
                row["device"],
                name,
                batch=int(batch),
                bind={**sizes, "seq": int(seq)},
                stack=STACK,
                calibration=calibration,
                run=Run("training" if mode == "train" else "inference", Recipe("none")),
            )
            phases = ("forward", "backward") if mode == "train" else ("forward",)
            measured = {phase: float(row[f"{phase}_ms"]) / 1e3 for phase in phases}
            yield Result(row["device"], row["run"], measured, prediction)


SCORE_PASSES = {"bert": 2, "gpt2": 3, "opt": 2, "gpt3": 3}
"""Kernels that Hugging Face's eager attention runs over the scores beside the softmax: divide, mask, where or max."""

GELU_PASSES = {"gpt2": 7, "gpt3": 7}
"""Kernels of its tanh-GELU beyond the one that is counted, over the hidden layer of the feed-forward part."""


def beside(result: Result, calibration: Calibration) -> float:
    """Seconds of the kernels that the run had and the net's file has not; training has them both ways."""
    net, mode, seq, batch = result.run.split("-")
    bound = result.prediction.symbols
    family = net.split("_")[0]
    scores = (int(batch) * int(bound["heads"]) * int(seq), int(seq))
    hidden = (int(batch) * int(seq), 4 * int(bound["hidden"]))
    count = {scores: SCORE_PASSES[family], hidden: GELU_PASSES.get(family, 0)}
    seconds = 0.0
    for shape, passes in count.items():
        schedule = lower(single("relu", {}, [shape], precision("fp32")))
        seconds += passes * float(time_schedule(schedule, load_chip(result.chip), calibration=calibration).total.sum())
    return seconds * int(bound["layers"]) * (2 if mode == "train" else 1)


def carried_over(data: Path, calibration: Calibration | str | None) -> list[tuple[str, str, str, float]]:
    """(run, from, to, log(measured / anchored)) of every run measured on two cards, both ways."""
    by_run: dict[str, list[Result]] = {}
    for result in results(data, calibration):
        by_run.setdefault(result.run, []).append(result)
    return [
        (run, here.chip, there.chip, float(np.log(there.seconds / here.seconds * own / other)))
        for run, found in by_run.items()
        for here, there in permutations(found, 2)
        for own, other in [(here.prediction.seconds.middle, there.prediction.seconds.middle)]
    ]


def main() -> None:
    data = Path(sys.argv[1])
    for title, calibration, extra in CASES:
        print(title)
        errors: dict[str, list[float]] = {}
        for result in results(data, calibration):
            seconds = result.prediction.seconds.middle
            if extra:
                own = calibration or resolve_calibration(load_chip(result.chip), precision("fp32"), None)
                assert isinstance(own, Calibration)
                seconds += beside(result, own)
            errors.setdefault(result.prediction.mode, []).append(seconds / result.seconds - 1)
            ratios = {name: result.prediction.phases[name] / s for name, s in result.measured.items()}
            shown = ", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items())
            print(f"  {result.chip:22} {result.run:24} predicted / measured: {shown}; inside: {result.inside}", end="")
            print(f"; with what ran beside {seconds / result.seconds:.2f}" if extra else "")
        for mode, off in errors.items():
            print(f"{mode}: {len(off)} runs, mean error {np.abs(off).mean():.1%}, bias {np.mean(off):+.1%}")
    for title, calibration, extra in CASES:
        if not extra:
            logs = np.array([off for *_, off in carried_over(data, calibration)])
            low, high = np.quantile(logs, (0.05, 0.95))
            off = np.abs(np.expm1(-logs)).mean()
            print(f"anchored, {title}: {len(logs)} pairs, mean error {off:.1%}, 5 to 95 % of logs {low:.3f} {high:.3f}")


SHARED = load_calibration(package_folder("hw_specs") / "calibrations/any-gpu/public.yaml")
CASES: tuple[tuple[str, Calibration | str | None, bool], ...] = (
    ("plain roofline", "none", False),
    ("numbers shared by all GPUs", SHARED, False),
    ("own numbers of the chip", None, False),
    ("shared, with the kernels that ran beside the net's own", SHARED, True),
    ("own, with the kernels that ran beside the net's own", None, True),
)


if __name__ == "__main__":
    main()
