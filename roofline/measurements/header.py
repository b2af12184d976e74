"""Which campaign does a file belong to? Its first line says so, and nothing else may go on with it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roofline.campaign.environment import installed
from roofline.core.measurement import SCHEMA, Measurement
from roofline.core.stack import Stack
from roofline.errors import DataError, UsageError
from roofline.measurements.records import Record, checksum
from roofline.measurements.summary import family_of

if TYPE_CHECKING:
    from roofline.campaign.campaign import Plan

FORMAT = "roofline measurements"
_MAY_DIFFER = ("date", "roofline", "checksum")
"""What may be otherwise when a campaign goes on. Everything else decides what its numbers mean."""


def header_of(
    plan: Plan,
    jobs: Sequence[Measurement],
    *,
    chip: str,
    dtype: str,
    device: str,
    machine: str,
    allocator_pinned: bool,
    stacks: Sequence[Stack],
) -> Record:
    """What a campaign is going to measure, and on what, ready to be the first line of its file.

    machine : the processor or card as the system describes it, beside the name the rows carry.
    """
    families: dict[str, int] = {}
    for row in jobs:
        family = family_of(row)
        families[family] = families.get(family, 0) + 1
    header = {
        "record": "header",
        "schema": SCHEMA,
        "format": FORMAT,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "roofline": installed("roofline"),
        "chip": chip,
        "machine": machine,
        "device": device,
        "dtype": dtype,
        "threads": [stack.threads for stack in stacks],
        "stack": {name: value for name, value in stacks[0].to_dict().items() if name != "threads"},
        "allocator_pinned": allocator_pinned,
        "plan": _plain(vars(plan)),
        "families": families,
        "questions": hashlib.sha256("".join(sorted(row.key for row in jobs)).encode()).hexdigest()[:16],
    }
    return header | {"checksum": checksum(header)}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def same_campaign(headers: Sequence[Record], wanted: Mapping[str, Any], path: Path) -> None:
    """See that a file with these headers may be gone on with by the campaign that is wanted.

    Raises
    ------
    UsageError : it may not; the message names everything that differs, then and now.
    DataError : the header in the file was changed.
    """
    if len(headers) != 1:
        what = "no header: it is of an older version or no campaign's" if not headers else f"{len(headers)} headers"
        raise UsageError(f"{path} has {what}, so nothing can go on with it; choose another file with --out")
    (found,) = headers
    if found.get("checksum") != checksum(found):
        raise DataError(f"{path}: its header was changed after it was written; choose another file with --out")
    differs = _differences(found, wanted)
    if differs and differs.keys() <= {"questions", "families"}:
        raise UsageError(
            f"{path} was begun by a version of roofline that chose other shapes; choose another file with --out"
        )
    differs.pop("questions", None)
    differs.pop("families", None)
    if differs:
        raise UsageError(
            f"{path} was begun by another campaign: "
            + "; ".join(f"{name} was {then}, is {now}" for name, (then, now) in differs.items())
            + ". Say the same again to go on with it, or choose another file with --out"
        )


def _differences(found: Mapping[str, Any], wanted: Mapping[str, Any], prefix: str = "") -> dict[str, tuple[Any, Any]]:
    """Field -> (then, now), fields of tables by themselves."""
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
