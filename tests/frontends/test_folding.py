"""Repeated modules become blocks, and nothing else changes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from roofline.core.network import Layer, Network, Source
from roofline.core.workload import Workload
from roofline.frontends.pytorch.folding import folded
from roofline.lowering import build

pytest.importorskip("torch")

from frontends import modules as written
from frontends.zoo import ZOO

from roofline.campaign import modules
from roofline.core.expression import parse_expression
from roofline.frontends.pytorch import tracing


def plain(work: Workload) -> list[object]:
    return [replace(node, template="") for node in work.nodes] + [work.outputs, dict(work.tensors)]


def net(*layers: Layer) -> Network:
    size = (parse_expression(4), parse_expression(8))
    return Network("n", "t", "s", {}, (Source("x", size),), layers)


def chain(name: str, *inputs: str, op: str = "relu") -> Layer:
    return Layer(name, op=op, inputs=inputs)


@pytest.mark.parametrize(
    ("layers", "repeat"),
    [
        ((chain("l.0.a"), chain("l.1.a"), chain("l.2.a"), chain("end")), "3"),
        # the last copy is another, so it stays as it is
        ((chain("l.0.a"), chain("l.1.a"), chain("l.2.a", op="tanh")), "2"),
        # copies read each other and one tensor that all share
        (
            (
                chain("s"),
                chain("l.0.a", "s"),
                chain("l.0.b", "l.0.a", "x", op="add"),
                chain("l.1.a"),
                chain("l.1.b", "l.1.a", "x", op="add"),
            ),
            "2",
        ),
        ((chain("l.0.a"), chain("l.1.b")), ""),
        ((chain("l.0.a"), chain("between"), chain("l.1.a")), ""),
        # the second reads further back than its neighbour
        ((chain("l.0.a"), chain("l.1.a", "x")), ""),
        # a weight of the first copy is shared by the others
        ((chain("l.0.a"), replace(chain("l.1.a"), tied="l.0.a")), ""),
    ],
)
def test_by_hand(layers: tuple[Layer, ...], repeat: str) -> None:
    flat = net(*layers)
    made = folded(flat)
    assert [layer.repeat.text for layer in made.layers if layer.repeat] == ([repeat] if repeat else [])
    if not any(layer.tied for layer in layers):
        assert plain(build(made)) == plain(build(flat))


@pytest.mark.slow
def test_traced_nets(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = {**ZOO, "gpt2": (written.Gpt2, ["1x16:int64", "1x16:int64"]), "bert": (modules.Bert, ["1x16:int64"] * 3)}
    whole = {name: tracing.trace(*case).network for name, case in cases.items()}
    monkeypatch.setattr(tracing, "folded", lambda network: network)
    flat = {name: tracing.trace(*case).network for name, case in cases.items()}
    for name in cases:
        assert plain(build(whole[name])) == plain(build(flat[name])), name
    assert len(whole["bert"].layers) < 12 < len(flat["bert"].layers)
    assert {node.template for node in build(whole["gpt2"]).nodes if node.op == "attention"} == {"layer.*.attention"}
