"""``roofline predict``: how long a network takes on a chip."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from roofline.cli.options import Question, chip_argument, format_options, net_option, question_options
from roofline.cli.output import emit, load_chip, load_net, warn

if TYPE_CHECKING:
    from rich.console import Console

    from roofline.core.chip import Chip
    from roofline.core.network import Network
    from roofline.render.table import Table

TOP = 12
"""Rows of the layer table unless ``--layers`` says otherwise."""


class Layers(click.ParamType):  # type: ignore[type-arg]
    """``all``, ``none`` or how many of those that take longest."""

    name = "layers"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        text = str(value).strip().lower().removeprefix("top").strip()
        if text in ("all", "none"):
            return None if text == "all" else 0
        if not text.isdecimal():
            self.fail(f"{value!r} is not a number of layers; write a number, 'all' or 'none'", param, ctx)
        return int(text)


@click.command(short_help="how long a network takes on a chip")
@chip_argument
@net_option
@question_options()
@click.option(
    "--layers",
    type=Layers(),
    default=str(TOP),
    metavar="N|all|none",
    show_default=True,
    help="Show the N layers that take longest. JSON and CSV always have all layers.",
)
@click.option(
    "--anchor",
    type=click.Path(path_type=Path),
    metavar="FILE.jsonl",
    help="Measurements of this network on another chip; the prediction is scaled by their error there.",
)
@click.option(
    "--generate",
    "tokens",
    type=click.IntRange(1),
    metavar="N",
    help="Language models: predict the time to first token and the time per token of an answer of N tokens; seq is "
    "the length of the prompt.",
)
@click.option(
    "--strict", is_flag=True, help="Exit status 1 where a layer has no formula, so that its operations are not counted."
)
@format_options
@click.pass_context
def command(
    ctx: click.Context,
    chip: str,
    net: str | Network,
    question: Question,
    layers: int | None,
    anchor: Path | None,
    tokens: int | None,
    strict: bool,
    form: str,
) -> None:
    """Predict one run of a network on a chip: speed, interval, bounds, memory and layers.

    Exit status 1 if the network does not fit in the memory of the chip, or has a layer without a formula (--strict).

    \b
      roofline predict rtx-2070 -w resnet50 --batch 32
      roofline predict a100-pcie-40gb -w bert-base --bind seq=512 --dtype fp16 --json
      roofline predict gtx-980 -w resnet50 --batch max --layers all
      roofline predict rtx-2070 -w resnet50 --mode training --optimizer adamw --dtype fp16
      roofline predict rtx-2070 -w resnet50 --batch 2 --anchor here.jsonl
      roofline predict a100-sxm-80gb -w llama-3-8b --bind seq=512 --generate 128 --dtype bf16
    """
    part, network = load_chip(chip), load_net(net)
    if tokens and anchor:
        raise click.UsageError("--anchor scales the prediction of a single run; it cannot be combined with --generate")
    if tokens:
        _generate(ctx, part, network, question, tokens, form)
        return
    from roofline.prediction.predict import predict

    prediction = predict(
        part,
        network,
        batch=question.batch,
        bind=question.bind,
        dtype=question.dtype,
        stack=question.stack,
        calibration=question.calibration,
        run=question.run,
    )
    if anchor:
        from roofline.analysis.anchor import anchored
        from roofline.calibration.machine import chips_of
        from roofline.measurements.store import read_measurements

        read = read_measurements(anchor)
        warn(read.warnings)
        chips = chips_of(read.measurements, read.header)
        prediction = anchored(part, network, prediction, read.measurements, chips=chips, file=str(anchor))
    if question.batch == "max":
        fits = f"largest batch that fits: {prediction.batch:,}"
        fewer = "--accumulate or --checkpoint" if question.run.training else "--weights or --dtype with fewer bits"
        none = f"not even a batch of {prediction.batch:,} fits; use {fewer}"
        click.echo(fits if prediction.fits else none, err=True)
    # the text answers with tier and memory in its first lines; the other forms need them said
    from roofline.render import headline

    warn(message for message in prediction.warnings if form != "text" or not message.startswith(headline.SAID))

    def show(screen: Console) -> None:
        from roofline.render.tables import layer_table
        from roofline.render.terminal import print_facts, print_table

        print_facts(headline.title(prediction), headline.facts(prediction), screen)
        if layers != 0:
            print_table(layer_table(prediction, layers), screen)

    from roofline.render.tables import layer_table

    emit(form, prediction.to_dict, lambda: layer_table(prediction), show)
    if prediction.fits is False or (strict and prediction.covered["flops"] is None):
        ctx.exit(1)


def _generate(ctx: click.Context, chip: Chip, net: Network, question: Question, tokens: int, form: str) -> None:
    """The answer of a language model instead of a single run."""
    from roofline.analysis.generate import generate

    answer = generate(
        chip,
        net,
        tokens,
        batch=question.batch,
        bind=question.bind,
        dtype=question.dtype,
        stack=question.stack,
        calibration=question.calibration,
        run=question.run,
    )
    if question.batch == "max":
        most = f"largest batch of answers that fits: {answer.batch:,}"
        none = "not even one answer fits; use fewer bits (--weights, --kv-cache) or fewer tokens"
        click.echo(most if answer.fullest.fits else none, err=True)
    from roofline.render import headline

    warn(message for message in answer.warnings if form != "text" or not message.startswith(headline.SAID))

    def show(screen: Console) -> None:
        from roofline.render import generation
        from roofline.render.terminal import print_facts, print_table

        print_facts(generation.title(answer), generation.facts(answer), screen)
        print_table(generation.generation_table(answer), screen)

    def made() -> Table:
        from roofline.render.generation import generation_table

        return generation_table(answer)

    emit(form, answer.to_dict, made, show)
    if answer.fullest.fits is False:
        ctx.exit(1)
