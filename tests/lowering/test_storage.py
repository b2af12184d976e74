"""Which tensors shrink when weights and caches are stored in fewer bits? Counted by hand."""

from __future__ import annotations

import pytest

from roofline.core.dtype import precision
from roofline.core.network import Network
from roofline.core.workload import Workload
from roofline.lowering import build
from roofline.lowering.storage import store
from roofline.specs.netfile import load_network

NET = """\
title: words in and out
source: made up
symbols: {batch: 2, seq: 3, hidden: 256, words: 1000}
inputs: {ids: {shape: [batch, seq], dtype: int64}}
layers:
  - words: {op: embedding, entries: words, features: hidden}
  - up: {op: linear, out: 300}
  - norm: layer_norm
  - down: {op: linear, out: hidden, bias: false}
  - head: {op: linear, out: words, bias: false, tied: words}
"""


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Network:
    path = tmp_path_factory.mktemp("nets") / "words.yaml"
    path.write_text(NET)
    return load_network(path)


def stored(work: Workload) -> dict[str, float]:
    """Bytes of every weight and scale."""
    return {name: tensor.bytes for name, tensor in work.tensors.items() if tensor.role in ("weight", "state")}


@pytest.mark.parametrize(("weights", "scales"), [("int8", (1, 1)), ("int4", (2, 3))])
def test_matrices_shrink_and_a_table_that_is_the_output_layer_does_not(
    net: Network, weights: str, scales: tuple[int, int]
) -> None:
    """int4 has a scale for each 128 of 256 or 300 inputs: 2 or 3 for each output."""
    before = build(net, {}, precision("fp16"))
    after = store(before, weights)
    size = {"int8": 1.0, "int4": 0.5}[weights]
    wide, narrow = stored(before), stored(after)
    assert wide["words.weight"] == narrow["words.weight"] == 1000 * 256 * 2
    assert {name: narrow[name] for name in ("up.weight", "down.weight")} == {
        "up.weight": 300 * 256 * size,
        "down.weight": 256 * 300 * size,
    }
    assert {name: narrow[name] for name in narrow if name not in wide} == {
        "up.weight.scale": 300 * scales[0] * 2,
        "down.weight.scale": 256 * scales[1] * 2,
    }
    for name in ("up.bias", "norm.weight", "norm.bias"):
        assert narrow[name] == wide[name]


def test_nothing_asked_changes_nothing(net: Network) -> None:
    work = build(net, {}, precision("fp16"))
    assert store(work) == work
