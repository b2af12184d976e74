"""How is a node of an ONNX file written as several others?"""

# mypy: disable-error-code="misc"

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Shapes = Callable[[str], tuple[int, ...] | None]
Rewrite = Callable[[Any, Mapping[str, Any], Shapes], list[Any]]


class Parts:
    """Nodes in place of one; results between them are named after it."""

    def __init__(self, node: Any) -> None:
        self.node, self.made = node, list[Any]()

    def add(self, op: str, *inputs: str, out: str = "", **attributes: Any) -> str:
        """One more node; returns the name of its result."""
        return self.several(op, [*inputs], [out or self.name(op)], **attributes)[0]

    def several(self, op: str, inputs: list[str], outs: list[str], **attributes: Any) -> list[str]:
        from onnx import helper

        while inputs and not inputs[-1]:
            inputs.pop()
        given = {key: value for key, value in attributes.items() if value is not None}
        self.made.append(helper.make_node(op, inputs, outs, name=self.node.name, **given))
        return outs

    def name(self, of: str) -> str:
        return f"{next(name for name in self.node.output if name)}/{of}{len(self.made)}"

    def numbers(self, *numbers: int) -> str:
        return self.add("Constant", value_ints=list(numbers))

    def split(self, value: str, sizes: list[int], axis: int = -1) -> list[str]:
        outs = [f"{self.name('split')}.{index}" for index in range(len(sizes))]
        return self.several("Split", [value, self.numbers(*sizes)], outs, axis=axis)

    def input(self, place: int) -> str:
        return self.node.input[place] if place < len(self.node.input) else ""

    def output(self, place: int) -> str:
        return self.node.output[place] if place < len(self.node.output) else ""
