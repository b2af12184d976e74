"""Which layers repeat and can be written once? ``layers.0.norm``, ``layers.1.norm``... become a block with ``repeat``.

Copies are folded from number 0 on as long as they are equal: each reads the last result of the one before, its own
layers, and tensors that all copies read. Every layer keeps its name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from roofline.core.expression import parse_expression
from roofline.core.network import Block, Layer, Network
from roofline.operators import OPERATORS

_COPY = re.compile(r"(.*?)\.(\d+)\.(.+)")


def folded(network: Network) -> Network:
    """The same network with its outermost repeated modules as blocks."""
    layers = _spelt(network)
    blocks: dict[str, Block] = dict(network.blocks)
    for stem in dict.fromkeys(match[1] for layer in layers if (match := _COPY.fullmatch(layer.name))):
        found = _fold(layers, stem)
        if found is not None:
            layers, block = found
            blocks[block.name] = block
    first = network.inputs[0].name if network.inputs else ""
    return replace(network, layers=_shortened(layers, first), blocks=blocks)


def _spelt(network: Network) -> list[Layer]:
    """Every layer with the names of its inputs."""
    previous, made = network.inputs[0].name if network.inputs else "", []
    for layer in network.layers:
        reads = layer.inputs or (() if _starts(layer) else (previous,))
        made.append(replace(layer, inputs=reads))
        previous = layer.name
    return made


def _starts(layer: Layer) -> bool:
    return layer.op != "" and OPERATORS[layer.op].inputs == (0, 0)


def _shortened(layers: Sequence[Layer], previous: str) -> tuple[Layer, ...]:
    """Without inputs that are implied."""
    made = []
    for layer in layers:
        made.append(replace(layer, inputs=()) if layer.inputs == (previous,) else layer)
        previous = layer.name
    return tuple(made)


def _fold(layers: list[Layer], stem: str) -> tuple[list[Layer], Block] | None:
    """The layers with the copies of ``stem`` as one, and the block; None where fewer than two are equal."""
    members: dict[int, list[int]] = {}
    for place, layer in enumerate(layers):
        match = _COPY.fullmatch(layer.name)
        if match and match[1] == stem:
            members.setdefault(int(match[2]), []).append(place)
    if 0 not in members or 1 not in members:
        return None
    start = members[0][0]
    taken = {place for places in members.values() for place in places}
    # stored tensors are first read by some copy, and belong before all of them
    moved = [place for place in range(start, max(taken)) if place not in taken and _starts(layers[place])]
    order = [*range(start), *moved, *(place for place in range(start, len(layers)) if place not in moved)]
    layers = [layers[place] for place in order]
    start += len(moved)
    copies = _copies(layers, stem, start)
    second = _form(copies[1], copies[0][-1].name) if len(copies) > 1 else None
    if second is None:
        return None
    own, outside = second
    entry = _entry(copies[0], own)
    if entry is None or _form(copies[0], entry) != second:
        return None
    count = 2
    while count < len(copies) and _form(copies[count], copies[count - 1][-1].name) == second:
        count += 1
    name = re.sub(r"\W", "_", stem)
    block = Block(name, {}, _shortened(own, "input"))
    whole = Layer(stem, block=name, inputs=(entry, *outside), repeat=parse_expression(count))
    length = len(own)
    return [*layers[:start], whole, *_renamed(layers[start + count * length :], stem, count, own)], block


def _copies(layers: Sequence[Layer], stem: str, start: int) -> list[list[Layer]]:
    """Runs of layers of copy 0, 1, 2... without gaps between them."""
    copies: list[list[Layer]] = []
    for layer in layers[start:]:
        match = _COPY.fullmatch(layer.name)
        if not match or match[1] != stem or int(match[2]) not in (len(copies) - 1, len(copies)):
            break
        if int(match[2]) == len(copies):
            copies.append([])
        copies[-1].append(layer)
    return copies


def _local(name: str) -> str:
    match = _COPY.fullmatch(name)
    return match[3] if match else name


def _form(copy: Sequence[Layer], entry: str) -> tuple[list[Layer], tuple[str, ...]] | None:
    """A copy with local names for its layers, ``input`` for ``entry``, ``input2``... for its other inputs."""
    names: dict[str, str] = {entry: "input"}
    outside: list[str] = []
    made = []
    for layer in copy:
        if layer.tied and layer.tied not in names:
            return None
        reads = []
        for name in layer.inputs:
            if name not in names:
                outside.append(name)
                names[name] = f"input{len(outside) + 1}"
            reads.append(names[name])
        tied = names[layer.tied] if layer.tied else ""
        made.append(replace(layer, name=_local(layer.name), inputs=tuple(reads), tied=tied))
        names[layer.name] = _local(layer.name)
    return made, tuple(outside)


def _entry(copy: Sequence[Layer], like: Sequence[Layer]) -> str | None:
    """The tensor that the first copy reads where the others read the copy before."""
    if len(copy) != len(like):
        return None
    found = {
        name
        for layer, other in zip(copy, like, strict=True)
        if len(layer.inputs) == len(other.inputs)
        for name, place in zip(layer.inputs, other.inputs, strict=True)
        if place == "input"
    }
    return found.pop() if len(found) == 1 else None


def _renamed(layers: Sequence[Layer], stem: str, count: int, own: Sequence[Layer]) -> list[Layer]:
    """The layers after the copies; the last layer of the last copy is the result of the block."""
    last, names = f"{stem}.{count - 1}.{own[-1].name}", dict[str, str]()
    names[last] = stem
    return [replace(layer, inputs=_through(layer.inputs, names)) for layer in layers]


def _through(inputs: Sequence[str], names: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(names.get(name, name) for name in inputs)
