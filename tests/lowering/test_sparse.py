"""How large is the gradient of a table of which few rows are used?"""

from __future__ import annotations

import pytest

from roofline.core.run import Recipe
from roofline.core.stack import Stack
from roofline.lowering import build, memory_of_training, training_step
from roofline.lowering.training import Step
from roofline.specs.netfile import load_network

NET = """\
title: two bags from one table
source: made up
symbols: {{batch: 4, entries: 100}}
inputs: {{x: {{shape: [batch, 3], dtype: int64}}, y: {{shape: [batch, 5], dtype: int64}}}}
layers:
  - first: {{op: embedding_bag, from: x, entries: entries, features: 8, sparse: {sparse}}}
  - second: {{op: embedding_bag, from: y, entries: entries, features: 8, sparse: {sparse}, tied: first}}
  - sum: {{op: add, from: [first, second]}}
"""


def step(tmp_path_factory: pytest.TempPathFactory, entries: int, sparse: bool) -> Step:
    path = tmp_path_factory.mktemp("nets") / "bags.yaml"
    path.write_text(NET.format(sparse=str(sparse).lower()))
    return training_step(build(load_network(path), {"entries": entries}), Recipe("sgd"), Stack(), cuda=True)


@pytest.mark.parametrize(("entries", "rows"), [(100, 32), (32, 32), (20, 20), (1, 1)])
def test_it_has_the_rows_that_were_used_and_never_more_than_the_table(
    tmp_path_factory: pytest.TempPathFactory, entries: int, rows: int
) -> None:
    """4 x 3 and 4 x 5 rows are read: 32 in all, of 8 fp32 numbers each."""
    sparse, dense = (step(tmp_path_factory, entries, flag) for flag in (True, False))
    (gradient,), (whole,) = sparse.gradients.values(), dense.gradients.values()
    assert gradient.shape == (rows, 8)
    assert whole.shape == (entries, 8)
    assert [one.shape for one in sparse.parameters] == [(entries, 8)]
    assert memory_of_training(sparse).gradients <= memory_of_training(dense).gradients
