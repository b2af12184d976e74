"""The whole job in one call: measure this device, calibrate, predict, compare with what was measured, draw.

folder/index.html        opens from disk, no network
folder/rows.jsonl        every sample (docs/measurements.md)
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
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from roofline import specs
from roofline.calibrate import Rows, calibrate, extrapolate, machine_ceilings, operator_rows
from roofline.core.chip import Chip
from roofline.core.validation import Validation
from roofline.measure.campaign import Plan, Progress, run_campaign
from roofline.measure.devices import choose_device, cuda_title, match_chip
from roofline.measure.store import read_measurements
from roofline.overview import chip_sections, make_folder, picture, write
from roofline.render.charts import scatter_figure
from roofline.render.dots import Dot, kind_of
from roofline.render.page import Section, render_page
from roofline.render.roofplot import roofline_figure
from roofline.render.roofs import Facet
from roofline.render.scores import network_table, pairs_of, score_table, worst_table
from roofline.validate import validate

Say = Callable[[str], None]


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
    quick : fewer shapes and rounds, for a report within a minute.
    device : ``auto``, ``cpu`` or ``cuda``.
    say, progress : told what is going on.

    Raises
    ------
    MissingExtra : torch is needed and not there. OutputError : the folder cannot be written.
    """
    sections: list[Section] = []
    chip, validation = None, None
    if measure:
        device = choose_device(device)
        chip, device = _device_chip(device, say)
    target = Path(folder) if folder else Path("reports") / f"{chip.name if chip else 'chips'}-{datetime.date.today()}"
    make_folder(target)
    if chip is not None:
        say(f"measuring {chip.title} ({device}); rows go to {target / 'rows.jsonl'}")
        path = run_campaign(
            target / "rows.jsonl", chip.name, Plan.quick() if quick else Plan(), device=device, progress=progress
        )
        say("fitting and validating")
        chip, validation, own = _measured(path, target, chip)
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
    rows = target / "rows.jsonl"
    if chip is not None and rows.exists():
        read = read_measurements(rows)
        for facts in read.environments.values():
            told = {key: facts.get(key) for key in ("date", "torch", "cpu", "system", "memory") if facts.get(key)}
            made.append(f"Measured in: {json.dumps(told, default=str)}")
        made.append(
            f"Every sample is in rows.jsonl (sha256 {read.sha256[:16]}...); docs/measurements.md tells the format."
        )
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
        title = cuda_title() or ""
        name = match_chip(title, specs.list_chips())
        if name is not None:
            return specs.load_chip(name), device
        say(
            f"no spec is certain to be {title!r}: write one (docs/extending.md), then 'roofline measure CHIP'; CPU here"
        )
    return specs.detect_cpu(), "cpu"


def _measured(path: Path, target: Path, chip: Chip) -> tuple[Chip, Validation, list[Section]]:
    """Calibrate on the rows, validate on them, and say so in sections."""
    read = read_measurements(path)
    rows = operator_rows(read.measurements, chip)
    fitted = None
    if chip.kind == "cpu":
        chip = specs.detect_cpu(machine_ceilings(rows, chip))
        fitted = calibrate(rows, chip, data={"file": path.name, "sha256": read.sha256})
        specs.save_calibration(fitted, target / "calibration.yaml")
    write(target / "chip.yaml", specs.dump_chip(chip))
    validation = validate(read.measurements, chips={chip.name: chip}, calibration=fitted or "none", sha256=read.sha256)
    write(target / "validation.json", json.dumps(validation.to_dict(), indent=1))
    return chip, validation, _sections(target, chip, rows, validation)


def _sections(target: Path, chip: Chip, rows: Rows, validation: Validation) -> list[Section]:
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
        index, predicted = extrapolate(rows)
        error = float(np.nanmedian(np.abs(predicted / rows.seconds[index] - 1.0)))
        found.append(f"Fitted on the smaller shapes alone, the largest 30 % are {_percent(error)} off in the median.")
        network_note = "No network took part in the fit: it has seen random operator shapes only."
        operator_note = "Every point was predicted by a fit that had not seen its shape group."
        threads = rows.stack.threads
        title = f"{chip.title.split(',')[0]}, {threads} thread{'s'[: threads > 1]}"
    else:
        network_note = operator_note = "Predicted by the plain roofline, an upper bound on speed; nothing was fitted."
        threads, title = 1, chip.title
    used = replace(chip.with_units(threads), title=title)
    roof = roofline_figure([Facet(used, measured=_dots(rows), dtypes=(rows.measurements[0].dtype,))])
    scatter = scatter_figure(pairs_of(validation.of_kind("operator")))
    sections = [
        Section(
            "This device and its measured kernels",
            (*found, *chip.notes),
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
