"""Options that change nothing are said to, and what surprises is explained."""

from __future__ import annotations

import re
from typing import Any

import pytest
from click.testing import CliRunner

from roofline import specs
from roofline.analysis.compare import compare
from roofline.analysis.explain import explain
from roofline.cli.app import cli
from roofline.core.prediction import Prediction
from roofline.core.run import Run
from roofline.core.stack import Stack
from roofline.errors import Unsupported
from roofline.prediction.predict import predict
from roofline.prediction.warnings import slower_together

IDLE = "ha(s|ve) no effect"


def said(chip: str, net: str, pattern: str, **how: Any) -> list[str]:
    return [text for text in predict(chip, net, **how).warnings if re.search(pattern, text)]


@pytest.mark.parametrize(
    ("chip", "net", "stack", "flag", "why"),
    [
        ("rtx-2070", "mlp", Stack(serving="latency"), "--serving latency", "is a GPU"),
        ("rtx-2070", "mlp", Stack(cudnn=4), "--cudnn", "no convolutions"),
        ("rtx-2070", "mlp", Stack(cudnn=4, autotuned=True), "--cudnn and --autotune have no effect", "no convolutions"),
        ("rtx-2070", "mlp", Stack(threads=4), "--threads", "is a GPU"),
        (
            "inferentia2",
            "resnet18",
            Stack(cudnn=4, winograd=False),
            "--cudnn and --no-winograd have",
            "is an NPU or TPU",
        ),
        ("tpu-v1", "mlp", Stack(serving="sharded"), "--serving sharded", "has one; leave it out"),
        ("inferentia2", "mlp", Stack(serving="latency", chips=4), "--chips 4 adds memory only", "sharded"),
    ],
)
def test_an_option_that_changes_nothing_is_said_to(chip: str, net: str, stack: Stack, flag: str, why: str) -> None:
    dtype = str(specs.load_chip(chip).precisions()[0])
    told = predict(chip, net, dtype=dtype, stack=stack)
    assert any(flag in text and why in text for text in told.warnings), told.warnings
    usual = predict(chip, net, dtype=dtype, stack=Stack(serving=stack.serving if stack.chips > 1 else "throughput"))
    assert told.seconds.middle == usual.seconds.middle


def test_options_that_change_something_are_not_said_to_be_idle() -> None:
    stack = Stack(cudnn=5, autotuned=True)
    assert not said("rtx-2070", "resnet18", IDLE, stack=stack)
    assert said("rtx-2070", "resnet18", "the plain roofline does not choose", stack=stack, calibration="none")
    assert not said("inferentia2", "resnet18", IDLE, dtype="bf16", stack=Stack(serving="sharded", chips=2))
    assert said("tpu-v3", "mlp", "--host-dispatch", dtype="bf16", run=Run(host_dispatch=1e-5))


TO_DO = re.compile(r"roofline \w|--\w|docs/\w|\b(add|use|check|choose|leave|install|read)\b")
REMARKS = ("no GEMM tile list", " fused: applied to results")
"""What needs no action, or is said of every answer by the predictor itself."""


@pytest.mark.parametrize(
    ("chip", "net", "how"),
    [
        ("rtx-2070", "mlp", {"stack": Stack(cudnn=4, tf32=True, threads=2), "run": Run(cache="int8")}),
        ("rtx-2070", "mlp", {"calibration": "none"}),
        ("h100-sxm", "bert-large", {"batch": 1}),
        ("h100-sxm", "bert-base", {"bind": {"seq": 1024}, "dtype": "fp16"}),
        ("gtx-980", "vgg16", {"batch": 1000}),
        ("gtx-980", "vgg16", {"batch": 1000, "run": Run("training")}),
        ("gtx-980", "mlp", {"batch": 4096}),
        ("a100-pcie-40gb", "resnet18", {}),
        ("mi300x", "mlp", {"dtype": "bf16"}),
        ("epyc-9654", "mlp", {}),
        ("inferentia", "mlp", {"dtype": "bf16", "stack": Stack(serving="latency", chips=2)}),
        ("tesla-fsd-npu", "mlp", {"dtype": "int8"}),
        ("nnp-i-1000", "llama-3-8b", {"dtype": "int8"}),
    ],
)
def test_a_warning_says_what_to_do(chip: str, net: str, how: dict[str, Any]) -> None:
    told = [text for text in predict(chip, net, **how).warnings if not any(word in text for word in REMARKS)]
    assert told
    assert [text for text in told if not TO_DO.search(text)] == []


