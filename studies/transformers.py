"""How far off are whole transformers on GPUs, forward and backward? NeuSight's published runs.

    python studies/transformers.py $ROOFLINE_DATA

Times of five transformers on four GPUs in fp32, PyTorch 2.1, Hugging Face's eager attention. Nothing is fitted.
What was timed (neusight/Tracing/trace.py of the set): the best 5 of 25 runs, each from an empty allocator. A training
run is forward and backward apart, without optimizer, and without the loss's forward; gradients are never set to
zero, so that every backward adds its own to those before. BERT is trained with the head of its pre-training.
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
from roofline.core.prediction import Prediction
from roofline.core.run import Recipe, Run
from roofline.core.stack import Stack
from roofline.measurements.public.neusight_nets import HEADED, NETS
from roofline.prediction.predict import predict
from roofline.specs import load_calibration
from roofline.specs.lookup import package_folder

STACK = Stack(fused_attention=False)
RUNS = 25
"""Runs of a training loop that never sets its gradients to zero: micro-batches of one step."""
HURT = 0.7
"""Training whose forward took more than this share of its backward: on V100 it is 0.55 everywhere, and on the A100-80
0.49 to 0.52 in three runs and 0.72 to 0.94 in the others, whose backwards are like those of the three. The trace of the
A100-40 shows products that start at half of their rate: the clock rises late, after the pause before every run."""


@dataclass(frozen=True)
class Result:
    """One run: measured seconds by phase and the prediction."""

    chip: str
    run: str
    measured: dict[str, float]
    predicted: dict[str, float]
    prediction: Prediction

    @property
    def seconds(self) -> float:
        return sum(self.measured.values())

    @property
    def middle(self) -> float:
        return sum(self.predicted.values())

    @property
    def inside(self) -> bool:
        whole = self.prediction.seconds
        return self.middle / whole.middle * whole.low <= self.seconds <= self.middle / whole.middle * whole.high

    @property
    def hurt(self) -> bool:
        return "backward" in self.measured and self.measured["forward"] > HURT * self.measured["backward"]


def results(data: Path, calibration: Calibration | str | None = "none") -> Iterator[Result]:
    """Every unfused run of the data set with its prediction."""
    with (data / "neusight" / "end_to_end.csv").open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            if row["run"].endswith("-fusion"):
                continue
            net, mode, seq, batch = row["run"].split("-")
            training = mode == "train"
            name, sizes = NETS[net]
            name = HEADED.get(name, name) if training else name
            times = RUNS if training else 1
            prediction = predict(
                row["device"],
                name,
                batch=int(batch) * times,
                bind={**sizes, "seq": int(seq)},
                stack=STACK,
                calibration=calibration,
                run=Run("training", Recipe("none", accumulate=times)) if training else Run(),
            )
            phases = ("forward", "backward") if training else ("forward",)
            measured = {phase: float(row[f"{phase}_ms"]) / 1e3 for phase in phases}
            loss = sum(p.seconds.middle for p in prediction.layers if (p.op, p.phase) == ("cross_entropy", "forward"))
            predicted = {phase: prediction.phases[phase] / times for phase in phases}
            predicted["forward"] -= loss / times
            yield Result(row["device"], row["run"], measured, predicted, prediction)


def carried_over(data: Path, calibration: Calibration | str | None) -> list[tuple[str, str, str, float]]:
    """(run, from, to, log(measured / anchored)) of every run measured on two cards, both ways."""
    by_run: dict[str, list[Result]] = {}
    for result in results(data, calibration):
        by_run.setdefault(result.run, []).append(result)
    return [
        (run, here.chip, there.chip, float(np.log(there.seconds / here.seconds * own / other)))
        for run, found in by_run.items()
        for here, there in permutations(found, 2)
        for own, other in [(here.middle, there.middle)]
    ]


def main() -> None:
    data = Path(sys.argv[1])
    for title, calibration in CASES:
        print(title)
        errors: dict[str, list[float]] = {}
        for result in results(data, calibration):
            off = result.middle / result.seconds - 1
            errors.setdefault(result.prediction.mode, []).append(off)
            if "backward" in result.measured and not result.hurt:
                errors.setdefault("training, runs with a usual forward", []).append(off)
            if "backward" in result.measured:
                backward = result.predicted["backward"] / result.measured["backward"] - 1
                errors.setdefault("training, backward alone", []).append(backward)
            ratios = {name: result.predicted[name] / s for name, s in result.measured.items()}
            shown = ", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items())
            print(f"  {result.chip:22} {result.run:24} predicted / measured: {shown}; inside: {result.inside}")
        for mode, offs in errors.items():
            print(f"{mode}: {len(offs)} runs, mean error {np.abs(offs).mean():.1%}, bias {np.mean(offs):+.1%}")
    for title, calibration in CASES:
        logs = np.array([off for *_, off in carried_over(data, calibration)])
        low, high = np.quantile(logs, (0.05, 0.95))
        off = np.abs(np.expm1(-logs)).mean()
        print(f"anchored, {title}: {len(logs)} pairs, mean error {off:.1%}, 5 to 95 % of logs {low:.3f} {high:.3f}")


SHARED = load_calibration(package_folder("hw_specs") / "calibrations/any-gpu/public.yaml")
CASES: tuple[tuple[str, Calibration | str | None], ...] = (
    ("plain roofline", "none"),
    ("numbers shared by all GPUs", SHARED),
    ("own numbers of the chip", None),
)


if __name__ == "__main__":
    main()
