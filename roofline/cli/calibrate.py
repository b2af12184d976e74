"""``roofline calibrate``: fit the model to measurements."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from roofline import specs
from roofline.cli.options import format_options
from roofline.cli.output import emit, warn, write_text
from roofline.errors import DataError, Unsupported

if TYPE_CHECKING:
    from rich.console import Console

    from roofline.core.calibration import Calibration


@click.command(short_help="fit the model to measurements")
@click.argument("file", metavar="FILE.jsonl", type=click.Path(path_type=Path))
@click.option("--chip", metavar="CHIP", help="The chip whose rows to use, where the file has several.")
@click.option("--dtype", default="fp32", show_default=True, help="The precision whose rows to use.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE.yaml",
    help="Where the fit goes. [default: hw_specs/calibrations/CHIP/STACK.yaml, where 'predict' finds it]",
)
@format_options
def command(file: Path, chip: str | None, dtype: str, out: Path | None, form: str) -> None:
    """Fit the device model to measured operators, and say how well it predicts what it has not seen.

    Writes the parameters with their uncertainty, and for a CPU that no file describes a spec of it with the
    measured ceilings.

    \b
      roofline measure --out here.jsonl && roofline calibrate here.jsonl
    """
    from roofline.calibrate import calibrate, operator_rows
    from roofline.cli.machine import chip_of
    from roofline.measure.store import read_measurements
    from roofline.render.scores import fit_table

    read = read_measurements(file)
    warn(read.warnings)
    name = chip or _only_chip({row.chip for row in read.measurements})
    part = chip_of(read.measurements, name)
    if part.kind != "cpu":
        raise Unsupported(f"{part.name} is a {part.kind}; only CPUs have a model that can be fitted so far")
    rows = operator_rows(read.measurements, part, dtype=dtype)
    fitted = calibrate(rows, part, data={"file": file.name, "sha256": read.sha256})
    path = out or Path("hw_specs") / "calibrations" / part.name / f"{_stack_name(fitted)}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    specs.save_calibration(fitted, path)
    click.echo(f"wrote {path}", err=True)
    if out is None and part.name not in specs.list_chips():
        write_text(Path("hw_specs") / f"{part.name}.yaml", specs.dump_chip(part))

    def show(screen: Console) -> None:
        from roofline.render.terminal import print_table

        print_table(fit_table(fitted), screen)

    def data() -> dict[str, object]:
        from dataclasses import asdict

        return {"schema_version": 1, **asdict(fitted), "file": str(path)}

    emit(form, data, lambda: fit_table(fitted), show)


def _only_chip(names: set[str]) -> str:
    if len(names) != 1:
        raise DataError(f"the file has rows of {', '.join(sorted(names))}; choose one with --chip")
    return next(iter(names))


def _stack_name(fitted: Calibration) -> str:
    """``pytorch-2.13.0-1t-fp32``."""
    stack = fitted.stack
    text = f"{stack.get('framework', '')}-{stack.get('version', '')}-{stack.get('threads', 1)}t-{fitted.dtype}"
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-")
