"""How do published figures of whole networks become a calibration of an array?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from roofline import specs
from roofline.calibration.array.fit import FLOOR, NORMAL, constants_of, fitted, operators_of, seconds
from roofline.core.calibration import NOTHING_HELD_OUT, Calibration, FamilyFit, any_of
from roofline.core.chip import Chip
from roofline.core.measurement import Measurement
from roofline.devices.array.parameters import FAMILY
from roofline.errors import DataError
from roofline.units import plural

APART = ("unknown shapes", "plausibility")
"""Flags of figures that are left out of fits and scores."""


def calibrate_rows(
    measurements: Sequence[Measurement], chip: Chip, dtype: str, alone: bool, data: Mapping[str, Any]
) -> Calibration:
    """The constants of a chip's software stack, from whole networks in every precision.

    If some figures are marked for a fit (``fit``), only these are fitted. A single figure gives the efficiency only
    (:func:`from_one_figure`).

    Raises
    ------
    DataError : fewer figures of networks than constants.
    """
    rows = usable(measurements, chip.name)
    if len(rows) == 1:
        return from_one_figure(rows[0], chip, data)
    constants = constants_of(rows) if rows else None
    if constants is None or len(rows) < len(constants.fitted):
        raise DataError(f"{chip.name}: {plural(len(rows), 'measurement')} of whole networks, too few to fit constants")
    found, base = fitted(rows), specs.load_unfitted().families[FAMILY]
    wide = NORMAL * found.spread
    off = np.abs(np.expm1(np.negative(found.left)))
    known = {key: pair for key, pair in base.range.items() if key not in constants.exact}
    family = FamilyFit(
        parameters={**base.parameters, **found.values},
        uncertainty={},
        quantiles={"0.05": -wide, "0.95": wide},
        points=len(rows),
        range={**known, **found.ranges},
        median_error=float(np.median(off)),
        p90_error=float(np.max(off)),
    )
    return Calibration(
        chip=chip.name,
        architecture=chip.architecture,
        model="array",
        dtype="any",
        stack={"framework": rows[0].stack.framework},
        families={FAMILY: family},
        ceilings={},
        data={
            **data,
            "held_out": NOTHING_HELD_OUT,
            "rows": [row.label for row in rows],
            "operators": operators_of(rows),
        },
    )


def calibrate_rows_of(
    measurements: Sequence[Measurement], architecture: str, chips: Mapping[str, Chip], data: Mapping[str, Any]
) -> Calibration:
    """The constants of a stack for another architecture that it runs on, which has no figures.

    Raises
    ------
    DataError : figures of several chips, or too few.
    """
    fits = sorted({row.chip for row in measurements if row.fit and row.chip in chips} or chips)
    if len(fits) != 1:
        raise DataError(
            f"constants of exactly one chip can be used for {architecture}; the file has measurements of "
            f"{', '.join(fits)}"
        )
    return replace(calibrate_rows(measurements, chips[fits[0]], "any", False, data), architecture=architecture)


def from_one_figure(row: Measurement, chip: Chip, data: Mapping[str, Any]) -> Calibration:
    """Efficiency from a single figure, for all chips of its architecture::

        product    = predicted with efficiency 1 / measured * highest clock    clock * efficiency [Hz]
        efficiency = sqrt(low * high),   low = product / highest clock,   high = min(1, product / slowest clock)    [1]

    The figure determines clock * efficiency; it does not say at which clock it was measured. Form: this project's own;
    evidence: docs/evidence-arrays.md.
    """
    base, top = specs.load_unfitted(), chip.engines[0].clock.hz()
    alike = (specs.load_chip(path) for path in specs.list_chips().values())
    slowest = min([one.engines[0].clock.hz() for one in alike if one.architecture == chip.architecture], default=top)
    work = seconds(row, base) / row.seconds * top
    ends = (work / top, min(1.0, work / max(slowest, work)))
    family = base.families[FAMILY]
    return replace(
        base,
        chip=any_of(chip.architecture),
        architecture=chip.architecture,
        stack={"framework": row.stack.framework},
        data={**data, "held_out": NOTHING_HELD_OUT, "clock_x_efficiency_hz": work, "operators": operators_of([row])},
        families={
            FAMILY: replace(
                family,
                points=1,
                parameters={**family.parameters, "efficiency": float(np.sqrt(ends[0] * ends[1]))},
                range={**family.range, "efficiency": ends},
                quantiles={"0.05": -FLOOR, "0.95": FLOOR},
            )
        },
        file="",
    )


def usable(measurements: Sequence[Measurement], chip: str) -> list[Measurement]:
    """The figures of a chip that a fit uses: networks of known shapes, and only those marked for fits if any are."""
    rows = [m for m in measurements if m.kind == "network" and m.chip == chip and not set(m.flags) & set(APART)]
    return [row for row in rows if row.fit] or rows


def place(fitted_: Calibration) -> PurePosixPath:
    """``<architecture>/<framework>.yaml``: one file for each stack."""
    return PurePosixPath(fitted_.architecture) / f"{fitted_.stack.get('framework', 'any')}.yaml"
