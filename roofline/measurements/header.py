"""Which campaign does a file belong to? Its first line says so; no other campaign may continue it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from roofline.errors import DataError, UsageError
from roofline.measurements.records import Record, checksum

FORMAT = "roofline measurements"
_MAY_DIFFER = ("date", "roofline", "checksum")
"""Fields that may differ when a campaign continues. All others change the meaning of its measurements."""


def same_campaign(headers: Sequence[Record], wanted: Mapping[str, Any], path: Path) -> None:
    """Check that a file with these headers may be continued by the wanted campaign.

    Raises
    ------
    UsageError : it may not; the message names everything that differs, then and now.
    DataError : the header in the file was changed.
    """
    if len(headers) != 1:
        what = (
            "no header: it is from an older version, or not from 'roofline measure'"
            if not headers
            else f"{len(headers)} headers"
        )
        raise UsageError(f"{path} has {what}, so it cannot be resumed; choose another file with --out")
    (found,) = headers
    if found.get("checksum") != checksum(found):
        raise DataError(f"{path}: its header was changed after it was written; choose another file with --out")
    differs = _differences(found, wanted)
    if differs and differs.keys() <= {"questions", "families"}:
        raise UsageError(
            f"{path} was started by a version of roofline that chose other shapes; choose another file with --out"
        )
    differs.pop("questions", None)
    differs.pop("families", None)
    if differs:
        raise UsageError(
            f"{path} was started with other options: "
            + "; ".join(f"{name} was {then}, is {now}" for name, (then, now) in differs.items())
            + ". Repeat the old options to resume it, or choose another file with --out"
        )


def _differences(found: Mapping[str, Any], wanted: Mapping[str, Any], prefix: str = "") -> dict[str, tuple[Any, Any]]:
    """Field -> (then, now); fields of tables separately."""
    differs: dict[str, tuple[Any, Any]] = {}
    for name in dict.fromkeys([*found, *wanted]):
        then, now = found.get(name), wanted.get(name)
        if then == now or (not prefix and name in _MAY_DIFFER):
            continue
        if isinstance(then, Mapping) and isinstance(now, Mapping) and name in ("plan", "stack"):
            differs |= _differences(then, now, f"{name}.")
        else:
            differs[prefix + name] = (then, now)
    return differs
