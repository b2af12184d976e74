"""``roofline measure``: measure operators and nets on this machine."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from roofline import specs
from roofline.cli.options import Binding, complete_names
from roofline.cli.output import clean, load_chip, warn
from roofline.cli.progress import progress_bar
from roofline.errors import RooflineError, UsageError


class Threads(click.ParamType):  # type: ignore[type-arg]
    """``2``, or ``1,2`` for every row with one and with two threads."""

    name = "threads"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        try:
            counts = tuple(dict.fromkeys(int(word) for word in str(value).split(",")))
        except ValueError:
            counts = (0,)
        if min(counts) < 1:
            self.fail(f"{value!r} is no number of threads; write 2, or several as 1,2", param, ctx)
        return counts


@click.command(short_help="measure operators and nets on this machine")
@click.argument("chip", required=False, shell_complete=complete_names("chip"))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where the rows go, one JSON object a line. [default: measurements/CHIP.jsonl]",
)
@click.option("--quick", is_flag=True, help="Fewer shapes and rounds, forward passes alone: about a minute.")
@click.option("--rows", type=click.IntRange(1), metavar="N", help="Operator shapes; the default is the plan's.")
@click.option("--rounds", type=click.IntRange(1), metavar="N", help="Times each is visited, in random order.")
@click.option("--budget", metavar="TIME", help="About so long, such as '2min': the shapes that tell most.")
@click.option("--no-networks", is_flag=True, help="Operators only.")
@click.option("-w", "--workload", "net", metavar="NET", help="This net alone, and no operators: what --anchor needs.")
@click.option("--batch", type=click.IntRange(1), metavar="N", help="Its batch size.")
@click.option("--bind", type=Binding(), multiple=True, metavar="NAME=N", help="Another of its sizes: --bind seq=256.")
@click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda", help="What to measure on.")
@click.option(
    "--dtype",
    type=click.Choice(["fp32", "tf32", "fp16", "fp16/fp16", "bf16", "fp8_e4m3", "int8"]),
    default="fp32",
    show_default=True,
    help="What products compute in; on a CPU fp32, fp16 or bf16. fp16/fp16 also sums in fp16.",
)
@click.option(
    "--threads",
    type=Threads(),
    default="1",
    show_default=True,
    metavar="N[,N...]",
    help="Compute threads, on a CPU; of several numbers each is measured. More than one only on a quiet machine.",
)
@click.option("--anyway", is_flag=True, help="Measure more than one thread on a machine that is not quiet, too.")
@click.option("--check", "only_check", is_flag=True, help="Only say whether this machine can be measured now.")
@click.option("--json", "as_json", is_flag=True, help="What --check finds, as JSON.")
@click.option("--seed", type=int, default=0, show_default=True, help="Chooses the shapes.")
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
    """Measure operators and nets here, row by row to disk; needs torch.

    CHIP is the name the rows carry: by default this CPU, or the chip torch sees. Run again with the same
    FILE, it goes on where it stopped, also after a crash.

    \b
      roofline measure --check
      roofline measure --quick
      roofline measure --budget 2min
      roofline measure rtx-2070 --device cuda --dtype fp16 --out rtx-2070-fp16.jsonl
      roofline measure --dtype int8 --out int8.jsonl     # 8-bit products, all else in fp16
      roofline measure -w resnet50 --batch 16 --out mine.jsonl
    """
    from roofline.campaign import devices
    from roofline.campaign.campaign import run_campaign
    from roofline.campaign.design_cuda import growth_of
    from roofline.campaign.networks import sizes_of
    from roofline.campaign.numerics import numerics, refuse
    from roofline.measurements.plan import FEW_ROUNDS, Plan

    if as_json and not only_check:
        raise click.UsageError("--json is for --check; 'roofline measurements show FILE --json' tells of a campaign")
    device = devices.choose_device(device)
    if device != "cpu" and threads != (1,):
        raise UsageError("--threads is of a CPU; on a GPU there is nothing to choose")
    if only_check:
        _only_check(device, max(threads), as_json)
        return
    name = _checked(chip, device) if chip else _name(device)
    part = load_chip(chip or name) if device == "cuda" else None
    refuse(dtype, devices.cuda_device() if part else None, part)
    plan = Plan.quick() if quick else Plan()
    chosen = {**dict(bind), **({"batch": batch} if batch else {})}
    if net and (no_networks or rows):
        raise UsageError("-w measures one net and no operators; take out --no-networks and --rows")
    if chosen and not net:
        raise UsageError("--batch and --bind are sizes of one net; name it with -w")
    if net and numerics(dtype).only:
        raise UsageError(f"no nets in {dtype}: PyTorch has only {', '.join(numerics(dtype).only)} in it")
    plan = replace(
        plan,
        rows=0 if net else rows or plan.rows,
        rounds=rounds or (FEW_ROUNDS if part else plan.rounds),
        networks={net: sizes_of(net, chosen)} if net else {} if no_networks else plan.networks,
        seed=seed,
        growth=growth_of(part) if part else 1,
    )
    if budget:
        if net or quick or rows or part:
            raise UsageError("--budget chooses operators of a CPU by itself; take out -w, --quick and --rows")
        plan = plan.within(_seconds(budget))
    if max(threads) > 1:
        _quiet_enough(max(threads), anyway)
    path = out or Path("measurements") / f"{name}.jsonl"
    try:
        with progress_bar() as progress:
            said: list[str] = []
            run_campaign(
                path, name, plan, dtype=dtype, device=device, threads=threads, progress=progress, say=said.append
            )
    except KeyboardInterrupt:
        click.echo(f"what was measured is in {path}; the same command goes on from there", err=True)
        raise
    for line in said:
        click.echo(line, err=True)
    if net:
        click.echo(f"'roofline predict CHIP -w {net} --anchor {path}' carries it over to another chip", err=True)
    else:
        click.echo(f"'roofline calibrate {path}' fits the model to it", err=True)
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


def _quiet_enough(threads: int, anyway: bool) -> None:
    """Refuse to measure several threads on a machine where they would not repeat."""
    from roofline.campaign.check import check

    with progress_bar() as progress:
        found = check(threads=threads, progress=progress)
    if found.good:
        return
    reasons = "; ".join(found.reasons)
    if not anyway:
        raise RooflineError(
            f"{threads} threads cannot be measured here now: {reasons}. Close what else runs, or take fewer threads; "
            "--anyway measures nevertheless"
        )
    warn([f"{threads} threads are measured though they will not repeat well: {reasons}"])


def _seconds(text: str) -> float:
    """``90s`` or ``2min``."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|sec|min|m)\s*", text)
    if not found:
        raise UsageError(f"--budget {text}: write a time such as '90s' or '2min'")
    return float(found[1]) * (60.0 if found[2].startswith("m") else 1.0)


def _checked(chip: str, device: str) -> str:
    """The name of a chip that can be what is measured: rows must not carry another chip's name."""
    own = specs.detect_cpu().name
    if device == "cpu" and chip == own:
        return own
    part = load_chip(chip)
    from roofline.devices.kinds import model_of

    model = model_of(part)
    if model.torch_device != device:
        raise UsageError(
            f"{part.name} is {model.noun}, but what is measured here is the {device}"
            + (f" ({own})" if device == "cpu" else "")
            + "; leave CHIP out, or choose another --device"
        )
    return part.name


def _name(device: str) -> str:
    if device == "cpu":
        return specs.detect_cpu().name
    from roofline.campaign.devices import cuda_title, match_chip

    title = cuda_title() or ""
    found = match_chip(title, specs.list_chips())
    if found is None:
        raise UsageError(f"no chip here is certain to be {title!r}; name it: roofline measure CHIP")
    return found
