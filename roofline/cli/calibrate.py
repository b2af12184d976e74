"""``roofline calibrate``: fit the model to measurements."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from roofline import specs
from roofline.cli.options import format_options
from roofline.cli.output import emit, warn, write_text
from roofline.errors import DataError

if TYPE_CHECKING:
    from rich.console import Console

    from roofline.core.calibration import Calibration
    from roofline.core.measurement import Measurement


@click.command(short_help="fit the model to measurements")
@click.argument("file", metavar="FILE.jsonl", type=click.Path(path_type=Path))
@click.option("--chip", metavar="CHIP", help="The chip whose rows to use, where the file has several.")
@click.option("--dtype", default="fp32", show_default=True, help="Of a CPU: the precision whose rows to use.")
@click.option(
    "--architecture",
    metavar="NAME|any",
    help="Of GPUs: numbers for every card of an architecture from the cards in the file; 'any' for all GPUs. "
    "Of NPUs and TPUs: the constants of the software in the file, for another architecture that it runs on.",
)
@click.option("--alone", is_flag=True, help="Of a CPU: without what other measured CPUs lend to operators of few rows.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE.yaml",
    help="Where the fit goes. [default: hw_specs/calibrations/CHIP/STACK.yaml, where 'predict' finds it]",
)
@format_options
def command(
    file: Path, chip: str | None, dtype: str, architecture: str | None, alone: bool, out: Path | None, form: str
) -> None:
    """Fit the device model to measured operators, and say how well it predicts what it has not seen.

    Writes the parameters, and for a CPU that no file describes a spec of it with the measured ceilings. A GPU gets
    its own numbers around those that all GPUs share, a CPU around those of CPUs of other architectures. An NPU or a
    TPU gets the constants of its software from figures of whole networks.

    \b
      roofline measure --out here.jsonl && roofline calibrate here.jsonl
      roofline import neusight NeuSight > rows.jsonl && roofline calibrate rows.jsonl --architecture turing
    """
    from roofline.calibration.kinds import fitting_of
    from roofline.measurements.store import read_measurements
    from roofline.render.scores import fit_table

    read = read_measurements(file)
    warn(read.warnings)
    if architecture and chip:
        raise click.UsageError("--chip and --architecture exclude each other")
    origin = {"file": file.name, "sha256": read.sha256}
    fitted = (
        _architecture(read.measurements, architecture, origin)
        if architecture
        else _card(
            read.measurements, chip or _only_chip({row.chip for row in read.measurements}), dtype, origin, out, alone
        )
    )
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


def _card(
    measurements: Sequence[Measurement], name: str, dtype: str, data: dict[str, str], out: Path | None, alone: bool
) -> Calibration:
    """The numbers of one chip; the spec of a machine that has none is written beside."""
    from roofline.calibration.kinds import fitting_of
    from roofline.cli.machine import chip_of

    part = chip_of(measurements, name)
    fitted = fitting_of(part.kind).calibrate(measurements, part, dtype, alone, data)
    if out is None and part.name not in specs.list_chips():
        write_text(Path("hw_specs") / f"{part.name}.yaml", specs.dump_chip(part))
    return fitted


def _architecture(measurements: Sequence[Measurement], architecture: str, data: dict[str, str]) -> Calibration:
    """The numbers of all chips of an architecture, or of all of a kind."""
    from roofline.calibration.kinds import fitting_of

    known = specs.list_chips()
    chips = {name: specs.load_chip(name) for name in {row.chip for row in measurements} if name in known}
    fits = {name: fitting_of(chip.kind) for name, chip in chips.items()}
    able = list(dict.fromkeys(fit.architecture for fit in fits.values() if fit.architecture))
    if len(able) != 1:
        have = ", ".join(chips) or f"no known chip ({', '.join(sorted({row.chip for row in measurements}))})"
        why = "whose kinds are fitted apart" if able else "none of which shares numbers with others"
        raise DataError(f"--architecture {architecture}: the file has measurements of {have}, {why}")
    (fit,) = able
    return fit(measurements, architecture, {n: c for n, c in chips.items() if fits[n].architecture is fit}, data)


def _only_chip(names: set[str]) -> str:
    if len(names) != 1:
        raise DataError(f"the file has rows of {', '.join(sorted(names))}; choose one with --chip")
    return next(iter(names))
