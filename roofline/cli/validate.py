"""``roofline validate``: score predictions against measurements."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from roofline.cli.options import format_options
from roofline.cli.output import emit, warn
from roofline.render.table import Column, Table, table

if TYPE_CHECKING:
    from rich.console import Console

    from roofline.core.validation import Validation


@click.command(short_help="score predictions against measurements")
@click.argument("file", metavar="[FILE.jsonl]", required=False, type=click.Path(path_type=Path))
@click.option("--published", is_flag=True, help="Every figure of reports/published instead of a file.")
@click.option("--threshold", type=click.FloatRange(0), metavar="X", help="Exit 1 where the median error is above.")
@click.option("--calibration", metavar="FILE|none", help="Fitted numbers to use; by default the best there are.")
@click.option(
    "--leave-out",
    type=click.Choice(["device", "half"]),
    help="Of GPUs: refit on these rows without each card in turn, or with half of its calls, and score those.",
)
@click.option("--worst", type=click.IntRange(0), default=5, show_default=True, help="Rows shown that fit worst.")
@format_options
@click.pass_context
def command(
    ctx: click.Context,
    file: Path | None,
    published: bool,
    threshold: float | None,
    calibration: str | None,
    leave_out: Literal["device", "half"] | None,
    worst: int,
    form: str,
) -> None:
    """Predict every row of a measurement file, by whomever it was measured, and score the predictions.

    The plain datasheet roofline of the same rows stands beside. Rows the calibration was fitted on are
    predicted by fits that have not seen them. The row format is documented in docs/measurements.md.

    \b
      roofline validate here.jsonl --threshold 0.15
      roofline validate --published
      roofline import deepbench DeepBench > rows.jsonl && roofline validate rows.jsonl --leave-out device
    """
    if published == (file is not None):
        raise click.UsageError("name a file of measurements, or say --published, and not both")
    from roofline.measurements.store import read_measurements

    if leave_out and calibration:
        raise click.UsageError("--leave-out fits its own numbers; take out --calibration")
    if file is None:
        _published(ctx, threshold, calibration, form)
        return
    read = read_measurements(file)
    warn(read.warnings)
    if leave_out:
        from roofline.validation.leave_out import validate_held_out

        result = validate_held_out(read.measurements, leave_out)
    else:
        from roofline import specs
        from roofline.cli.machine import chips_of
        from roofline.validation.validate import validate

        fitted = specs.load_calibration(calibration) if calibration and calibration != "none" else calibration
        result = validate(read.measurements, chips=chips_of(read.measurements), calibration=fitted, sha256=read.sha256)
    warn(f"{count:,} rows left out: {why}" for why, count in result.skipped.items())
    warn(_impossible(result))

    def show(screen: Console) -> None:
        from roofline.render.scores import score_table, worst_table
        from roofline.render.terminal import print_paragraph, print_table

        for kind in ("network", "operator"):
            if result.of_kind(kind):
                print_table(score_table(result, kind), screen)
                screen.print()
        if worst:
            print_table(worst_table(result, worst), screen)
        if not leave_out:
            print_paragraph(f"calibration: {result.calibration or calibration or 'none'}", screen, style="dim")

    emit(form, result.to_dict, lambda: _rows(result), show)
    if threshold is not None and result.median > threshold:
        click.echo(f"median error {result.median:.1%} is above the threshold of {threshold:.1%}", err=True)
        ctx.exit(1)


def _published(ctx: click.Context, threshold: float | None, calibration: str | None, form: str) -> None:
    """Every cited figure, beside the plain roofline and the model with nothing fitted."""
    from roofline import specs
    from roofline.validation.published import score_published

    fitted = specs.load_calibration(calibration) if calibration and calibration != "none" else calibration
    scored = score_published(fitted)
    warn(f"{count:,} figures left out: {why}" for why, count in scored.skipped.items())

    def show(screen: Console) -> None:
        from roofline.render.scores import published_table
        from roofline.render.terminal import print_table

        print_table(published_table(scored), screen)

    def made() -> Table:
        from roofline.render.scores import published_table

        return published_table(scored)

    emit(form, scored.to_dict, made, show)
    if threshold is not None and scored.median > threshold:
        click.echo(f"median error {scored.median:.1%} is above the threshold of {threshold:.1%}", err=True)
        ctx.exit(1)


EXAMPLES = 3
"""Rows faster than light that are shown with their arithmetic; --json has all."""


def _impossible(result: Validation) -> Iterator[str]:
    rows = sorted(result.impossible, key=lambda row: row.measured / row.plain)
    if rows:
        yield f"{len(rows):,} of {len(result.rows):,} rows are faster than light; they are scored all the same"
    yield from (row.impossible for row in rows[:EXAMPLES])


def _rows(result: Validation) -> Table:
    keys = (
        *("kind", "family", "chip", "dtype", "label", "measured_s", "predicted_s", "low_s", "high_s"),
        *("plain_s", "error", "tier", "held_out"),
    )
    rows = [
        (
            *(row.measurement.kind, row.family, row.measurement.chip, row.measurement.dtype, row.measurement.label),
            *(row.measured, row.predicted, row.low, row.high, row.plain, row.error, row.tier, row.held_out),
        )
        for row in result.rows
    ]
    return table("Scored rows", [Column(key, key) for key in keys], rows)