def test_a_batch_that_takes_longer_on_several_chips() -> None:
    one, two = (
        predict("inferentia2", "resnet18", dtype="bf16", stack=Stack(serving="sharded", chips=chips))
        for chips in (1, 2)
    )
    assert slower_together(two, one) == []
    (text,) = slower_together(one_as_two := _named(one, 2), two)
    assert one_as_two.stack.chips == 2
    assert f"{one.seconds.middle / two.seconds.middle:.2f} times as long" in text


def _named(prediction: Prediction, chips: int) -> Prediction:
    from dataclasses import replace

    return replace(prediction, stack=replace(prediction.stack, chips=chips))


def test_a_chip_without_fp32_says_what_to_write() -> None:
    with pytest.raises(Unsupported, match="write --dtype int8"):
        predict("tesla-fsd-npu", "mlp")
    with pytest.raises(Unsupported, match="does not compute in bf16; it has int8") as caught:
        predict("tesla-fsd-npu", "mlp", dtype="bf16")
    assert "write" not in str(caught.value)


def test_chips_that_share_no_precision_are_compared_each_at_its_best() -> None:
    found = compare(["tesla-fsd-npu", "tpu-v3"], "mlp")
    by_chip = {entry.chip: entry for entry in found.predicted}
    assert (by_chip["tesla-fsd-npu"].dtype, by_chip["tpu-v3"].dtype) == ("int8", "fp32")
    assert "int8 because it does not support fp32, fp16" in by_chip["tesla-fsd-npu"].path
    ratio = by_chip["tesla-fsd-npu"].samples_per_s / by_chip["tpu-v3"].samples_per_s
    assert by_chip["tesla-fsd-npu"].speedup_over_first == pytest.approx(ratio)
    assert by_chip["tesla-fsd-npu"].speedup is None
    alone = compare(["rtx-2070", "gtx-980"], "mlp")
    assert len(alone.entries) == 4


def test_large_layers_on_old_cards_are_explained() -> None:
    (text,) = said("gtx-980", "mlp", "32-byte sectors", batch=4096)
    assert "of the peak" in text
    assert not said("gtx-980", "mlp", "32-byte sectors", batch=1)
    assert not said("rtx-2070", "mlp", "32-byte sectors", batch=4096)


@pytest.mark.parametrize(("chip", "dtype"), [("gtx-980", "fp32"), ("rtx-2070", "fp16")])
def test_the_formula_of_a_product_has_its_numbers(chip: str, dtype: str) -> None:
    (kernel,) = explain(chip, "mlp", "fc2", batch=4096, dtype=dtype).kernels
    p = float(kernel.formula.rpartition("p = ")[2])
    parts = {part.resource: part.seconds for part in kernel.parts}
    launch = parts.pop("launch", 0.0)
    assert sum(part**p for part in parts.values()) ** (1 / p) + launch == pytest.approx(kernel.seconds.middle, rel=0.02)


def run(*words: str) -> str:
    result = CliRunner().invoke(cli, list(words))
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_side_of_the_ridge_does_not_contradict_the_largest_part() -> None:
    text = " ".join(run("explain", "gtx-980", "-w", "mlp", "--layer", "fc2", "--batch", "4096").split())
    assert "<- largest" in text
    assert "above the machine balance, compute-bound at full rates; in this prediction the limit is DRAM" in text


def test_arrays_run_what_their_compiler_makes() -> None:
    text = run("predict", "tpu-v3", "-w", "mlp", "--dtype", "bf16")
    assert "pytorch" not in text
    assert "its own compiler" in text
    both = " ".join(run("compare", "rtx-2070", "tpu-v3", "-w", "mlp", "--dtype", "fp32").split())
    assert "stack: pytorch, eager, 1 thread; tpu-v3: on its own compiler" in both
    assert "tier datasheet: the model of NPUs and TPUs with no parameter fitted" in both


def test_a_lender_that_is_no_chip_is_named_by_its_architecture() -> None:
    (text,) = said("nnp-i-1000", "mlp", "borrowed", dtype="int8")
    assert "fitted on other chips of architecture spring-hill with their own software" in text


def test_sizes_of_nothing() -> None:
    result = CliRunner().invoke(cli, ["predict", "rtx-2070", "-w", "bert-base", "--bind", "seq=0"])
    assert result.exit_code == 2
    assert "seq is 0, which leaves nothing to compute; write at least 1" in result.output
