"""Which chip do measurements belong to if no file describes it? This machine, with the ceilings that they show."""

from __future__ import annotations

from collections.abc import Sequence

from roofline import specs
from roofline.calibration.cpu.rows import machine_ceilings, operator_rows
from roofline.core.chip import Chip
from roofline.core.measurement import Measurement
from roofline.errors import DataError, RooflineError, UnknownName


def chip_of(measurements: Sequence[Measurement], name: str) -> Chip:
    """The chip of that name; if no file describes it and this machine has that name, this machine.

    Raises
    ------
    UnknownName : neither a file nor this machine.
    """
    try:
        return specs.load_chip(name)
    except UnknownName:
        detected = specs.detect_cpu()
        if detected.name != name:
            raise
    dtype = next((row.dtype for row in measurements if row.chip == name and row.kind == "operator"), "fp32")
    try:
        rows = operator_rows(measurements, detected, dtype=dtype)
    except DataError:  # measurements of networks show no ceilings
        return detected
    return specs.detect_cpu(machine_ceilings(rows, detected)) if len(rows.seconds) else detected


def chips_of(measurements: Sequence[Measurement]) -> dict[str, Chip]:
    """All chips of the measurements that can be found; validation counts the measurements of others."""
    found: dict[str, Chip] = {}
    for name in dict.fromkeys(row.chip for row in measurements):
        try:
            found[name] = chip_of(measurements, name)
        except RooflineError:
            continue
    return found
