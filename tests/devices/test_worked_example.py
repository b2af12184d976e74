"""Are the numbers of the worked example in docs/model.md those of the program? Repeated by hand, from the files."""

from __future__ import annotations

from math import ceil, exp
from pathlib import Path

import pytest

import roofline
from roofline import specs
from roofline.devices.gpu.parameters import Parameters

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "model.md").read_text(encoding="utf-8")
EXAMPLE = PAGE.partition("Worked example")[2].partition("\n## ")[0]

UNITS, LANES, BOOST_HZ, TOP_HZ, DRAM, LAUNCH_S, POWER_W = 16, 128, 1.216e9, 1.3984e9, 224e9, 5e-6, 165.0
M, N, K = 32 * 14 * 14, 256, 9 * 256
FLOPS = 2.0 * M * N * K
BYTES = 4.0 * (32 * 256 * 28 * 28 + 256 * 256 * 9 + M * N)


def compute_seconds(tile: int, found: Parameters) -> float:
    """A tile of 128 x ``tile``; those smaller than 128 x 128 go in pairs."""
    rate = LANES * found.conv / (1 + found.integers) * found.turbo * BOOST_HZ
    area = 128 * tile * (1 + 8 * (1 / 128 + 1 / tile))
    pair = 1 if tile == 128 else 2
    waves = pair * ceil(ceil(M / 128) * ceil(N / tile) / UNITS / pair)
    return area * (8 * ceil(K / 8) + found.conv_start) / rate * waves


def test_the_worked_example_is_what_the_program_says() -> None:
    chip = specs.load_chip("gtx-980")
    engine = chip.engines[0]
    assert (engine.count.value, engine.clock.hz(), engine.clock.hz("top")) == (UNITS, BOOST_HZ, TOP_HZ)
    assert chip.dram.total_bandwidth == DRAM
    assert chip.launch is not None
    assert chip.launch.value == pytest.approx(LAUNCH_S)
    fit = specs.load_calibration(next(iter(specs.calibrations_for("gtx-980", "maxwell", "gpu"))))
    found = Parameters.of(fit.ceilings)
    watts = found.watts * 1e-9 * found.cool * UNITS * LANES * BOOST_HZ
    assert POWER_W / watts > found.turbo  # so the clock is that of consumer cards
    compute = min(compute_seconds(tile, found) for tile in (128, 64, 32))
    memory = BYTES / (0.75 * DRAM)
    seconds = (compute**4 + memory**4) ** 0.25 + 2 * LAUNCH_S
    ends = [seconds * exp(fit.families["conv"].quantiles[level]) for level in ("0.05", "0.95")]

    prediction = roofline.predict("gtx-980", "resnet50", batch=32)
    layer = next(layer for layer in prediction.layers if layer.name == "layer3.0.conv2")
    assert (layer.flops, layer.bytes) == (FLOPS, BYTES)
    assert layer.seconds.middle == pytest.approx(seconds, rel=1e-9)
    assert [layer.seconds.low, layer.seconds.high] == pytest.approx(ends, rel=1e-9)

    peak = UNITS * 2 * LANES * BOOST_HZ
    for said in (
        f"{peak / 1e12:.3f} TFLOP/s",
        f"{peak / DRAM:.1f} FLOP/B",
        f"{FLOPS / BYTES:.0f} FLOP/B",
        f"{FLOPS / 1e9:.3f} GFLOP",
        f"{BYTES / 1e6:.2f} MB",
        f"{1e3 * FLOPS / peak:.3f} ms",
        f"{1e3 * FLOPS / peak * BOOST_HZ / TOP_HZ:.3f} ms",
        f"{1e6 * BYTES / DRAM:.0f} us",
        f"{watts:.0f} W",
        f"{8 * ceil(K / 8) + found.conv_start:,.1f}",
        *(f"{1e3 * compute_seconds(tile, found):.3f} ms" for tile in (128, 64, 32)),
        f"{1e6 * memory:.0f} us",
        *(f"{1e3 * value:.3f} ms" for value in (seconds, *ends)),
    ):
        assert said in EXAMPLE, f"docs/model.md, worked example: {said} is missing"
