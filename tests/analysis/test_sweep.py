"""Is every row of a sweep what ``predict`` says, in a fixed order, and is nothing left out?"""

from __future__ import annotations

import random
from itertools import islice

import pytest

import roofline
from roofline.analysis.rows import COLUMNS, Row
from roofline.analysis.sweep import MOST_POINTS, sweep
from roofline.core.warned import codes
from roofline.errors import RooflineError, UsageError

CHIPS = ("gtx-980", "rtx-2070", "h100-sxm", "apple-m1", "epyc-9654", "tpu-v1", "inferentia2", "nnp-i-1000", "gtx-970")
NETWORKS = ("mlp", "resnet18", "bert-base", "mobilenetv2", "lstm", "gpt2")
DTYPES = ("fp32", "fp16", "bf16", "int8")


def same(row: Row, chip: str, network: str, **asked: object) -> bool:
    """Whether a row is what ``predict`` says, to 1e-9."""
    try:
        made = roofline.predict(chip, network, **asked)  # type: ignore[arg-type]
    except RooflineError as error:
        return row.refusal == str(error)
    close = pytest.approx([made.seconds.low, made.seconds.middle, made.seconds.high, made.samples_per_s], rel=1e-9)
    words = (made.batch, made.bound, made.tier, made.fits, made.calibration, " ".join(codes(made.warnings)))
    return (
        [row.low_s, row.seconds, row.high_s, row.samples_per_s] == close
        and (row.batch, row.bound, row.tier, row.fits, row.calibration, row.warnings) == words
        and row.bound_share == pytest.approx(made.bounds[made.bound], rel=1e-9)
        and [row.memory, row.flops, row.bytes] == pytest.approx([made.memory.total, made.flops, made.bytes], rel=1e-9)
    )


@pytest.mark.parametrize("mode", ["inference", "training"])
def test_rows_are_predictions(mode: str) -> None:
    """A thousand random points over all kinds of chip, some of them refused."""
    number = 900 if mode == "inference" else 100
    dice = random.Random(number)
    made = 0
    while made < number:
        chips = dice.sample(CHIPS, 3)
        networks = dice.sample(NETWORKS, 2)
        batches = dice.sample([1, 2, 3, 7, 8, 16, 33], 2)
        dtypes = dice.sample(DTYPES, 2)
        stack = dice.choice(["eager", "compiled", "graphs", "throughput", "latency"])
        rows = iter(sweep(chips, networks, batch=batches, dtype=dtypes, mode=mode, stack=stack))
        for network in networks:
            for dtype in dtypes:
                for batch in batches:
                    for chip in chips:
                        asked = {"batch": batch, "dtype": dtype, "mode": mode, "stack": stack}
                        assert same(next(rows), chip, network, **asked), (chip, network, asked)
                        made += 1
        assert next(rows, None) is None


def test_the_order_and_the_number_are_fixed() -> None:
    asked = {"batch": [1, 8], "dtype": ["fp32", "fp16"], "bind": {"seq": [16, 32]}}
    one, again = (sweep(["gtx-980", "rtx-2070"], ["gpt2"], **asked) for _ in range(2))  # type: ignore[arg-type]
    rows = list(one)
    assert len(one) == len(rows) == 16
    assert rows == list(again)
    assert [row.chip for row in rows[:4]] == ["gtx-980", "rtx-2070"] * 2
    assert [row.batch for row in rows[:4]] == [1, 1, 8, 8]
    assert [row.symbols for row in rows[:8:4]] == ["seq=16", "seq=32"]
    assert [row.dtype for row in rows[::8]] == ["fp32", "fp16"]


def test_changes_of_chips_are_points() -> None:
    change = {"DRAM.bandwidth": "x2"}
    plain, faster = sweep("rtx-2070", "resnet18", what_if=[{}, change], calibration="none")
    assert (plain.what_if, faster.what_if) == ("", "DRAM.bandwidth=x2")
    assert faster.seconds is not None
    assert plain.seconds is not None
    assert faster.seconds < plain.seconds


def test_what_cannot_be_predicted_is_a_row_with_the_reason() -> None:
    rows = list(sweep(["tpu-v1", "no-such-chip", "rtx-2070"], ["mlp", "no-such-network"], bind={"sequ": 3}))
    assert len(rows) == 6
    assert all(row.refusal and row.seconds is None for row in rows)
    assert "does not compute in fp32" in rows[0].refusal or "no symbol" in rows[0].refusal
    assert "no chip named 'no-such-chip'" in rows[1].refusal
    assert "no symbol" in rows[2].refusal
    assert "no network named 'no-such-network'" in rows[3].refusal
    assert [row.chip for row in rows] == ["tpu-v1", "no-such-chip", "rtx-2070"] * 2


def test_the_largest_batch_of_each() -> None:
    rows = list(sweep(["gtx-980", "rtx-2070"], "alexnet", batch="max"))
    assert [row.batch for row in rows] == [roofline.largest_batch(row.chip, "alexnet") for row in rows]


def test_too_large_and_empty_sweeps_are_refused_at_once() -> None:
    with pytest.raises(UsageError, match=r"1,000,000,000,000 points \(1,000,000,000,000 batch\)"):
        sweep("rtx-2070", "mlp", batch=range(1, 10**12 + 1))
    million = range(1, 10**6 + 1)
    with pytest.raises(UsageError, match=r"1,000,000 batch x 1,000,000 seq x 1,000,000 context"):
        sweep("rtx-2070", "gpt2", batch=million, bind={"seq": million, "context": million})
    with pytest.raises(UsageError, match="chips of the sweep is empty"):
        sweep([], "mlp")
    largest = sweep("rtx-2070", "mlp", batch=range(1, MOST_POINTS + 1))
    assert len(largest) == MOST_POINTS
    assert repr(largest) == "<Sweep: 100,000,000 points; 100,000,000 batch>"
    assert next(iter(largest)).batch == 1


def test_an_optimizer_is_an_axis_of_training_alone() -> None:
    asked = sweep("rtx-2070", "mlp", mode=["inference", "training"], optimizer=["sgd", "adamw"], dtype=["fp32", "fp16"])
    rows = list(asked)
    assert len(asked) == len(rows) == 6
    runs = [("inference", ""), ("training", "sgd"), ("training", "adamw")]
    assert [(row.mode, row.optimizer) for row in rows[::2]] == runs


def test_it_starts_at_once_and_keeps_nothing() -> None:
    rows = iter(sweep("all", "all", batch=range(1, 10_001)))
    assert [row.chip for row in islice(rows, 3)] == roofline.chips()[:3]


def test_progress() -> None:
    told: list[tuple[int, int, str]] = []
    list(sweep(["gtx-980", "rtx-2070"], "mlp", progress=lambda *said: told.append(said)))
    assert told == [(1, 2, "mlp on gtx-980"), (2, 2, "mlp on rtx-2070")]


def test_a_frame() -> None:
    frame = sweep(["gtx-980", "rtx-2070"], "mlp", batch=[1, 8]).to_frame()
    assert tuple(frame.columns) == COLUMNS
    assert len(frame) == 4
    assert frame.groupby("chip")["seconds"].min().gt(0).all()
