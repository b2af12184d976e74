"""``roofline workloads``: which networks are there, what is in them, are their files right?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from roofline import specs
from roofline.cli.app import Verbs
from roofline.cli.options import Question, complete_names, format_options, question_options
from roofline.cli.output import emit, load_net, warn
from roofline.cli.specs import check_files
from roofline.core.shown import SCHEMA_VERSION
from roofline.errors import Fault, SpecError, UsageError
from roofline.render.table import Column, Table, table

if TYPE_CHECKING:
    from rich.console import Console

    from roofline.analysis.count import Anatomy
    from roofline.specs.lookup import Kind


@click.group(cls=Verbs)
def command() -> None:
    """List networks, show parameters, operations and bytes of every layer, list operators, check files."""


@command.command("list", short_help="list the networks that are available by name")
@format_options
def list_(form: str) -> None:
    """List the networks that are available by name, at their default sizes.

    \b
      roofline workloads list
    """
    from roofline.analysis.count import anatomy
    from roofline.render.terminal import print_table
    from roofline.render.words import count, gigabytes
    from roofline.units import format_si

    nets: list[tuple[str, Anatomy]] = []
    for name, path in specs.list_networks().items():
        try:
            nets.append((name, anatomy(path)))
        except SpecError as error:
            warn([f"left out {name}: {error.faults[0]}; to see all faults: 'roofline workloads check {path}'"])
    columns = (
        Column("name", "name"),
        Column("parameters", "parameters", count, right=True),
        Column("flops_per_sample", "FLOP/sample", lambda value: format_si(value, ""), right=True),
        Column("weight_bytes", "weights, fp32", gigabytes, right=True, spare=1),
        Column("layers", "layers", str, right=True, spare=1),
        Column("symbols", "symbols and defaults", wrap=True, spare=2),
        Column("title", "title", spare=3),
    )
    rows = [
        (
            name,
            net.parameters,
            net.flops / net.batch,
            net.memory.weights,
            len(net.layers),
            ", ".join(f"{symbol} {value}" for symbol, value in net.symbols.items()),
            net.title,
        )
        for name, net in nets
    ]

    def made() -> Table:
        return table("Networks", columns, rows)

    def data() -> dict[str, Any]:
        keys = [column.key for column in columns]
        entries = [
            dict(zip(keys, row, strict=True)) | {"symbols": dict(net.symbols)}
            for row, (_, net) in zip(rows, nets, strict=True)
        ]
        return {"schema_version": SCHEMA_VERSION, "workloads": entries}

    emit(form, data, made, lambda screen: print_table(made(), screen))


@command.command("show", short_help="show parameters, operations and bytes of every layer")
@click.argument("net", metavar="NETWORK", shell_complete=complete_names("workload"))
@question_options()
@format_options
def show_(net: str, question: Question, form: str) -> None:
    """Show parameters, operations and bytes of every layer of a network. This needs no chip.

    \b
      roofline workloads show bert-base --batch 1 --bind seq=512
    """
    from roofline.analysis.count import anatomy
    from roofline.render.headline import anatomy_facts
    from roofline.render.tables import anatomy_table
    from roofline.render.terminal import print_facts, print_table

    network = load_net(net)
    if question.batch == "max":
        raise UsageError("--batch max needs a chip; write a number here")
    counted = anatomy(network, batch=question.batch, bind=question.bind, dtype=question.dtype, stack=question.stack)

    def show(screen: Console) -> None:
        print_facts(network.name, anatomy_facts(counted), screen)
        print_table(anatomy_table(counted), screen)

    emit(form, counted.to_dict, lambda: anatomy_table(counted), show)


@command.command("operators", short_help="list the operators with their attributes and defaults")
@format_options
def operators_(form: str) -> None:
    """List the operators that a layer can use, with their attributes and defaults.

    \b
      roofline workloads operators
    """
    from roofline.operators import all_operators
    from roofline.render.reference import operators_table
    from roofline.render.terminal import print_table

    def data() -> dict[str, Any]:
        entries = [
            {
                "name": name,
                "summary": operator.summary,
                "inputs": list(operator.inputs),
                "attributes": [dict(vars(parameter)) for parameter in operator.parameters],
            }
            for name, operator in all_operators().items()
        ]
        return {"schema_version": SCHEMA_VERSION, "operators": entries}

    emit(form, data, operators_table, lambda screen: print_table(operators_table(), screen))


@command.command("check", short_help="check network files; list all faults with file and line")
@click.argument("files", nargs=-1, metavar="[FILE...]")
@format_options
@click.pass_context
def check_(ctx: click.Context, files: tuple[str, ...], form: str) -> None:
    """Check network files and list all faults with file and line. Without FILE, check every available network.

    Exit status 1 if there is a fault.

    \b
      roofline workloads check mine.yaml
    """
    check_files(ctx, "workload", files, form, _check)


def _check(name: str, kind: Kind) -> list[Fault]:
    """Faults of the file, or where it has none, of the shapes at its default sizes."""
    from roofline import lowering

    return specs.check(name, kind) or lowering.check(specs.load_network(name))
