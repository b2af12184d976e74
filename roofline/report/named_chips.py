"""How fast are the built-in chips on the built-in networks? The part of a report that needs no measurements."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from roofline import specs
from roofline.core.chip import Chip
from roofline.core.dtype import precision
from roofline.core.prediction import Prediction
from roofline.core.stack import Stack
from roofline.core.tiers import meaning_of
from roofline.errors import OutputError, RooflineError
from roofline.prediction.predict import predict
from roofline.prediction.select import mismatch
from roofline.render.charts import Speed, chips_figure
from roofline.render.page import Section
from roofline.render.style import figure_svg, save_figure
from roofline.render.table import Column, Table, table

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


def chip_sections(target: Path, own: Chip | None) -> list[Section]:
    """Every chip of :data:`CHIPS` on every network of :data:`NETS`, at fp32 and at the best reduced precision."""
    others = [name for name in CHIPS if own is None or name != own.name]
    chips = [*([own] if own else []), *(specs.load_chip(name) for name in others)]
    calibration = target / "calibration.yaml"
    fitted = specs.load_calibration(calibration) if calibration.exists() else None
    predictions: list[Prediction] = []
    sections = []
    for heading, choose in (("fp32", lambda chip: "fp32"), ("reduced precision", _reduced)):
        panels: dict[str, list[Speed]] = {}
        rows: list[list[Any]] = []
        tiers: dict[str, None] = {}
        for net in NETS:
            symbols = specs.load_network(net).symbols
            for chip in chips:
                dtype = choose(chip)
                fits = own is chip and fitted and not mismatch(fitted, chip, precision(dtype), Stack())
                mine = calibration if fits else None
                try:
                    result = predict(
                        chip, net, batch=BATCH if "batch" in symbols else None, dtype=dtype, calibration=mine
                    )
                except RooflineError as error:
                    panels.setdefault(net, []).append(Speed(f"{chip.name} {dtype}", None, note="no " + dtype))
                    rows.append([net, chip.name, dtype, None, None, None, str(error)])
                    continue
                predictions.append(result)
                tiers[f"{result.tier}: {meaning_of(result.tier, modelled=result.unfitted)}"] = None
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
                f"Built-in chips, {heading}",
                (
                    f"Samples per second at batch {BATCH}. Filled marks are predictions with fitted parameters. Hollow "
                    "marks are an upper bound on speed from the spec sheet; nothing was measured. The table gives the "
                    "tier of each prediction, and its notes explain the tiers.",
                ),
                picture(figure, file, f"Samples per second of the built-in chips, {heading}"),
                _chip_table(rows, heading, tiers),
            )
        )
    write(target / "predictions.json", json.dumps([p.to_dict() for p in predictions]))
    return sections


def _reduced(chip: Chip) -> str:
    """The first reduced precision the chip multiplies in; else the first it emulates."""
    have = [str(p) for p in chip.precisions()]
    able = [name for name in REDUCED if str(precision(name)) in have]
    return able[0] if able else REDUCED[0]


def _chip_table(rows: Sequence[Sequence[Any]], heading: str, tiers: Iterable[str]) -> Table:
    columns = [
        Column("network", "network"),
        Column("chip", "chip"),
        Column("dtype", "dtype"),
        Column("samples_per_s", "samples/s", lambda x: f"{x:,.0f}" if x >= 10 else f"{x:.2g}", right=True),
        Column("bound", "bound by"),
        Column("fits", "fits", lambda fits: "yes" if fits else "no"),
        Column("tier", "tier", wrap=True),
    ]
    return table(f"Networks on chips, {heading}, batch {BATCH}", columns, rows, *tiers)


def picture(figure: Any, path: Path, label: str) -> str:
    save_figure(figure, path)
    return figure_svg(figure, label)


def make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot create {folder}: {error.strerror or error}; choose another folder with --out"
        ) from None


def write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}; choose another folder with --out") from None
