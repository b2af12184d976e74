"""How well does a fit to this device's own measurements predict? Sections of the page.

A processor is fitted on its campaign, with shape groups held out; a card gets its own numbers around those that all
cards share, with half of its calls held out.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from roofline import specs
from roofline.calibration.cpu.calibrate import calibrate
from roofline.calibration.cpu.held_out import extrapolate
from roofline.calibration.cpu.rows import Rows, machine_ceilings, operator_rows
from roofline.calibration.gpu.calibrate import shared_by_all
from roofline.calibration.learning_curve import learning_curve
from roofline.campaign.dispatch import host_dispatch
from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.validation import Validation
from roofline.errors import DataError
from roofline.measurements.store import ReadResult, read_measurements
from roofline.render.charts import scatter_figure
from roofline.render.dots import Dot, kind_of
from roofline.render.page import Section
from roofline.render.roofplot import roofline_figure
from roofline.render.roofs import Facet
from roofline.render.scores import network_table, pairs_of, score_table, worst_table
from roofline.report.named_chips import picture, write
from roofline.units import plural
from roofline.validation.leave_out import validate_card
from roofline.validation.validate import validate


@dataclass(frozen=True)
class Learned:
    """A device after its campaign.

    rows : operators that a picture shows, by precision. used : the chip as it was measured, with a title for pictures.
    findings, notes : sentences on how good the fit is, and on the measurements. network_note, operator_note : what
        the fit had seen of what it is scored on.
    """

    chip: Chip
    calibration: Calibration
    validation: Validation
    rows: Sequence[Rows]
    used: Chip
    network_note: str
    operator_note: str
    findings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def measured_sections(
    paths: Sequence[Path], target: Path, chip: Chip, device: str
) -> tuple[Chip, Validation, list[Section]]:
    """Calibrate on the measurements of a device (``cpu`` or ``cuda``), validate on them, and say so in sections."""
    found = (_card if device == "cuda" else _processor)(paths, [read_measurements(path) for path in paths], chip)
    specs.save_calibration(found.calibration, target / "calibration.yaml")
    write(target / "chip.yaml", specs.dump_chip(found.chip))
    write(target / "validation.json", json.dumps(found.validation.to_dict(), indent=1))
    return found.chip, found.validation, _sections(target, found)


def _processor(paths: Sequence[Path], reads: Sequence[ReadResult], chip: Chip) -> Learned:
    """This machine's processor: its ceilings as the measurements show them, a fit, and how it learned."""
    (read,) = reads
    chip = specs.detect_cpu(machine_ceilings(operator_rows(read.measurements, chip, alone=True), chip))
    rows = operator_rows(read.measurements, chip)
    fitted = calibrate(rows, chip, data={"file": paths[0].name, "sha256": read.sha256})
    validation = validate(read.measurements, chips={chip.name: chip}, calibration=fitted, sha256=read.sha256)
    index, predicted = extrapolate(rows)
    error = float(np.nanmedian(np.abs(predicted / rows.seconds[index] - 1.0)))
    lessons = [
        f"{lesson.rows}: {_percent(lesson.median) if np.isfinite(lesson.median) else 'too few'}"
        for lesson in learning_curve(rows)
    ]
    threads = rows.stack.threads
    return Learned(
        chip,
        fitted,
        validation,
        [rows],
        replace(chip.with_units(threads), title=f"{chip.title.split(',')[0]}, {threads} thread{'s'[: threads > 1]}"),
        network_note="No network was used in the fit, which is based on random operator shapes only.",
        operator_note="Every point was predicted by a fit that held out its shape group.",
        findings=(
            "Extrapolation: fitted on the smaller 70 % of the shapes, the median error on the largest 30 % is "
            f"{_percent(error)}.",
            "Learning curve, median error on held-out shape groups by the number of measurements in the fit: "
            f"{', '.join(lessons) or 'too few measurements'}.",
        ),
    )


