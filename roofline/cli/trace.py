"""``roofline trace``: a PyTorch model as a network file."""

from __future__ import annotations

import click

from roofline.cli.options import input_option, proposals_option, traced
from roofline.core.run import MODES


@click.command(short_help="convert a PyTorch model to a network file")
@click.argument("model", metavar="MODULE:FACTORY")
@input_option
@proposals_option
@click.option(
    "--mode",
    type=click.Choice(MODES),
    default="inference",
    show_default=True,
    help="Trace the model in eval() or train() mode.",
)
@click.option("--name", default="", metavar="NAME", help="Name of the network. [default: name of the factory]")
def command(model: str, inputs: tuple[str, ...], proposals: int | None, mode: str, name: str) -> None:
    """Trace a PyTorch model and print it as a network file (YAML).

    MODULE is a module that Python can import, or the path of a .py file. FACTORY is a class or function in it that
    returns the model when called without arguments. Its code runs in this process. Tracing allocates no weights and
    needs no GPU. Named sizes become symbols; if no size is named, batch, seq and image are detected. One trace also
    serves training: 'roofline predict CHIP -w mine.yaml --mode training' derives the backward pass.

    \b
      roofline trace mypackage.models:make_model --input 32x3x224x224:float32 > mine.yaml
      roofline trace models.py:Encoder --input ids:batch=8xseq=128:int64 > mine.yaml
      roofline trace detectors.py:make --input 1x3x800x800 --proposals 1000 > detector.yaml
      roofline predict rtx-2070 -w mine.yaml --batch 64
    """
    from roofline.specs.netdump import dump_network

    network = traced(model, inputs, mode, name, proposals=proposals)
    given = " ".join(f"--input {one}" for one in inputs)
    given += f" --proposals {proposals}" if proposals else ""
    click.echo(dump_network(network, [f"roofline trace {model} {given} --mode {mode}"]), nl=False)
