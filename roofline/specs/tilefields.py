"""How are the GEMM tiles of an architecture's libraries read?

``tiles: {linear: {shapes: [[128, 64], [64, 64]], source: ...}}``: rows and columns of the result that one block
computes, for each kind of matrix multiplication.
"""

from __future__ import annotations

from typing import Any

from roofline.core.chip import TILE_KINDS, Tile, TileList
from roofline.specs.facts import FactReader
from roofline.specs.fields import Fields

LARGEST = 1024


def read_tiles(reader: FactReader, fields: Fields | None) -> dict[str, TileList]:
    """Tile lists by kind of matrix multiplication; empty where the file has none."""
    if fields is None:
        return {}
    found = {}
    for kind in TILE_KINDS:
        entry = fields.mapping(kind)
        if entry is None:
            continue
        shapes = _shapes(entry)
        source, status = reader.source(entry)
        entry.finish()
        found[kind] = TileList(shapes, source, status)
    fields.finish()
    return found


def _shapes(entry: Fields) -> tuple[Tile, ...]:
    written = entry.raw("shapes", required="a list of [rows, columns]")
    if written is None:
        return ()
    if not isinstance(written, list) or not written:
        entry.note("expected a list of [rows, columns], such as [[128, 64], [64, 64]]", "shapes")
        return ()
    shapes = []
    for index, shape in enumerate(written):
        if not (isinstance(shape, list) and len(shape) == 2 and all(map(_is_side, shape))):
            entry.note(f"expected [rows, columns], whole numbers of 1 to {LARGEST}", "shapes", index)
            continue
        shapes.append((shape[0], shape[1]))
    return tuple(shapes)


def _is_side(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= LARGEST
