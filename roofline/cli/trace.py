"""``roofline trace``: a PyTorch model as a file of a net."""

from __future__ import annotations

import click

from roofline.cli.options import input_option, traced
from roofline.core.run import MODES


@click.command(short_help="write down a PyTorch model as a net")
@click.argument("model", metavar="MODULE:FACTORY")
@input_option
@click.option("--mode", type=click.Choice(MODES), default="inference", show_default=True, help="eval() or train().")
@click.option("--name", default="", help="What the net is called. [default: as the factory]")
def command(model: str, inputs: tuple[str, ...], mode: str, name: str) -> None:
    """Trace a PyTorch model: the file of a net, on standard output.

    MODULE:FACTORY is a module that Python can import (or the path of a .py file) and a class or function in it that
    makes the model without arguments. Its code runs in this process; no weights, no memory for them and no GPU are
    needed. Sizes with a name stay symbols; where none has one batch, seq and image are found by themselves. Training
    needs no other trace: 'roofline predict CHIP -w net.yaml --mode training' derives the gradients.

    \b
      roofline trace mypackage.nets:make_net --input 32x3x224x224:float32 > net.yaml
      roofline trace nets.py:Encoder --input ids:batch=8xseq=128:int64 > net.yaml
      roofline predict rtx-2070 -w net.yaml --batch 64
    """
    from roofline.specs.netdump import dump_network

    network = traced(model, inputs, mode, name)
    given = " ".join(f"--input {one}" for one in inputs)
    click.echo(dump_network(network, [f"roofline trace {model} {given} --mode {mode}"]), nl=False)
