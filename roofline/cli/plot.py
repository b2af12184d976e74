"""``roofline plot``: draw rooflines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from roofline.cli.options import (
    Question,
    chips_argument,
    complete_names,
    format_options,
    input_option,
    model_option,
    proposals_option,
    question_options,
    traced_if_named,
)
from roofline.cli.output import emit, load_chip, load_net, warn
from roofline.render.table import Column, Table, table
from roofline.units import format_si

if TYPE_CHECKING:
    from roofline.core.chip import Chip


@click.command(short_help="draw rooflines")
@chips_argument
@click.option(
    "-w",
    "--workload",
    "nets",
    metavar="NETWORK",
    multiple=True,
    shell_complete=complete_names("workload"),
    help="Draw the layers of this network on the roofline; the size of a dot is the share of the time. With several "
    "networks, each network is one dot.",
)
@model_option
@input_option
@proposals_option
@click.option(
    "--out",
    "out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Picture to write: .png, .svg or .pdf. Without it, ridge points (machine balance) are listed instead.",
)
@click.option("--title", default="", metavar="TEXT", help="Title above the picture.")
@question_options("", several=True)
@format_options
def command(
    chips: tuple[str, ...],
    nets: tuple[str, ...],
    model: str | None,
    inputs: tuple[str, ...],
    proposals: int | None,
    out: Path | None,
    title: str,
    question: Question,
    form: str,
) -> None:
    """Draw the roofline of chips, side by side on common axes.

    The picture has one roof for each engine and precision, and one slope for each memory level with a known
    bandwidth. --dtype selects the roofs and the precisions of the dots. Without it, every roof is drawn, and dots are
    in fp32 and fp16 (fp32 on a CPU), or in what the chip supports.

    \b
      roofline plot rtx-2070 gtx-980 -w resnet50 --out rooflines.svg
      roofline plot a100-pcie-40gb --dtype fp32,tf32,fp16 --out a100.png
      roofline plot tpu-v1 -w tpu-v1-mlp0 -w tpu-v1-cnn0 --out tpu-v1.png
      roofline plot rtx-2070 --model models.py:Encoder --input ids:batch=8xseq=128:int64 --out encoder.svg
    """
    parts = [load_chip(chip) for chip in chips]
    if out is not None:
        from roofline.render.style import picture_format

        picture_format(out)  # before any work
    traced = traced_if_named(model, inputs, question.run.mode, proposals)
    named = [load_net(net) for net in nets] + ([traced] if traced else [])
    from roofline.core.prediction import warnings_together
    from roofline.render.plot import dots

    made = [
        dots(
            part,
            named,
            question.dtypes,
            batch=question.batch,
            bind=question.bind,
            stack=question.stack,
            calibration=question.calibration,
            run=question.run,
        )
        for part in parts
    ]
    for one in made:
        warn(one.refusals)
    warn(warnings_together(made_of for one in made for several in one.networks for made_of in several))
    if out is not None:
        from roofline.render.roofplot import roofline_figure
        from roofline.render.style import save_figure

        save_figure(roofline_figure([one.facet(question.dtypes) for one in made], title), out)
        click.echo(f"wrote {out}", err=True)
    if out is None or form != "text":
        _ridges([one.chip for one in made], form)


def _ridges(parts: list[Chip], form: str) -> None:
    from roofline.devices.ceiling import ridges
    from roofline.render.terminal import print_table

    columns = (
        Column("chip", "chip"),
        Column("engine", "engine"),
        Column("precision", "precision"),
        Column("peak", "peak\n[op/s]", lambda rate: format_si(rate, ""), right=True),
        Column("memory", "memory"),
        Column("intensity", "machine balance\n[FLOP/B]", lambda value: f"{value:,.2f}", right=True),
    )
    rows = [
        (part.name, ridge.engine, ridge.precision, ridge.rate, ridge.level, ridge.intensity)
        for part in parts
        for ridge in ridges(part)
    ]

    def points() -> Table:
        return table(
            "Ridge points (machine balance): below it a kernel is memory-bound, above it compute-bound", columns, rows
        )

    def data() -> dict[str, object]:
        keys = [column.key for column in columns]
        return {"schema_version": 1, "ridges": [dict(zip(keys, row, strict=True)) for row in rows]}

    emit(form, data, points, lambda screen: print_table(points(), screen))
