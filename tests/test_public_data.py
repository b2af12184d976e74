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
from roofline.anchor import PAIRS, SPREAD
from roofline.measure.lowering import kernels_of
from roofline.measure.public import read_public

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def data() -> Path:
    folder = os.environ.get("ROOFLINE_DATA")
    if not folder or not (Path(folder) / "neusight").is_dir():
        pytest.skip("ROOFLINE_DATA does not name a folder with the public data sets")
    return Path(folder)


@pytest.mark.parametrize(
    ("name", "count", "left_out"),
    [
        ("deepbench", 1431, {"rows without a time of the data part": 30}),
        ("caffe", 178, {}),
        pytest.param("aiconfigurator", 71_400, {}, marks=pytest.mark.slow),
        pytest.param(
            "neusight",
            252_415,
            {
                "traced calls that launch nothing, or are not here": 2319,
                "runs of nets with fused operators, whose fusions the set does not list": 4,
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
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
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
    shipped = specs.load_datasheet_spread()
    assert dict(shipped.data["rows"]) == counts
    assert set(shipped.families) == set(ratios)
    for family, fit in shipped.families.items():
        found = script.pooled(ratios[family])
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
            assert 0.3 < result.prediction.phases[phase] / seconds < 0.9, (result.chip, result.run, phase)
    errors = [abs(r.prediction.seconds.middle / r.seconds - 1) for r in found]
    assert sum(errors) / len(errors) < 0.35


@pytest.mark.slow
def test_the_numbers_of_the_gpu_model_are_reproduced(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fit on the public rows gives what is shipped, for all cards and for each."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    script = benchmark("gpu_model")
    chips = {name: specs.load_chip(name) for name in script.DEVICES}
    found = script.fit(script.parts_of(script.load(data, script.DEVICES)), chips)
    folder = BENCHMARKS.parent / "hw_specs/calibrations"
    shared = specs.load_calibration(folder / "any-gpu/public.yaml")
    assert dict(shared.ceilings) == {name: pytest.approx(value, rel=0.01) for name, value in found.shared.items()}
    for name in script.DEVICES:
        own = specs.load_calibration(folder / name / "public.yaml").ceilings
        wanted = {**found.shared, **found.own[name]}
        assert dict(own) == {key: pytest.approx(value, rel=0.01) for key, value in wanted.items()}


@pytest.mark.slow
def test_image_nets_of_another_stack(data: Path) -> None:
    """Caffe with cuDNN R4, which has no Winograd: nothing of it is fitted."""
    script = benchmark("caffe_nets")
    fitted, plain = ([abs(r - 1) for *_, r in script.ratios(data, which)] for which in (None, "none"))
    assert len(fitted) == len(plain) == 8
    assert max(fitted) < 0.2
    assert sum(fitted) < 0.5 * sum(plain)
