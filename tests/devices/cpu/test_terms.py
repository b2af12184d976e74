"""Does each term of the CPU equation act on the kernels that it is about, by as much as the equation says?"""

from __future__ import annotations

from typing import Any

import pytest
from synthetic import CEILINGS, lower, parameters

from roofline.campaign.question import Question
from roofline.core.times import Times
from roofline.devices.cpu.model import Ceilings, plan_times
from roofline.devices.cpu.plans import plan_labels


def conv(channels: int = 64, out: int = 64, side: int = 28, part: str = "forward", **attributes: Any) -> Question:
    return Question("", "conv2d", {"out": out, "bias": False, **attributes}, ((2, channels, side, side),), part=part)


def depthwise(kernel: int, stride: int = 1, part: str = "data") -> Question:
    return conv(kernel=kernel, padding=kernel // 2, stride=stride, groups=64, part=part)


def linear(m: int, n: int, k: int) -> Question:
    return Question("", "linear", {"out": n, "bias": False}, ((m, k),))


def softmax(m: int, k: int) -> Question:
    return Question("", "softmax", {}, ((m, k),))


def timed(plan: str, question: Question, term: str, value: float, ceilings: Ceilings = CEILINGS) -> Times:
    """A kernel at the parameters of the synthetic CPU, one term (of all operators) set to a value."""
    schedule = lower([question])
    assert plan_labels(schedule) == [plan]
    numbers = {name: value if name.partition(":")[0] == term else one for name, one in parameters()[plan].items()}
    assert any(name.partition(":")[0] == term for name in numbers), f"{plan} has no {term}"
    return plan_times(plan, schedule, numbers, ceilings)


def compute(plan: str, question: Question, term: str, value: float) -> float:
    return float(timed(plan, question, term, value).resources["compute"][0])


@pytest.mark.parametrize(
    ("plan", "term", "question", "factor"),
    [
        # a factor for taps beyond 3 x 3, and one for strides
        ("depthwise-gradient", "wide", depthwise(3), 1.0),
        ("depthwise-gradient", "wide", depthwise(5), 3.0),
        ("depthwise-gradient", "wide", depthwise(5, part="weights"), 3.0),
        ("depthwise-gradient", "strided", depthwise(3), 1.0),
        ("depthwise-gradient", "strided", depthwise(3, stride=2), 3.0),
        ("conv-data", "strided", conv(kernel=3, padding=1, part="data"), 1.0),
        ("conv-data", "strided", conv(kernel=3, padding=1, stride=2, part="data"), 3.0),
    ],
)
def test_a_factor_acts_where_it_says(plan: str, term: str, question: Question, factor: float) -> None:
    assert compute(plan, question, term, 3.0) == pytest.approx(factor * compute(plan, question, term, 1.0))


@pytest.mark.parametrize(
    ("plan", "term", "question", "share"),
    [
        # 1 + sat_k / k
        ("linear", "sat_k", linear(64, 64, 32), 1 / 32),
        ("linear", "sat_k", linear(64, 64, 512), 1 / 512),
        # 1 + remainder x narrower kernels / tiles of 8 columns: 16 leave none, 17 one of 1, 23 those of 4, 2 and 1
        ("linear", "remainder", linear(64, 16, 64), 0.0),
        ("linear", "remainder", linear(64, 17, 64), 1 / 3),
        ("linear", "remainder", linear(64, 23, 64), 3 / 3),
    ],
)
def test_an_overhead_is_a_share_of_the_arithmetic(plan: str, term: str, question: Question, share: float) -> None:
    none = compute(plan, question, term, 0.0)
    assert compute(plan, question, term, 2.0) == pytest.approx((1.0 + 2.0 * share) * none)


@pytest.mark.parametrize(
    ("plan", "term", "question", "elements"),
    [
        # rows shorter than a register of 16 numbers
        ("softmax", "short", softmax(30, 8), 240),
        ("softmax", "short", softmax(30, 15), 450),
        ("softmax", "short", softmax(30, 16), 0),
        # elements of the unfolded input: 9 taps x 16 channels x 7 x 7 pixels; nothing is unfolded for 1 x 1
        ("conv-gemm", "unfold", Question("", "conv2d", {"out": 64, "kernel": 3, "padding": 1}, ((1, 16, 7, 7),)), 7056),
        ("conv-gemm", "unfold", Question("", "conv2d", {"out": 8, "kernel": 1}, ((1, 64, 28, 28),)), 0),
    ],
)
def test_a_cost_for_each_element(plan: str, term: str, question: Question, elements: int) -> None:
    cheap, dear = (compute(plan, question, term, value) for value in (1e-6, 3e-6))
    assert dear - cheap == pytest.approx(2e-6 * elements, abs=1e-15)


def test_weights_pass_at_a_bandwidth_of_their_own() -> None:
    question = linear(64, 128, 256)
    slow, fast = (timed("linear", question, "weight_bandwidth", rate).resources["memory"][0] for rate in (1e9, 1e10))
    assert slow - fast == pytest.approx(128 * 256 * 4 * (1 / 1e9 - 1 / 1e10))


def test_a_start_for_each_call_and_a_cost_for_each_row() -> None:
    question = Question("", "layer_norm", {}, ((40, 64),))
    for term, times in (("start", 1), ("row", 40)):
        one, more = (float(timed("norm", question, term, value).total[0]) for value in (1e-6, 3e-6))
        assert more - one == pytest.approx(times * 2e-6)
