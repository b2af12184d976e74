"""A tiny net worked out by hand on a GTX 980, and every question that makes no sense."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from synthetic import Synthetic, calibration, chip

from roofline import lowering, specs
from roofline.core.dtype import precision
from roofline.core.network import Network
from roofline.core.run import Run
from roofline.core.stack import Stack
from roofline.devices.timed import WIDEN_PER_OCTAVE, octaves_outside
from roofline.devices.timing import time_schedule
from roofline.errors import UnknownName, Unsupported, UsageError
from roofline.lowering import lower
from roofline.lowering.program import resolve_workload
from roofline.prediction.predict import predict
from roofline.prediction.select import resolve_calibration
from roofline.units import format_bytes

NET = """
title: two linear layers
source: made up
symbols: {batch: 512}
inputs:
  x: [batch, 1024]
layers:
  - fc1: {op: linear, out: 4096}
  - act: relu
  - fc2: {op: linear, out: 10}
"""

PEAK = 16 * 128 * 2 * 1.216e9  # 16 SMs of 128 lanes, 2 operations each, at the boost clock
BANDWIDTH = 224e9
NO_HOST = Run(host_dispatch=0.0)
LAUNCH = 5e-6
WEIGHTS = (1024 * 4096 + 4096) + (4096 * 10 + 10)


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Network:
    path = tmp_path_factory.mktemp("nets") / "tiny.yaml"
    path.write_text(NET, encoding="utf-8")
    return specs.load_network(path)


def test_three_layers_by_hand(net: Network) -> None:
    prediction = predict("gtx-980", net, run=NO_HOST, calibration="none")
    fc1, act, fc2 = prediction.layers
    # 2 x 512 x 1024 x 4096 operations take longer than their 27 MB
    assert fc1.flops == 4_294_967_296
    assert fc1.bytes == 4 * (512 * 1024 + 1024 * 4096 + 4096 + 512 * 4096)
    assert fc1.seconds.middle == pytest.approx(4_294_967_296 / PEAK)
    assert fc1.bound == "CUDA cores"
    # 512 x 4096 numbers read and written
    assert act.bytes == 16_777_216
    assert act.seconds.middle == pytest.approx(16_777_216 / BANDWIDTH)
    assert act.bound == "DRAM"
    # 10 columns reuse too little: 42 MFLOP take 8.4 us, 8.6 MB take 38 us
    assert fc2.bytes == 4 * (512 * 4096 + 4096 * 10 + 10 + 512 * 10)
    assert fc2.seconds.middle == pytest.approx(8_572_968 / BANDWIDTH)
    assert fc2.resources["CUDA cores"] == pytest.approx(41_943_040 / PEAK)
    assert prediction.seconds.middle == pytest.approx(sum(layer.seconds.middle for layer in prediction.layers))
    assert prediction.samples_per_s == pytest.approx(512 / prediction.seconds.middle)
    assert prediction.bound == "CUDA cores"
    assert prediction.tier == "datasheet"
    assert prediction.tiers == {"datasheet": 1.0}
    assert prediction.parameters == WEIGHTS
    # act holds its input and its output, the caller x
    assert prediction.memory.total == 4 * (WEIGHTS + 2 * 512 * 4096 + 512 * 1024)
    assert prediction.fits is True


def test_no_launch_is_shorter_than_a_launch(net: Network) -> None:
    prediction = predict("gtx-980", net, batch=1, run=NO_HOST, calibration="none")
    assert [layer.bound for layer in prediction.layers] == ["DRAM", "launch", "launch"]
    assert prediction.layers[2].seconds.middle == pytest.approx(LAUNCH)


def test_bounds_and_covered_are_shares(net: Network) -> None:
    prediction = predict("gtx-980", net, calibration="none")
    total = prediction.seconds.middle
    assert sum(prediction.bounds.values()) == pytest.approx(1.0)
    assert prediction.bounds["CUDA cores"] == pytest.approx(prediction.layers[0].seconds.middle / total)
    assert list(prediction.bounds) == ["CUDA cores", "DRAM"]
    assert prediction.covered == {"flops": 1.0, "bytes": 1.0}


def test_a_batch_too_large_says_by_how_much(net: Network) -> None:
    prediction = predict("gtx-980", net, batch=200_000, calibration="none")
    need = 4 * (WEIGHTS + 2 * 200_000 * 4096 + 200_000 * 1024)
    assert prediction.fits is False
    expected = f"does not fit: needs {format_bytes(need)} of 4 GiB, {format_bytes(need - 2**32)} too much"
    assert any(said.startswith(expected) for said in prediction.warnings)


def test_fp16_on_a_maxwell_saves_bytes_and_no_arithmetic(net: Network) -> None:
    wide, narrow = (predict("gtx-980", net, dtype=name, run=NO_HOST, calibration="none") for name in ("fp32", "fp16"))
    assert narrow.layers[0].seconds.middle == pytest.approx(wide.layers[0].seconds.middle)
    assert narrow.layers[1].seconds.middle == pytest.approx(wide.layers[1].seconds.middle / 2)
    said = "gtx-980 has no fp16 arithmetic: fp16 is storage only; computed at the fp32 rate"
    assert said in narrow.warnings
    assert said not in wide.warnings


def test_the_tier_is_the_first_thing_to_know(net: Network) -> None:
    assert predict("gtx-980", net, calibration="none").warnings[0].startswith("tier datasheet")


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"batch": 0}, UsageError, "batch is 0"),
        ({"batch": -3}, UsageError, "batch is -3"),
        ({"bind": {"sequence": 5}}, UnknownName, "no symbol of tiny named 'sequence'"),
        ({"dtype": "bf16"}, Unsupported, "gtx-980 does not compute in bf16; it has fp32"),
        ({"dtype": "fp31"}, UnknownName, "no dtype named 'fp31'; did you mean"),
    ],
)
def test_nonsense_is_refused(net: Network, options: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        predict("gtx-980", net, calibration="none", **options)


def test_unknown_chips_and_nets_have_neighbours() -> None:
    with pytest.raises(UnknownName, match="did you mean rtx-2070"):
        predict("rtx2070", "mlp")
    with pytest.raises(UnknownName, match="did you mean resnet50"):
        predict("rtx-2070", "resnet5")


def test_a_bound_workload_is_bound(net: Network) -> None:
    bound = resolve_workload(net, batch=4, precision=precision("fp32"))
    assert predict("gtx-980", bound, calibration="none").batch == 4
    with pytest.raises(UsageError, match="bound already"):
        predict("gtx-980", bound, batch=8)


def test_a_calibration_of_a_cpu_says_nothing_about_a_gpu(net: Network, cpu: Synthetic) -> None:
    with pytest.raises(UsageError, match=r"is for cpu-synthetic \(a CPU\), not for gtx-980 \(a GPU\)"):
        predict("gtx-980", net, calibration=cpu.calibration)


def test_a_calibrated_cpu(net: Network, cpu: Synthetic) -> None:
    prediction = predict(cpu.chip, net, batch=8, calibration=cpu.calibration)
    assert prediction.tier == "calibrated"
    assert prediction.calibration == "synthetic.yaml"
    assert not any("datasheet" in warning for warning in prediction.warnings)
    for layer in prediction.layers:
        assert layer.bound in ("compute", "memory", "dispatch")
        assert layer.seconds.low == pytest.approx(layer.seconds.middle * np.exp(-0.08))
        assert layer.seconds.high == pytest.approx(layer.seconds.middle * np.exp(0.1))


def test_what_a_calibration_does_not_cover_is_the_plain_roofline(net: Network, cpu: Synthetic) -> None:
    families = {name: fit for name, fit in cpu.calibration.families.items() if name != "elementwise"}
    fc1, act, fc2 = predict(cpu.chip, net, calibration=replace(cpu.calibration, families=families)).layers
    plain = predict(cpu.chip, net, calibration="none").layers[1]
    assert (fc1.tier, act.tier, fc2.tier) == ("calibrated", "datasheet", "calibrated")
    assert act.seconds == plain.seconds
    assert act.bound == plain.bound


def test_outside_the_fitted_shapes_an_interval_widens_and_says_so(net: Network, cpu: Synthetic) -> None:
    linear = replace(cpu.calibration.families["linear"], range={"flops": (1.0, 2.0**30), "bytes": (1.0, 2.0**40)})
    families = {**cpu.calibration.families, "linear": linear}
    prediction = predict(cpu.chip, net, calibration=replace(cpu.calibration, families=families))
    fc1, _, fc2 = prediction.layers  # 2**32 operations: two octaves outside
    assert octaves_outside(lower(resolve_workload(net, precision=precision("fp32"))), linear)[0] == pytest.approx(2.0)
    wider = 1 + 2 * WIDEN_PER_OCTAVE
    assert fc1.seconds.low == pytest.approx(fc1.seconds.middle * np.exp(-0.08 * wider))
    assert fc1.seconds.high == pytest.approx(fc1.seconds.middle * np.exp(0.1 * wider))
    assert fc2.seconds.high == pytest.approx(fc2.seconds.middle * np.exp(0.1))
    share = fc1.seconds.middle / prediction.seconds.middle
    assert f"{share:.0%} of the time is in shapes outside those fitted" in prediction.warnings[0]


def test_one_thread_is_one_core(cpu: Synthetic) -> None:
    schedule = lowering.lower(lowering.single("matmul", {}, [(256, 256), (256, 256)]))
    one, four = (time_schedule(schedule, cpu.chip, stack=Stack(threads=n)).total for n in (1, 4))
    assert one == pytest.approx(4 * four)


def test_the_answer_in_json(net: Network) -> None:
    data = predict("gtx-980", net, calibration="none").to_dict()
    text = json.dumps(data, allow_nan=False)
    assert json.loads(text) == data
    assert {
        "schema_version", "chip", "workload", "batch", "symbols", "dtype", "mode", "run", "stack", "seconds",
        "samples_per_s",
        "bound", "bounds", "phases", "tier", "tiers", "calibration", "covered", "memory", "fits", "warnings", "layers",
    } <= data.keys()  # fmt: skip
    assert {"name", "kind", "shapes", "flops", "bytes", "seconds", "bound", "tier", "repeats"} <= data["layers"][
        0
    ].keys()
    assert data["layers"][0]["shapes"] == "512x1024 -> 512x4096"


def test_names_paths_and_values_are_one(root: Path) -> None:
    named = predict("gtx-980", "mlp", calibration="none")
    paths = predict(root / "hw_specs/gtx-980.yaml", root / "workloads/mlp.yaml", calibration="none")
    values = predict(specs.load_chip("gtx-980"), specs.load_network("mlp"), calibration="none")
    assert named == paths == values


def test_what_a_compiler_spares_is_said() -> None:
    """Norms and activations behind convolutions stay in one kernel: fewer launches, fewer bytes."""
    eager = predict("rtx-2070", "resnet18", batch=2)
    compiled = predict("rtx-2070", "resnet18", batch=2, stack=Stack(mode="compiled"))
    assert eager.merged is None
    assert "merged" not in eager.to_dict()
    assert compiled.merged is not None
    assert compiled.merged.kernels < compiled.merged.eager_kernels
    assert compiled.merged.saved_bytes == pytest.approx(eager.bytes - compiled.bytes)
    assert compiled.merged.saved_bytes > 0.1 * eager.bytes
    assert compiled.to_dict()["merged"]["kernels"] == compiled.merged.kernels


def test_a_calibration_of_an_earlier_version_is_to_be_made_anew() -> None:
    fit = calibration()
    fewer = {name: value for name, value in fit.families["softmax"].parameters.items() if not name.startswith("row:")}
    old = replace(fit, families={**fit.families, "softmax": replace(fit.families["softmax"], parameters=fewer)})
    with pytest.raises(UsageError, match=r"from an earlier version \(softmax has no row\): fit it again"):
        resolve_calibration(chip(), precision("fp32"), old)
