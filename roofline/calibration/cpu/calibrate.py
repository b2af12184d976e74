"""What do measurements say about this CPU? Fit every plan of the device model, and compute its held-out error.

Errors are held out. Measurements are grouped by operator and octave of work, and the groups are dealt into five folds.
Each measurement is predicted by a fit that saw none of its group. The residuals of those predictions give the
intervals.

Source: split conformal prediction (Lei et al., JASA 113, 2018); evidence: docs/evidence-cpu.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roofline.calibration.cpu.held_out import cross_validate, fits_of, left_out_elsewhere, machine_of
from roofline.calibration.cpu.rows import Rows, operator_rows
from roofline.calibration.intervals import LEVELS, quantile, residual_spread
from roofline.core.calibration import Calibration, FamilyFit
from roofline.core.chip import Chip
from roofline.core.measurement import Measurement
from roofline.devices.cpu.transfer import Fit, unmeasured
from roofline.devices.cpu.units import Core
from roofline.errors import DataError
from roofline.units import plural

Floats = NDArray[np.float64]


def calibrate(rows: Rows, chip: Chip, *, data: Mapping[str, Any] | None = None) -> Calibration:
    """Fit every plan that the measurements cover, with held-out errors and residual quantiles.

    Parameters
    ----------
    data : describes the measurements (file name, sha256...); it is stored with the calibration.
    """
    ceilings = machine_of(rows)
    held, places = cross_validate(rows), rows.plans
    families = {
        plan: _family(plan, fit, rows.select(places[plan]), held.predicted[places[plan]])
        if plan in places
        else unmeasured(fit, left_out_elsewhere(plan))
        for plan, fit in fits_of(rows, ceilings).items()
    }
    if rows.lent is None:
        families = {plan: fit for plan, fit in families.items() if fit.spread is not None}
    if not any(fit.spread for fit in families.values()):
        raise DataError(
            f"{chip.name}: {plural(len(rows.seconds), 'measurement')}, too few for a fit; 'roofline measure --quick' "
            "takes 600"
        )
    return Calibration(
        chip=chip.name,
        architecture=chip.architecture,
        model="cpu",
        dtype=rows.measurements[0].dtype,
        stack=rows.stack.to_dict(),
        families=families,
        ceilings=asdict(ceilings),
        data={
            **(data or {}),
            "questions": rows.questions,
            "rows": len(rows.seconds),
            "left_out": {k: v for k, v in rows.left_out.items() if v},
            "core": Core.of(chip).to_dict(),
            "lenders": list(rows.lent.lenders) if rows.lent else [],
        },
    )


def _family(plan: str, fit: Fit, part: Rows, predicted: Floats) -> FamilyFit:
    """The fit of a plan on its measurements, with its held-out errors."""
    residual = np.log(part.seconds / predicted)  # NaN where no fit had enough other groups
    spread = residual_spread(part.schedule, predicted, residual)
    if spread is None:
        return replace(unmeasured(fit, left_out_elsewhere(plan)), points=len(part.seconds))
    error = np.abs(predicted / part.seconds - 1.0)
    return FamilyFit(
        parameters=fit.parameters,
        uncertainty=fit.uncertainty,
        quantiles={f"{level:g}": quantile(residual, level) for level in LEVELS},
        points=len(part.seconds),
        range={
            "flops": (float(part.schedule.flops.min()), float(part.schedule.flops.max())),
            "bytes": (float(part.schedule.bytes.min()), float(part.schedule.bytes.max())),
        },
        median_error=float(np.nanmedian(error)),
        p90_error=float(np.nanquantile(error, 0.9)),
        spread=spread,
        borrowed=fit.borrowed,
    )


def calibrate_rows(
    measurements: Sequence[Measurement], chip: Chip, dtype: str, alone: bool, data: Mapping[str, Any]
) -> Calibration:
    """The fit of a machine's cold operators in one precision; ``alone``: without parameters transferred from other
    CPUs.
    """
    return calibrate(operator_rows(measurements, chip, dtype=dtype, alone=alone), chip, data=data)


def place(fitted: Calibration) -> PurePosixPath:
    """``<chip>/pytorch-2.13.0-1t-fp32.yaml``: one file for each stack and precision."""
    stack = fitted.stack
    text = f"{stack.get('framework', '')}-{stack.get('version', '')}-{stack.get('threads', 1)}t-{fitted.dtype}"
    return PurePosixPath(fitted.chip) / f"{re.sub(r'[^A-Za-z0-9.]+', '-', text).strip('-')}.yaml"


def held_out(
    measurements: Sequence[Measurement], chip: Chip, fitted: Calibration
) -> dict[str, tuple[float, float, float]]:
    """(middle, low, high) in seconds by key, of the fitted measurements, predicted by fits that did not see their group
    [s].
    """
    alone = not fitted.data.get("lenders")
    rows = operator_rows(measurements, chip, dtype=measurements[0].dtype, alone=alone)
    held = cross_validate(rows)
    return {
        row.key: (float(held.predicted[i] * times), float(held.low[i] * times), float(held.high[i] * times))
        for i, (row, times) in enumerate(zip(rows.measurements, rows.schedule.repeats, strict=True))
        if not np.isnan(held.predicted[i])
    }
