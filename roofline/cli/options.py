"""Which options do the commands share, and what do they mean?"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, Literal

import click

from roofline.cli.output import warn
from roofline.cli.running import RUNNING, run_of, stack_of

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from roofline.core.network import Network
    from roofline.core.run import Run
    from roofline.core.stack import Stack

Function = Callable[..., Any]


class BatchType(click.ParamType):  # type: ignore[type-arg]
    """``32``, or ``max`` for the largest batch that fits in memory."""

    name = "batch"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        if value == "max":
            return "max"
        try:
            batch = int(value)
        except (TypeError, ValueError):
            batch = 0
        if batch < 1:
            self.fail(f"{value!r} is not a batch size; write a whole number of at least 1, or 'max'", param, ctx)
        return batch


class Binding(click.ParamType):  # type: ignore[type-arg]
    """``seq=512``."""

    name = "symbol=size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        if isinstance(value, tuple):
            return value
        name, _, size = str(value).partition("=")
        try:
            return name.strip(), int(size)
        except ValueError:
            self.fail(f"{value!r} is not NAME=N; write a symbol and a whole number, such as seq=512", param, ctx)


@dataclass(frozen=True)
class Question:
    """What the shared options say. ``batch`` may be ``"max"``."""

    batch: int | Literal["max"] | None
    bind: Mapping[str, int]
    dtypes: tuple[str, ...]
    run: Run
    stack: Stack
    calibration: str | None

    @property
    def dtype(self) -> str:
        """The one precision of a command that takes one."""
        if len(self.dtypes) != 1:
            raise click.UsageError(f"--dtype takes one precision here, got {', '.join(self.dtypes) or 'none'}")
        return self.dtypes[0]


def complete_names(kind: str) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Shell completion over chips or networks: the names of their files, none of which is read."""

    def complete(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        from roofline import specs

        known = specs.list_chips() if kind == "chip" else specs.list_networks()
        return [CompletionItem(name) for name in known if name.startswith(typed)]

    return complete


chip_argument = click.argument("chip", metavar="CHIP", shell_complete=complete_names("chip"))
chips_argument = click.argument(
    "chips", metavar="CHIP...", nargs=-1, required=True, shell_complete=complete_names("chip")
)
input_option = click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="[NAME:]SIZES[:FORMAT]",
    help="One input of the model, such as 32x3x224x224:float32 or ids:batch=8xseq=128:int64; once for each, in order.",
)


proposals_option = click.option(
    "--proposals",
    type=click.IntRange(1),
    metavar="N",
    help="Detectors: number of boxes that the model keeps, and of anything else whose number depends on data. Without "
    "it, a model that reads data is refused.",
)


model_option = click.option(
    "--model",
    metavar="MODULE:FACTORY",
    help="Instead of -w: a function or class, in a module or a .py file, that returns a PyTorch model. Its code runs "
    "in this process.",
)


def net_option(function: Function) -> Function:
    """``-w NETWORK``, or ``--model MODULE:FACTORY`` with its inputs; the command gets ``net``: a name or a network."""

    @wraps(function)
    def verb(
        *args: Any, net: str | None, model: str | None, inputs: tuple[str, ...], proposals: int | None, **others: Any
    ) -> Any:
        if (net is None) == (model is None):
            raise click.UsageError("name one network: -w (--workload) NETWORK, or --model MODULE:FACTORY with --input")
        made = traced_if_named(model, inputs, others.get("mode", "inference"), proposals)
        return function(*args, net=net if made is None else made, **others)

    options = [
        click.option(
            "-w",
            "--workload",
            "net",
            metavar="NETWORK",
            shell_complete=complete_names("workload"),
            help="A name from 'roofline workloads list', or the path of a YAML file, an ONNX model, or a Hugging Face "
            "config.json.",
        ),
        model_option,
        input_option,
        proposals_option,
    ]
    for option in reversed(options):
        verb = option(verb)
    return verb


def traced_if_named(
    model: str | None, inputs: tuple[str, ...], mode: str, proposals: int | None = None
) -> Network | None:
    """The network of ``--model``, where there is one; ``--input`` alone is refused."""
    if model is None and inputs:
        raise click.UsageError("--input needs --model; the sizes of a network file are set with --batch and --bind")
    if model is None and proposals:
        raise click.UsageError("--proposals needs --model")
    return None if model is None else traced(model, inputs, mode, proposals=proposals)


def traced(model: str, inputs: tuple[str, ...], mode: str, name: str = "", *, proposals: int | None = None) -> Network:
    """The network of a PyTorch model; notes on it go to standard error."""
    from roofline.frontends import load

    if not inputs:
        raise click.UsageError("a PyTorch model needs its inputs: add for example --input 32x3x224x224:float32")
    with redirect_stdout(sys.stderr):  # what the model prints is no part of the answer
        found = load().trace(model, inputs, mode=mode, name=name, proposals=proposals or 0)
    warn(found.network.notes)
    network: Network = found.network
    return network


def question_options(dtypes: str = "fp32", *, several: bool = False) -> Callable[[Function], Function]:
    """The options that say what is asked; the command gets them as one ``question``.

    dtypes : what ``--dtype`` means where it is not given; ``several`` allows a list.
    """
    precisions = "Comma-separated precisions" if several else "Precision of matrix multiplications"
    options = [
        click.option(
            "--batch", type=BatchType(), metavar="N|max", help="Batch size; 'max': the largest that fits in memory."
        ),
        click.option(
            "--bind",
            type=Binding(),
            multiple=True,
            metavar="NAME=N",
            help="Set a symbol of the network, such as --bind seq=512; repeat for several.",
        ),
        click.option(
            "--dtype",
            default=dtypes,
            show_default=True,
            metavar="DTYPE[,DTYPE...]" if several else "DTYPE",
            help=f"{precisions}: fp32, tf32, fp16 (fp32 accumulation), fp16/fp16 (fp16 accumulation), bf16, int8...",
        ),
        click.option(
            "--calibration",
            metavar="FILE|none",
            help="Calibration file; 'none': the plain roofline. By default the best calibration found for the chip.",
        ),
    ]

    def decorate(function: Function) -> Function:
        @wraps(function)
        def verb(
            *args: Any,
            batch: int | Literal["max"] | None,
            bind: tuple[tuple[str, int], ...],
            dtype: str,
            calibration: str | None,
            **others: Any,
        ) -> Any:
            names = tuple(name.strip() for name in dtype.split(",") if name.strip())
            said = {name: others.pop(name) for name in RUNNING}
            question = Question(batch, dict(bind), names, run_of(said), stack_of(said), calibration)
            return function(*args, question=question, **others)

        for option in reversed([*options, *RUNNING.values()]):
            verb = option(verb)
        return verb

    return decorate


def format_options(function: Function) -> Function:
    """``--json`` and ``--csv``; the command gets ``form``: ``text``, ``json`` or ``csv``."""

    @wraps(function)
    def verb(*args: Any, as_json: bool, as_csv: bool, **others: Any) -> Any:
        if as_json and as_csv:
            raise click.UsageError("--json and --csv exclude each other; give one of them")
        return function(*args, form="json" if as_json else "csv" if as_csv else "text", **others)

    verb = click.option("--csv", "as_csv", is_flag=True, help="Print the table as CSV, in SI units.")(verb)
    return click.option("--json", "as_json", is_flag=True, help="Print the full answer as JSON, in SI units.")(verb)
