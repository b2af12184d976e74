"""How is a calibration stored in a file? One YAML file per chip (or architecture) and stack."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from roofline.core.calibration import Calibration, FamilyFit, Spread
from roofline.core.stack import Stack
from roofline.errors import OutputError, UsageError
from roofline.specs.fields import Fields, Reading, finite
from roofline.specs.yamlio import load_document

DIGITS = 6
"""Significant digits stored; a fit is accurate to two or three."""


def load_calibration(path: str | Path) -> Calibration:
    """Read a calibration.

    Raises
    ------
    SpecError : with every fault of the file.
    """
    document = load_document(path)
    reading = Reading(document)
    root = reading.root("a calibration")
    families = root.mapping("families", required="the fits by operator family")
    try:
        calibration = Calibration(
            chip=root.text("chip", required="the chip it was fitted on"),
            architecture=root.text("architecture", required="the architecture of that chip"),
            model=root.text("model", required="the device model whose parameters these are"),
            dtype=root.text("dtype", required="the precision it was fitted in"),
            stack=_stack(root),
            families={name: _family(families, name) for name in families.each()} if families else {},
            ceilings=_numbers(root, "ceilings"),
            data=_free(root, "data"),
            file=document.file,
        )
    except UsageError as error:
        root.note(str(error))
        reading.check()
        raise
    root.finish()
    reading.check()
    return calibration


_NOTHING = FamilyFit({}, {}, {}, 0, {}, 0.0)


def _family(families: Fields, name: str) -> FamilyFit:
    entry = families.mapping(name)
    if entry is None:
        return _NOTHING
    fit = entry.attempt(
        lambda: FamilyFit(
            parameters=_numbers(entry, "parameters"),
            uncertainty=_numbers(entry, "uncertainty"),
            quantiles=_numbers(entry, "quantiles"),
            points=entry.integer("points", least=0, required="the number of measurements fitted"),
            range=_ranges(entry),
            median_error=entry.number("median_error", required="the held-out median error"),
            p90_error=entry.number("p90_error"),
            spread=_spread(entry),
            borrowed=_texts(entry, "borrowed"),
        )
    )
    entry.finish()
    return fit or _NOTHING


def _numbers(fields: Fields, key: str) -> dict[str, float]:
    entry = fields.mapping(key)
    if entry is None:
        return {}
    return {name: entry.number(name, required="a number") for name in entry.each()}


def _ranges(fields: Fields) -> dict[str, tuple[float, float]]:
    entry = fields.mapping("range")
    ranges: dict[str, tuple[float, float]] = {}
    for name in entry.each() if entry is not None else ():
        assert entry is not None
        pair = entry.data[name]
        if not isinstance(pair, list) or len(pair) != 2:
            entry.note("expected [smallest, largest]", name)
            continue
        low, high = (
            finite(value, lambda message, i=i, name=name: entry.note(message, name, i))  # type: ignore[misc]
            for i, value in enumerate(pair)
        )
        ranges[name] = (low, high)
    return ranges


def _texts(fields: Fields, key: str) -> tuple[str, ...]:
    found = fields.raw(key)
    if found is None:
        return ()
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        fields.note("expected a list of names", key)
        return ()
    return tuple(found)


def _spread(fields: Fields) -> Spread | None:
    entry = fields.mapping("spread")
    if entry is None:
        return None
    lists = {}
    for name in ("coefficients", "scale"):
        numbers = entry.raw(name)
        if not isinstance(numbers, list) or not numbers:
            entry.note("expected a list of numbers", name)
            return None
        lists[name] = tuple(
            finite(value, lambda message, name=name: entry.note(message, name))  # type: ignore[misc]
            for value in numbers
        )
    if len(lists["scale"]) != 2:
        entry.note("expected [smallest, largest]", "scale")
        return None
    least, most = lists["scale"]
    low = entry.number("low", required="the lower quantile")
    high = entry.number("high", required="the upper quantile")
    return entry.attempt(lambda: Spread(lists["coefficients"], (least, most), low, high))


def _stack(root: Fields) -> dict[str, Any]:
    """The stack of the measurements, by the fields of :class:`Stack`; a later version may have added some."""
    found = _free(root, "stack")
    return found if root.attempt(lambda: Stack.from_dict(found), "stack") else {}


def _free(fields: Fields, key: str) -> dict[str, Any]:
    """A mapping with free keys: the description of a stack or a data set."""
    entry = fields.mapping(key)
    if entry is None:
        return {}
    return {name: entry.data[name] for name in entry.each()}


def save_calibration(calibration: Calibration, path: str | Path) -> None:
    """Write a calibration, completely or not at all.

    Raises
    ------
    OutputError : the folder cannot be created or written to.
    """
    write_atomically(path, _text(calibration))


def write_atomically(path: str | Path, text: str) -> None:
    """Write beside the target and move into place, so that no reader sees half a file."""
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_text(text, encoding="utf-8")
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise OutputError(f"cannot write {target}: {reason}; choose another path") from None


def _text(calibration: Calibration) -> str:
    whole = {
        "chip": calibration.chip,
        "architecture": calibration.architecture,
        "model": calibration.model,
        "dtype": calibration.dtype,
        "stack": calibration.stack,
        "data": calibration.data,
        "ceilings": calibration.ceilings,
        "families": {
            name: {
                "points": fit.points,
                "median_error": fit.median_error,
                "p90_error": fit.p90_error,
                "parameters": fit.parameters,
                "uncertainty": fit.uncertainty,
                "quantiles": fit.quantiles,
                "range": fit.range,
            }
            | ({"spread": asdict(fit.spread)} if fit.spread else {})
            | ({"borrowed": fit.borrowed} if fit.borrowed else {})
            for name, fit in calibration.families.items()
        },
    }
    return str(yaml.dump(_plain(whole), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110))


class _Dumper(yaml.SafeDumper):
    """Quotes every text and writes lists on one line."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


class _Key(str):
    """A key, which is always text and needs no quotes."""


def _plain(value: Any) -> Any:
    """Dictionaries, lists and short floats, ready for YAML."""
    if isinstance(value, Mapping):
        return {_Key(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, float) or hasattr(value, "dtype"):
        number = float(value)
        if not math.isfinite(number):
            raise OutputError(
                f"a fitted parameter is {number}; the calibration was not written; check the measurements"
            )
        return int(number) if hasattr(value, "dtype") and value.dtype.kind in "iu" else float(f"{number:.{DIGITS}g}")
    return value


_Dumper.add_representer(str, lambda d, value: d.represent_scalar("tag:yaml.org,2002:str", value, style='"'))
_Dumper.add_representer(_Key, lambda d, value: d.represent_scalar("tag:yaml.org,2002:str", str(value)))
_Dumper.add_representer(list, lambda d, value: d.represent_sequence("tag:yaml.org,2002:seq", value, True))
