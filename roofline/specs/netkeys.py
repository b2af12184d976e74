"""Which keys does the file of a net take? See :mod:`roofline.specs.keys`."""

from __future__ import annotations

from collections.abc import Mapping

from roofline.specs.keys import Key, Section, text

_LAYERS = Key("layers", "list", "the layers in order, each `- name: operator` or `- name: {...}`", True, of="entry")
NET: Mapping[str, Section] = {
    "net": Section(
        "The file of a net",
        "`workloads/<name>.yaml`. Sizes are whole numbers or arithmetic on symbols, such as `4 * hidden`.",
        (
            text("extends", "the net to build on; beside it stand `title`, `source` and `symbols` alone"),
            text("title", "the name in full", required=True),
            text("source", "who described this net, and where", required=True),
            Key("symbols", "keys and values", "sizes that a question may change, with their defaults", of="symbols"),
            Key("inputs", "keys and values", "the tensors it reads", True, of="inputs"),
            Key("blocks", "keys and values", "groups of layers used more than once", of="blocks"),
            _LAYERS,
            Key("outputs", "list of texts", "the layers whose results are kept", default="the last layer"),
        ),
    ),
    "symbols": Section("`symbols`", "", free="a name; its value is a size, which may use the symbols before it"),
    "inputs": Section(
        "`inputs`", "", free="a name; its value is a shape, such as `[batch, seq]`, or the keys below", of="input"
    ),
    "input": Section(
        "An input",
        "",
        (
            Key("shape", "list of sizes", "its dimensions, the batch first", True),
            text("dtype", "how it is stored", default="as the net is computed"),
        ),
    ),
    "blocks": Section("`blocks`", "", free="a name; its value are the keys below", of="block"),
    "block": Section(
        "A block",
        "Its result is that of its last layer; `input` is what it is given.",
        (
            Key("parameters", "keys and values", "names with a default each, or `required`", of="parameters"),
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
            text("op", "the operator; either this or `block`"),
            text("block", "the block; either this or `op`"),
            Key("from", "text or list", "the layers or inputs it reads", default="the layer before"),
            Key("repeat", "size", "how many times, one after the other", default="1"),
            Key("first", "keys and values", "attributes of the first of several"),
            Key("when", "size", "0 leaves the layer out"),
            text("tied", "the layer whose weights it shares"),
        ),
    ),
}