def _card(paths: Sequence[Path], reads: Sequence[ReadResult], chip: Chip) -> Learned:
    """A card's own numbers, how far off they are held out, and what is to be said of them."""
    shared = shared_by_all()
    origin = {"file": ", ".join(path.name for path in paths), "sha256": ", ".join(read.sha256 for read in reads)}
    host_s = host_dispatch(sample for read in reads for sample in read.samples.values())
    measurements = [row for read in reads for row in read.measurements]
    fitted, validation, borrowed = validate_card(measurements, chip, shared, data=origin, host_dispatch=host_s)
    notes = []
    if borrowed == borrowed:  # there were calls to score
        known = "; this GPU is one of them" if chip.name in shared.data.get("devices", ()) else ""
        notes.append(
            "Without these measurements, parameters from other GPUs "
            f"({', '.join(shared.data.get('devices', ()))}{known}) have a median error of {_percent(borrowed)} on the "
            "same operators."
        )
    if fitted is shared:
        notes.append(
            "There are too few measurements to fit this GPU, so the predictions use the parameters shared by all GPUs."
        )
    if host_s is not None:
        notes.append(
            f"The host needs {host_s * 1e6:.1f} us to dispatch one elementwise kernel; predictions of eager execution "
            f"use this time (--host-dispatch '{host_s * 1e6:.1f} us')."
        )
    flags = Counter(flag for row in measurements for flag in row.flags)
    notes += [
        f"{count:,} of {plural(len(measurements), 'measurement')} flagged: {flag}." for flag, count in flags.items()
    ]
    return Learned(
        chip,
        fitted,
        validation,
        _rows_by_dtype(reads, chip),
        chip,
        network_note="No network was used in the fit. Each network ran in eager mode and as a CUDA graph.",
        operator_note="Every point was predicted by parameters fitted on the other half of the measurements.",
        notes=tuple(notes),
    )


def _rows_by_dtype(reads: Sequence[ReadResult], chip: Chip) -> list[Rows]:
    """The rows of one kernel that a picture shows, by precision."""
    found = []
    for read in reads:
        for dtype in dict.fromkeys(row.dtype for row in read.measurements):
            with suppress(DataError):
                found.append(operator_rows(read.measurements, chip, dtype=dtype))
    return found


def _sections(target: Path, learned: Learned) -> list[Section]:
    chip, rows, validation = learned.chip, learned.rows, learned.validation
    networks, operators = validation.networks, validation.operators
    found = []
    if networks:
        found.append(
            f"The mean error on measured networks is {_percent(networks.mean)} (worst {_percent(networks.worst)}); the "
            f"mean error of the plain roofline is {_percent(networks.plain_mean)}."
        )
    if operators:
        found.append(
            f"The median error on operators is {_percent(operators.median)}, the 90th percentile "
            f"{_percent(operators.p90)}. The 90 % interval contains {_percent(operators.coverage)} of them; its upper "
            f"end is {operators.width:.2f} times its lower end in the median."
        )
    dots = tuple(dot for part in rows for dot in _dots(part))
    dtypes = tuple(dict.fromkeys(part.measurements[0].dtype for part in rows)) or ("fp32",)
    roof = roofline_figure([Facet(learned.used, measured=dots, dtypes=dtypes)])
    scatter = scatter_figure(pairs_of(validation.of_kind("operator")))
    sections = [
        Section(
            "This device and its measured kernels",
            (*found, *learned.findings, *learned.notes, *chip.notes),
            picture(roof, target / "roofline.svg", f"Roofline of {chip.title} with measured kernels"),
        ),
    ]
    if networks:
        figure = scatter_figure(pairs_of(validation.of_kind("network")))
        sections.append(
            Section(
                "Networks: predicted against measured",
                (learned.network_note,),
                picture(figure, target / "networks.svg", "Predicted against measured seconds of networks"),
                network_table(validation),
            )
        )
    sections += [
        Section(
            "Operators: predicted against measured",
            (learned.operator_note,),
            picture(scatter, target / "operators.svg", "Predicted against measured seconds of operators"),
            score_table(validation, "operator"),
        ),
        Section("Worst predictions", (), "", worst_table(validation)),
    ]
    return sections


def _dots(rows: Rows) -> tuple[Dot, ...]:
    schedule = rows.schedule
    return tuple(
        Dot(row.label, kind_of(row.op), row.dtype, flops / moved, flops / seconds, measured=True)
        for row, flops, moved, seconds in zip(
            rows.measurements, schedule.flops, schedule.bytes, rows.seconds, strict=True
        )
        if flops > 0
    )


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %"
