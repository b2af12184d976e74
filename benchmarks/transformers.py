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
from pathlib import Path

import numpy as np

from roofline.core.prediction import Prediction
from roofline.core.run import Recipe, Run
from roofline.core.stack import Stack
from roofline.predict import predict

NETS: dict[str, tuple[str, dict[str, int]]] = {
    "bert_large": ("bert-large", {}),
    "gpt2_large": ("gpt2-large", {}),
    "opt_13": ("opt-1.3b", {}),
    "gpt3_27": ("gpt3-2.7b", {}),
    "gpt3_xl": ("gpt3-2.7b", {"layers": 24, "hidden": 3072, "heads": 24}),
}
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


def results(data: Path) -> Iterator[Result]:
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
                calibration="none",
                run=Run("training" if mode == "train" else "inference", Recipe("none")),
            )
            phases = ("forward", "backward") if mode == "train" else ("forward",)
            measured = {phase: float(row[f"{phase}_ms"]) / 1e3 for phase in phases}
            yield Result(row["device"], row["run"], measured, prediction)


def main() -> None:
    found = list(results(Path(sys.argv[1])))
    for result in found:
        ratios = {name: result.prediction.phases[name] / seconds for name, seconds in result.measured.items()}
        shown = ", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items())
        print(f"{result.chip:22} {result.run:24} predicted / measured: {shown}; inside: {result.inside}")
    for mode in ("inference", "training"):
        errors = [r.prediction.seconds.middle / r.seconds - 1 for r in found if r.prediction.mode == mode]
        print(f"{mode}: {len(errors)} runs, mean error {np.abs(errors).mean():.1%}, bias {np.mean(errors):+.1%}")


if __name__ == "__main__":
    main()
