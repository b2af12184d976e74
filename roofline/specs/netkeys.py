"""Which keys does a network file take? See :mod:`roofline.specs.keys`."""

from __future__ import annotations

from collections.abc import Mapping

from roofline.specs.keys import Key, Section, text

_LAYERS = Key("layers", "list", "the layers in order, each `- name: operator` or `- name: {...}`", True, of="entry")
NET: Mapping[str, Section] = {
    "net": Section(
        "The file of a network",
        "`workloads/<name>.yaml`. Sizes are whole numbers or arithmetic on symbols, such as `4 * hidden`.",
        (
            text("extends", "the network to build on; only `title`, `source` and `symbols` can then be given"),
            text("title", "full name", required=True),
            text("source", "who described this network, and where", required=True),
            Key(
                "symbols",
                "keys and values",
                "named sizes that a prediction can change, with their defaults",
                of="symbols",
            ),
            Key("inputs", "keys and values", "the input tensors", True, of="inputs"),
            Key("blocks", "keys and values", "groups of layers used more than once", of="blocks"),
            _LAYERS,
            Key("outputs", "list of texts", "the layers whose results are returned", default="the last layer"),
        ),
    ),
    "symbols": Section("`symbols`", "", free="a name; its value is a size, which can use the symbols above it"),
    "inputs": Section(
        "`inputs`", "", free="a name; its value is a shape, such as `[batch, seq]`, or the keys below", of="input"
    ),
    "input": Section(
        "An input",
        "",
        (
            Key("shape", "list of sizes", "its sizes, the batch first", True),
            text("dtype", "number format in memory", default="the dtype of the prediction"),
        ),
    ),
    "blocks": Section("`blocks`", "", free="a name; its value has the keys below", of="block"),
    "block": Section(
        "A block",
        "Its result is the result of its last layer. Inside it, `input` names the input of the block.",
        (
            Key("parameters", "keys and values", "names, each with a default or with `required`", of="parameters"),
            _LAYERS,
        ),
    ),
    "parameters": Section("`parameters` of a block", "", free="a name; its value is a default, or `required`"),
    "entry": Section(
        "An entry of `layers`", "", free="a name; its value is an operator, or the keys below", of="layer"
    ),
    "layer": Section(
        "A layer",
        "Any other key is an attribute of its operator or a parameter of its block.",
        (
            text("op", "the operator; give either this or `block`"),
            text("block", "the block; give either this or `op`"),
            Key("from", "text or list", "the layers or inputs it reads", default="the layer before"),
            Key("repeat", "size", "number of copies in a row", default="1"),
            Key("first", "keys and values", "attributes of the first copy, if they differ"),
            Key("when", "size", "0 removes the layer"),
            text("tied", "the layer whose weights it shares"),
        ),
    ),
}
