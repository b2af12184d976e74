"""A net that extends another: its symbols win, its layers come from there, and faults say which file is meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from roofline.errors import SpecError
from roofline.lowering import build, check
from roofline.specs.netfile import check_network, load_network

BASE = """\
title: two layers
source: nobody
symbols: {batch: 2, hidden: 8, wide: 4 * hidden}
inputs:
  x: [batch, hidden]
layers:
  - up: {op: linear, out: wide}
  - rows: {op: view, shape: [batch, 2, wide // 2]}
"""
CHILD = """\
title: wider
extends: base
symbols: {hidden: 16}
"""


@pytest.fixture
def files(tmp_path: Path):
    def made(child: str = CHILD, **others: str) -> Path:
        for name, text in {"base": BASE, "child": child, **others}.items():
            (tmp_path / f"{name}.yaml").write_text(text)
        return tmp_path / "child.yaml"

    return made


def faults(path: Path) -> list[str]:
    """All faults, those of shapes included, without the folder."""
    found = check_network(path) or check(load_network(path))
    return [str(fault).replace(f"{path.parent}/", "") for fault in found]


def test_symbols_win_and_what_follows_from_them_follows(files):
    network = load_network(files())
    assert (network.name, network.title, network.source) == ("child", "wider", "nobody")
    assert network.bind({}) == {"batch": 2, "hidden": 16, "wide": 64}
    assert build(network).tensors["up.weight"].shape == (64, 16)
    assert network.layers == load_network(files().with_name("base.yaml")).layers


def test_a_chain_of_nets(files):
    grandchild = "title: widest\nextends: child\nsource: me\nsymbols: {wide: 100}\n"
    network = load_network(files(grandchild=grandchild).with_name("grandchild.yaml"))
    assert (network.title, network.source) == ("widest", "me")
    assert network.bind({}) == {"batch": 2, "hidden": 16, "wide": 100}


def test_a_net_beside_the_file_comes_before_one_that_ships(files):
    ships = "title: mine\nextends: mlp\nsymbols: {batch: 3}\n"
    path = files(ships)
    assert load_network(path).recipe.endswith("workloads/mlp.yaml")
    path = files(ships, mlp=BASE)
    assert load_network(path).recipe == str(path.with_name("mlp.yaml"))


WRONG = [
    ("extends: base", "extends: bse", "child.yaml:2: extends: there is no bse.yaml; did you mean base?"),
    ("extends: base", "extends: child", "child.yaml:2: extends: forms a cycle"),
    ("extends: base", "extends: [base]", "child.yaml:2: extends: write the name of one net"),
    ("extends: base\n", "extends: base\nlayers: []\n", "child.yaml:3: layers: layers of base cannot be changed"),
    ("extends: base\n", "extends: base\ninputs: {x: [1]}\n", "child.yaml:3: inputs: inputs of base cannot be changed"),
    ("extends: base\n", "extends: base\nsourse: me\n", "child.yaml:3: sourse: unknown key; did you mean source?"),
    ("title: wider\n", "", "child.yaml:1: title: is missing"),
    ("hidden: 16", "depth: 3", "child.yaml:3: symbols.depth: is never used"),
    ("hidden: 16", "hidden: wide", "child.yaml:3: symbols.hidden: no symbol named 'wide'"),
    # a size that only the layers of the other file refuse
    ("hidden: 16", "wide: 33", "base.yaml:8: rows: view: (2, 33)"),
]


@pytest.mark.parametrize(("old", "new", "message"), WRONG)
def test_what_is_wrong_is_named_with_its_file(files, old: str, new: str, message: str):
    assert old in CHILD
    found = faults(files(CHILD.replace(old, new)))
    assert len(found) == 1, found
    assert found[0].startswith(message)


def test_a_shape_fault_says_who_extends(files):
    (found,) = faults(files(CHILD.replace("hidden: 16", "wide: 33")))
    assert found.endswith("(as child extends it)")


def test_two_files_that_extend_each_other(files):
    path = files(BASE.replace("source: nobody", "source: nobody\nextends: other"), other="title: o\nextends: child\n")
    with pytest.raises(SpecError, match="cycle"):
        load_network(path)


def test_a_fault_of_the_other_file_has_its_line(files):
    path = files(base=BASE.replace("linear, out: wide", "linear, out: wyde"))
    assert faults(path) == ["base.yaml:7: layers[0].up.out: no symbol named 'wyde'; did you mean wide?"]


def test_a_layer_without_inputs_takes_none(files):
    text = BASE.replace("  - up:", "  - p: {op: parameter, from: x, shape: [2, hidden]}\n  - up:")
    (found,) = faults(files(text))
    assert found == "child.yaml:7: p: parameter takes no inputs; remove from"
    whole = build(load_network(files(text.replace("from: x, ", ""))))
    assert whole.nodes[0].inputs == ()
    assert whole.nodes[1].inputs == ("p",)
