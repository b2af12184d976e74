"""The whole job in one call: measure this device, calibrate, predict, compare with what was measured, draw.

folder/index.html        opens from disk, no network
folder/rows.jsonl        every sample (docs/measurements.md); of a GPU one file for each precision
folder/chip.yaml         this device, with its measured ceilings
folder/calibration.yaml  the fit
folder/validation.json   predicted against measured, row by row
folder/predictions.json  the named chips on the built-in networks
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

from roofline import specs
from roofline.campaign import devices
from roofline.campaign.campaign import run_campaign
from roofline.campaign.design_cuda import growth_of
from roofline.campaign.numerics import refuse
from roofline.core.chip import Chip
from roofline.core.dtype import precision
from roofline.core.validation import Validation
from roofline.errors import RooflineError
from roofline.measurements.plan import Plan, Progress
from roofline.measurements.store import read_measurements
from roofline.measurements.summary import settings_of
from roofline.render.page import Section, render_page
from roofline.report.learned import measured_sections
from roofline.report.named_chips import chip_sections, make_folder, write

Say = Callable[[str], None]

GPU_ROWS, GPU_ROUNDS = 420, 3
"""Shapes and rounds of each precision on a GPU: some ten minutes for two of them, networks included."""


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
            say(f"measuring {chip.title} ({device}) in {dtype}; saving to {path}")
            plan = _gpu_plan(chip, quick) if device == "cuda" else Plan.quick() if quick else Plan()
            paths.append(run_campaign(path, chip.name, plan, dtype=dtype, device=device, progress=progress))
        say("calibrating and validating")
        chip, validation, own = measured_sections(paths, target, chip, device)
        sections += own
    say("predicting the built-in chips")
    sections += chip_sections(target, chip)
    sections.append(_provenance(target, chip))
    if chip is not None and (target / "calibration.yaml").exists():
        say(
            f"to use the calibration: roofline predict {target / 'chip.yaml'} -w NETWORK --calibration "
            f"{target / 'calibration.yaml'}"
        )
    page = target / "index.html"
    title = f"roofline: {chip.title}" if chip else "roofline: built-in chips"
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
            made.append(f"Environment of the measurements: {json.dumps(told, default=str)}")
        made.append(
            f"Every sample is in {rows.name} (sha256 {read.sha256[:16]}...); docs/measurements.md describes the format."
        )
    if chip is not None:
        made.append(
            "Files next to this page: chip.yaml (this device with its measured ceilings), calibration.yaml (the fitted "
            "parameters), validation.json (every scored measurement), predictions.json. To use the calibration: "
            "roofline predict chip.yaml -w NETWORK --calibration calibration.yaml"
        )
    made.append("The figures of the built-in chips are in hw_specs, each with its source: roofline specs show CHIP.")
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
            f"cannot tell which chip file describes {title!r}; measuring the CPU instead; for the GPU, write a chip "
            "file (docs/extending.md), then: roofline measure CHIP"
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
                say(f"{dtype} is not measured: {error}")
                continue
            return [*found, dtype]
    return found


def _gpu_plan(chip: Chip, quick: bool) -> Plan:
    plan = Plan(rows=GPU_ROWS, rounds=GPU_ROUNDS, growth=growth_of(chip))
    return replace(plan, rows=GPU_ROWS // 4, rounds=1) if quick else plan
