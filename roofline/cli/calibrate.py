"""``roofline calibrate``: fit the model to measurements."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from roofline import specs
from roofline.cli.options import format_options
from roofline.cli.output import emit, warn, write_text

if TYPE_CHECKING:
    from rich.console import Console


@click.command(short_help="fit the device model to measurements")
@click.argument("file", metavar="FILE.jsonl", type=click.Path(path_type=Path))
@click.option("--chip", metavar="CHIP", help="Chip to fit, if the file has measurements of several.")
@click.option("--dtype", default="fp32", show_default=True, metavar="DTYPE", help="CPUs: precision to fit.")
@click.option(
    "--architecture",
    metavar="NAME|any",
    help="GPUs: fit one set of parameters for all GPUs of an architecture; 'any': for all GPUs. NPUs and TPUs: fit "
    "the constants of a software stack, for another architecture that it runs on.",
)
@click.option("--alone", is_flag=True, help="CPUs: use no prior from other CPUs for operators with few measurements.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE.yaml",
    help="Calibration file to write. [default: hw_specs/calibrations/CHIP/STACK.yaml, where 'predict' finds it]",
)
@format_options
def command(
    file: Path, chip: str | None, dtype: str, architecture: str | None, alone: bool, out: Path | None, form: str
) -> None:
    """Fit the device model to measured operators, and report held-out errors.

    Write the calibration file and, for a CPU without a chip file, a chip file with the measured ceilings. The fit
    of a GPU starts from the parameters shared by all GPUs, the fit of a CPU from those of other CPUs. For an NPU or a
    TPU, the constants of its software are fitted to measurements of whole networks.

    \b
      roofline measure --out here.jsonl && roofline calibrate here.jsonl
      roofline import neusight NeuSight > rows.jsonl && roofline calibrate rows.jsonl --architecture turing
    """
    from roofline.calibration.calibrate import calibrate, only_chip
    from roofline.calibration.kinds import fitting_of
    from roofline.calibration.machine import chip_of
    from roofline.measurements.store import read_measurements
    from roofline.render.scores import fit_table

    if architecture and chip:
        raise click.UsageError("--chip and --architecture exclude each other; give one of them")
    read = read_measurements(file)
    warn(read.warnings)
    rows, origin = read.measurements, {"file": file.name, "sha256": read.sha256}
    part = None if architecture else chip_of(rows, chip or only_chip(rows), read.header)
    fitted = calibrate(rows, part, dtype=dtype, architecture=architecture, alone=alone, origin=origin)
    if part is not None and out is None and part.name not in specs.list_chips():
        write_text(Path("hw_specs") / f"{part.name}.yaml", specs.dump_chip(part))
    path = out or Path("hw_specs") / "calibrations" / fitting_of(fitted.model).place(fitted)
    path.parent.mkdir(parents=True, exist_ok=True)
    specs.save_calibration(fitted, path)
    click.echo(f"wrote {path}", err=True)

    def show(screen: Console) -> None:
        from roofline.render.terminal import print_table

        print_table(fit_table(fitted), screen)

    def data() -> dict[str, object]:
        from dataclasses import asdict

        return {"schema_version": 1, **asdict(fitted), "file": str(path)}

    emit(form, data, lambda: fit_table(fitted), show)
