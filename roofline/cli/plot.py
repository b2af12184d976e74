"""``roofline plot``: draw rooflines."""

from __future__ import annotations

from dataclasses import replace
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
    question_options,
    traced_if_named,
)
from roofline.cli.output import emit, load_chip, load_net, warn
from roofline.core.dtype import precision
from roofline.errors import Unsupported
from roofline.render.table import Column, Table, table
from roofline.units import format_si

if TYPE_CHECKING:
    from roofline.core.chip import Chip
    from roofline.core.network import Network
    from roofline.core.prediction import Prediction


@click.command(short_help="draw rooflines")
@chips_argument
@click.option(
    "-w",
    "--workload",
    "nets",
    metavar="NET",
    multiple=True,
    shell_complete=complete_names("workload"),
    help="Put the layers of this net on the roofline, as dots sized by their share of the time. Of several nets, "
    "each is one dot.",
)
@model_option
@input_option
@click.option(
    "--out",
    "out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The picture, in the format its name ends in: .png, .svg or .pdf. Without it the ridge points are listed.",
)
@click.option("--title", default="", help="A line above the picture.")
@question_options("", several=True)
@format_options
def command(
    chips: tuple[str, ...],
    nets: tuple[str, ...],
    model: str | None,
    inputs: tuple[str, ...],
    out: Path | None,
    title: str,
    question: Question,
    form: str,
) -> None:
    """Draw the roofline of chips, side by side on common axes.

    One roof for each engine and precision, one slope for each memory level of known bandwidth. --dtype
    chooses the roofs and the precisions of the dots; without it every roof is drawn, and the dots are fp32
    and fp16 (fp32 on a CPU), or what the chip has.

    \b
      roofline plot rtx-2070 gtx-980 -w resnet50 --out rooflines.svg
      roofline plot a100-pcie-40gb --dtype fp32,tf32,fp16 --out a100.png
      roofline plot tpu-v1 -w tpu-v1-mlp0 -w tpu-v1-cnn0 --out tpu-v1.png
      roofline plot rtx-2070 --model nets.py:Encoder --input ids:batch=8xseq=128:int64 --out encoder.svg
    """
    parts = [load_chip(chip) for chip in chips]
    if out is not None:
        from roofline.render.style import picture_format

        picture_format(out)  # before any work
    traced = traced_if_named(model, inputs, question.run.mode)
    named = [load_net(net) for net in nets] + ([traced] if traced else [])
    made = [[_predict(part, net, question) for net in named] for part in parts]
    seen = [_seen(part, question) if named else part for part in parts]
    if out is not None:
        from roofline.render.roofplot import roofline_figure
        from roofline.render.roofs import Facet
        from roofline.render.style import save_figure

        facets = [
            Facet(part, own[0] if own else (), dtypes=question.dtypes)
            if len(own) < 2
            else Facet(part, dtypes=question.dtypes, wholes=tuple(one for several in own for one in several))
            for part, own in zip(seen, made, strict=True)
        ]
        save_figure(roofline_figure(facets, title), out)
        click.echo(f"wrote {out}", err=True)
    if out is None or form != "text":
        _ridges(seen, form)


def _predict(part: Chip, network: Network, question: Question) -> tuple[Prediction, ...]:
    """The net in each precision the chip can do; the first one it has where none was asked for."""
    from roofline.devices.kinds import model_of
    from roofline.prediction.predict import predict

    made, refusals = [], []
    usual = [name for name in model_of(part).precisions if has(part, name)]
    for dtype in question.dtypes or usual or (str(part.precisions()[0]),):
        try:
            made.append(
                predict(
                    part,
                    network,
                    batch=question.batch_for(part, network, dtype),
                    bind=question.bind,
                    dtype=dtype,
                    stack=question.stack,
                    calibration=question.calibration,
                    run=question.run,
                )
            )
        except Unsupported as error:
            refusals.append(error)
    if not made:
        raise refusals[0]
    warn(str(error) for error in refusals)
    warn(
        f"{prediction.chip}, {prediction.dtype}: {text}"
        for prediction in made
        for text in prediction.warnings
        if not text.startswith("tier ")
    )
    return tuple(made)


def has(part: Chip, dtype: str) -> bool:
    """Whether a chip computes in a precision, or emulates it."""
    try:
        part.resolve(precision(dtype))
    except Unsupported:
        return False
    return True


def _seen(part: Chip, question: Question) -> Chip:
    """The chip as the stack uses it: where threads count, only their cores do, and the title says so."""
    from roofline.devices.kinds import model_of

    model, threads = model_of(part), question.stack.threads
    said = f", {threads} thread{'s' if threads > 1 else ''}" if "threads" in model.options else ""
    return replace(model.part(part, question.stack), title=part.title + said)


def _ridges(parts: list[Chip], form: str) -> None:
    from roofline.devices.ceiling import ridges
    from roofline.render.terminal import print_table

    columns = (
        Column("chip", "chip"),
        Column("engine", "engine"),
        Column("precision", "precision"),
        Column("peak", "peak", lambda rate: format_si(rate, "FLOP/s"), right=True),
        Column("memory", "memory"),
        Column("intensity", "ridge [FLOP/B]", lambda value: f"{value:,.2f}", right=True),
    )
    rows = [
        (part.name, ridge.engine, ridge.precision, ridge.rate, ridge.level, ridge.intensity)
        for part in parts
        for ridge in ridges(part)
    ]

    def points() -> Table:
        return table("Ridge points: left of one memory is the limit, right of it arithmetic", columns, rows)

    def data() -> dict[str, object]:
        keys = [column.key for column in columns]
        return {"schema_version": 1, "ridges": [dict(zip(keys, row, strict=True)) for row in rows]}

    emit(form, data, points, lambda screen: print_table(points(), screen))
