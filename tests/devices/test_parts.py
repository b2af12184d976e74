"""Are many programs timed in one call as each of them is by itself?"""

from __future__ import annotations

import numpy as np
import pytest

from roofline import specs
from roofline.core.dtype import precision
from roofline.core.parts import Parts, join
from roofline.core.run import Run
from roofline.core.schedule import Schedule
from roofline.core.stack import Stack
from roofline.devices.timing import time_parts, time_schedule
from roofline.lowering.program import Program, make_program
from roofline.prediction.select import resolve_calibration

CHIPS = (
    "gtx-980",
    "tesla-t4",
    "rtx-2070",
    "h100-sxm",
    "apple-m1",
    "epyc-9654",
    "tpu-v1",
    "tpu-v4",
    "inferentia2",
    "nnp-i-1000",
)
STACKS = {"eager": Stack(), "graphs": Stack(mode="graphs"), "sharded": Stack(serving="sharded")}


def programs(mode: str, stack: Stack, cuda: bool, dtype: str = "fp32") -> list[Program]:
    nets = [specs.load_network(name) for name in ("resnet18", "bert-base", "lstm", "mlp")]
    run = Run.of(mode)
    how = {"precision": precision(dtype), "stack": stack, "run": run, "cuda": cuda}
    return [make_program(net, batch=batch, **how) for net in nets for batch in (1, 2, 7, 64)]  # type: ignore[arg-type]


@pytest.mark.parametrize("name", CHIPS)
@pytest.mark.parametrize("mode", ["inference", "training"])
@pytest.mark.parametrize("stack", STACKS)
def test_together_as_alone(name: str, mode: str, stack: str) -> None:
    chip, on = specs.load_chip(name), STACKS[stack]
    dtype = "fp32" if precision("fp32") in chip.precisions() or chip.emulation else "int8"
    if dtype == "int8" and mode == "training":
        pytest.skip("nothing trains in int8")
    made = programs(mode, on, chip.kind == "gpu", dtype)
    schedule, starts, tensors = join([program.schedule for program in made])
    samples = np.array([1 if mode == "training" else program.workload.samples for program in made])
    footprint = np.array([program.memory.total for program in made])
    calibration = resolve_calibration(chip, precision(dtype), None, on)
    how = {"stack": on, "calibration": calibration, "network": True}
    whole = time_parts(schedule, Parts(starts, samples, footprint, tensors), chip, **how)  # type: ignore[arg-type]
    for i, program in enumerate(made):
        mine = slice(starts[i], starts[i + 1])
        pieces = {"pieces": int(samples[i]), "footprint": float(footprint[i])}
        alone = time_schedule(program.schedule, chip, **pieces, **how)  # type: ignore[arg-type]
        for part in ("low", "total", "high", "light", "ceiling", "octaves"):
            np.testing.assert_allclose(getattr(whole, part)[mine], getattr(alone, part), rtol=1e-12, atol=1e-15)
        assert list(whole.tiers)[mine] == list(alone.tiers)
        for resource, seconds in alone.resources.items():
            np.testing.assert_allclose(whole.resources[resource][mine], seconds, rtol=1e-11, atol=1e-15)


def test_numbers_are_nobody_elses() -> None:
    made = programs("inference", Stack(), cuda=True)[:3]
    schedule, starts, first = join([program.schedule for program in made])
    for i, program in enumerate(made):
        mine = schedule.select(np.arange(starts[i], starts[i + 1]))
        for tensor in ("source", "source2", "target"):
            alone, here = getattr(program.schedule, tensor), getattr(mine, tensor)
            np.testing.assert_array_equal(np.where(here >= 0, here - first[i], here), alone)
        assert mine.op_labels() == program.schedule.op_labels()
        assert mine.layer.min() > (schedule.layer[: starts[i]].max() if i else -1)


def test_sums_and_tables() -> None:
    parts = Parts(np.array([0, 2, 2, 4, 7]), np.ones(4, np.int64), np.zeros(4), np.zeros(4, np.int64))
    assert parts.sums(np.arange(7.0)).tolist() == [1, 0, 5, 15]
    assert parts.largest(np.arange(7.0)).tolist() == [1, 0, 3, 6]
    assert [table.tolist() for table in parts.tables] == [[[0, 1], [2, 3]], [[4, 5, 6]]]
    assert len(join([Schedule.of([])])[0]) == 0
