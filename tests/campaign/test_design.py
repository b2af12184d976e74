"""What a campaign asks: everything once, evenly, what tells most first, and no layer of the nets it is tested on."""

from collections import Counter

import numpy as np
import pytest
from click.testing import CliRunner

from roofline.campaign.design import BACKWARD, FORWARD, design, identity
from roofline.campaign.question import Point
from roofline.cli.app import cli
from roofline.core.dtype import precision
from roofline.core.measurement import Measurement
from roofline.core.run import Recipe, Run
from roofline.core.schedule import KINDS
from roofline.core.stack import Stack
from roofline.errors import UsageError
from roofline.lowering import part_kernels
from roofline.lowering.program import make_program
from roofline.measurements.kernels import OPTIMIZERS, kernels_of
from roofline.measurements.plan import MEASURED, Plan
from roofline.specs import load_network


def test_equal_seeds_give_equal_designs_and_no_question_twice() -> None:
    first = design(400, seed=3)
    assert list(map(identity, first)) == list(map(identity, design(400, seed=3)))
    assert len(set(map(identity, first))) == len(first)
    assert set(map(identity, first)) != set(map(identity, design(400, seed=4)))


def test_every_question_is_one_that_the_operators_know() -> None:
    for question in design(900, seed=1):
        row = Measurement(
            "operator",
            "cpu",
            "fp32",
            1.0,
            op=question.op,
            attributes=question.attributes,
            inputs=question.inputs,
            part=question.part,
        )
        assert kernels_of(row)


def test_the_first_rows_are_a_small_campaign() -> None:
    asked = design(1500)
    whole, first = (Counter(question.family for question in some) for some in (asked, asked[:300]))
    for family, count in whole.items():
        assert abs(first[family] / 300 - count / len(asked)) < 0.02, family
    assert len(asked) == 1500
    assert {*FORWARD, *BACKWARD} - {"loss"} <= set(whole)
    assert {question.part for question in design(300, training=False)} == {"forward"}


SIZES = ("batch", "m", "n", "k", "taps", "stride", "images")


def test_no_layer_of_a_net_that_tests_the_fit_is_asked() -> None:
    fp32, layers = precision("fp32"), set()
    for name, sizes in MEASURED.items():
        for run in (Run(), Run("training", Recipe("adam"))):
            net = make_program(
                load_network(name), bind=sizes, precision=fp32, stack=Stack(), run=run, cuda=False
            ).schedule
            products = net.select(np.flatnonzero(net.kind == KINDS.index("matmul")))
            layers |= set(zip(*(getattr(products, size).tolist() for size in SIZES), strict=True))
    asked = {
        tuple(getattr(kernel, size) for size in SIZES)
        for question in design(Plan().rows, seed=Plan().seed)
        if question.op not in OPTIMIZERS
        for kernel in part_kernels(question.op, question.attributes, question.inputs, fp32, question.part)
        if kernel.kind == "matmul"
    }
    assert len(layers) > 100
    assert not layers & asked


def test_sizes_stay_within_their_ends_and_choices_follow_their_weights() -> None:
    sizes = [Point([place, 0.5]).size(8, 512) for place in (0.0, 0.3, 0.999)]
    assert sizes == sorted(sizes)
    assert (sizes[0], sizes[-1]) == (8, 512)
    chosen = Counter(Point([(i + 0.5) / 100]).choose("abc", (0.2, 0.5, 0.3)) for i in range(100))
    assert chosen == {"a": 20, "b": 50, "c": 30}


def test_a_budget_takes_the_rows_that_tell_most() -> None:
    plan = Plan()
    long, short = plan.within(200), plan.within(60)
    assert plan.rows > long.rows > short.rows
    assert long.networks
    assert not short.networks
    assert plan.within(10**6) == plan
    with pytest.raises(UsageError, match="too short"):
        plan.within(5)
    with pytest.raises(UsageError, match="give at least"):
        plan.within(5)


@pytest.mark.parametrize(
    ("options", "said"),
    [(["--budget", "soon"], "write a time such as"), (["--budget", "2min", "--quick"], "leave out -w, --quick")],
)
def test_a_budget_that_cannot_be_kept_is_refused(options: list[str], said: str) -> None:
    pytest.importorskip("torch")
    result = CliRunner().invoke(cli, ["measure", "--device", "cpu", *options])
    assert result.exit_code != 0
    assert said in result.output
