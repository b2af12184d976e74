"""How long does a run wait for its inputs? The slowest of loader, link and device, at every end of an interval."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from roofline import specs
from roofline.core.dtype import precision
from roofline.core.prediction import Interval
from roofline.core.run import Recipe, Run
from roofline.core.stack import Stack
from roofline.lowering.program import Program, make_program
from roofline.prediction.input_pipeline import LOADER, at_least, host_link, input_bytes, pipeline_layer
from roofline.prediction.predict import predict

CHIP = specs.load_chip("rtx-2070")
DEVICE = Interval(2.0, 3.0, 5.0)


def program(rate: float | None = None, samples: int = 12, **recipe: int) -> Program:
    """ResNet-18 in training on images of 3 x 32 x 32 fp32 numbers."""
    run = Run("training", Recipe(**recipe), loader_rate=rate)  # type: ignore[arg-type]
    sizes: dict[str, Any] = {"batch": samples, "bind": {"image": 32}, "precision": precision("fp32")}
    return make_program(specs.load_network("resnet18"), **sizes, stack=Stack(), run=run, cuda=True)


@pytest.mark.parametrize(
    ("seconds", "waits", "step"),
    [
        (1.0, (0.0, 0.0, 0.0), (2.0, 3.0, 5.0)),
        (4.0, (0.0, 1.0, 2.0), (4.0, 4.0, 5.0)),
        (6.0, (1.0, 3.0, 4.0), (6.0, 6.0, 6.0)),
    ],
)
def test_a_fast_device_waits_longest(seconds: float, waits: tuple[float, ...], step: tuple[float, ...]) -> None:
    """A loader of so many seconds for a batch of 12, and a device of 2 to 5, usually 3."""
    feeding = pipeline_layer(program(12 / seconds), CHIP, DEVICE)
    assert feeding is not None
    found = feeding.seconds
    assert (found.low, found.middle, found.high) == pytest.approx(waits)
    assert feeding.bound == LOADER
    whole = at_least(DEVICE, feeding)
    assert (whole.low, whole.middle, whole.high) == pytest.approx(step)
    assert at_least(DEVICE, None) == DEVICE
    assert pipeline_layer(program(None), CHIP, DEVICE) is None


@pytest.mark.parametrize("accumulate", [1, 2, 4, 12])
def test_the_link_copies_all_micro_batches(accumulate: int) -> None:
    asked = program(1e9, accumulate=accumulate)
    assert asked.samples == 12
    assert asked.workload.samples == 12 / accumulate
    assert input_bytes(asked) == 12 * 3 * 32 * 32 * 4
    link = host_link(CHIP)
    assert link is not None
    feeding = pipeline_layer(asked, CHIP, Interval(0.0, 0.0, 0.0))
    assert feeding is not None
    assert feeding.seconds.middle == pytest.approx(12 * 3 * 32 * 32 * 4 / link.bandwidth.value)
    assert feeding.bound == link.name


def test_a_chip_without_a_link_waits_for_the_loader_alone() -> None:
    bare = replace(CHIP, links=())
    feeding = pipeline_layer(program(1.0), bare, DEVICE)
    assert feeding is not None
    assert feeding.resources == {LOADER: 12.0}
    assert pipeline_layer(program(float("inf")), bare, DEVICE) is None


def test_a_prediction_is_never_shorter_than_its_pipeline() -> None:
    fed, alone = (predict(CHIP, "mlp", batch=64, run=Run(loader_rate=rate)) for rate in (1e5, None))
    slowest = 64 / 1e5
    for end in ("low", "middle", "high"):
        device = getattr(alone.seconds, end)
        assert getattr(fed.seconds, end) == pytest.approx(max(device, slowest))
        assert getattr(fed.layers[-1].seconds, end) >= 0.0
    assert alone.seconds.high < slowest
    assert fed.layers[-1].seconds.low == pytest.approx(slowest - alone.seconds.high)
