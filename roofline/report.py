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
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from roofline import specs
from roofline.calibrate import Rows, calibrate, extrapolate, machine_ceilings, operator_rows
from roofline.core.chip import Chip
from roofline.core.dtype import precision
from roofline.core.prediction import Prediction
from roofline.core.validation import Validation
from roofline.errors import OutputError, RooflineError
from roofline.measure.campaign import Plan, Progress, run_campaign
from roofline.measure.devices import choose_device, cuda_title, match_chip
from roofline.measure.store import read_measurements
from roofline.predict import predict
from roofline.render.charts import Speed, chips_figure, scatter_figure
from roofline.render.dots import Dot, kind_of
from roofline.render.page import Section, render_page
from roofline.render.roofplot import roofline_figure
from roofline.render.roofs import Facet
from roofline.render.scores import network_table, pairs_of, score_table, worst_table
from roofline.render.style import figure_svg, save_figure
from roofline.render.table import Column, Table, table
from roofline.validate import validate

CHIPS = (
    "gtx-980",
    "rtx-2070",
    "rtx-2070-fe",
    "titan-x-maxwell",
    "tesla-t4",
    "tesla-v100-pcie-32gb",
    "a100-pcie-40gb",
    "h200-sxm",
    "tesla-fsd-npu",
    "tesla-fsd",
    "inferentia",
    "nnp-t-1300",
    "nnp-i-1000",
)
"""Chips of the comparison; a report adds the device it measured."""
NETS = (
    "resnet50",
    "resnet18",
    "mobilenetv2",
    "vgg16",
    "bert-base",
    "gpt-small",
    "alphago-zero-20",
    "mlp",
    "playground-mlp",
)
REDUCED = ("fp16", "bf16", "int8")
"""Narrower than fp32; the first that a chip really has is compared."""
BATCH = 32
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
    _make(target)
    if chip is not None:
        say(f"measuring {chip.title} ({device}); rows go to {target / 'rows.jsonl'}")
        path = run_campaign(
            target / "rows.jsonl", chip.name, Plan.quick() if quick else Plan(), device=device, progress=progress
        )
        say("fitting and validating")
        chip, validation, own = _measured(path, target, chip)
        sections += own
    say("predicting the named chips")
    sections += _chips(target, chip)
    page = target / "index.html"
    title = f"roofline: {chip.title}" if chip else "roofline: the named chips"
    _write(page, render_page(title, sections))
    return Report(target, page, chip, validation)


def _device_chip(device: str, say: Say) -> tuple[Chip, str]:
    """The chip to report on and where to run: the CPU where no spec is certain to be the GPU at hand."""
    if device == "cuda":
        title = cuda_title()
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
    _write(target / "chip.yaml", specs.dump_chip(chip))
    validation = validate(read.measurements, chips={chip.name: chip}, calibration=fitted or "none", sha256=read.sha256)
    _write(target / "validation.json", json.dumps(validation.to_dict(), indent=1))
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
            _picture(roof, target / "roofline.svg", f"Roofline of {chip.title} with measured kernels"),
        ),
    ]
    if networks:
        figure = scatter_figure(pairs_of(validation.of_kind("network")))
        sections.append(
            Section(
                "Networks: predicted against measured",
                (network_note,),
                _picture(figure, target / "networks.svg", "Predicted against measured seconds of networks"),
                network_table(validation),
            )
        )
    sections += [
        Section(
            "Operators: predicted against measured",
            (operator_note,),
            _picture(scatter, target / "operators.svg", "Predicted against measured seconds of operators"),
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


def _chips(target: Path, own: Chip | None) -> list[Section]:
    """Every named chip on every built-in net, at fp32 and at the best reduced precision."""
    others = [name for name in CHIPS if own is None or name != own.name]
    chips = [*([own] if own else []), *(specs.load_chip(name) for name in others)]
    calibration = target / "calibration.yaml"
    predictions: list[Prediction] = []
    sections = []
    for heading, choose in (("fp32", lambda chip: "fp32"), ("reduced precision", _reduced)):
        panels: dict[str, list[Speed]] = {}
        rows: list[list[Any]] = []
        for net in NETS:
            symbols = specs.load_network(net).symbols
            for chip in chips:
                dtype = choose(chip)
                fitted = own is chip and chip.kind == "cpu" and dtype == "fp32" and calibration.exists()
                mine = calibration if fitted else "none"
                try:
                    result = predict(
                        chip, net, batch=BATCH if "batch" in symbols else None, dtype=dtype, calibration=mine
                    )
                except RooflineError as error:
                    panels.setdefault(net, []).append(Speed(f"{chip.name} {dtype}", None, note="no " + dtype))
                    rows.append([net, chip.name, dtype, None, None, None, str(error)])
                    continue
                predictions.append(result)
                low, high = (result.batch / edge for edge in (result.seconds.high, result.seconds.low))
                bound = result.tier == "datasheet"
                panels.setdefault(net, []).append(
                    Speed(f"{chip.name} {dtype}", result.samples_per_s, low, high, bound=bound)
                )
                rows.append([net, chip.name, dtype, result.samples_per_s, result.bound, result.fits, result.tier])
        file = target / f"chips-{heading.split()[0]}.svg"
        figure = chips_figure(panels)
        sections.append(
            Section(
                f"The named chips at {heading}",
                (
                    f"Samples per second at batch {BATCH}. Hollow marks are the plain roofline of the spec sheet, an "
                    "upper bound on speed; their ranges are where measured kernels of other cards lay (on GPUs), "
                    "or a guess.",
                ),
                _picture(figure, file, f"Samples per second of the named chips at {heading}"),
                _chip_table(rows, heading),
            )
        )
    _write(target / "predictions.json", json.dumps([p.to_dict() for p in predictions]))
    return sections


def _reduced(chip: Chip) -> str:
    """The first reduced precision the chip multiplies in; else the first it emulates."""
    have = [str(p) for p in chip.precisions()]
    able = [name for name in REDUCED if str(precision(name)) in have]
    return able[0] if able else REDUCED[0]


def _chip_table(rows: Sequence[Sequence[Any]], heading: str) -> Table:
    columns = [
        Column("network", "network"),
        Column("chip", "chip"),
        Column("dtype", "dtype"),
        Column("samples_per_s", "samples/s", lambda x: f"{x:,.0f}" if x >= 10 else f"{x:.2g}", right=True),
        Column("bound", "bound by"),
        Column("fits", "fits", lambda fits: "yes" if fits else "no"),
        Column("tier", "tier", wrap=True),
    ]
    return table(f"Chips on nets, {heading}, batch {BATCH}", columns, rows)


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %"


def _picture(figure: Any, path: Path, label: str) -> str:
    save_figure(figure, path)
    return figure_svg(figure, label)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make {folder}: {error.strerror or error}; choose another place with --out") from None


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}; choose another place with --out") from None
