"""The whole job in one call: measure this device, calibrate, predict, compare with what was measured, draw.

folder/index.html        opens from disk, no network
folder/rows.jsonl        every sample (docs/measurements.md); of a GPU one file for each precision
folder/chip.yaml         this device, with its measured ceilings
folder/calibration.yaml  the fit
folder/validation.json   predicted against measured, row by row
folder/predictions.json  the named chips on the built-in nets
folder/*.svg             the pictures
"""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import platform
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from roofline import specs
from roofline.calibration.cpu.calibrate import Rows, calibrate, extrapolate, machine_ceilings, operator_rows
from roofline.calibration.learning_curve import learning_curve
from roofline.campaign import devices
from roofline.campaign.campaign import Plan, Progress, run_campaign
from roofline.campaign.design_cuda import growth_of
from roofline.campaign.dispatch import host_dispatch
from roofline.campaign.numerics import refuse
from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.dtype import precision
from roofline.core.validation import Validation
from roofline.errors import DataError, RooflineError
from roofline.measurements.store import ReadResult, read_measurements
from roofline.measurements.summary import settings_of
from roofline.render.charts import scatter_figure
from roofline.render.dots import Dot, kind_of
from roofline.render.page import Section, render_page
from roofline.render.roofplot import roofline_figure
from roofline.render.roofs import Facet
from roofline.render.scores import network_table, pairs_of, score_table, worst_table
from roofline.report.named_chips import chip_sections, make_folder, picture, write
from roofline.validation.leave_out import validate_card
from roofline.validation.validate import validate

Say = Callable[[str], None]

GPU_ROWS, GPU_ROUNDS = 420, 3
"""Shapes and rounds of each precision on a GPU: some ten minutes for two of them, nets included."""


@dataclass(frozen=True)
class Report:
    """Where a report was written and what it found. ``validation`` is None without measurements."""

    folder: Path
    page: Path
    chip: Chip | None
    validation: Validation | None


def make_report(
    folder: str | Path | None = None,
    *,
    measure: bool = True,
    quick: bool = False,
    device: str = "auto",
    say: Say = lambda text: None,
    progress: Progress | None = None,
) -> Report:
    """Write a report into ``folder`` (by default ``reports/<device>-<date>``) and return what it found.

    Parameters
    ----------
    measure : without, only spec sheets speak and torch is not needed.
    quick : fewer shapes and rounds, forward passes alone: a report in about two minutes.
    device : ``auto``, ``cpu`` or ``cuda``.
    say, progress : told what is going on.

    Raises
    ------
    MissingExtra : torch is needed and not there. OutputError : the folder cannot be written.
    """
    sections: list[Section] = []
    chip, validation = None, None
    if measure:
        device = devices.choose_device(device)
        chip, device = _device_chip(device, say)
    target = Path(folder) if folder else Path("reports") / f"{chip.name if chip else 'chips'}-{datetime.date.today()}"
    make_folder(target)
    if chip is not None:
        paths = []
        for dtype in _dtypes(chip, say) if device == "cuda" else ("fp32",):
            path = target / (f"rows-{dtype}.jsonl" if device == "cuda" else "rows.jsonl")
            say(f"measuring {chip.title} ({device}) in {dtype}; rows go to {path}")
            plan = _gpu_plan(chip, quick) if device == "cuda" else Plan.quick() if quick else Plan()
            paths.append(run_campaign(path, chip.name, plan, dtype=dtype, device=device, progress=progress))
        say("fitting and validating")
        chip, validation, own = _measured(paths, target, chip)
        sections += own
    say("predicting the named chips")
    sections += chip_sections(target, chip)
    sections.append(_provenance(target, chip))
    if chip is not None and (target / "calibration.yaml").exists():
        say(f"use the fit: roofline predict {target / 'chip.yaml'} -w NET --calibration {target / 'calibration.yaml'}")
    page = target / "index.html"
    title = f"roofline: {chip.title}" if chip else "roofline: the named chips"
    write(page, render_page(title, sections))
    return Report(target, page, chip, validation)


