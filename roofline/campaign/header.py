"""How does a campaign describe itself? The first line of its file: what is measured, and on which machine.

:mod:`roofline.measurements.header` decides whether another campaign may continue that file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from roofline.campaign.environment import installed
from roofline.core.measurement import SCHEMA, Measurement
from roofline.core.stack import Stack
from roofline.measurements.header import FORMAT
from roofline.measurements.plan import Plan
from roofline.measurements.records import Record, checksum
from roofline.measurements.summary import family_of


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
    """What a campaign will measure, and on which machine: the first line of its file.

    Parameters
    ----------
    machine : the system's name of the processor or GPU, beside the chip name in the measurements.
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
