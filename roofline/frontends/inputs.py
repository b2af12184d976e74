"""What goes into the model? Shapes, number formats and names of sizes, from ``ids:batch=8xseq=128:int64``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from roofline.core.dtype import dtype as parse_dtype
from roofline.errors import UsageError

_DIM = re.compile(r"(?:([A-Za-z_]\w*)=)?(\d+)(x|$)")
_NAME = re.compile(r"[A-Za-z_]\w*")
EXAMPLE = "write sizes with x between them and a number format: 32x3x224x224:float32, or ids:batch=8xseq=128:int64"


@dataclass(frozen=True)
class Input:
    """One input: its sizes, its format (``""``: float32), the name of the argument, and sizes that have names."""

    shape: tuple[int, ...]
    dtype: str = ""
    name: str = ""
    symbols: Mapping[int, str] = field(default_factory=dict)
    """Dimension -> symbol."""


def parse_input(text: str) -> Input:
    """``[NAME:]SIZES[:FORMAT]``; a size may have a name, as in ``batch=32``.

    Raises
    ------
    UsageError : says what does not fit, and shows how it is written.
    """
    parts = text.strip().split(":")
    where = next((index for index, part in enumerate(parts) if _sizes(part) is not None), None)
    if where is None or where > 1 or len(parts) - where > 2:
        raise UsageError(f"--input {text!r} is no input; {EXAMPLE}")
    if where == 1 and not _NAME.fullmatch(parts[0]):
        raise UsageError(f"--input {text!r}: {parts[0]!r} is no name of an argument; {EXAMPLE}")
    sizes = _sizes(parts[where])
    assert sizes is not None
    kind = parse_dtype(parts[where + 1]).name if len(parts) - where > 1 else ""
    if any(size < 1 for size, _ in sizes):
        raise UsageError(f"--input {text!r}: a size below 1")
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
    """Sizes that have no name get the usual ones: the first of every input is the batch, the second of row numbers
    the sequence (wherever row numbers are as many), and the sides of square images the image.

    Raises
    ------
    UsageError : one name for two different sizes.
    """
    named: dict[str, int] = {}
    for given in inputs:
        for index, name in given.symbols.items():
            if named.setdefault(name, given.shape[index]) != given.shape[index]:
                raise UsageError(f"--input: {name} is both {named[name]} and {given.shape[index]}")
    if named:
        return list(inputs)
    batch = inputs[0].shape[0] if inputs and inputs[0].shape else 0
    seq = next((one.shape[1] for one in inputs if _is_tokens(one)), 0)
    made = []
    for given in inputs:
        symbols = {0: "batch"} if given.shape and given.shape[0] == batch else {}
        if given.shape and _is_whole(given) and given.shape[-1] == seq:
            symbols.setdefault(len(given.shape) - 1, "seq")
        if len(given.shape) == 4 and not _is_whole(given) and given.shape[2] == given.shape[3] > 1:
            symbols |= {2: "image", 3: "image"}
        made.append(Input(given.shape, given.dtype, given.name, symbols))
    return made


def _is_whole(given: Input) -> bool:
    return bool(given.dtype) and parse_dtype(given.dtype).kind == "int"


def _is_tokens(given: Input) -> bool:
    return len(given.shape) == 2 and given.shape[1] > 1 and _is_whole(given)


def sizes_of(inputs: Sequence[Input]) -> dict[str, int]:
    """Every symbol with the size it was given."""
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