def _provenance(target: Path, chip: Chip | None) -> Section:
    """When, with what and from which files this page was made."""
    made = [f"Made on {datetime.date.today()} by roofline {_version('roofline')}, Python {platform.python_version()}."]
    for rows in sorted(target.glob("rows*.jsonl")) if chip is not None else ():
        read = read_measurements(rows)
        topics = ("date", "torch", "gpu", "cpu", "system", "memory")
        for setting in settings_of(read):
            facts = setting.record
            told = {key: facts.get(key) for key in topics if facts.get(key)}
            made.append(f"Measured in: {json.dumps(told, default=str)}")
        made.append(
            f"Every sample is in {rows.name} (sha256 {read.sha256[:16]}...); docs/measurements.md tells the format."
        )
    if chip is not None:
        made.append(
            "Beside this page: chip.yaml (this device with its measured ceilings), calibration.yaml (the fit), "
            "validation.json (row by row), predictions.json. To use the fit: "
            "roofline predict chip.yaml -w NET --calibration calibration.yaml"
        )
    made.append("Figures of the named chips are in hw_specs, each with its source: roofline specs show CHIP.")
    return Section("How this was made", tuple(made))


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"


def _device_chip(device: str, say: Say) -> tuple[Chip, str]:
    """The chip to report on and where to run: the CPU where no spec is certain to be the GPU at hand."""
    if device == "cuda":
        title = devices.cuda_title() or ""
        name = devices.match_chip(title, specs.list_chips())
        if name is not None:
            return specs.load_chip(name), device
        say(
            f"no spec is certain to be {title!r}: write one (docs/extending.md), then 'roofline measure CHIP'; CPU here"
        )
    return specs.detect_cpu(), "cpu"


def _dtypes(chip: Chip, say: Say) -> list[str]:
    """fp32, and the first 16-bit precision that the chip has and torch can run on it."""
    found = ["fp32"]
    for dtype in ("bf16", "fp16"):
        if precision(dtype) in chip.precisions():
            try:
                refuse(dtype, devices.cuda_device(), chip)
            except RooflineError as error:
                say(f"{dtype} is left out: {error}")
                continue
            return [*found, dtype]
    return found


