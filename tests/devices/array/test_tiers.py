"""Of which runs does a calibration of an array say that it was fitted on them? Inference of one request a core."""

from __future__ import annotations

import pytest

from roofline.core.run import Recipe, Run
from roofline.core.stack import Stack
from roofline.prediction.predict import predict


@pytest.mark.parametrize(
    ("run", "stack", "tier"),
    [
        (Run(), Stack(), "calibrated"),
        (Run(), Stack(serving="latency"), "calibrated"),
        (Run(), Stack(serving="sharded"), "borrowed"),  # its figures are of whole networks on each core
        (Run("training", Recipe("adam")), Stack(), "borrowed"),
    ],
)
def test_what_no_figure_was_of_is_borrowed(run: Run, stack: Stack, tier: str) -> None:
    made = predict("inferentia2", "resnet50", batch=1, dtype="bf16", run=run, stack=stack)
    assert made.tier == tier
    if run.training:
        forward, backward = ({one.tier for one in made.layers if one.phase == p} for p in ("forward", "backward"))
        assert backward == {"borrowed"}
        assert "calibrated" in forward


def test_it_stays_a_datasheet_where_nothing_was_fitted() -> None:
    for run in (Run(), Run("training", Recipe("adam"))):
        assert predict("tpu-v3", "resnet50", batch=1, dtype="bf16", run=run).tier == "datasheet"
