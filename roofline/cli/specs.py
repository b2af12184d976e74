"""``roofline specs``: which chips are there, what do their files say, are they right?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from roofline import specs
from roofline.cli.app import Verbs
from roofline.cli.options import chip_argument, complete_names, format_options
from roofline.cli.output import emit, load_chip, warn, write_text
from roofline.cli.progress import progress_bar
from roofline.core.chip import Chip
from roofline.errors import Fault, RooflineError, SpecError
from roofline.render.table import Column, Table, table

if TYPE_CHECKING:
    from rich.console import Console

    from roofline.specs.chipcheck import Checked
    from roofline.specs.lookup import Kind

SORTS = ("name", "year", "tflops", "tflops-per-watt", "bandwidth", "memory", "power", "price")


@click.group(cls=Verbs)
def command() -> None:
    """List chips, show every figure with its source, compare two chips, check files, detect this machine."""


@command.command("list", short_help="list the chips that are available by name")
@click.option(
    "--sort", type=click.Choice(SORTS), default="name", show_default=True, help="Sort by this, largest first."
)
@format_options
def list_(sort: str, form: str) -> None:
    """List the chips that are available by name.

    \b
      roofline specs list --sort tflops-per-watt
    """
    from roofline.render.chips import chips_table
    from roofline.render.terminal import print_table

    chips: list[tuple[str, Chip]] = []
    for name, path in specs.list_chips().items():
        try:
            chips.append((name, specs.load_chip(path)))
        except SpecError as error:
            warn([f"left out {name}: {error.faults[0]}; to see all faults: 'roofline specs check {path}'"])
    warn(why for _, chip in chips if (why := specs.why_misnamed(chip)))

    def made() -> Table:
        return chips_table(chips, sort)

    emit(form, lambda: _rows(made(), "chips"), made, lambda screen: print_table(made(), screen))


def _rows(source: Table, name: str) -> dict[str, object]:
    keys = [column.key for column in source.columns]
    return {"schema_version": 1, name: [dict(zip(keys, row, strict=True)) for row in source.rows]}


@command.command("show", short_help="show every figure of a chip with its status and source")
@chip_argument
@format_options
def show_(chip: str, form: str) -> None:
    """Show every figure of a chip with its status and source.

    \b
      roofline specs show rtx-2070
    """
    from roofline.render.chips import chip_table, headline
    from roofline.render.terminal import print_facts, print_table

    part = load_chip(chip)
    made = chip_table(part)

    def show(screen: Console) -> None:
        print_facts(part.name, headline(part, specs.find("chip", chip).shadowed), screen)
        print_table(made, screen)

    def data() -> dict[str, object]:
        own = {key: getattr(part, key) for key in ("name", "title", "kind", "vendor", "architecture", "year")}
        return {
            **_rows(made, "figures"),
            **own,
            "file": part.file,
            "extends": list(part.extends),
            "notes": list(part.notes),
        }

    emit(form, data, lambda: made, show)


@command.command("diff", short_help="show the figures that differ between two chips")
@click.argument("chip_a", metavar="CHIP_A", shell_complete=complete_names("chip"))
@click.argument("chip_b", metavar="CHIP_B", shell_complete=complete_names("chip"))
@format_options
def diff_(chip_a: str, chip_b: str, form: str) -> None:
    """Show the figures that differ between two chips, and their ratio (CHIP_B over CHIP_A).

    \b
      roofline specs diff gtx-980 rtx-2070
    """
    from roofline.render.chipdiff import diff_table, headline
    from roofline.render.terminal import print_paragraph, print_table

    a, b = load_chip(chip_a), load_chip(chip_b)
    made = diff_table(a, b)

    def show(screen: Console) -> None:
        print_paragraph(headline(a, b), screen)
        screen.print()
        print_table(made, screen)

    def data() -> dict[str, object]:
        return {**_rows(made, "figures"), "a": a.name, "b": b.name, "headline": headline(a, b)}

    emit(form, data, lambda: made, show)


@command.command("check", short_help="check chip files; list all faults with file and line")
@click.argument("files", nargs=-1, metavar="[FILE...]")
@format_options
@click.pass_context
def check_(ctx: click.Context, files: tuple[str, ...], form: str) -> None:
    """Check chip files and list all faults with file and line. Without FILE, check every available chip.

    Every stated peak is recomputed from units, clock and multiply-adds per clock. A file in 'architectures' is a
    base for chips to extend; only what it contains is checked. Exit status 1 if there is a fault.

    \b
      roofline specs check my-card.yaml
    """
    done: dict[str, Checked] = {}

    def check(name: str, kind: Kind) -> list[Fault]:
        done[name] = specs.check_chip(name)
        return list(done[name].faults)

    def told() -> Iterator[str]:
        parts = [name for name, checked in done.items() if checked.part and not checked.faults]
        if files:
            yield from (f"{name} is a base for chips to extend; no fault in what it contains" for name in parts)
        else:
            yield f"bases for chips to extend: {len(parts)}"
        right, explained = (sum(getattr(one, key) for one in done.values()) for key in ("rederived", "explained"))
        yield f"stated peaks: {right} equal units x 2 x FMA per clock x clock, {explained} differ with a stated reason"

    asked = list(files) or [str(path) for path in (*specs.list_chips().values(), *specs.list_parts())]
    check_files(ctx, "chip", asked, form, check, told)


def check_files(
    ctx: click.Context,
    kind: Kind,
    files: Sequence[str],
    form: str,
    check: Callable[[str, Kind], list[Fault]],
    told: Callable[[], Iterable[str]] = tuple,
) -> None:
    """Check files, or all of a kind; the faults are the answer, so they go to standard output.

    told : what else is said where a person reads, on standard error.
    """
    known = specs.list_chips() if kind == "chip" else specs.list_networks()
    asked = list(files) or [str(path) for path in known.values()]
    found = [(name, check(name, kind)) for name in asked]
    faults = [fault for _, some in found for fault in some]
    columns = [Column(key, key) for key in ("file", "line", "path", "message")]

    def made() -> Table:
        return table("Faults", columns, [(f.file, f.line, f.path, f.message) for f in faults])

    def show(screen: Console) -> None:
        for fault in faults:
            click.echo(str(fault))
        good = sum(not some for _, some in found)
        click.echo(f"files without faults: {good} of {len(found)}", err=True)
        for line in told():
            click.echo(line, err=True)

    def data() -> dict[str, object]:
        return {"schema_version": 1, "files": asked, "faults": [dict(vars(fault)) for fault in faults]}

    emit(form, data, made, show)
    if faults:
        ctx.exit(1)


@command.command("detect", short_help="print the chip file of this machine's CPU")
@click.option("--write", is_flag=True, help="Save to ./hw_specs/NAME.yaml, where the other commands find it.")
@click.option("--measure", is_flag=True, help="Also measure memory bandwidth and clock (takes seconds).")
def detect_(write: bool, measure: bool) -> None:
    """Print the chip file (YAML) of this machine's CPU.

    \b
      roofline specs detect --write
    """
    chip = specs.detect_cpu(_measured() if measure else None)
    text = specs.dump_chip(chip)
    if not write:
        click.echo(text, nl=False)
        return
    path = Path("hw_specs") / f"{chip.name}.yaml"
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise RooflineError(f"{path} exists and differs; move or delete it first")
    write_text(path, text)
    click.echo(path)


def _measured() -> dict[str, float]:
    """Ceilings of one core, from streams and matrix multiplications of growing size measured now."""
    from tempfile import TemporaryDirectory

    from roofline.calibration.cpu.rows import machine_ceilings, operator_rows
    from roofline.campaign.campaign import run_campaign
    from roofline.measurements.plan import Plan
    from roofline.measurements.store import read_measurements

    chip = specs.detect_cpu()
    with TemporaryDirectory() as folder, progress_bar() as progress:
        path = run_campaign(
            Path(folder) / "rows.jsonl", chip.name, Plan(rows=60, rounds=2, networks={}), progress=progress
        )
        return machine_ceilings(operator_rows(read_measurements(path).measurements, chip), chip)
