"""Which options do the verbs share, and what do they mean?"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from roofline.cli.running import RUNNING, run_of, stack_of

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from roofline.core.chip import Chip
    from roofline.core.network import Network
    from roofline.core.run import Run
    from roofline.core.stack import Stack

Function = Callable[..., Any]
MAX = -1
"""``--batch max`` before it is known how many that are."""


class Batch(click.ParamType):  # type: ignore[type-arg]
    """``32``, or ``max`` for the largest batch that fits in memory."""

    name = "batch"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if value == "max" or (isinstance(value, int) and value == MAX):
            return MAX
        try:
            batch = int(value)
        except (TypeError, ValueError):
            batch = 0
        if batch < 1:
            self.fail(f"{value!r} is no batch; write a whole number of at least 1, or 'max'", param, ctx)
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
            self.fail(f"{value!r} is no binding; write a name and a whole number, such as seq=512", param, ctx)


@dataclass(frozen=True)
class Question:
    """What the shared options say. ``batch`` may be :data:`MAX`."""

    batch: int | None
    bind: Mapping[str, int]
    dtypes: tuple[str, ...]
    run: Run
    stack: Stack
    calibration: str | None

    @property
    def dtype(self) -> str:
        """The one precision of a verb that takes one."""
        if len(self.dtypes) != 1:
            raise click.UsageError(f"--dtype takes one precision here, not {', '.join(self.dtypes) or 'none'}")
        return self.dtypes[0]

    def batch_for(self, chip: Chip, net: Network, dtype: str) -> int | None:
        """The batch asked for; for ``max`` the largest that fits, at least 1."""
        if self.batch != MAX:
            return self.batch
        from roofline.analysis.largest_batch import largest_batch

        largest = largest_batch(chip, net, bind=self.bind, dtype=dtype, stack=self.stack, run=self.run)
        return largest or (self.run.recipe.accumulate if self.run.training else 1)


def complete_names(kind: str) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Shell completion over chips or nets: the names of their files, none of which is read."""

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
    help="An input of the model, one for each, in order: 32x3x224x224:float32, or ids:batch=8xseq=128:int64.",
)


model_option = click.option(
    "--model",
    metavar="MODULE:FACTORY",
    help="A PyTorch model instead: what makes it, in a module or a .py file. Its code runs in this process.",
)


def net_option(function: Function) -> Function:
    """``-w NET``, or ``--model MODULE:FACTORY`` with its inputs; the verb gets ``net``, a name or a traced net."""

    @wraps(function)
    def verb(*args: Any, net: str | None, model: str | None, inputs: tuple[str, ...], **others: Any) -> Any:
        if (net is None) == (model is None):
            raise click.UsageError("name one net: -w or --workload NET, or --model MODULE:FACTORY with --input")
        made = traced_if_named(model, inputs, others.get("mode", "inference"))
        return function(*args, net=net if made is None else made, **others)

    options = [
        click.option(
            "-w",
            "--workload",
            "net",
            metavar="NET",
            shell_complete=complete_names("workload"),
            help="A net: a name that 'roofline workloads list' shows, or the path of a YAML file, of an ONNX model, "
            "or of a config.json of Hugging Face.",
        ),
        model_option,
        input_option,
    ]
    for option in reversed(options):
        verb = option(verb)
    return verb


def traced_if_named(model: str | None, inputs: tuple[str, ...], mode: str) -> Network | None:
    """The net of ``--model``, where there is one; ``--input`` alone is refused."""
    if model is None and inputs:
        raise click.UsageError("--input is of a --model; sizes of a net are --batch and --bind")
    return None if model is None else traced(model, inputs, mode)


def traced(model: str, inputs: tuple[str, ...], mode: str, name: str = "") -> Network:
    """The net of a PyTorch model; what there is to say about it goes to standard error."""
    from roofline.frontends import load

    if not inputs:
        raise click.UsageError("--model needs --input, such as --input 32x3x224x224:float32")
    with redirect_stdout(sys.stderr):  # what the model prints is no part of the answer
        found = load().trace(model, inputs, mode=mode, name=name)
    for note in (*found.notes, *(f"no formula for {kind}: {layer} is uncovered" for kind, layer in found.uncovered)):
        click.echo(f"roofline: warning: {note}", err=True)
    network: Network = found.network
    return network


def question_options(dtypes: str = "fp32", *, several: bool = False) -> Callable[[Function], Function]:
    """The options that say what is asked; the verb gets them as one ``question``.

    dtypes : what ``--dtype`` means where it is not given; ``several`` allows a list.
    """
    precisions = "Precisions, as a list" if several else "Precision of products"
    options = [
        click.option("--batch", type=Batch(), metavar="N|max", help="Batch size; 'max' is the largest that fits."),
        click.option(
            "--bind",
            type=Binding(),
            multiple=True,
            metavar="NAME=N",
            help="Another symbol of the net: --bind seq=512.",
        ),
        click.option(
            "--dtype",
            default=dtypes,
            show_default=True,
            help=f"{precisions}: fp32, tf32, fp16 (sums in fp32), fp16/fp16, bf16, int8...",
        ),
        click.option(
            "--calibration",
            metavar="FILE|none",
            help="Fitted numbers to use; 'none' is the plain roofline. By default the best there are.",
        ),
    ]

    def decorate(function: Function) -> Function:
        @wraps(function)
        def verb(
            *args: Any,
            batch: int | None,
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
    """``--json`` and ``--csv``; the verb gets ``form``: ``text``, ``json`` or ``csv``."""

    @wraps(function)
    def verb(*args: Any, as_json: bool, as_csv: bool, **others: Any) -> Any:
        if as_json and as_csv:
            raise click.UsageError("--json and --csv exclude each other")
        return function(*args, form="json" if as_json else "csv" if as_csv else "text", **others)

    verb = click.option("--csv", "as_csv", is_flag=True, help="The table as CSV, in SI units.")(verb)
    return click.option("--json", "as_json", is_flag=True, help="Everything as JSON, in SI units.")(verb)
