"""How much wider is the interval of a GPU kernel outside the fitted shapes?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from roofline import specs
from roofline.core.calibration import Calibration
from roofline.core.dtype import precision
from roofline.core.schedule import Schedule
from roofline.devices.timed import WIDEN_PER_OCTAVE, WIDEST, Timing
from roofline.devices.timing import time_schedule
from roofline.lowering import lower, single
from roofline.prediction.predict import predict

CHIP = specs.load_chip("tesla-t4")
FIT = specs.load_calibration(specs.calibrations_for("tesla-t4", "turing", "gpu")[0])
RELU = lower(single("relu", {}, [(4096, 4096)], precision("fp32")))


def fitted_on(**ranges: tuple[float, float]) -> Calibration:
    """The calibration of the T4, its elementwise kernels fitted on these operations and bytes alone."""
    family = replace(FIT.families["elementwise"], range=ranges)
    return replace(FIT, families={**FIT.families, "elementwise": family})


def timed(fit: Calibration, schedule: Schedule = RELU) -> Timing:
    return time_schedule(schedule, CHIP, calibration=fit)


@pytest.mark.parametrize(
    ("octaves", "wider"),
    [
        (-1.0, 1.0),
        (0.0, 1.0),
        (1.0, 1.0 + WIDEN_PER_OCTAVE),
        (1.5, 1.0 + 1.5 * WIDEN_PER_OCTAVE),
        (2.0, WIDEST),
        (9.0, WIDEST),
    ],
)
@pytest.mark.parametrize("feature", ["flops", "bytes"])
@pytest.mark.parametrize("side", ["larger", "smaller"])
def test_an_interval_grows_with_every_octave_outside(octaves: float, wider: float, feature: str, side: str) -> None:
    """In logarithms, by half for each octave and never beyond twice, on either side of what was fitted."""
    size = float(getattr(RELU, feature)[0])
    edge = size * 2.0 ** (-octaves if side == "larger" else octaves)
    inside = timed(fitted_on())
    found = timed(fitted_on(**{feature: (1.0, edge) if side == "larger" else (edge, 2.0**60)}))
    assert found.octaves == pytest.approx([max(octaves, 0.0)])
    assert found.total == inside.total
    assert np.log(found.high / found.total) == pytest.approx(wider * np.log(inside.high / inside.total))
    low = FIT.families["elementwise"].quantiles["0.05"]
    assert found.low == pytest.approx(np.maximum(found.total * np.exp(wider * low), found.light))


def test_the_farther_of_operations_and_bytes_counts() -> None:
    flops, size = float(RELU.flops[0]), float(RELU.bytes[0])
    found = timed(fitted_on(flops=(1.0, flops / 2), bytes=(1.0, size / 3)))
    assert found.octaves == pytest.approx([np.log2(3)])


def test_kernels_of_other_families_stay_as_they_are() -> None:
    """Of two kernels one is far outside."""
    both = Schedule.concatenate([RELU, lower(single("softmax", {}, [(4096, 4096)], precision("fp32")))])
    before, after = timed(fitted_on(), both), timed(fitted_on(flops=(1.0, 2.0)), both)
    assert after.high[0] > before.high[0]
    assert after.high[1] == before.high[1]
    assert after.octaves[0] > 0.0
    assert after.octaves[1] == before.octaves[1]


def test_a_prediction_says_how_much_of_it_is_outside() -> None:
    families = {name: replace(fit, range={"flops": (1.0, 2.0)}) for name, fit in FIT.families.items()}
    narrow = predict(CHIP, "mlp", calibration=replace(FIT, families=families))
    usual = predict(
        CHIP, "mlp", calibration=replace(FIT, families={n: replace(f, range={}) for n, f in families.items()})
    )
    assert any(said.startswith("100% of the time is in shapes outside those fitted") for said in narrow.warnings)
    assert not any("outside those fitted" in said for said in usual.warnings)
    assert narrow.seconds.high > usual.seconds.high
    assert narrow.seconds.middle == usual.seconds.middle
