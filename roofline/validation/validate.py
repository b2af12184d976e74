"""How large is the error of the predictions on measurements that were not fitted?

Any file of measurements can be scored: each is predicted and compared with its measured time and with the plain
roofline. Where the calibration was fitted on this file, or on another campaign over the same shapes, its operators are
scored by cross-validation over shape groups. Networks are never fitted and always scored directly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from roofline.calibration.intervals import LIGHT_TOLERANCE
from roofline.calibration.kinds import known_fitting
from roofline.calibration.machine import chips_of
from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.dtype import precision as parse_precision
from roofline.core.measurement import Measurement
from roofline.core.prediction import TIERS
from roofline.core.run import Recipe, Run
from roofline.core.schedule import FAMILIES, Kernel, Schedule
from roofline.core.stack import Stack
from roofline.core.validation import SEEN, Scored, Validation
from roofline.devices import ceiling
from roofline.devices.timing import time_schedule
from roofline.errors import DataError, RooflineError
from roofline.measurements.kernels import kernels_of
from roofline.measurements.questions import questions_of
from roofline.measurements.store import read_measurements
from roofline.prediction.predict import predict
from roofline.prediction.select import datasheet_spread, resolve_calibration, resolve_chip
from roofline.units import format_si, plural


def validate(
    measurements: str | Path | Sequence[Measurement],
    *,
    chips: Mapping[str, Chip] | None = None,
    calibration: Calibration | str | None = None,
    sha256: str = "",
) -> Validation:
    """Predict and score measurements: ``error = |predicted / measured - 1|`` [1].

    Parameters
    ----------
    measurements : the path of a file of measurements, or measurements, of any chips, operators and networks mixed.
    chips : chips by name that no file describes (this machine's CPU); for a file they are found.
    calibration : one for all measurements, ``"none"`` for the plain roofline, or None for the best found.
    sha256 : of the file the measurements are from; shows whether the calibration was fitted on it.

    Raises
    ------
    DataError : no measurement could be predicted; the message says why.
    """
    notes: tuple[str, ...] = ()
    if isinstance(measurements, str | Path):
        read = read_measurements(Path(measurements))
        chips = chips_of(read.measurements, read.header) if chips is None else chips
        measurements, sha256, notes = read.measurements, read.sha256, tuple(read.warnings)
    chips = chips_of(measurements) if chips is None else chips
    skipped: dict[str, int] = {}
    scored: list[Scored] = []
    used: dict[str, None] = {}
    for (name, dtype, stack), rows in _by_question(measurements).items():
        try:
            chip = chips.get(name) or resolve_chip(name)
            # parameters of other machines must not come from these measurements
            lends = _not_from(rows, sha256)
            fitted = resolve_calibration(chip, parse_precision(dtype), calibration, stack, lends)
        except RooflineError as error:
            skipped[str(error)] = skipped.get(str(error), 0) + len(rows)
            continue
        if fitted is not None and (fitted.file or fitted.data.get("lenders")):
            used[fitted.file or f"transferred from other chips ({', '.join(fitted.data['lenders'])})"] = None
        own = fitted is not None and _fitted_on(fitted, rows, sha256)
        scored += _operators([m for m in rows if m.kind == "operator"], chip, stack, fitted, own, skipped)
        scored += score_networks([m for m in rows if m.kind == "network"], chip, fitted, skipped)
    if not scored:
        reasons = "; ".join(f"{plural(count, 'measurement')}: {why}" for why, count in skipped.items())
        raise DataError(f"no measurement could be predicted ({reasons or 'the file has none'})")
    return Validation(tuple(scored), skipped, ", ".join(used), notes)


def _fitted_on(fit: Calibration, rows: Sequence[Measurement], sha256: str) -> bool:
    """Whether a fit used these shapes: the same file, marked measurements, or another campaign over the same shapes."""
    return any(row.used_for_fit for row in rows) or _same(fit, rows, sha256)


def _same(fit: Calibration, rows: Sequence[Measurement], sha256: str) -> bool:
    """Whether a fit was made on this file, or on another campaign over the same shapes."""
    asked = fit.data.get("questions")
    return (bool(sha256) and fit.data.get("sha256") == sha256) or (asked is not None and asked == questions_of(rows))


def _not_from(rows: Sequence[Measurement], sha256: str) -> Callable[[Calibration], bool]:
    """Whether a machine whose parameters are transferred is another than that of these measurements."""
    return lambda lender: not _same(lender, rows, sha256)


def _by_question(measurements: Iterable[Measurement]) -> dict[tuple[str, str, Stack], list[Measurement]]:
    """Measurements by what a calibration must match: chip, dtype and stack."""
    groups: dict[tuple[str, str, Stack], list[Measurement]] = {}
    for row in measurements:
        groups.setdefault((row.chip, row.dtype, row.stack), []).append(row)
    return groups


def score_networks(
    rows: Sequence[Measurement],
    chip: Chip,
    fitted: Calibration | None,
    skipped: dict[str, int],
    held_out: str = "network",
    host_dispatch: float | None = None,
) -> list[Scored]:
    """Networks of one chip predicted by a calibration; those that cannot be predicted are counted in ``skipped``.

    Parameters
    ----------
    host_dispatch : see :class:`roofline.core.run.Run` [s].
    """
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
                for which, host in ((fitted or "none", host_dispatch), ("none", 0.0))
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
                "in the fit" if row.fit else "published" if row.what else held_out,
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
    """Measurements of several kernels take the sum of their times, and the family of the longest."""

    def skip(why: str) -> None:
        skipped[why] = skipped.get(why, 0) + 1

    usable: list[Measurement] = []
    kernels: list[Kernel] = []
    first: list[int] = []
    computes: set[tuple[str, str]] = set()
    for row in rows:
        if row.cache == "warm":
            skip("operator measurements with a warm cache (predictions are for a cold cache)")
            continue
        try:
            found = kernels_of(row)
            for kernel in found:
                if (kernel.precision, kernel.kind) not in computes:
                    ceiling.engine_and_rate(chip, parse_precision(kernel.precision), matrix=kernel.kind == "matmul")
                    computes.add((kernel.precision, kernel.kind))
        except RooflineError as error:
            skip(str(error))
            continue
        if not found:
            skip("operators that launch no kernel")
            continue
        usable.append(row)
        first.append(len(kernels))
        kernels += [replace(kernel, layer=len(usable)) for kernel in found]
    if not usable:
        return []
    schedule = Schedule.of(kernels)
    timing = time_schedule(schedule, chip, stack=stack, calibration=fitted, spread=datasheet_spread(chip))
    middle, low, high, plain, light = (
        np.add.reduceat(seconds, first)
        for seconds in (timing.total, timing.low, timing.high, timing.ceiling, timing.light)
    )
    tiers = np.maximum.reduceat(timing.tiers.ranks(TIERS), first)
    fitting = known_fitting(chip.kind) if own else None
    hold_out = fitting.held_out if fitting else None
    held = hold_out(usable, chip, fitted) if hold_out and fitted else {}
    unheld = "other data" if not own else "rows of other kinds" if hold_out else SEEN
    scored = []
    for index, (row, start, stop) in enumerate(zip(usable, first, [*first[1:], len(kernels)], strict=True)):
        key = row.key if own else ""
        fitted_on = hold_out is not None and (key in held or stop == start + 1)
        if fitted_on and key not in held:
            skip("not in the fit: below the speed-of-light bound, or too few of their kind to hold out")
            continue
        inside = (float(middle[index]), float(low[index]), float(high[index]))
        predicted, least, most = held[key] if fitted_on else inside
        longest = start + int(timing.total[start:stop].argmax())
        family = FAMILIES[schedule.family[longest]]
        impossible = row.seconds < (1.0 - LIGHT_TOLERANCE) * light[index]
        scored.append(
            Scored(
                row,
                family if row.part == "forward" else f"{family} ({row.part})",
                row.seconds,
                predicted,
                least,
                most,
                float(plain[index]),
                TIERS[int(tiers[index])],
                fitting.seen if fitted_on and fitting else unheld,
                _arithmetic(row, kernels[start:stop], chip, float(light[index])) if impossible else "",
            )
        )
    return scored


def _arithmetic(row: Measurement, kernels: Sequence[Kernel], chip: Chip, light: float) -> str:
    """Why a measurement is below the speed-of-light bound: the rates it would need, beside those of the chip."""
    flops = sum(kernel.flops * kernel.repeats for kernel in kernels)
    moved = sum((kernel.reads + kernel.weights + kernel.writes) * kernel.repeats for kernel in kernels)
    largest = max(kernels, key=lambda kernel: kernel.flops)
    wanted = parse_precision(largest.precision)
    _, rate = ceiling.engine_and_rate(chip, wanted, matrix=largest.kind == "matmul", clock="top")
    bandwidth = ceiling.dram_bandwidth(chip) or np.nan
    return (
        f"{row.chip}: {row.label}: {format_si(row.seconds, 's')} measured, below the speed-of-light bound of "
        f"{format_si(light, 's')}; it would need {format_si(flops / row.seconds, 'FLOP/s')} (peak "
        f"{format_si(rate, 'FLOP/s')}) and {format_si(moved / row.seconds, 'B/s')} (DRAM bandwidth "
        f"{format_si(bandwidth, 'B/s')})"
    )
