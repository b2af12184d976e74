"""Which networks are small enough to ask of every chip, and how is a deep one made so?

A deep network mostly repeats a block. Two copies of it have every operator of all copies, every seam between copies
and the terms of the first, so that fast tests take two and tests marked ``slow`` take all.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from roofline.core.expression import parse_expression
from roofline.core.network import Layer, Network
from roofline.specs.netfile import load_network

SMALL = load_network(Path(__file__).with_name("small.yaml"))
"""One layer of each common kind."""

COPIES = (2, pytest.param(10_000, marks=pytest.mark.slow, id="all"))
"""How many copies of a block tests take; every block that ships has fewer than the last."""


def shallow(network: Network, copies: int = 2) -> Network:
    """The network with at most so many copies of each block or layer that repeats."""

    def cut(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
        return tuple(
            replace(layer, repeat=parse_expression(f"min({layer.repeat.text}, {copies})")) if layer.repeat else layer
            for layer in layers
        )

    blocks = {name: replace(block, layers=cut(block.layers)) for name, block in network.blocks.items()}
    return replace(network, layers=cut(network.layers), blocks=blocks)
