"""How far off are predictions of traced nets on this CPU? Nets that no file describes, run for real and predicted.

Needs a campaign of this machine (``roofline measure``) and a quiet machine: one thread, each net in
inference and in a training step with Adam, in rounds of random order, the lower quartile of undisturbed calls of the
best round. What was measured is kept in ``measured.json``, and measured only where that is not there yet.

    python studies/traced_nets.py rows.jsonl measured.json [chip.yaml] [--quick]

``--quick`` takes one network, few operators of the campaign, and one short round.
"""

# torch has no types here, so its classes count as unknown
# mypy: disable-error-code="misc"

from __future__ import annotations

import json
import random
import statistics
import sys
from collections.abc import Callable, Iterable
from itertools import repeat
from pathlib import Path
from typing import Any

import torch

from roofline import specs
from roofline.calibration.cpu.calibrate import calibrate
from roofline.calibration.cpu.rows import machine_ceilings, operator_rows
from roofline.campaign.allocator import pin_allocator
from roofline.campaign.timer_cpu import burst_cold
from roofline.core.run import Recipe, Run
from roofline.frontends import trace
from roofline.frontends.inputs import parse_input
from roofline.measurements.store import read_measurements
from roofline.prediction.predict import predict

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from frontends.zoo import ZOO

NETS = {  # at sizes that take some milliseconds
    "convnext": ["4x3x224x224"],
    "densenet": ["4x3x128x128"],
    "mixer": ["256x3x32x32"],
    "diffusion": ["4x3x64x64", "4:int64"],
    "minigpt": ["32x128:int64"],
    "speech": ["4x1x64x400"],
}
ROUNDS, SECONDS = 10, 0.2
QUICK = "minigpt"
FEW = ("linear", "matmul", "relu", "add", "softmax", "layer_norm", "gelu", "attention", "embedding", "adam")
"""Network and operators of ``--quick``."""


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


def measured(nets: Iterable[str], rounds: int, burst: float) -> dict[str, float]:
    """Seconds of a call by network and mode, in ``rounds`` bursts of so many seconds."""
    torch.set_num_threads(1)
    pin_allocator()
    jobs = [(f"{name} {mode}", call) for name in nets for mode, call in calls_of(name).items()]
    seconds: dict[str, list[float]] = {label: [] for label, _ in jobs}
    for _ in range(rounds):
        random.shuffle(jobs)
        for label, call in jobs:
            seconds[label].append(burst_cold(repeat(call), lambda: None, seconds=burst, at_least=1, warm_up=1).typical)
    return {label: min(values) for label, values in seconds.items()}


def main() -> None:
    quick = "--quick" in sys.argv
    path, results, *chip_file = [word for word in sys.argv[1:] if word != "--quick"]
    read, kept = read_measurements(path), Path(results)
    if not kept.exists():
        found = measured([QUICK], 1, 0.01) if quick else measured(NETS, ROUNDS, SECONDS)
        kept.write_text(json.dumps(found, indent=1))
    here = specs.load_chip(chip_file[0]) if chip_file else specs.detect_cpu()
    rows = operator_rows([row for row in read.measurements if not quick or row.op in FEW], here)
    chip = here if chip_file else specs.detect_cpu(machine_ceilings(rows, here))
    calibration = calibrate(rows, chip)
    errors: dict[str, list[float]] = {"inference": [], "training": []}
    for label, seconds in json.loads(kept.read_text()).items():
        name, mode = label.split()
        if quick and name != QUICK:
            continue
        run = Run("training", Recipe("adam")) if mode == "training" else Run()
        net = trace(ZOO[name][0], NETS[name], mode=mode)
        predicted = predict(chip, net, calibration=calibration, run=run).seconds.middle
        ratio = predicted / seconds - 1
        errors[mode].append(abs(ratio))
        print(f"{name:12} {mode:10} {1e3 * seconds:9.2f} ms, predicted {1e3 * predicted:9.2f}, {ratio:+.1%}")
    for mode, values in errors.items():
        print(f"{mode}: mean {statistics.mean(values):.1%}, worst {max(values):.1%}")


if __name__ == "__main__":
    main()
