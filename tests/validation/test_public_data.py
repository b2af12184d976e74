"""Are the shipped numbers of GPUs what the public measurements say? Needs them: ROOFLINE_DATA."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from roofline import specs
from roofline.analysis.anchor import PAIRS, SPREAD
from roofline.calibration.gpu.fit import Fit, fit_own, fit_shared
from roofline.calibration.gpu.rows import parts_of
from roofline.calibration.spreads import datasheet
from roofline.measurements.kernels import kernels_of
from roofline.measurements.public import read_public

STUDIES = Path(__file__).parents[2] / "studies"


@pytest.fixture
def data() -> Path:
    folder = os.environ.get("ROOFLINE_DATA")
    if not folder or not (Path(folder) / "neusight").is_dir():
        pytest.skip("ROOFLINE_DATA does not name a folder with the public data sets")
    return Path(folder)


@pytest.mark.parametrize(
    ("name", "count", "left_out"),
    [
        ("deepbench", 1431, {"measurements without a time for the data part": 30}),
        ("caffe", 178, {}),
        pytest.param("aiconfigurator", 71_400, {}, marks=pytest.mark.slow),
        pytest.param(
            "neusight",
            252_415,
            {
                "traced calls that launch no kernel, or of unknown operators": 2319,
                "runs of networks with fused operators, whose fusions the data set does not list": 4,
            },
            marks=pytest.mark.slow,
        ),
    ],
)
def test_tidy_copies_become_rows(data: Path, name: str, count: int, left_out: dict[str, int]) -> None:
    """All of them, but for what is counted; every row that differs in more than its time is something to compute."""
    skipped: Counter[str] = Counter()
    rows = list(read_public(name, data / name, skipped=skipped))
    assert len(rows) == count
    assert skipped == left_out
    for row in rows[:: max(1, count // 2000)]:
        assert row.kind == "network" or sum(kernel.flops for kernel in kernels_of(row)) > 0


def test_the_rows_that_are_kept_apart_stay_the_same(data: Path) -> None:
    """Drawn by operator and dimensions alone, in whichever direction and precision they were measured."""
    script = benchmark("gpu_data")
    rows = [row for row in read_public("deepbench", data / "deepbench") if row.set == "deepbench/conv"]
    shapes = {script.digest(row) for row in rows}
    apart = sorted(shape[:6] for shape in shapes if shape[0] in script.APART)
    assert (len(shapes), len(apart), apart[:3]) == (90, 10, ["007277", "01bd78", "05b5e3"])


def benchmark(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, STUDIES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    sys.modules[name] = script
    spec.loader.exec_module(script)
    return script


@pytest.mark.slow
def test_datasheet_ranges_are_reproduced(data: Path) -> None:
    script = benchmark("datasheet_spread")
    ratios, counts = script.spread(data)
    shipped = specs.load_datasheet_spread("gpu")
    assert shipped is not None
    assert dict(shipped.data["rows"]) == counts
    made = datasheet(ratios, counts, {})
    assert set(shipped.families) == set(made.families)
    for family, fit in shipped.families.items():
        found = made.families[family].quantiles
        assert {level: pytest.approx(value, abs=1e-4) for level, value in found.items()} == dict(fit.quantiles)


@pytest.mark.slow
def test_nine_of_ten_anchored_pairs_lie_within_the_spread(data: Path) -> None:
    script = benchmark("transformers")
    found = script.carried_over(data, script.SHARED)
    assert len(found) == PAIRS
    inside = [abs(off) <= SPREAD * 1.001 for *_, off in found]
    assert 0.88 <= sum(inside) / len(inside) <= 0.92


@pytest.mark.slow
def test_whole_transformers_forward_and_backward(data: Path) -> None:
    """The plain roofline is too fast by a like factor both ways, so work is counted alike; all of them ran."""
    found = list(benchmark("transformers").results(data))
    assert len(found) == 34
    for result in found:
        assert result.inside, (result.chip, result.run)
        assert result.prediction.fits, (result.chip, result.run)
        for phase, seconds in result.measured.items():
            assert 0.3 < result.predicted[phase] / seconds < 1.0, (result.chip, result.run, phase)


@pytest.mark.slow
def test_whole_transformers_by_the_numbers_of_their_cards(data: Path) -> None:
    """Nothing is fitted on whole nets."""
    errors: dict[str, list[float]] = {"inference": [], "training": []}
    for result in benchmark("transformers").results(data, None):
        assert result.inside, (result.chip, result.run)
        errors[result.prediction.mode].append(abs(result.middle / result.seconds - 1))
    assert sum(errors["inference"]) / 23 < 0.06
    assert sum(errors["training"]) / 11 < 0.10


@pytest.mark.slow
def test_the_numbers_of_the_gpu_model_are_reproduced(data: Path) -> None:
    """The fit on the public rows gives what is shipped, for all cards and for each."""
    script = benchmark("gpu_data")
    rows = script.operators(data)
    chips = {name: specs.load_chip(name) for name in sorted({row.chip for row in rows})}
    parts = parts_of(rows, chips, around=script.drifting(data))
    folder = STUDIES.parent / "hw_specs/calibrations"
    shared = specs.load_calibration(folder / "any-gpu/public.yaml")
    assert shared.data["rows"] == {name: sum(map(len, parts.where(chips=(name,)).values())) for name in parts.chips}
    found = fit_shared(parts.parts)
    assert dict(shared.ceilings) == {name: pytest.approx(value, rel=0.01) for name, value in found.shared.items()}
    own = Fit(dict(shared.ceilings))
    fit_own(own, parts.parts, chips)
    for name in chips:
        shipped = specs.load_calibration(folder / name / "public.yaml").ceilings
        assert {key: shipped[key] for key in own.own[name]} == pytest.approx(own.own[name], rel=0.01), name


@pytest.mark.slow
def test_image_nets_of_another_stack(data: Path) -> None:
    """Caffe with cuDNN R4, which has no Winograd: nothing of it is fitted."""
    script = benchmark("caffe_nets")
    fitted, plain = ([abs(r - 1) for *_, r in script.ratios(data, which)] for which in (None, "none"))
    assert len(fitted) == len(plain) == 8
    assert max(fitted) < 0.2
    assert sum(fitted) < 0.5 * sum(plain)
