"""How does a grid of questions become the axes of a sweep? Every fault is told with file and line before a prediction.

::

    chips: [gtx-980, rtx-2070]        # names, paths, or all
    networks: [resnet50, bert-base]   # names, paths, or all
    batch: [1, 8, 64, max]
    dtype: [fp32, fp16]
    mode: [inference, training]
    optimizer: [sgd, adamw]
    stack: [eager, compiled]
    bind: {seq: [128, 512]}
    set:                              # figures of the chips to replace; {} is as they are
      - {}
      - {DRAM.bandwidth: 600 GB/s, power: x0.8}
    calibration: none                 # a file, or none; by default the best for each chip

Only ``chips`` and ``networks`` are required. A single value is a list of one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from roofline.core import checks
from roofline.core.dtype import precision
from roofline.core.run import MODES, OPTIMIZERS
from roofline.core.stack import SERVING, STACK_MODES
from roofline.errors import UsageError
from roofline.specs import lookup
from roofline.specs.fields import Fields, Reading
from roofline.specs.yamlio import load_document

ALL = "all"


def read_grid(path: str | Path) -> dict[str, Any]:
    """The axes in a file, as keyword arguments of :func:`roofline.sweep`.

    Raises
    ------
    SpecError : with every fault of the file, each with its line.
    """
    reading = Reading(load_document(path))
    root = reading.root("a grid")
    found: dict[str, Any] = {
        "chips": list(_values(root, "chips", _named("chip"), required="the chips to predict, or all")),
        "networks": list(_values(root, "networks", _named("workload"), required="the networks to predict, or all")),
    }
    axes: tuple[tuple[str, Callable[[Any], Any]], ...] = (
        ("batch", _batch),
        ("dtype", lambda value: str(precision(str(value)))),
        ("mode", lambda value: _word("mode", value, MODES)),
        ("optimizer", lambda value: _word("optimizer", value, OPTIMIZERS)),
        ("stack", lambda value: _word("stack", value, (*STACK_MODES, *SERVING))),
    )
    for name, check in axes:
        if values := list(_values(root, name, check)):
            found[name] = values
    if bind := root.mapping("bind"):
        found["bind"] = {symbol: list(_values(bind, symbol, _size)) for symbol in bind.each()}
    if "set" in root:
        found["what_if"] = [dict(entry.data) for entry in _changes(root)]
    if "calibration" in root:
        found["calibration"] = root.text("calibration")
    root.finish()
    reading.check()
    for name in ("chips", "networks"):
        if ALL in found[name]:
            found[name] = ALL
    return found


def _values(root: Fields, key: str, check: Callable[[Any], Any], *, required: str = "") -> Iterator[Any]:
    """The values of an axis, each checked; faults carry its line."""
    value = root.raw(key, required=required)
    if value is None:
        return
    several = value if isinstance(value, list) else [value]
    for index, entry in enumerate(several):
        made = root.attempt(partial(check, entry), key, *((index,) if several is value else ()))
        if made is not None:
            yield made
    if isinstance(value, list) and not value:
        root.note("is empty; give at least one, or leave the key out", key)


def _named(kind: lookup.Kind) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        name = str(value)
        if name != ALL and not name.endswith((".onnx", ".json")):
            lookup.find(kind, name)
        return name

    return check


def _batch(value: Any) -> int | str:
    if value == "max":
        return "max"
    if not checks.is_whole(value) or value < 1:
        raise UsageError(f"batch is {checks.shown(value)}; write a whole number of at least 1, or max")
    return int(value)


def _size(value: Any) -> int:
    if not checks.is_whole(value) or value < 0:
        raise UsageError(f"{checks.shown(value)} is no size; write a whole number of at least 0")
    return int(value)


def _word(what: str, value: Any, known: tuple[str, ...]) -> str:
    checks.word(what, value, known)
    return str(value)


def _changes(root: Fields) -> list[Fields]:
    """The entries under ``set``: mappings from figures to values."""
    value = root.raw("set")
    if isinstance(value, dict):
        only = root.mapping("set")
        entries = [only] if only else []
    else:
        entries = root.items("set")
    for entry in entries:
        for figure in entry.each():
            if isinstance(entry.data[figure], bool | list | dict) or entry.data[figure] is None:
                entry.note("write a quantity such as '600 GB/s', or a factor such as x1.5", figure)
    return entries
