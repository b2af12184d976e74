"""``roofline compare``: chips beside each other on one network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from roofline.cli.options import Question, chips_argument, format_options, net_option, question_options
from roofline.cli.output import emit, load_chip, load_net, warn

if TYPE_CHECKING:
    from rich.console import Console

    from roofline.core.network import Network


@click.command(short_help="compare chips on one network")
@chips_argument
@net_option
@question_options("fp32,fp16", several=True)
@format_options
@click.pass_context
def command(ctx: click.Context, chips: tuple[str, ...], net: str | Network, question: Question, form: str) -> None:
    """Predict a network on several chips; print speed-ups over the first chip and the reason for each.

    A chip that lacks a precision says so in its row. The rule of thumb is the geometric mean of the peak ratio and
    the bandwidth ratio. Exit status 1 if the network does not fit in the memory of some chip.

    \b
      roofline compare gtx-980 rtx-2070 -w resnet50 --batch 32
      roofline compare gtx-980 rtx-2070 tesla-fsd -w resnet50 --dtype fp16,int8 --batch max
    """
    from roofline.analysis.compare import compare

    parts, network = [load_chip(chip) for chip in chips], load_net(net)
    comparison = compare(
        parts,
        network,
        batch=question.batch,
        bind=question.bind,
        dtypes=question.dtypes,
        stack=question.stack,
        calibration=question.calibration,
        run=question.run,
    )
    unfit = [entry for entry in comparison.predicted if entry.prediction and entry.prediction.fits is False]
    warn(comparison.warnings)

    def show(screen: Console) -> None:
        from roofline.render.comparison import print_comparison

        print_comparison(comparison, screen)

    from roofline.render.tables import comparison_table

    emit(form, comparison.to_dict, lambda: comparison_table(comparison), show)
    if unfit:
        ctx.exit(1)
