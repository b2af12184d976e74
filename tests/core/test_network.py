"""Blocks unroll into steps with the names, inputs and numbers they should have."""

from __future__ import annotations

from dataclasses import replace

import pytest

from roofline.core.expression import parse_expression as e
from roofline.core.network import MAX_STEPS, Block, Layer, Network, Source
from roofline.errors import SpecError, UnknownName, UsageError


def network(*layers: Layer, outputs: tuple[str, ...] = (), **blocks: Block) -> Network:
    symbols = {"batch": e(4), "hidden": e(8), "wide": e("4 * hidden")}
    sources = (Source("x", (e("batch"), e("hidden"))), Source("mask", (e("batch"),)))
    return Network("net", "", "", symbols, sources, layers, blocks, outputs, "net.yaml")


def steps(net: Network) -> list:
    return list(net.expand(net.bind({}))[0])


def test_defaults_follow_what_is_bound():
    net = network(Layer("a", op="relu"))
    assert net.bind({}) == {"batch": 4, "hidden": 8, "wide": 32}
    assert net.bind({"hidden": 3})["wide"] == 12
    assert net.bind({"wide": 5}) == {"batch": 4, "hidden": 8, "wide": 5}


def test_what_cannot_be_bound():
    net = network(Layer("a", op="relu"))
    with pytest.raises(UnknownName, match="did you mean hidden"):
        net.bind({"hiden": 3})
    with pytest.raises(UsageError, match="batch is 0; it must be a whole number of at least 1"):
        net.bind({"batch": 0})
    with pytest.raises(UsageError, match="hidden is -1"):
        net.bind({"hidden": -1})


def test_a_chain_and_what_overrides_it():
    a, b, c, d = steps(
        network(
            Layer("a", op="relu"),
            Layer("b", op="relu"),
            Layer("c", op="add", inputs=("a", "input")),
            Layer("d", op="mul", inputs=("c", "mask")),
        )
    )
    assert (a.inputs, b.inputs, c.inputs, d.inputs) == (("x",), ("a",), ("a", "x"), ("c", "mask"))


def test_repeats_feed_each_other_and_first_differs():
    body = Block("body", {"out": None, "twice": e("2 * out")}, (Layer("fc", op="linear", terms={"out": e("twice")}),))
    layer = Layer("up", block="body", terms={"out": e("wide + index")}, repeat=e(3), first={"out": e(1), "twice": e(7)})
    made = steps(network(layer, Layer("end", op="relu"), body=body))
    assert [step.name for step in made] == ["up.0.fc", "up.1.fc", "up.2.fc", "end"]
    assert [step.template for step in made] == ["up.*.fc"] * 3 + ["end"]
    assert [step.inputs[0] for step in made] == ["x", "up.0.fc", "up.1.fc", "up.2.fc"]
    assert [step.attributes.get("out") for step in made] == [7, 66, 68, None]


def test_a_layer_left_out_passes_its_input_on():
    body = Block(
        "body",
        {"project": e(0)},
        (
            Layer("fc", op="linear", terms={"out": e("hidden")}),
            Layer("short", op="linear", inputs=("input",), terms={"out": e("hidden")}, when=e("project")),
            Layer("norm", op="layer_norm", when=e("project")),
            Layer("add", op="add", inputs=("fc", "norm")),
        ),
    )
    made = steps(network(Layer("b", block="body", repeat=e(2), first={"project": True}), body=body))
    assert [step.inputs for step in made if step.op == "add"] == [
        ("b.0.fc", "b.0.norm"),
        ("b.1.fc", "b.0.add"),
    ]
    assert len(made) == 6


def test_blocks_nest_and_their_layers_can_be_named_from_outside():
    inner = Block("inner", {}, (Layer("one", op="relu"), Layer("two", op="add", inputs=("one", "input2"))))
    outer = Block("outer", {}, (Layer("in", block="inner", inputs=("input", "mask")), Layer("end", op="tanh")))
    made = steps(
        network(
            Layer("o", block="outer"),
            Layer("skip", op="relu", inputs=("o.in.one",)),
            outer=outer,
            inner=inner,
        )
    )
    assert [(step.name, step.inputs) for step in made] == [
        ("o.in.one", ("x",)),
        ("o.in.two", ("o.in.one", "mask")),
        ("o.end", ("o.in.two",)),
        ("skip", ("o.in.one",)),
    ]


def test_no_repeats_at_all_is_a_wire():
    made, outputs = network(Layer("a", op="relu", repeat=e(0))).expand({"batch": 1})
    assert (made, outputs) == ((), ("x",))


def test_a_block_does_not_see_its_callers_parameters():
    inner = Block("inner", {}, (Layer("fc", op="linear", terms={"out": e("width")}),))
    outer = Block("outer", {"width": e(3)}, (Layer("in", block="inner"),))
    with pytest.raises(SpecError, match="symbol 'width' has no value"):
        steps(network(Layer("o", block="outer"), outer=outer, inner=inner))


LOOP = Block("loop", {}, (Layer("again", block="loop"),))
EMPTY = Block("empty", {}, (Layer("none", op="relu", when=e(0)),))
DEEP = {
    f"b{depth}": Block(f"b{depth}", {}, (Layer("x", block=f"b{depth + 1}", repeat=e(20_000)),)) for depth in range(5)
}


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (
            network(Layer("a", op="relu", inputs=("hiden",), line=7)),
            "net.yaml:7: a: no earlier layer or input",
        ),
        (network(Layer("a", op="relu"), outputs=("b",)), "net.yaml: outputs: no earlier layer"),
        (network(Layer("a", block="blok"), block=LOOP), "no block named 'blok'"),
        (network(Layer("a", block="loop"), loop=LOOP), "does a block contain itself"),
        (network(Layer("a", block="loop", terms={"n": e(1)}), loop=LOOP), "no parameter of block loop"),
        (network(Layer("a", op="relu", repeat=e(MAX_STEPS + 1))), "more than 1,000,000 layers"),
        (network(Layer("a", block="empty", repeat=e(10**9)), empty=EMPTY), "more than 1,000,000 layers"),
        (network(Layer("a", block="b0"), **DEEP, b5=EMPTY), "more than 1,000,000 layers"),
        (network(Layer("a", op="linear", terms={"out": e("1 // (batch - 4)")})), "divides by zero"),
    ],
)
def test_faults(net: Network, message: str):
    with pytest.raises(SpecError) as caught:
        steps(net)
    assert message in str(caught.value)


def test_other_sizes_give_the_steps_of_a_fresh_network() -> None:
    """Steps are unrolled once; attributes that depend on a symbol follow it, others stay the same objects."""
    layers = (Layer("a", op="view", terms={"rows": e("batch * 2")}), Layer("b", op="linear", terms={"out": e("width")}))

    def made() -> Network:
        return replace(network(*layers), symbols={"batch": e(1), "width": e(4)})

    kept = made()
    for batch, width in ((1, 4), (3, 4), (3, 8), (1, 4)):
        sizes = {"batch": batch, "width": width}
        before = kept.expand(kept.bind({"batch": 7, "width": 4}))[0]
        found, outputs = kept.expand(kept.bind(sizes))
        assert (found, outputs) == made().expand(made().bind(sizes))
        assert (found[1] is before[1]) == (width == 4)
