"""``roofline explain``: the arithmetic behind the time of one layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from roofline.cli.options import Question, chip_argument, format_options, net_option, question_options
from roofline.cli.output import emit, load_chip, load_net

if TYPE_CHECKING:
    from rich.console import Console

    from roofline.core.network import Network


@click.command(short_help="the arithmetic behind the time of one layer")
@chip_argument
@net_option
@click.option(
    "--layer", required=True, metavar="NAME", help="Name of a layer, as 'predict' and 'workloads show' print it."
)
@question_options()
@format_options
def command(chip: str, net: str | Network, layer: str, question: Question, form: str) -> None:
    """Print the formulas behind the time of one layer, with their numbers filled in.

    \b
      roofline explain rtx-2070 -w resnet50 --layer layer3.0.conv2
      roofline explain rtx-2070 -w bert-base --layer layer.0.up --dtype fp16 --json
    """
    from roofline.analysis.explain import explain

    part, network = load_chip(chip), load_net(net)
    account = explain(
        part,
        network,
        layer,
        batch=question.batch,
        bind=question.bind,
        dtype=question.dtype,
        stack=question.stack,
        calibration=question.calibration,
        run=question.run,
    )

    def show(screen: Console) -> None:
        from roofline.render import explanation
        from roofline.render.terminal import print_facts, print_table

        print_facts(explanation.title(account), explanation.facts(account), screen)
        if not account.kernels:
            screen.print("  This layer is a view: it launches no kernel and moves no bytes.")
        for index, kernel in enumerate(account.kernels):
            number = f" {index + 1} of {len(account.kernels)}" if len(account.kernels) > 1 else ""
            print_facts(f"Kernel{number}: {kernel.family} ({kernel.op})", explanation.kernel_facts(kernel), screen)
            if kernel.terms:
                print_table(explanation.term_table(kernel), screen)

    from roofline.render.explanation import account_table

    emit(form, account.to_dict, lambda: account_table(account), show)
