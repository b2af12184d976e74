"""How far off are predictions of traced nets on this CPU? Nets that no file describes, run for real and predicted.

Needs a calibration of this machine (``roofline report`` makes one) and a quiet machine: one thread, each net in
inference and in a training step with Adam, in three rounds of random order, the lower quartile of undisturbed calls.

    python benchmarks/traced_nets.py calibration.yaml
"""

# torch has no types here, so its classes count as unknown
# mypy: disable-error-code="misc"

from __future__ import annotations

import random
import statistics
import sys
from collections.abc import Callable
from itertools import repeat
from pathlib import Path
from typing import Any

import torch

from roofline import specs
from roofline.core.run import Recipe, Run
from roofline.frontends import trace
from roofline.frontends.inputs import parse_input
from roofline.measure.timer_cpu import burst_cold
from roofline.predict import predict

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from frontends.zoo import ZOO

NETS = {  # at sizes that take some milliseconds
    "convnext": ["4x3x224x224"],
    "densenet": ["4x3x128x128"],
    "mixer": ["32x3x32x32"],
    "diffusion": ["4x3x64x64", "4:int64"],
    "minigpt": ["8x128:int64"],
    "speech": ["4x1x64x400"],
}
ROUNDS, SECONDS = 3, 0.5


def inputs_of(name: str) -> list[Any]:
    kinds = {"int64": lambda shape: torch.randint(0, 100, shape)}
    return [kinds.get(one.dtype, torch.rand)(one.shape) for one in map(parse_input, NETS[name])]


def calls_of(name: str) -> dict[str, Callable[[], Any]]:
    """One call of each mode."""
    module, given = ZOO[name][0](), inputs_of(name)
    learner = ZOO[name][0]().train()
    optimizer = torch.optim.Adam(learner.parameters(), foreach=False)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        learner(*given).square().mean().backward()
        optimizer.step()

    module.eval().requires_grad_(False)
    return {"inference": lambda: module(*given), "training": step}


def main() -> None:
    torch.set_num_threads(1)
    calibration = specs.load_calibration(sys.argv[1])
    jobs = [(name, mode, call) for name in NETS for mode, call in calls_of(name).items()]
    seconds: dict[tuple[str, str], list[float]] = {(name, mode): [] for name, mode, _ in jobs}
    for _ in range(ROUNDS):
        random.shuffle(jobs)
        for name, mode, call in jobs:
            seconds[name, mode].append(burst_cold(repeat(call), lambda: None, seconds=SECONDS, warm_up=2).typical)
    errors: dict[str, list[float]] = {"inference": [], "training": []}
    for (name, mode), values in seconds.items():
        run = Run("training", Recipe("adam")) if mode == "training" else Run()
        net = trace(ZOO[name][0], NETS[name], mode=mode)
        predicted = predict(calibration.chip, net, calibration=calibration, run=run).seconds.middle
        measured = min(values)
        errors[mode].append(abs(predicted / measured - 1))
        ratio = predicted / measured - 1
        print(f"{name:12} {mode:10} {1e3 * measured:9.2f} ms, predicted {1e3 * predicted:9.2f}, {ratio:+.1%}")
    for mode, values in errors.items():
        print(f"{mode}: mean {statistics.mean(values):.1%}, worst {max(values):.1%}")


if __name__ == "__main__":
    main()
