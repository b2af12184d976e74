"""``roofline measure``: measure operators and networks on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from roofline.cli.options import Binding, complete_names
from roofline.cli.output import clean, warn
from roofline.cli.progress import progress_bar
from roofline.errors import UsageError


class Threads(click.ParamType):  # type: ignore[type-arg]
    """``2``, or ``1,2``: measure everything with one and with two threads."""

    name = "threads"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        try:
            counts = tuple(dict.fromkeys(int(word) for word in str(value).split(",")))
        except ValueError:
            counts = (0,)
        if min(counts) < 1:
            self.fail(f"{value!r} is not a number of threads; write 2, or several as 1,2", param, ctx)
        return counts


@click.command(short_help="measure operators and networks on this machine")
@click.argument("chip", required=False, shell_complete=complete_names("chip"))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Measurement file to write or to resume (JSON Lines). [default: measurements/CHIP.jsonl]",
)
@click.option("--quick", is_flag=True, help="Fewer shapes and rounds, forward pass only; takes about a minute.")
@click.option("--rows", type=click.IntRange(1), metavar="N", help="Number of operator shapes. By default as planned.")
@click.option(
    "--rounds",
    type=click.IntRange(1),
    metavar="N",
    help="Number of rounds; each round visits all shapes in random order.",
)
@click.option("--budget", metavar="TIME", help="Time limit, such as '2min'; the most informative shapes are measured.")
@click.option("--no-networks", is_flag=True, help="Measure operators only.")
@click.option("-w", "--workload", "net", metavar="NETWORK", help="Measure this network only, for --anchor.")
@click.option("--batch", type=click.IntRange(1), metavar="N", help="Batch size of the network.")
@click.option(
    "--bind",
    type=Binding(),
    multiple=True,
    metavar="NAME=N",
    help="Set a symbol of the network, such as --bind seq=256.",
)
@click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda", help="Device to measure.")
@click.option(
    "--dtype",
    type=click.Choice(["fp32", "tf32", "fp16", "fp16/fp16", "bf16", "fp8_e4m3", "int8"]),
    default="fp32",
    show_default=True,
    help="Precision of matrix multiplications; CPUs: fp32, fp16 or bf16. fp16/fp16: with fp16 accumulation.",
)
@click.option(
    "--threads",
    type=Threads(),
    default="1",
    show_default=True,
    metavar="N[,N...]",
    help="CPU: number of compute threads, or several to measure each. More than 1 needs a quiet machine.",
)
@click.option("--anyway", is_flag=True, help="Measure several threads even if the machine is noisy.")
@click.option("--check", "only_check", is_flag=True, help="Only check whether this machine is quiet enough to measure.")
@click.option("--json", "as_json", is_flag=True, help="With --check: print the result as JSON.")
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Seed of the random shapes.")
def command(
    chip: str | None,
    out: Path | None,
    quick: bool,
    rows: int | None,
    rounds: int | None,
    budget: str | None,
    no_networks: bool,
    net: str | None,
    batch: int | None,
    bind: tuple[tuple[str, int], ...],
    device: str,
    dtype: str,
    threads: tuple[int, ...],
    anyway: bool,
    only_check: bool,
    as_json: bool,
    seed: int,
) -> None:
    """Measure operators and networks on this machine; needs PyTorch.

    CHIP is the chip name written to the file. By default it is this CPU, or the GPU that PyTorch finds. Every
    measurement is saved at once: after an interruption, the same command resumes the file.

    \b
      roofline measure --check
      roofline measure --quick
      roofline measure --budget 2min
      roofline measure rtx-2070 --device cuda --dtype fp16 --out rtx-2070-fp16.jsonl
      roofline measure --dtype int8 --out int8.jsonl     # 8-bit GEMM, all else in fp16
      roofline measure -w resnet50 --batch 16 --out mine.jsonl
    """
    from roofline.campaign import measure
    from roofline.campaign.devices import choose_device

    if as_json and not only_check:
        raise click.UsageError(
            "--json needs --check; for a measurement file use 'roofline measurements show FILE --json'"
        )
    device = choose_device(device)
    if only_check:
        if device != "cpu" and threads != (1,):
            raise UsageError("--threads applies to CPUs only; leave it out on a GPU")
        _only_check(device, max(threads), as_json)
        return
    campaign = measure.planned(
        chip,
        out,
        device,
        dtype,
        threads,
        quick=quick,
        budget=budget,
        rows=rows,
        rounds=rounds,
        networks=not no_networks,
        workload=net,
        sizes=measure.sizes(dict(bind), batch),
        seed=seed,
    )
    if max(threads) > 1:
        with progress_bar() as progress:
            warn(filter(None, [measure.quiet_enough(max(threads), anyway, progress)]))
    path = campaign.path
    try:
        with progress_bar() as progress:
            said: list[str] = []
            campaign.run(progress, said.append)
    except KeyboardInterrupt:
        click.echo(f"measurements so far are in {path}; the same command resumes", err=True)
        raise
    for line in said:
        click.echo(line, err=True)
    if net:
        click.echo(f"'roofline predict CHIP -w {net} --anchor {path}' predicts another chip from it", err=True)
    else:
        click.echo(f"'roofline calibrate {path}' fits the model to these measurements", err=True)
    click.echo(path)


def _only_check(device: str, threads: int, as_json: bool) -> None:
    """Say whether this machine can be measured now, and end with status 1 where it cannot."""
    from roofline.campaign.check import check

    with progress_bar() as progress:
        found = check(device, threads=threads, progress=progress)
    if as_json:
        click.echo(json.dumps(clean(found.to_dict()), indent=2))
    else:
        marks = {True: "good", False: "BAD", None: "?"}
        for finding in found.findings:
            click.echo(f"  {marks[finding.good]:4}  {finding.says}")
        on = f" on {threads} threads" if threads > 1 else ""
        click.echo(
            f"this machine can be measured now{on}"
            if found.good
            else f"this machine cannot be measured now{on}: {'; '.join(found.reasons)}"
        )
    if not found.good:
        raise click.exceptions.Exit(1)
