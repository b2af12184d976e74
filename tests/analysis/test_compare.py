"""Is the reason given for a speed-up the reason? And what fits in memory?"""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small import SMALL

from roofline import specs
from roofline.analysis.compare import compare
from roofline.analysis.count import anatomy
from roofline.analysis.explain import explain
from roofline.core.chip import Chip, Fact
from roofline.core.comparison import Reason, words
from roofline.core.run import Run
from roofline.errors import UnknownName, Unsupported, UsageError
from roofline.prediction.largest_batch import LARGEST, largest_batch
from roofline.prediction.predict import predict

NO_HOST = Run(host_dispatch=0.0)


def faster(chip: Chip, *, clock: float = 1.0, bandwidth: float = 1.0) -> Chip:
    """The chip under another name with other figures, no launch floor and no power limit."""

    def scaled(fact: Fact, factor: float) -> Fact:
        return replace(fact, value=fact.value * factor)

    engines = tuple(
        replace(engine, clock=replace(engine.clock, boost=scaled(engine.clock.boost, clock), top=None))
        for engine in chip.engines
    )
    dram = chip.dram
    assert dram.bandwidth is not None
    memory = (*chip.memory[:-1], replace(dram, bandwidth=scaled(dram.bandwidth, bandwidth)))
    return replace(chip, name="other", engines=engines, memory=memory, launch=None, power=None)


BASE = faster(specs.load_chip("gtx-980"))


@pytest.fixture(scope="module")
def gtx() -> Chip:
    return BASE


def test_the_parts_of_a_reason_make_the_whole() -> None:
    """1 / speed-up is the sum of shares over the speed-ups of the parts."""
    result = compare(["gtx-980", "rtx-2070", "h200-sxm"], "resnet50", batch=32)
    told = [entry for entry in result.entries if entry.reasons]
    assert len(told) == 4
    for entry in told:
        assert entry.speedup is not None
        assert sum(reason.share for reason in entry.reasons) == pytest.approx(1.0)
        assert sum(r.share / r.speedup for r in entry.reasons) == pytest.approx(1 / entry.speedup)


@given(clock=st.floats(0.25, 8), bandwidth=st.floats(0.25, 8))
def test_the_speedup_lies_between_the_two_ratios(clock: float, bandwidth: float) -> None:
    other = faster(BASE, clock=clock, bandwidth=bandwidth)
    entry = compare([BASE, other], SMALL, batch=64, dtypes=["fp32"], run=NO_HOST).entries[1]
    assert entry.speedup is not None
    assert min(clock, bandwidth) * (1 - 1e-3) <= entry.speedup <= max(clock, bandwidth) * (1 + 1e-3)
    assert entry.rule == pytest.approx(math.sqrt(clock * bandwidth))


def test_twice_everything_is_twice_as_fast_for_that_reason(gtx: Chip) -> None:
    entry = compare([gtx, faster(gtx, clock=2, bandwidth=2)], "resnet18", dtypes=["fp32"], run=NO_HOST).entries[1]
    assert entry.speedup == pytest.approx(2.0, rel=1e-4)  # missing a page takes as long as before
    for reason in entry.reasons:
        assert reason.before == reason.after
        assert reason.ratio == pytest.approx(2.0, rel=1e-4)
    assert "2.00x the peak" in entry.reason
    assert "2.00x the bandwidth" in entry.reason


def test_the_owner_of_a_gtx_980_gets_the_reason_in_words() -> None:
    result = compare(["gtx-980", "rtx-2070"], "resnet50", batch=32, calibration="none")
    second = result.entries[1]
    assert second.reason.startswith("1.66x: 61 % of the time is bound by CUDA cores: 1.50x the peak")
    assert "39 % by DRAM: 2.00x the bandwidth" in second.reason
    emulated, tensor = result.entries[2:]
    assert "storage only" in emulated.path
    assert tensor.path == "tensor cores, fp32 accumulation"
    assert tensor.speedup_over_first is not None
    assert second.speedup is not None
    assert tensor.speedup_over_first > second.speedup


def test_a_chip_that_lacks_a_precision_has_an_entry_that_says_so() -> None:
    result = compare(["tesla-fsd", "rtx-2070"], "resnet18", dtypes=["fp16", "int8"], calibration="none")
    lacking = result.entries[0]
    assert lacking.prediction is None
    assert "int8" in lacking.refusal
    assert result.entries[1].speedup is None, "nothing to compare with"
    assert result.entries[3].speedup is not None
    assert result.to_dict()["entries"][0]["prediction"] is None


