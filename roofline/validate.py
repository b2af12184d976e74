"""How far off are the predictions, on rows that did not make them?

Any file of measurement rows is scored, by whomever it was measured: every row is predicted and set
beside what it took, and beside the plain roofline of the same row. Where the calibration was fitted on
this very file, or on another campaign over the same shapes, its operator rows are scored by
cross-validation over shape groups; networks are never fitted and always scored as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from roofline.calibrate import HeldOut, Rows, cross_validate, kernel_of, operator_rows, questions_of
from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.dtype import precision as parse_precision
from roofline.core.measurement import Measurement
from roofline.core.run import Recipe, Run
from roofline.core.schedule import FAMILIES, Schedule
from roofline.core.stack import Stack
from roofline.core.validation import Scored, Validation
from roofline.devices import ceiling
from roofline.errors import DataError, RooflineError
from roofline.predict import predict, resolve_calibration, resolve_chip
from roofline.timing import time_schedule


def validate(
    measurements: Sequence[Measurement],
    *,
    chips: Mapping[str, Chip] | None = None,
    calibration: Calibration | str | None = None,
    sha256: str = "",
) -> Validation:
    """Predict and score rows.

    Parameters
    ----------
    measurements : rows of any chips, operators and networks mixed.
    chips : specs by name, for chips that are in no file (this machine's CPU).
    calibration : one to use for all rows, ``"none"`` for the plain roofline, or None for the best found.
    sha256 : of the file the rows are from; tells whether the calibration was fitted on it.

    Raises
    ------
    DataError : not a single row could be predicted; the message says why.
    """
    skipped: dict[str, int] = {}
    scored: list[Scored] = []
    used = ""
    for (name, dtype, stack), rows in _by_question(measurements).items():
        try:
            chip = (chips or {}).get(name) or resolve_chip(name)
            fitted = resolve_calibration(chip, parse_precision(dtype), calibration, stack)
        except RooflineError as error:
            skipped[str(error)] = skipped.get(str(error), 0) + len(rows)
            continue
        if fitted is not None:
            used = fitted.file or used
        own = fitted is not None and _fitted_on(fitted, rows, sha256)
        scored += _operators([m for m in rows if m.kind == "operator"], chip, stack, fitted, own, skipped)
        scored += _networks([m for m in rows if m.kind == "network"], chip, fitted, skipped)
    if not scored:
        reasons = "; ".join(f"{count} rows: {why}" for why, count in skipped.items())
        raise DataError(f"no row could be predicted ({reasons or 'no rows'})")
    return Validation(tuple(scored), skipped, used)


def _fitted_on(fit: Calibration, rows: Sequence[Measurement], sha256: str) -> bool:
    """Whether a fit has seen these shapes: the same file, rows marked so, or another campaign over the same."""
    same_file = bool(sha256) and fit.data.get("sha256") == sha256
    marked = any(row.used_for_fit for row in rows)
    return same_file or marked or fit.data.get("questions") == questions_of(rows)


def _by_question(measurements: Iterable[Measurement]) -> dict[tuple[str, str, Stack], list[Measurement]]:
    """Rows by what a calibration must match: chip, dtype and stack."""
    groups: dict[tuple[str, str, Stack], list[Measurement]] = {}
    for row in measurements:
        groups.setdefault((row.chip, row.dtype, row.stack), []).append(row)
    return groups


def _networks(
    rows: Sequence[Measurement], chip: Chip, fitted: Calibration | None, skipped: dict[str, int]
) -> list[Scored]:
    scored = []
    for row in rows:
        try:
            best, plain = (
                predict(
                    chip,
                    row.network,
                    bind=row.symbols,
                    dtype=row.dtype,
                    stack=row.stack,
                    calibration=which,
                    run=Run(row.mode, Recipe("none"), host_dispatch=host),
                )
                for which, host in ((fitted or "none", None), ("none", 0.0))
            )
        except RooflineError as error:
            skipped[str(error)] = skipped.get(str(error), 0) + 1
            continue
        seconds = best.seconds
        scored.append(
            Scored(
                row,
                "network",
                row.seconds,
                seconds.middle,
                seconds.low,
                seconds.high,
                plain.seconds.middle,
                best.tier,
                "in the fit" if row.fit else "published" if row.what else "network",
            )
        )
    return scored


def _operators(
    rows: Sequence[Measurement],
    chip: Chip,
    stack: Stack,
    fitted: Calibration | None,
    own: bool,
    skipped: dict[str, int],
) -> list[Scored]:
    def skip(why: str) -> None:
        skipped[why] = skipped.get(why, 0) + 1

    usable, kernels = [], []
    for row in rows:
        if row.cache == "warm":
            skip("warm operator rows (predictions are of cold calls)")
            continue
        try:
            kernel = kernel_of(row)
            ceiling.engine_and_rate(chip, parse_precision(kernel.precision), matrix=kernel.kind == "matmul")
        except RooflineError as error:
            skip(str(error))
            continue
        usable.append(row)
        kernels.append(kernel)
    if not usable:
        return []
    schedule = Schedule.of(kernels)
    timing = time_schedule(schedule, chip, stack=stack, calibration=fitted)
    held = _cross_validated(usable, chip) if own else {}
    scored = []
    for index, row in enumerate(usable):
        if own and row.key not in held:
            skip("kept out of the fit: faster than light, or too few of their kind to be held out")
            continue
        inside = (float(timing.total[index]), float(timing.low[index]), float(timing.high[index]))
        middle, low, high = held.get(row.key, inside)
        scored.append(
            Scored(
                row,
                FAMILIES[schedule.family[index]],
                row.seconds,
                middle,
                low,
                high,
                float(timing.ceiling[index]),
                timing.tiers[index],
                "shape group" if own else "other data",
            )
        )
    return scored


def _cross_validated(rows: Sequence[Measurement], chip: Chip) -> dict[str, tuple[float, float, float]]:
    """Held-out (middle, low, high) by row key, for rows the calibration was fitted on."""
    prepared: Rows = operator_rows(rows, chip, dtype=rows[0].dtype)
    held: HeldOut = cross_validate(prepared)
    return {
        row.key: (float(held.predicted[i]), float(held.low[i]), float(held.high[i]))
        for i, row in enumerate(prepared.measurements)
        if not np.isnan(held.predicted[i])
    }
