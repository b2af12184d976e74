"""Which commands are there, and what happens when one fails?"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

import click

from roofline.core.plain_text import visible
from roofline.errors import RooflineError, UnknownName

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

INTERRUPTED, INTERNAL = 130, 70
"""Exit statuses beside 0 to 3: Ctrl-C or a request to end (SIGTERM), a bug."""

VERBS: Mapping[str, str] = {
    "report": "measure this machine, predict the built-in networks, write an HTML page",
    "predict": "how long a network takes on a chip, why, and how certain that is",
    "compare": "compare chips on one network, with the reason for each speed-up",
    "sweep": "predict every combination of chips, networks, batches and more, as a table",
    "plot": "draw rooflines, with the layers of a network on them",
    "explain": "the arithmetic behind the time of one layer",
    "trace": "convert a PyTorch model to a network file",
    "measure": "measure operators and networks on this machine",
    "measurements": "measurement files: show, diff, recover",
    "import": "convert public measurements to a measurement file",
    "calibrate": "fit the device model to measurements",
    "validate": "score predictions against measurements",
    "specs": "chips: list, show, diff, check, detect",
    "workloads": "networks: list, show, check; operators",
    "doctor": "what is installed, what can be measured, where files are found",
}
"""Every command with its line of help, in the order they are shown; each is a module of this package."""
MODULES = {"import": "importing"}
"""Commands whose module cannot have their name."""


class Verbs(click.Group):
    """A group that suggests near names for a command that does not exist."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        known = self.get_command(ctx, name) is not None
        if known or name.startswith("-") or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        raise UnknownName("command", name, self.list_commands(ctx), hint=f"'{ctx.command_path} --help' lists them")


class Roofline(Verbs):
    """The program: loads a command when it is used and turns every failure into one message and a status."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command: click.Command = import_module(f"roofline.cli.{MODULES.get(cmd_name, cmd_name)}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The commands from their table, without loading any, and the options of the program."""
        from click.shell_completion import CompletionItem

        names = [CompletionItem(name, help=line) for name, line in VERBS.items() if name.startswith(incomplete)]
        return names + click.Command.shell_complete(self, ctx, incomplete)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """``--debug`` may stand anywhere, because one thinks of it last."""
        rest = [argument for argument in args if argument != "--debug"]
        return super().parse_args(ctx, [*(["--debug"] if len(rest) < len(args) else []), *rest])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            answer = super().invoke(ctx)
            sys.stdout.flush()
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except BrokenPipeError:
            _leave_quietly()
        except OSError as error:
            # the commands name their own files; what comes here without a path is a stream
            fail(ctx, f"{error.filename or 'output'}: {error.strerror or error}", 2)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(INTERRUPTED)
        except RooflineError as error:
            fail(ctx, str(error), error.exit_code)
        except Exception as error:
            fail(ctx, f"a bug: {type(error).__name__}: {error}; add --debug for the traceback", INTERNAL)
        return answer


def fail(ctx: click.Context, message: str, status: int) -> NoReturn:
    """Print one error, with its traceback where ``--debug`` asks for it, and end."""
    if ctx.find_root().params.get("debug"):
        import traceback

        traceback.print_exc()
    click.echo(visible(f"roofline: error: {message}"), err=True)
    ctx.exit(status)


def _leave_quietly() -> NoReturn:
    """The reader of our output is gone: no message, and nothing left for Python to flush into the void."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(0)


def _show_completion(ctx: click.Context, _: click.Parameter, shell: str | None) -> None:
    if shell is None or ctx.resilient_parsing:
        return
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    if found is None:
        raise click.BadParameter(f"no completion script for {shell}; write bash, zsh or fish")
    click.echo(found(ctx.command, {}, "roofline", "_ROOFLINE_COMPLETE").source())
    ctx.exit()


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from roofline import __version__

        click.echo(f"roofline {__version__}")
        ctx.exit()


@click.group(
    cls=Roofline,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    subcommand_metavar="COMMAND CHIP... -w NETWORK",
)
@click.option("--debug", is_flag=True, help="Print a traceback if something fails; allowed after the command, too.")
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version."
)
@click.option(
    "--show-completion",
    type=click.Choice(["bash", "zsh", "fish"]),
    is_eager=True,
    expose_value=False,
    callback=_show_completion,
    help="Print a shell completion script. To install it: 'roofline --show-completion bash >> ~/.bashrc'.",
)
def cli(debug: bool) -> None:
    """Predict how fast a neural network runs on a chip, why, and how certain the answer is.

    \b
      roofline predict rtx-2070 -w resnet50 --batch 32
      roofline compare gtx-980 rtx-2070 -w resnet50
      roofline plot rtx-2070 -w resnet50 --out roofline.svg

    Chips come first, without an option name. A chip or a network is a name, or the path of a YAML file. Results go to
    standard output, warnings to standard error.

    Exit status: 0 success; 1 a finding (an invalid file, a network that does not fit in memory, a median error above
    the threshold); 2 a usage error; 3 an optional package is not installed.
    """