def test_nothing_to_compare() -> None:
    with pytest.raises(Unsupported, match="int8"):
        compare(["tesla-fsd"], "resnet18", dtypes=["fp32"])
    with pytest.raises(UsageError):
        compare([], "resnet18")
    with pytest.raises(UnknownName):
        compare(["gtx-980"], "resnet18", dtypes=["fp17"])


def test_batches_may_differ_and_speed_is_per_sample() -> None:
    result = compare(["gtx-980", "gtx-980"], "vgg16", batch=8, dtypes=["fp32"])
    assert result.entries[1].speedup == pytest.approx(1.0)


def test_small_parts_are_told_together() -> None:
    parts = [Reason(0.97, "DRAM", "DRAM", 2.0, "bandwidth", 2.0), Reason(0.03, "launch", "launch", 1.0)]
    assert words(1.9, parts) == (
        "1.90x: 97 % of the time is bound by DRAM: 2.00x the bandwidth; 3 % in other parts: 1.00x as fast"
    )
    assert words(1.0, []) == ""


def test_time_that_the_gpu_waits_for_python_is_said_plainly() -> None:
    parts = [Reason(0.6, "host", "host", 1.03), Reason(0.3, "DRAM", "host", 1.5), Reason(0.1, "launch", "DRAM", 2.0)]
    assert words(1.2, parts) == (
        "1.20x: 60 % of the time the GPU waits for Python (host-bound), where a faster GPU does not help but --stack "
        "graphs does; 30 % of the time is bound by DRAM, on this chip by the host (Python): 1.50x as fast; "
        "10 % by launch latency, on this chip by DRAM: 2.00x as fast"
    )


@pytest.mark.parametrize("net", ["resnet18", "vgg16", "bert-base", "playground-mlp"])
@pytest.mark.parametrize("dtype", ["fp32", "fp16"])
def test_the_largest_batch_is_exact(net: str, dtype: str) -> None:
    batch = largest_batch("gtx-980", net, dtype=dtype)
    assert 1 <= batch < LARGEST
    assert predict("gtx-980", net, batch=batch, dtype=dtype).fits
    assert not predict("gtx-980", net, batch=batch + 1, dtype=dtype).fits


def test_no_batch_fits(gtx: Chip) -> None:
    tiny = replace(gtx, memory=(*gtx.memory[:-1], replace(gtx.dram, capacity=Fact(1e6, "for a test"))))
    assert largest_batch(tiny, "vgg16") == 0
    unknown = replace(gtx, memory=(*gtx.memory[:-1], replace(gtx.dram, capacity=None)))
    with pytest.raises(UsageError, match="unknown"):
        largest_batch(unknown, "vgg16")


@pytest.mark.parametrize(("chip", "dtype"), [("rtx-2070", "fp32"), ("rtx-2070", "fp16"), ("tesla-fsd", "int8")])
def test_an_explanation_adds_up_to_the_prediction(chip: str, dtype: str) -> None:
    whole = predict(chip, "bert-base", dtype=dtype)
    for layer in whole.layers[:14]:
        account = explain(chip, "bert-base", layer.name, dtype=dtype)
        assert account.seconds.middle == pytest.approx(layer.seconds.middle)
        assert sum(kernel.flops for kernel in account.kernels) == pytest.approx(layer.flops)
        assert account.share == pytest.approx(layer.seconds.middle / whole.seconds.middle)
        for kernel in account.kernels:
            assert max((part.seconds for part in kernel.parts), default=0.0) <= kernel.seconds.middle * (1 + 1e-9)


def test_an_unknown_layer() -> None:
    with pytest.raises(UnknownName, match=r"layer\.0\.up"):
        explain("rtx-2070", "bert-base", "layer.0.upp")
    with pytest.raises(UsageError, match="mode"):
        explain("rtx-2070", "bert-base", "layer.0.up", run=Run("sleeping"))


def test_an_anatomy_needs_no_chip_and_agrees_with_a_prediction() -> None:
    net, prediction = anatomy("resnet50", batch=4), predict("gtx-980", "resnet50", batch=4)
    assert net.flops == pytest.approx(prediction.flops)
    assert net.bytes == pytest.approx(prediction.bytes)
    assert sum(layer.parameters for layer in net.layers) == net.parameters == prediction.parameters
    tied = anatomy("gpt-small")
    assert sum(layer.parameters for layer in tied.layers) == tied.parameters, "a shared weight counts once"
