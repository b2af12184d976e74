"""Workload files: pleasant ones are understood, broken ones are answered with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roofline.errors import SpecError
from roofline.lowering import build, check
from roofline.specs.netfile import check_network, load_network

GOOD = """\
title: two layers
source: nobody
symbols: {batch: 2, hidden: 8}
inputs:
  x: [batch, hidden]
blocks:
  layer:
    parameters: {width: required, bias: true}
    layers:
      - fc: {op: linear, out: width, bias: bias}
      - relu: relu
layers:
  - body: {block: layer, repeat: 2, width: 4 * hidden, first: {bias: false}}
  - head: {op: linear, out: hidden}
"""


@pytest.fixture
def write(tmp_path: Path):
    def made(text: str) -> Path:
        path = tmp_path / "net.yaml"
        path.write_text(text)
        return path

    return made


def faults(path: Path) -> list[str]:
    """All faults, those of shapes included, without the folder."""
    found = check_network(path) or check(load_network(path))
    return [str(fault).replace(f"{path.parent}/", "") for fault in found]


def test_a_good_file(write):
    network = load_network(write(GOOD))
    assert (network.name, network.title) == ("net", "two layers")
    workload = build(network, {"hidden": 4})
    assert [node.name for node in workload.nodes] == [
        "body.0.fc",
        "body.0.relu",
        "body.1.fc",
        "body.1.relu",
        "head",
    ]
    # 4 x 16, no bias; 16 x 16 + 16; 16 x 4 + 4
    assert workload.parameters == 64 + 272 + 68
    assert faults(write(GOOD)) == []


BROKEN = [
    ("title: two layers\n", "", "net.yaml:1: title: is missing; write a title"),
    ("source: nobody", "sourse: nobody", "net.yaml:2: sourse: unknown key; did you mean source?"),
    ("hidden: 8}", "hidden: 8, seq: 3}", "net.yaml:3: symbols.seq: is never used"),
    ("hidden: 8}", "hidden: eight}", "net.yaml:3: symbols.hidden: no symbol named 'eight'"),
    ("hidden: 8}", "index: 8}", "net.yaml:3: symbols.index: is not a name for a symbol"),
    ("hidden: 8}", "hidden: 1.5}", "net.yaml:3: symbols.hidden: '1.5'"),
    (
        "x: [batch, hidden]",
        "x: [batch, hiden]",
        "net.yaml:5: inputs.x[1]: no symbol named 'hiden'; did you mean hidden?",
    ),
    ("x: [batch, hidden]", "x: batch", "net.yaml:5: inputs.x: expected a list of sizes"),
    (
        "x: [batch, hidden]",
        "x: {shape: [batch, hidden], dtype: int63}",
        "net.yaml:5: inputs.x.dtype: no dtype",
    ),
    ("x: [batch, hidden]", "x: [batch, hidden / 2]", "write // instead of /"),
    (
        "width: required",
        "hidden: required",
        "net.yaml:8: blocks.layer.parameters.hidden: is the name of a symbol",
    ),
    (
        "out: width",
        "out: widht",
        "net.yaml:10: blocks.layer.layers[0].fc.out: no symbol named 'widht'; did you mean width?",
    ),
    ("out: width", "out: __import__('os')", "only names, integers"),
    (
        "op: linear, out: width",
        "op: liner, out: width",
        "net.yaml:10: fc: no operator named 'liner'; did you mean linear",
    ),
    ("bias: bias", "bais: bias", "net.yaml:10: fc: no attribute of linear named 'bais'; did you mean bias"),
    (
        "      - relu: relu",
        "      - relu relu",
        "net.yaml:11: blocks.layer.layers[1]: expected keys and values",
    ),
    (
        "      - relu: relu",
        "      - fc: relu",
        "net.yaml:11: blocks.layer.layers[1].fc: is the name of another layer",
    ),
    ("      - relu: relu", "      - input: relu", "is not a name for a layer"),
    (
        "      - relu: relu",
        "      - relu: {op: relu, from: conv}",
        "net.yaml:11: relu: no earlier layer or input named 'conv'",
    ),
    (
        "      - relu: relu",
        "      - relu: {inplace: true}",
        "net.yaml:11: blocks.layer.layers[1].relu: needs either op:",
    ),
    (
        "block: layer",
        "block: lair",
        "net.yaml:13: layers[0].body.block: no block named 'lair'; did you mean layer",
    ),
    ("width: 4 * hidden, ", "", "net.yaml:13: body: block layer needs width"),
    (
        "width: 4 * hidden",
        "width: 4, depth: 2",
        "net.yaml:13: body: no parameter of block layer named 'depth'",
    ),
    ("repeat: 2, ", "", "net.yaml:13: layers[0].body.first: applies to the first of several"),
    ("repeat: 2", "repeat: 10000000", "net.yaml:13: body: unrolls to more than 1,000,000 layers"),
    ("out: hidden}", "out: hidden - 8}", "net.yaml:14: head: out is 0; it must be at least 1"),
    ("op: linear, out: hidden", "op: conv2d, out: 3, kernel: 1", "net.yaml:14: head: conv2d takes images"),
]


@pytest.mark.parametrize(("old", "new", "message"), BROKEN)
def test_broken_files(write, old: str, new: str, message: str):
    assert old in GOOD
    found = faults(write(GOOD.replace(old, new)))
    assert any(message in fault for fault in found), found


def test_all_faults_at_once(write):
    text = (
        GOOD.replace("title: two layers", "titel: x")
        .replace("out: width", "out: w")
        .replace("block: layer", "block: l")
    )
    assert len(faults(write(text))) == 4


def test_a_shape_that_does_not_chain_names_the_bound_symbols(write):
    text = GOOD + "  - add: {op: add, from: [head, body]}\n"
    assert faults(write(text)) == ["net.yaml:15: add: (2, 8) and (2, 32) do not broadcast (8 against 32)"]
    with pytest.raises(SpecError, match=r"\(2, 5\) and \(2, 20\) .* \(with hidden = 5\)"):
        build(load_network(write(text)), {"hidden": 5})


def test_a_block_that_contains_itself(write):
    text = GOOD.replace("      - relu: relu", "      - relu: {block: layer, width: 3}")
    assert "does a block contain itself?" in faults(write(text))[0]


@pytest.mark.parametrize(
    "text", ["", "[]", "3", "title: x", "layers: {a: b}\n", "layers: [[1]]", "inputs: {}\nlayers: []"]
)
def test_hardly_a_file_at_all(write, text: str):
    assert faults(write(text))


def test_tied_weights_are_shared(write):
    linear = "{op: linear, out: 9, bias: false"
    head = f"  - a: {linear}}}\n  - b: {linear}}}\n  - c: {linear}, tied: b}}"
    text = GOOD.replace("  - head: {op: linear, out: hidden}", head)
    workload = build(load_network(write(text)))
    assert workload.nodes[-1].weights == ("b.weight",)
    wrong = faults(write(text.replace("out: 9, bias: false, tied: b", "out: 9, bias: false, tied: a")))
    assert wrong == ["net.yaml:16: c: tied to a.weight (9, 32), but its weight is (9, 9)"]


words = st.sampled_from(
    ["title", "layers", "blocks", "inputs", "op", "block", "from", "x", "relu", "hidden", "symbols"]
)
trees = st.recursive(
    st.one_of(words, st.integers(-3, 9), st.booleans(), st.none(), st.floats(allow_nan=False)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(words, inner, max_size=4)),
    max_leaves=12,
)


@given(st.dictionaries(words, trees, max_size=6))
def test_no_tree_of_data_breaks_the_reader(tmp_path_factory, tree: dict):
    import json

    path = tmp_path_factory.mktemp("fuzz") / "net.yaml"
    path.write_text(json.dumps({"title": "t", "source": "s", **tree}))
    found = check_network(path) or check(load_network(path))
    assert all(fault.file == str(path) for fault in found)