def _gpu_plan(chip: Chip, quick: bool) -> Plan:
    plan = Plan(rows=GPU_ROWS, rounds=GPU_ROUNDS, growth=growth_of(chip))
    return replace(plan, rows=GPU_ROWS // 4, rounds=1) if quick else plan


def _measured(paths: Sequence[Path], target: Path, chip: Chip) -> tuple[Chip, Validation, list[Section]]:
    """Calibrate on the rows, validate on them, and say so in sections."""
    reads = [read_measurements(path) for path in paths]
    notes: list[str] = []
    if chip.kind == "cpu":
        (read,) = reads
        chip = specs.detect_cpu(machine_ceilings(operator_rows(read.measurements, chip, alone=True), chip))
        rows = [operator_rows(read.measurements, chip)]
        fitted = calibrate(rows[0], chip, data={"file": paths[0].name, "sha256": read.sha256})
        validation = validate(read.measurements, chips={chip.name: chip}, calibration=fitted, sha256=read.sha256)
    else:
        fitted, validation, notes = _card(paths, reads, chip)
        rows = _rows_by_dtype(reads, chip)
    specs.save_calibration(fitted, target / "calibration.yaml")
    write(target / "chip.yaml", specs.dump_chip(chip))
    write(target / "validation.json", json.dumps(validation.to_dict(), indent=1))
    return chip, validation, _sections(target, chip, rows, validation, notes)


def _card(paths: Sequence[Path], reads: Sequence[ReadResult], chip: Chip) -> tuple[Calibration, Validation, list[str]]:
    """A GPU's own numbers, how far off they are held out, and what is to be said of them."""
    shared = specs.load_calibration(specs.calibrations_for("any-gpu", "any-gpu")[0])
    origin = {"file": ", ".join(path.name for path in paths), "sha256": ", ".join(read.sha256 for read in reads)}
    host_s = host_dispatch(sample for read in reads for sample in read.samples.values())
    measurements = [row for read in reads for row in read.measurements]
    fitted, validation, borrowed = validate_card(measurements, chip, shared, data=origin, host_dispatch=host_s)
    notes = []
    if borrowed == borrowed:  # there were calls to score
        known = ", of which this is one" if chip.name in shared.data.get("devices", ()) else ""
        notes.append(
            f"Numbers that other GPUs taught ({', '.join(shared.data.get('devices', ()))}{known}) are "
            f"{_percent(borrowed)} off in the median on the same operators."
        )
    if fitted is shared:
        notes.append("Too few calls for numbers of its own: predictions are by the numbers that all GPUs share.")
    if host_s is not None:
        notes.append(
            f"The host hands over an elementwise kernel in {host_s * 1e6:.1f} us; nets run kernel by kernel are "
            f"predicted with it (--host-dispatch '{host_s * 1e6:.1f} us')."
        )
    flags = Counter(flag for row in measurements for flag in row.flags)
    notes += [f"{count} of {len(measurements)} rows are flagged: {flag}." for flag, count in flags.items()]
    return fitted, validation, notes


def _rows_by_dtype(reads: Sequence[ReadResult], chip: Chip) -> list[Rows]:
    """The rows of one kernel that a picture shows, by precision."""
    found = []
    for read in reads:
        for dtype in dict.fromkeys(row.dtype for row in read.measurements):
            with suppress(DataError):
                found.append(operator_rows(read.measurements, chip, dtype=dtype))
    return found


def _sections(
    target: Path, chip: Chip, rows: Sequence[Rows], validation: Validation, notes: Sequence[str]
) -> list[Section]:
    networks, operators = validation.networks, validation.operators
    found = []
    if networks:
        found.append(
            f"Networks run for real are predicted with a mean error of {_percent(networks.mean)} "
            f"(worst {_percent(networks.worst)}); the plain roofline is {_percent(networks.plain_mean)} off."
        )
    if operators:
        found.append(
            f"Operators are predicted with a median error of {_percent(operators.median)} and 90 % within "
            f"{_percent(operators.p90)}; {_percent(operators.coverage)} of them lie inside their nominal 90 % "
            f"interval, whose ends differ by a factor of {operators.width:.2f} in the median."
        )
    if chip.kind == "cpu":
        index, predicted = extrapolate(rows[0])
        error = float(np.nanmedian(np.abs(predicted / rows[0].seconds[index] - 1.0)))
        found.append(f"Fitted on the smaller shapes alone, the largest 30 % are {_percent(error)} off in the median.")
        lessons = [
            f"{lesson.rows}: {_percent(lesson.median) if np.isfinite(lesson.median) else 'too few of most kinds'}"
            for lesson in learning_curve(rows[0])
        ]
        found.append(
            "Median error on shape groups that a fit has not seen, by the number of rows measured, those that "
            f"tell most first: {', '.join(lessons) or 'too few rows to say'}."
        )
        network_note = "No network took part in the fit: it has seen random operator shapes only."
        operator_note = "Every point was predicted by a fit that had not seen its shape group."
        threads = rows[0].stack.threads
        title = f"{chip.title.split(',')[0]}, {threads} thread{'s'[: threads > 1]}"
    else:
        network_note = "No network took part in the fit. Each ran kernel by kernel (eager) and as a recorded graph."
        operator_note = "Every point was predicted by numbers of this card from the other half of its calls."
        threads, title = 1, chip.title
    used = replace(chip.with_units(threads), title=title)
    dots = tuple(dot for part in rows for dot in _dots(part))
    dtypes = tuple(dict.fromkeys(part.measurements[0].dtype for part in rows)) or ("fp32",)
    roof = roofline_figure([Facet(used, measured=dots, dtypes=dtypes)])
    scatter = scatter_figure(pairs_of(validation.of_kind("operator")))
    sections = [
        Section(
            "This device and its measured kernels",
            (*found, *notes, *chip.notes),
            picture(roof, target / "roofline.svg", f"Roofline of {chip.title} with measured kernels"),
        ),
    ]
    if networks:
        figure = scatter_figure(pairs_of(validation.of_kind("network")))
        sections.append(
            Section(
                "Networks: predicted against measured",
                (network_note,),
                picture(figure, target / "networks.svg", "Predicted against measured seconds of networks"),
                network_table(validation),
            )
        )
    sections += [
        Section(
            "Operators: predicted against measured",
            (operator_note,),
            picture(scatter, target / "operators.svg", "Predicted against measured seconds of operators"),
            score_table(validation, "operator"),
        ),
        Section("Worst rows", (), "", worst_table(validation)),
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
