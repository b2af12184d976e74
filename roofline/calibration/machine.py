"""Which chip do measurements belong to if no file describes it? This machine, with the ceilings that they show."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from roofline import specs
from roofline.calibration.cpu.rows import machine_ceilings, operator_rows
from roofline.core.chip import Chip
from roofline.core.measurement import Measurement
from roofline.errors import DataError, RooflineError, UnknownName
from roofline.specs.machine import Machine


class AnotherMachine(DataError):
    """Measurements of a machine that has the chip name of this one and is another."""


_KIND = re.compile(r"family (\d+) model (\d+)")


def _same_machine(name: str, header: Mapping[str, Any]) -> None:
    then = _KIND.search(str(header.get("machine") or ""))
    here = Machine.read(Path("/"), None)
    if header.get("chip") != name or then is None or not (here.family or here.model):
        return
    if (int(then[1]), int(then[2])) != (here.family, here.model):
        raise AnotherMachine(
            f"{name} is the name of this machine (family {here.family} model {here.model}), but the measurements are "
            f"of another: {header['machine']}; there, write 'roofline specs detect' to a YAML file with another name, "
            "and give that name to the measurements"
        )


def chip_of(measurements: Sequence[Measurement], name: str, header: Mapping[str, Any] | None = None) -> Chip:
    """The chip of that name; if no file describes it and this machine has that name, this machine.

    Raises
    ------
    UnknownName : neither a file nor this machine.
    AnotherMachine : the ``header`` of the measurements names another machine that has this one's chip name.
    """
    try:
        return specs.load_chip(name)
    except UnknownName:
        detected = specs.detect_cpu()
        if detected.name != name:
            raise
        _same_machine(name, header or {})
    dtype = next((row.dtype for row in measurements if row.chip == name and row.kind == "operator"), "fp32")
    try:
        rows = operator_rows(measurements, detected, dtype=dtype)
    except DataError:  # measurements of networks show no ceilings
        return detected
    return specs.detect_cpu(machine_ceilings(rows, detected)) if len(rows.seconds) else detected


def chips_of(measurements: Sequence[Measurement], header: Mapping[str, Any] | None = None) -> dict[str, Chip]:
    """All chips of the measurements that can be found; validation counts the measurements of others.

    Raises
    ------
    AnotherMachine : as in :func:`chip_of`.
    """
    found: dict[str, Chip] = {}
    for name in dict.fromkeys(row.chip for row in measurements):
        try:
            found[name] = chip_of(measurements, name, header)
        except AnotherMachine:
            raise
        except RooflineError:
            continue
    return found
