"""The model of CPU cores: which plan a kernel takes, and the equation worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from synthetic import CEILINGS, fittable, lower, parameters

from roofline.campaign.question import Question
from roofline.core.dtype import precision
from roofline.core.schedule import FAMILIES, Schedule
from roofline.core.stack import Stack
from roofline.devices.cpu.model import Ceilings, cpu_times, difficulty, plan_times
from roofline.devices.cpu.plans import PLANS, plan_labels
from roofline.lowering import part_kernels


def conv(shape: tuple[int, ...], out: int, **attributes: Any) -> Question:
    return Question("conv", "conv2d", {"out": out, **attributes}, (shape,))


@pytest.mark.parametrize(
    ("question", "threads", "plan"),
    [
        (Question("", "linear", {"out": 64}, ((8, 64),)), 1, "linear"),
        (Question("", "linear", {"out": 64}, ((7, 64),)), 1, "skinny"),
        (Question("", "linear", {"out": 64}, ((1, 64),)), 1, "gemv"),
        (conv((1, 64, 56, 56), 64, kernel=3, padding=1), 1, "conv-blocked"),
        (conv((1, 16, 7, 7), 64, kernel=3, padding=1), 1, "conv-gemm"),  # 784 elements: small
        (conv((1, 16, 7, 7), 64, kernel=5, padding=2), 1, "conv-blocked"),  # a kernel above 3x3
        (conv((2, 16, 7, 7), 64, kernel=3, padding=1), 1, "conv-blocked"),  # several images
        (conv((1, 256, 56, 56), 64, kernel=1), 1, "conv-gemm"),  # 1x1, not strided, one thread
        (conv((1, 256, 56, 56), 64, kernel=1), 2, "conv-blocked"),
        (conv((1, 256, 56, 56), 64, kernel=1, stride=2), 1, "conv-strided"),
        (conv((16, 256, 14, 14), 64, kernel=1), 1, "conv-blocked"),  # 16 images
        (conv((1, 32, 56, 56), 32, kernel=3, padding=1, groups=32), 1, "depthwise"),
        (Question("", "softmax", {}, ((8, 64),)), 1, "softmax"),
        (Question("", "attention", {}, ((1, 4, 1, 64), (1, 4, 99, 64), (1, 4, 99, 64))), 1, "decode"),
        (replace(conv((1, 64, 56, 56), 64, kernel=3, padding=1, bias=False), part="data"), 1, "conv-data"),
        (replace(conv((1, 64, 56, 56), 64, kernel=3, padding=1, bias=False), part="weights"), 1, "conv-weights"),
        (replace(conv((1, 64, 56, 56), 64, kernel=1, bias=False), part="weights"), 1, "conv-gemm"),
        (Question("", "conv_transpose2d", {"out": 32, "kernel": 2, "stride": 2}, ((1, 64, 56, 56),)), 1, "conv-data"),
        (Question("", "gru", {"hidden": 32}, ((4, 9, 32),)), 1, "recurrence"),
        (Question("", "adam", {}, ((64, 64),) * 4), 1, "optimizer"),
    ],
)
def test_the_path_pytorch_takes(question: Question, threads: int, plan: str) -> None:
    assert plan_labels(lower([question]), Stack(threads=threads)) == [plan]


def test_every_family_of_the_design_has_a_plan() -> None:
    labels = set(plan_labels(lower(fittable(300))))
    assert labels <= set(PLANS)
    assert {*FAMILIES} - {"opaque", "uncovered", "conv", "conv1x1"} <= labels
    assert {"conv-blocked", "conv-gemm"} <= labels


def test_bandwidth_falls_from_the_caches_to_dram() -> None:
    ceilings = Ceilings(cache=8e10, dram=2e10, knee=1e7)
    rates = ceilings.bandwidth(np.array([0.0, 1e7, 1e12]))
    np.testing.assert_allclose(rates, [8e10, 5e10, 2e10], rtol=1e-6)
    assert (np.diff(ceilings.bandwidth(np.geomspace(1e3, 1e9, 50))) < 0).all()


def test_a_copying_stream_by_hand() -> None:
    """Reads once; its fresh output crosses twice; the working set is the input and three outputs."""
    schedule = lower([Question("", "gelu", {}, ((1000, 4096),))])
    fitted = {"start:gelu": 5e-6, "rate:gelu": 1e9, "activations": 0.8}
    times = plan_times("elementwise", schedule, fitted, CEILINGS)
    elements = 4_096_000
    compute = elements / 1e9
    bandwidth = 2e10 + 6e10 / (1 + (4 * 4 * elements / 1.6e7) ** 2)
    memory = 3 * 4 * elements / (0.8 * bandwidth)
    assert times.resources["compute"] == pytest.approx([compute])
    assert times.resources["memory"] == pytest.approx([memory])
    assert times.total == pytest.approx([5e-6 + compute + memory])


def test_in_place_saves_the_output() -> None:
    copying, inplace = (
        cpu_times(lower([Question("", "relu", {"inplace": flag}, ((4096, 4096),))]), parameters(), CEILINGS).resources[
            "memory"
        ][0]
        for flag in (False, True)
    )
    assert copying > 1.4 * inplace


def test_an_operator_no_fit_has_seen_is_the_mean_of_its_kind() -> None:
    schedule = lower([Question("", "tanh", {}, ((64, 64),))])
    fitted = {"start:relu": 1e-6, "start:gelu": 4e-6, "rate:relu": 1e9, "rate:gelu": 1e9, "activations": 1}
    times = plan_times("elementwise", schedule, fitted, CEILINGS)
    assert times.resources["dispatch"] == pytest.approx([2e-6])


def test_a_plan_that_was_not_fitted_has_no_time() -> None:
    schedule = lower([Question("", "relu", {}, ((8, 8),)), Question("", "softmax", {}, ((8, 8),))])
    times = cpu_times(schedule, {"softmax": parameters()["softmax"]}, CEILINGS)
    assert np.isnan(times.total).tolist() == [True, False]


def test_one_row_or_a_thousand_take_the_same_path() -> None:
    schedule = lower(fittable(200, 3))
    whole = cpu_times(schedule, parameters(), CEILINGS).total
    some = range(0, len(schedule), 7)
    single = [cpu_times(schedule.select(np.array([i])), parameters(), CEILINGS).total[0] for i in some]
    np.testing.assert_allclose(whole[::7], single)


def test_difficulty_is_finite_and_has_a_constant() -> None:
    schedule = lower(fittable(100, 4))
    features = difficulty(schedule, cpu_times(schedule, parameters(), CEILINGS).total)
    assert features.shape[0] == len(schedule)
    assert np.isfinite(features).all()
    assert (features[:, 0] == 1).all()


def test_an_empty_schedule_takes_no_time() -> None:
    assert len(cpu_times(Schedule.of([]), parameters(), CEILINGS).total) == 0


def test_a_recurrent_layer_is_timed_as_one_and_its_neighbours_are_not() -> None:
    from roofline import lowering, specs
    from roofline.devices.cpu.plans import with_recurrences

    schedule = lowering.lower(lowering.build(specs.load_network("lstm")))
    labels = np.array(plan_labels(with_recurrences(schedule)))
    before = np.array(plan_labels(schedule))
    recurrent = set(schedule.layer[before == "recurrence"].tolist())
    assert recurrent
    assert set(labels[np.isin(schedule.layer, list(recurrent))]) == {"recurrence"}
    others = ~np.isin(schedule.layer, list(recurrent))
    assert others.any()
    assert (labels[others] == before[others]).all()
    plain = lower([Question("", "relu", {}, ((8, 8),))])
    assert with_recurrences(plain) is plain


def test_a_draw_of_dropout_costs_what_is_guessed_wrong() -> None:
    kernels = [
        part_kernels("dropout", {"percent": p}, ((64, 1024),), precision("fp32"), "training")[0]
        for p in (1, 10, 25, 50, 75, 90, 99)
    ]
    fitted = {"start:dropout": 1e-6, "rate:dropout": 1e8, "activations": 0.8, "guess": 2.0}
    seconds = plan_times("elementwise", Schedule.of(kernels), fitted, CEILINGS).resources["compute"]
    np.testing.assert_allclose(seconds, 65536 / 1e8 * (1 + 2 * np.array([0.01, 0.1, 0.25, 0.5, 0.25, 0.1, 0.01])))
    relu = {"start:relu": 1e-6, "rate:relu": 1e8, "activations": 0.8, "guess": 2.0}
    plain = plan_times("elementwise", lower([Question("", "relu", {}, ((64, 1024),))]), relu, CEILINGS)
    assert plain.resources["compute"] == pytest.approx([65536 / 1e8])  # nothing to guess


@pytest.mark.parametrize(("op", "steps"), [("lstm", 9), ("gru", 40), ("lstm", 1)])
def test_a_recurrent_layer_in_a_net_takes_as_long_as_the_row_that_was_measured(op: str, steps: int) -> None:
    """One call, every step of it, and its weights put in order once, whether as one kernel or step by step."""
    from roofline.devices.cpu.plans import with_recurrences

    fitted = {"start:": 4e-5, "row:": 2e-6, "rate:": 1e11, "weight_bandwidth:": 8e9}
    numbers = {f"{name}{op}_gates": value for name, value in fitted.items()} | {"activations": 0.6}
    whole = lower([Question("", op, {"hidden": 64}, ((4, steps, 64),))])
    kernels = part_kernels(op, {"hidden": 64}, ((4, steps, 64),), precision("fp32"))
    net = with_recurrences(Schedule.of(kernels))
    apart = plan_times("recurrence", net, numbers, CEILINGS)
    merged = plan_times("recurrence", whole, numbers, CEILINGS)
    assert (apart.resources["dispatch"] * net.repeats).sum() == pytest.approx(merged.resources["dispatch"][0])
    assert (apart.total * net.repeats).sum() == pytest.approx(merged.total[0], rel=0.02)


def test_recurrent_layers_in_training_are_operators_of_their_own() -> None:
    inference, training = (
        {kernel.op for kernel in part_kernels("lstm", {"hidden": 8}, ((2, 3, 8),), precision("fp32"), part)}
        for part in ("forward", "training")
    )
    assert "lstm_gates" in inference
    assert "lstm_training_gates" in training


def test_every_term_is_known_to_be_added_or_a_factor() -> None:
    """An explanation says what a term costs by setting it to what is nothing: 0 or 1."""
    from roofline.devices.cpu.account import _ADDED

    stems = {name.rstrip(":") for plan in PLANS.values() for name in plan.free}
    assert stems - set(_ADDED) == {"rate", "weight_bandwidth", "activations", "unaligned", "wide", "strided"}
