"""``roofline validate``: score predictions against measurements."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from roofline.cli.options import format_options
from roofline.cli.output import emit, warn
from roofline.units import plural

if TYPE_CHECKING:
    from rich.console import Console

    from roofline.core.validation import Validation
    from roofline.render.table import Table


@click.command(short_help="score predictions against measurements")
@click.argument("file", metavar="[FILE.jsonl]", required=False, type=click.Path(path_type=Path))
@click.option("--published", is_flag=True, help="Score the published figures of reports/published instead of a file.")
@click.option(
    "--threshold", type=click.FloatRange(0), metavar="X", help="Exit with status 1 if the median error is above X."
)
@click.option("--calibration", metavar="FILE|none", help="Calibration file. By default the best one found.")
@click.option(
    "--leave-out",
    type=click.Choice(["device", "half"]),
    help="GPUs: refit without each GPU in turn (device), or with half of its calls (half), and score the rest.",
)
@click.option(
    "--worst",
    type=click.IntRange(0),
    default=5,
    show_default=True,
    metavar="N",
    help="Number of worst predictions to list.",
)
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
    """Predict every measurement in a file and score the predictions.

    The plain roofline of the spec sheet is scored on the same measurements. A measurement that the calibration was
    fitted on is predicted by a fit that held it out. docs/measurements.md describes the file format.

    \b
      roofline validate here.jsonl --threshold 0.15
      roofline validate --published
      roofline import deepbench DeepBench > rows.jsonl && roofline validate rows.jsonl --leave-out device
    """
    if published == (file is not None):
        raise click.UsageError("give either a measurement file or --published")
    from roofline.measurements.store import read_measurements

    if leave_out and calibration:
        raise click.UsageError("--leave-out fits its own calibration; leave out --calibration")
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
        from roofline.calibration.machine import chips_of
        from roofline.validation.validate import validate

        fitted = specs.load_calibration(calibration) if calibration and calibration != "none" else calibration
        result = validate(
            read.measurements, chips=chips_of(read.measurements, read.header), calibration=fitted, sha256=read.sha256
        )
    warn(f"{plural(count, 'measurement')} not scored: {why}" for why, count in result.skipped.items())
    warn(_impossible(result))

    from roofline.render.scores import rows_table

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

    emit(form, result.to_dict, lambda: rows_table(result), show)
    if threshold is not None and result.median > threshold:
        click.echo(f"median error {result.median:.1%} is above the threshold of {threshold:.1%}", err=True)
        ctx.exit(1)


def _published(ctx: click.Context, threshold: float | None, calibration: str | None, form: str) -> None:
    """Every published figure, beside the plain roofline and the model with unfitted constants."""
    from roofline import specs
    from roofline.validation.published import score_published

    fitted = specs.load_calibration(calibration) if calibration and calibration != "none" else calibration
    scored = score_published(fitted)
    warn(f"{plural(count, 'figure')} not scored: {why}" for why, count in scored.skipped.items())

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
"""Measurements below the speed-of-light bound that are shown with their arithmetic; --json has all."""


def _impossible(result: Validation) -> Iterator[str]:
    rows = sorted(result.impossible, key=lambda row: row.measured / row.plain)
    if rows:
        yield (
            f"{len(rows):,} of {plural(len(result.rows), 'measurement')} are below the speed-of-light bound; "
            "check them and the chip file; they are scored all the same"
        )
    yield from (row.impossible for row in rows[:EXAMPLES])
