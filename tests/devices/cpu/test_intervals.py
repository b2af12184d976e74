"""How wide is the interval of a kernel on a CPU, outside the fitted shapes and where no measurement covers it?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from synthetic import Synthetic

from roofline.core.calibration import Calibration, Spread
from roofline.core.schedule import Schedule
from roofline.devices.timed import BORROWED_FACTOR, WIDEN_PER_OCTAVE, Timing
from roofline.devices.timing import time_schedule
from roofline.lowering import lower, single

RELU = lower(single("relu", {}, [(1024, 1024)]))


def fitted(cpu: Synthetic, **changes: object) -> Calibration:
    """The calibration of the synthetic CPU with a changed fit of elementwise kernels."""
    family = replace(cpu.calibration.families["elementwise"], **changes)  # type: ignore[arg-type]
    return replace(cpu.calibration, families={**cpu.calibration.families, "elementwise": family})


def timed(cpu: Synthetic, fit: Calibration, schedule: Schedule = RELU) -> Timing:
    return time_schedule(schedule, cpu.chip, calibration=fit)


@pytest.mark.parametrize("octaves", [0.0, 1.0, 3.5, 20.0])
@pytest.mark.parametrize("borrowed", [False, True])
def test_an_interval_grows_outside_and_twice_where_the_operator_was_not_measured(
    cpu: Synthetic, octaves: float, borrowed: bool
) -> None:
    """8 % below to 10 % above: in logarithms half of it more for each octave, without a limit."""
    edge = float(RELU.bytes[0]) * 2.0**-octaves
    found = timed(cpu, fitted(cpu, range={"bytes": (1.0, edge)}, borrowed=("relu",) if borrowed else ()))
    wider = (1.0 + WIDEN_PER_OCTAVE * octaves) * (BORROWED_FACTOR if borrowed else 1.0)
    assert list(found.tiers) == ["borrowed" if borrowed else "calibrated"]
    assert found.octaves == pytest.approx([octaves])
    assert np.log(found.high / found.total) == pytest.approx(0.1 * wider)
    assert found.low == pytest.approx(np.maximum(found.total * np.exp(-0.08 * wider), found.light))


def test_a_fit_that_was_always_too_fast_still_holds_its_own_time(cpu: Synthetic) -> None:
    """Measurements 5 to 10 % above all predictions: the prediction is the lower end."""
    spread = cpu.calibration.families["elementwise"].spread
    assert isinstance(spread, Spread)
    found = timed(cpu, fitted(cpu, spread=replace(spread, low=0.05, high=0.1)))
    assert found.low == pytest.approx(found.total)
    assert found.high == pytest.approx(found.total * np.exp(0.1))


def test_a_plan_of_few_measurements_takes_the_errors_of_machines_left_out(cpu: Synthetic) -> None:
    quantiles = {"0.05": -0.4, "0.25": 0.0, "0.5": 0.0, "0.75": 0.0, "0.95": 0.7}
    found = timed(cpu, fitted(cpu, spread=None, quantiles=quantiles))
    assert found.low == pytest.approx(np.maximum(found.total * np.exp(-0.4), found.light))
    assert found.high == pytest.approx(found.total * np.exp(0.7))
