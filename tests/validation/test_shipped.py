"""What ships in hw_specs/calibrations is what ``calibrate`` makes of its measurements."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from roofline import specs
from roofline.calibration.array.calibrate import calibrate_rows, calibrate_rows_of
from roofline.calibration.gpu.rows import parts_of
from roofline.calibration.spreads import borrowed_cpu
from roofline.core.calibration import Calibration
from roofline.measurements.store import read_measurements

SHIPPED = Path(__file__).resolve().parents[2] / "hw_specs" / "calibrations"
PUBLISHED = {path.stem: path for path in specs.published_files()}


def same(made: Calibration, shipped: Calibration) -> None:
    """Equal in what they are of, and in every number to the digits that a file keeps."""
    for name in ("chip", "architecture", "model", "dtype", "stack"):
        assert getattr(made, name) == getattr(shipped, name)
    assert made.data["operators"] == shipped.data["operators"]
    assert made.families.keys() == shipped.families.keys()
    for family, fit in made.families.items():
        other = shipped.families[family]
        assert fit.points == other.points
        for values, theirs in ((fit.parameters, other.parameters), (fit.quantiles, other.quantiles)):
            alike(values, theirs)
        assert fit.range.keys() == other.range.keys()
        for name, ends in fit.range.items():
            assert ends == pytest.approx(other.range[name], rel=1e-4, abs=1e-12), name


def alike(values: Mapping[str, float], theirs: Mapping[str, float]) -> None:
    assert values.keys() == theirs.keys()
    for name, value in values.items():
        assert value == pytest.approx(theirs[name], rel=1e-4, abs=1e-12), name


@pytest.mark.parametrize(
    ("rows", "chip", "file"),
    [
        ("neuron", "inferentia2", "neuroncore-v2/neuron.yaml"),
        ("tpu-v1", "tpu-v1", "tpu-v1/tensorflow.yaml"),
        ("nnp-i", "nnp-i-1000", "spring-hill/mlperf.yaml"),
    ],
)
def test_constants_of_arrays(rows: str, chip: str, file: str) -> None:
    found = read_measurements(PUBLISHED[rows]).measurements
    same(calibrate_rows(found, specs.load_chip(chip), "any", False, {}), specs.load_calibration(SHIPPED / file))


def test_constants_carried_to_the_core_before() -> None:
    found = read_measurements(PUBLISHED["neuron"]).measurements
    chips = {name: specs.load_chip(name) for name in ("inferentia", "inferentia2")}
    made = calibrate_rows_of(found, "neuroncore-v1", chips, {})
    same(made, specs.load_calibration(SHIPPED / "neuroncore-v1" / "neuron.yaml"))


def test_operators_of_gpus() -> None:
    """Every operator in the calls that the shipped numbers were fitted on, and no other."""
    folder = os.environ.get("ROOFLINE_DATA")
    if not folder or not Path(folder, "neusight").is_dir():
        pytest.skip("ROOFLINE_DATA names no folder with the public sets")
    sys.path.insert(0, str(Path(__file__).parents[2] / "studies"))
    from gpu_data import drifting, operators

    rows, around = operators(Path(folder)), drifting(Path(folder))
    chips = {name: specs.load_chip(name) for name in {row.chip for row in rows}}
    parts = parts_of(rows, chips, around=around)
    for owner in ("any-gpu", *parts.chips):
        shipped = specs.load_calibration(SHIPPED / owner / "public.yaml")
        assert shipped.data["operators"] == sorted(parts.operators), owner


@pytest.mark.slow
def test_intervals_of_cpus_that_borrow() -> None:
    """What the three measured machines say of each other, each left out in turn."""
    sys.path.insert(0, str(Path(__file__).parents[2] / "studies"))
    from borrowed_cpu import CAMPAIGNS, REPOSITORY, Machine, shares

    machines = [Machine.read(REPOSITORY / "reports/measurements" / path) for path in CAMPAIGNS]
    residuals = [machine.residuals(share) for machine, share in zip(machines, shares(machines), strict=True)]
    names = [machine.chip.architecture for machine in machines]
    made, shipped = borrowed_cpu(residuals, names, machines[0].rows.stack), specs.load_borrowed_spread("cpu")
    assert shipped is not None
    assert made.families.keys() == shipped.families.keys()
    for plan, fit in made.families.items():
        alike(fit.quantiles, shipped.families[plan].quantiles)
