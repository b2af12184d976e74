"""Shapes and attributes that do not fit are refused with a message that says why."""

from __future__ import annotations

import pytest

from roofline.errors import UnknownName, UsageError
from roofline.lowering import single


@pytest.mark.parametrize(
    ("op", "attributes", "shapes", "message"),
    [
        ("linear", {}, [(2, 3)], "linear needs out: output features"),
        ("linear", {"out": 0}, [(2, 3)], "out is 0; it must be at least 1"),
        ("linear", {"out": True}, [(2, 3)], "must be an integer"),
        ("linear", {"out": 4, "bias": 2}, [(2, 3)], "write true or false"),
        ("linear", {"out": 4}, [()], "not a scalar"),
        ("linear", {"out": 4}, [(2, 3), (2, 3)], "linear takes 1 input, not 2"),
        ("linear", {"out": 2**60}, [(2**30, 3)], "more than 2**62 elements"),
        ("matmul", {}, [(2, 3), (4, 5)], "inner sizes 3 and 4 differ"),
        ("matmul", {}, [(2, 3, 4), (3, 4, 5)], "leading dimensions differ"),
        ("attention", {}, [(1, 3, 4, 8), (1, 2, 4, 8), (1, 2, 4, 8)], "3 query heads do not share 2"),
        ("attention", {}, [(1, 2, 4, 8), (1, 2, 4, 8), (1, 2, 5, 8)], "differ in batch, heads or length"),
        ("attention", {}, [(1, 2, 4, 8), (1, 2, 4, 9), (1, 2, 4, 9)], "differ in batch or head size"),
        ("attention", {}, [(2, 4, 8)] * 3, "queries, keys and values"),
        ("conv2d", {"out": 4, "kernel": 3}, [(1, 3, 2, 2)], "a window of 3 does not fit into 2"),
        ("conv2d", {"out": 4, "kernel": 3, "groups": 2}, [(1, 3, 8, 8)], "do not divide into 2 groups"),
        ("conv2d", {"out": 4, "kernel": (3, 3, 3)}, [(1, 3, 8, 8)], "one integer or [height, width]"),
        ("conv2d", {"out": 4, "kernel": 3, "padding": -1}, [(1, 3, 8, 8)], "at least 0"),
        (
            "conv2d",
            {"out": 4, "kernel": 3},
            [(3, 8, 8)],
            "images (batch, channels, height, width), not (3, 8, 8)",
        ),
        ("batch_norm", {}, [(4,)], "batch, channels"),
        ("add", {}, [(2, 3), (2, 4)], "do not broadcast (3 against 4)"),
        ("add", {"inplace": True}, [(1, 3), (2, 3)], "does not fit into the first input"),
        ("gelu_tanh", {"inplace": True, "steps": True}, [(2, 3)], "take out inplace"),
        ("concat", {"dim": 0}, [(2, 3), (2, 4)], "does not fit"),
        ("concat", {"dim": 2}, [(2, 3)], "has no dimension 2"),
        ("view", {"shape": (4, -1)}, [(2, 3)], "cannot be viewed as (4, -1)"),
        ("view", {"shape": (-1, -1)}, [(2, 3)], "at most one -1"),
        ("transpose", {"dims": (0, 0)}, [(2, 3)], "is not a permutation"),
        ("select", {"dim": 0, "index": 2}, [(2, 3)], "index 2 lies outside"),
        ("slice", {"dim": 1, "start": 2, "length": 2}, [(2, 3)], "2 to 4 lies outside"),
        ("relu", {}, [(2, 0)], "has an empty dimension"),
        ("transpose_copy", {}, [(2,)], "takes (..., m, n)"),
    ],
)
def test_refused(op: str, attributes: dict, shapes: list, message: str):
    with pytest.raises(UsageError) as caught:
        single(op, attributes, shapes)
    assert message in str(caught.value)


def test_unknown_names_come_with_near_ones():
    with pytest.raises(UnknownName, match="did you mean linear"):
        single("liner", {"out": 3}, [(2, 3)])
    with pytest.raises(UnknownName, match="no attribute of conv2d named 'strides'; did you mean stride"):
        single("conv2d", {"out": 3, "kernel": 1, "strides": 2}, [(1, 3, 4, 4)])


def test_attributes_are_kept_in_normal_form():
    node = single("conv2d", {"out": 3, "kernel": 3}, [(1, 3, 4, 4)]).nodes[0]
    assert node.attributes == {
        "out": 3,
        "kernel": (3, 3),
        "stride": (1, 1),
        "padding": (0, 0),
        "dilation": (1, 1),
        "groups": 1,
        "bias": True,
    }
