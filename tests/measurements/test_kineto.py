"""Profiles of PyTorch as rows: of a CPU by a real profile, of a GPU by one written by hand."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from roofline.core.measurement import Measurement
from roofline.errors import DataError, RooflineError, UnknownName, UsageError
from roofline.lowering import lower, single
from roofline.measurements.public import read_public
from roofline.measurements.public.kineto import read


def op(
    name: str, start: float, length: float, number: int, dims: list[Any], plain: list[str], kind: str = "float"
) -> Any:
    args = {"External id": number, "Input Dims": dims, "Concrete Inputs": plain, "Input type": [kind] * len(dims)}
    return {
        "ph": "X",
        "cat": "cpu_op",
        "name": f"aten::{name}",
        "pid": 1,
        "tid": 1,
        "ts": start,
        "dur": length,
        "args": args,
    }


def kernel(number: int, length: float) -> Any:
    return {"ph": "X", "cat": "kernel", "name": "k", "ts": 500, "dur": length, "args": {"External id": number}}


GPU = [
    op("linear", 0, 100, 1, [[4, 8], [16, 8], [16]], ["", "", ""], "c10::Half"),
    op("addmm", 10, 50, 2, [[16], [4, 8], [8, 16], [], []], ["", "", "", "1", "1"], "c10::Half"),
    kernel(2, 7.5),
    kernel(2, 2.5),
    op("matmul", 200, 100, 3, [[2, 3, 4], [2, 4, 5]], ["", ""]),
    op("bmm", 210, 50, 4, [[2, 3, 4], [2, 4, 5]], ["", ""]),
    kernel(4, 3),
    op("add", 400, 20, 5, [[4, 8], [], []], ["", "1.0", "1"]),
    kernel(5, 2),
    op("relu_", 430, 20, 6, [[4, 8]], [""]),
    op("sort", 460, 20, 7, [[4, 8], [], []], ["", "0", "False"]),
    kernel(7, 2),
]


def rows(tmp_path: Path, data: Any, skipped: Counter[str] | None = None) -> list[Measurement]:
    path = tmp_path / "trace.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return list(read(path, "rtx-2070", skipped))


def test_on_a_gpu_kernels_count_and_inner_calls_belong_to_the_outer(tmp_path: Path) -> None:
    skipped: Counter[str] = Counter()
    linear, product = rows(tmp_path, {"traceEvents": GPU}, skipped)
    assert (linear.op, linear.attributes, linear.inputs) == ("linear", {"out": 16, "bias": True}, ((4, 8),))
    assert (linear.chip, linear.dtype, linear.seconds) == ("rtx-2070", "fp16", pytest.approx(10e-6))
    assert (product.op, product.inputs, product.seconds) == ("matmul", ((2, 3, 4), (2, 4, 5)), pytest.approx(3e-6))
    assert skipped == {"add with a number": 1, "calls without a kernel": 1}


def test_a_real_profile(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    nn = torch.nn
    net = nn.Sequential(
        *(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.Flatten()),
        *(nn.Linear(8 * 256, 16), nn.LayerNorm(16), nn.GELU(), nn.Softmax(-1)),
    ).eval()
    x = torch.rand(2, 3, 32, 32)
    with torch.no_grad(), torch.profiler.profile(record_shapes=True) as profile:
        net(x)
    profile.export_chrome_trace(str(tmp_path / "real.json"))
    found = list(read(tmp_path / "real.json", "apple-m1"))
    assert [row.op for row in found] == [*("conv2d", "batch_norm", "relu", "linear", "layer_norm", "gelu", "softmax")]
    for row in found:
        assert 0 < row.seconds < 60
        assert len(lower(single(row.op, row.attributes, row.inputs))) == 1
    assert found[0].attributes["stride"] == (2, 2)


@pytest.mark.parametrize(
    ("data", "error", "said"),
    [
        ("{", DataError, "not JSON"),
        ("[" * 100_000, DataError, "not JSON"),
        ('{"a": 1}', DataError, "no traceEvents"),
        ("[]", DataError, "no operators"),
        ([op("relu", 0, 1, 1, [], [])], DataError, "record_shapes"),
    ],
)
def test_wrong_files(data: Any, error: type[RooflineError], said: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=said):
        rows(tmp_path, data)


def test_it_is_a_set_like_others(tmp_path: Path) -> None:
    (tmp_path / "trace.json").write_text(json.dumps({"traceEvents": GPU}))
    assert [row.op for row in read_public("kineto", tmp_path / "trace.json", chip="rtx-2070")] == ["linear", "matmul"]


def test_whose_they_are_must_be_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--chip"):
        list(read(tmp_path / "trace.json", ""))
    with pytest.raises(UsageError, match="no such file"):
        list(read(tmp_path / "none.json", "rtx-2070"))


def test_damaged_traces_are_refused_or_read(tmp_path: Path) -> None:
    """Values changed at random: rows, or an error of ours."""
    dice = random.Random(3)
    odd = [None, -1, 1.5, "x", [], {}, True, [None], [[1, -2]], 10**30]
    for _ in range(300):
        events = json.loads(json.dumps(GPU))
        for _ in range(dice.randint(1, 4)):
            event = dice.choice(events)
            part = event["args"] if dice.random() < 0.6 else event
            part[dice.choice(sorted(part) or ["args"])] = dice.choice(odd)
            if not isinstance(event["args"], dict):
                event["args"] = {}
        try:
            for row in rows(tmp_path, events):
                assert row.seconds > 0
        except RooflineError:
            continue


def test_repeated_calls_are_samples_of_one_measurement(tmp_path: Path) -> None:
    calls = [op("relu", 10.0 * i, length, i, [[4, 8]], [""]) for i, length in enumerate((5.0, 3.0, 4.0))]
    (row,) = rows(tmp_path, {"traceEvents": [*calls]})
    assert row.samples == pytest.approx((5e-6, 3e-6, 4e-6))
    assert row.seconds == pytest.approx(4e-6)


def test_a_profile_is_of_a_chip_that_exists(tmp_path: Path) -> None:
    (tmp_path / "trace.json").write_text(json.dumps({"traceEvents": GPU}))
    with pytest.raises(UnknownName, match="rtx-2071"):
        list(read(tmp_path / "trace.json", "rtx-2071"))
