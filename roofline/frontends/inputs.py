"""What are the inputs of a model? Shapes, number formats and names of sizes, from ``ids:batch=8xseq=128:int64``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from roofline.core.dtype import dtype as parse_dtype
from roofline.errors import UsageError

_DIM = re.compile(r"(?:([A-Za-z_]\w*)=)?(\d+)(x|$)")
_NAME = re.compile(r"[A-Za-z_]\w*")
EXAMPLE = "write sizes separated by x and a number format: 32x3x224x224:float32, or ids:batch=8xseq=128:int64"


@dataclass(frozen=True)
class Input:
    """One input: its sizes, its format (``""``: float32), the name of the argument, and the named sizes."""

    shape: tuple[int, ...]
    dtype: str = ""
    name: str = ""
    symbols: Mapping[int, str] = field(default_factory=dict)
    """Dimension -> symbol."""


def inputs_of(value: Any) -> list[Input]:
    """The inputs of a model, from any common form.

    Parameters
    ----------
    value : one of these, a sequence of them, or a mapping from names of arguments to them: an :class:`Input`; a text as
        :func:`parse_input` reads; a shape such as ``(32, 3, 224, 224)``; an example with ``shape`` and ``dtype``, such
        as a tensor, whose values do not matter.

    Raises
    ------
    UsageError : something else.
    """
    if isinstance(value, Mapping):
        return [replace(_one_input(one), name=str(name)) for name, one in value.items()]
    alone = isinstance(value, str | Input) or hasattr(value, "shape") or _is_shape(value)
    if not alone and not isinstance(value, Sequence):
        raise UsageError(f"inputs: expected texts, shapes or tensors, got {type(value).__name__}; {EXAMPLE}")
    return [_one_input(one) for one in ([value] if alone else value)]


def _one_input(value: Any) -> Input:
    if isinstance(value, Input):
        return value
    if isinstance(value, str):
        return parse_input(value)
    if hasattr(value, "shape"):
        kind = str(getattr(value, "dtype", "")).rpartition(".")[2]
        return Input(tuple(int(size) for size in value.shape), parse_dtype(kind).name if kind else "")
    if _is_shape(value):
        return Input(tuple(int(size) for size in value))
    raise UsageError(f"inputs: expected a text, a shape or a tensor, got {value!r}; {EXAMPLE}")


def _is_shape(value: Any) -> bool:
    """Whether these are one or more integers above zero."""
    return isinstance(value, Sequence) and bool(value) and all(type(size) is int and size > 0 for size in value)


def parse_input(text: str) -> Input:
    """``[NAME:]SIZES[:FORMAT]``; a size may have a name, as in ``batch=32``.

    Raises
    ------
    UsageError : names the wrong part, and shows the correct form.
    """
    parts = text.strip().split(":")
    where = next((index for index, part in enumerate(parts) if _sizes(part) is not None), None)
    if where is None or where > 1 or len(parts) - where > 2:
        raise UsageError(f"--input {text!r} cannot be read; {EXAMPLE}")
    if where == 1 and not _NAME.fullmatch(parts[0]):
        raise UsageError(f"--input {text!r}: {parts[0]!r} is not the name of an argument; {EXAMPLE}")
    sizes = _sizes(parts[where])
    assert sizes is not None
    kind = parse_dtype(parts[where + 1]).name if len(parts) - where > 1 else ""
    if any(size < 1 for size, _ in sizes):
        raise UsageError(f"--input {text!r}: sizes must be at least 1")
    symbols = {index: name for index, (_, name) in enumerate(sizes) if name}
    return Input(tuple(size for size, _ in sizes), kind, parts[0] if where else "", symbols)


def _sizes(text: str) -> list[tuple[int, str]] | None:
    """Sizes with their names, or None where the text is something else."""
    sizes, at = [], 0
    while at < len(text):
        match = _DIM.match(text, at)
        if match is None:
            return None
        sizes.append((int(match[2]), match[1] or ""))
        at = match.end()
        if at == len(text) and match[3] == "x":
            return None
    return sizes or None


def with_symbols(inputs: Sequence[Input]) -> list[Input]:
    """Sizes without a name get the usual names: the first of every input is the batch, the second of token ids the
    sequence (wherever the ids have the same length), and the sides of square images the image. Images of another size
    get a name of their own (``image2``).

    Raises
    ------
    UsageError : one name for two different sizes.
    """
    named: dict[str, int] = {}
    for given in inputs:
        for index, name in given.symbols.items():
            if named.setdefault(name, given.shape[index]) != given.shape[index]:
                raise UsageError(
                    f"--input: {name} is {named[name]} in one input and {given.shape[index]} in another; give it one "
                    "size"
                )
    if named:
        return list(inputs)
    batch = inputs[0].shape[0] if inputs and inputs[0].shape else 0
    seq = next((one.shape[1] for one in inputs if _is_tokens(one)), 0)
    made: list[Input] = []
    images: dict[int, str] = {}
    for given in inputs:
        symbols = {0: "batch"} if given.shape and given.shape[0] == batch else {}
        if given.shape and _is_whole(given) and given.shape[-1] == seq:
            symbols.setdefault(len(given.shape) - 1, "seq")
        if len(given.shape) == 4 and not _is_whole(given) and given.shape[2] == given.shape[3] > 1:
            image = images.setdefault(given.shape[2], f"image{len(images) + 1}" if images else "image")
            symbols |= {2: image, 3: image}
        made.append(Input(given.shape, given.dtype, given.name, symbols))
    return made


def _is_whole(given: Input) -> bool:
    return bool(given.dtype) and parse_dtype(given.dtype).kind == "int"


def _is_tokens(given: Input) -> bool:
    return len(given.shape) == 2 and given.shape[1] > 1 and _is_whole(given)


def sizes_of(inputs: Sequence[Input]) -> dict[str, int]:
    """Every symbol with its given size."""
    return {name: one.shape[index] for one in inputs for index, name in one.symbols.items()}


def resized(inputs: Sequence[Input], sizes: Mapping[str, int]) -> list[Input]:
    """The same inputs at other sizes of their symbols."""
    return [
        Input(
            tuple(sizes.get(one.symbols.get(index, ""), size) for index, size in enumerate(one.shape)),
            one.dtype,
            one.name,
            one.symbols,
        )
        for one in inputs
    ]
