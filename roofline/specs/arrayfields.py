"""How is the matrix array of an engine read: its shape, its dataflow, and what its matrix multiplications wait for?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from roofline.core.chip import ArrayGeometry, Engine, Fact, MemoryLevel
from roofline.core.dtype import Precision
from roofline.specs.facts import PLACEHOLDER, FactReader
from roofline.specs.fields import Fields
from roofline.units import format_bytes

DATAFLOWS = ("weight-stationary", "output-stationary", "dot-product")
LOWERINGS = ("row-packed", "im2col", "per-tap")
TOLERANCE = 0.02
"""Largest relative difference of rows x cols x depth from a rate."""


def read_array(reader: FactReader, fields: Fields, rates: Mapping[Precision, Fact]) -> ArrayGeometry | None:
    """The array of an engine, None where it has none; cycles and rows may each be missing."""
    entry = fields.mapping("array")
    if entry is None:
        return None
    entry.partial = reader.root.partial
    source, status = reader.source(entry)
    figures = {name: reader.fact(entry, name, "", whole=True) for name in ("issue", "moving", "load", "accumulators")}
    timed = any(figures.values()) or "cores" in reader.root.data  # otherwise its shape is only displayed
    needed = f"what stays in the array: one of {', '.join(DATAFLOWS)}" if timed else ""
    array = ArrayGeometry(
        rows=entry.integer("rows", 1, required="the number of rows"),
        cols=entry.integer("cols", 1, required="the number of columns"),
        depth=entry.integer("depth", 1),
        dataflow=cast(Any, entry.choice("dataflow", DATAFLOWS, DATAFLOWS[0], required=needed)),
        source=source,
        status=status,
        **figures,
        drain=reader.fact(entry, "drain", "", whole=True),
        load_exposed=entry.flag("load_exposed"),
        lowering=cast(Any, entry.choice("lowering", LOWERINGS, LOWERINGS[0])),
        padded_weights=entry.flag("padded_weights"),
        streamed_weights=entry.flag("streamed_weights"),
    )
    size = array.rows * array.cols * array.depth
    given = [fact.value for fact in rates.values() if fact is not PLACEHOLDER]
    if given and "rows" in entry and not any(abs(rate / size - 1) <= TOLERANCE for rate in given):
        have = ", ".join(f"{rate:g}" for rate in given)
        shape = f"{array.rows} x {array.cols} x {array.depth} = {size} FMA"
        entry.note(f"{shape}, but fma_per_clock says {have}")
    entry.finish()
    return array


def check_room(root: Fields, engines: Sequence[Engine], memory: Sequence[MemoryLevel], cores: Fact | None) -> None:
    """Report a core memory that does not hold one tile of weights for its array."""
    arrays = [engine for engine in engines if engine.array and engine.rates]
    known = [(level.capacity, index) for index, level in enumerate(memory[:-1]) if level.capacity]
    if not arrays or not known or any(fact is PLACEHOLDER for fact, _ in known):
        return
    fact, index = max(known, key=lambda pair: pair[0].value)
    engine = arrays[0]
    assert engine.array is not None
    parts = cores.value if cores else 1.0
    narrowest = min(precision.storage.bytes for precision in engine.rates)
    tile = engine.array.rows * engine.array.cols * engine.array.depth * narrowest
    if fact.value / parts < tile:
        shape = f"{engine.array.rows} x {engine.array.cols}"
        each = f" in each of {parts:g} cores" if parts > 1 else ""
        root.note(
            f"{format_bytes(fact.value / parts)}{each} cannot hold one tile of {shape} values, {format_bytes(tile)}",
            "memory",
            index,
            "capacity",
        )
