"""Which values does a model compute from constants only? They are computed for real, but only where the model reads
them.

Values are taken to be finite, and a random number that the model branches on to be its mean (layers dropped at random
with a small probability stay).

A mask of ones below the diagonal is the same for every input; a model may compare two of them and branch on the result.
Each tensor made only from constants remembers how it was made.
"""

# mypy: disable-error-code="misc"

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

LARGEST = 1 << 22
"""Largest number of elements of a tensor that is computed."""

Tensor = Any
ASSUMED: dict[str, float] = {"isinf": False, "isnan": False, "isfinite": True, "isposinf": False, "isneginf": False}
ASSUMED |= {"rand": 0.5, "rand_like": 0.5, "uniform": 0.5}
"""Values of results that depend on data or on chance."""


@dataclass(frozen=True)
class Recipe:
    """How a tensor was made: an operation on other recipes and plain values, and which of its results it is."""

    func: Any
    args: Any
    kwargs: Any
    index: int | None = None


class Known:
    """Recipes by tensor. The recorder keeps the tensors themselves alive."""

    def __init__(self) -> None:
        self.recipes: dict[int, Recipe] = {}

    def note(self, func: Any, args: Any, kwargs: Any, out: Any, given: list[Tensor], *, random: bool) -> None:
        """Remember how ``out`` was made, if only from constants; forget it where other data were written into it."""
        name = func.overloadpacket.__name__.removesuffix("_")
        if name in ASSUMED and isinstance(out, torch.Tensor):
            self.recipes[id(out)] = Recipe(_all, (tuple(out.shape), ASSUMED[name], out.dtype), {})
            return
        results = [out] if isinstance(out, torch.Tensor) else list(out) if isinstance(out, list | tuple) else []
        constant = not random and all(id(tensor) in self.recipes for tensor in given)
        for index, result in enumerate(results):
            if not isinstance(result, torch.Tensor):
                continue
            if constant and result.numel() <= LARGEST:
                place = None if isinstance(out, torch.Tensor) else index
                self.recipes[id(result)] = Recipe(func, self._recipes(args), self._recipes(kwargs), place)
            else:
                self.recipes.pop(id(result), None)

    def value(self, tensor: Tensor) -> Tensor | None:
        """The values of a tensor, or None where they depend on the inputs or weights of the network."""
        recipe = self.recipes.get(id(tensor))
        return None if recipe is None else self._made(recipe)

    def _recipes(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return self.recipes[id(value)]
        if isinstance(value, dict):
            return {key: self._recipes(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self._recipes(item) for item in value)
        return value

    def _made(self, value: Any) -> Any:
        if isinstance(value, Recipe):
            made = value.func(*self._made(value.args), **self._made(value.kwargs))
            return made if value.index is None else made[value.index]
        if isinstance(value, dict):
            return {key: torch.device("cpu") if key == "device" else self._made(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self._made(item) for item in value)
        return value


def _all(shape: tuple[int, ...], value: float, kind: Any) -> Tensor:
    """One value, of which the others are views."""
    return torch.full((), value, dtype=kind).expand(shape)
