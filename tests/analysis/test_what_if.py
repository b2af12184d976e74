"""Is a changed chip the same chip but for the figures that were changed?"""

from __future__ import annotations

import pytest

from roofline.analysis.what_if import changed, paths
from roofline.errors import UnknownName, UsageError
from roofline.prediction.predict import predict
from roofline.specs import chips, load_chip


@pytest.mark.parametrize("name", chips())
def test_every_figure_can_be_doubled(name: str) -> None:
    chip = load_chip(name)
    for path in paths(chip):
        twice = changed(chip, {path: "x2"})
        assert twice != chip
        assert changed(twice, {path: "x0.5"}).name == chip.name
    assert changed(chip, {}) is chip


def test_quantities_and_factors() -> None:
    chip = load_chip("rtx-2070")
    new = changed(chip, {"DRAM.bandwidth": "600 GB/s", "power": "x0.8", "cuda-cores.boost": "2 GHz", "launch": 1e-6})
    assert new.dram.total_bandwidth == 6e11
    assert new.power is not None
    assert new.power.value == pytest.approx(140)
    assert new.engines[0].clock.hz() == 2e9
    assert new.launch is not None
    assert new.launch.value == 1e-6
    assert new.dram.bandwidth is not None
    assert (new.dram.bandwidth.source, new.dram.bandwidth.status) == ("what if", "unverified")
    assert new.engines[1] == chip.engines[1]


def test_twice_the_figures_is_half_the_plain_roofline() -> None:
    chip = load_chip("rtx-2070")
    twice = changed(chip, {"DRAM.bandwidth": "x2", "CUDA cores.count": "x2", "launch": "x0.5"})
    slow, fast = (predict(part, "resnet50", batch=8, calibration="none") for part in (chip, twice))
    assert fast.seconds.middle == pytest.approx(slow.seconds.middle / 2, rel=1e-9)
    assert any("DRAM bandwidth" in warning for warning in fast.warnings)  # it is said to be unverified


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"DRAM.bandwith": "x2"}, UnknownName, "DRAM.bandwidth"),
        ({"HBM.bandwidth": "x2"}, UnknownName, "figure of rtx-2070"),
        ({"power": "600 GB/s"}, UsageError, "power: '600 GB/s' is in B/s, expected W"),
        ({"cores": "x2"}, UsageError, "the chip does not have this figure"),
        ({"tensor cores.fp64": "x2"}, UnknownName, "figure of rtx-2070"),
        ({"power": "0 W"}, UsageError, "must be above zero"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, str], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        changed(load_chip("rtx-2070"), change)
