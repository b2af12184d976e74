"""``roofline report``: the whole job in one call."""

from __future__ import annotations

from pathlib import Path

import click

from roofline.cli.progress import progress_bar


@click.command(short_help="measure this machine, predict the built-in networks, write an HTML page")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Output folder. [default: reports/DEVICE-DATE]",
)
@click.option("--quick", is_flag=True, help="Fewer shapes and rounds, forward pass only; takes about two minutes.")
@click.option("--no-measure", is_flag=True, help="Do not measure; predict from spec sheets. Needs no PyTorch.")
@click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda", help="Device to measure.")
def command(out: Path | None, quick: bool, no_measure: bool, device: str) -> None:
    """Measure this device, calibrate the model, predict networks, run them, and write one HTML page.

    It takes about ten minutes. GPUs are measured in fp32 and in 16 bits. The page opens from disk and needs no
    internet. If the run is interrupted, the same command resumes it (on the same day, or with the same --out).

    \b
      roofline report
      roofline report --device cuda
      roofline report --quick --out report
    """
    from roofline.report.report import make_report

    def say(text: str) -> None:
        click.echo(f"roofline: {text}", err=True)

    with progress_bar() as progress:
        report = make_report(out, measure=not no_measure, quick=quick, device=device, say=say, progress=progress)
    networks = report.validation.networks if report.validation else None
    if networks:
        say(f"networks: mean error {networks.mean:.1%}, worst {networks.worst:.1%}")
    click.echo(report.page)
