"""What does the code on a page print? Runs it in this process, in a folder that is gone afterwards."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import runpy
import shlex
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from unittest import mock

import click
from click.testing import CliRunner
from pages import ROOT, Block, Fault, Marker, Page

from roofline.cli.app import cli
from roofline.errors import RooflineError

__all__ = ["commands", "folder", "misunderstood", "outputs", "printed_by", "value"]

WIDTH = "100"
"""Columns of the terminal that the outputs are made for; a block asks for others with ``width=``."""


def outputs(page: Page) -> Iterator[tuple[Marker, Block, list[str]]]:
    """Every block of a page that a marker fills, with the lines that belong there."""
    if not page.whole and not any(marker and marker.word == "output" for marker, _ in page.blocks):
        return
    names: dict[str, object] = {"__name__": "__main__"}
    printed: str | None = None  # by the code block above
    for index, (marker, block) in enumerate(page.blocks):
        word = marker.word if marker else ""
        if marker and word == "output":
            if marker.command:
                text = printed_by(page, marker.line, marker.command, marker.options)
            elif printed is None:
                raise Fault(f"{page.place(marker.line)}: no code block above whose output this could be")
            else:
                text = printed
            yield marker, block, _part(page, marker, text)
            continue
        following = page.blocks[index + 1][0] if index + 1 < len(page.blocks) else None
        options = following.options if following and following.word == "output" and not following.command else None
        printed = None
        if marker and word == "file":
            Path(marker.command).parent.mkdir(parents=True, exist_ok=True)
            Path(marker.command).write_text(page.text(block) + "\n", encoding="utf-8")
        elif marker and word == "not run":
            continue
        elif block.language == "python" and (page.whole or options is not None):
            printed = _python(page, block, names)
        elif block.language in ("sh", "bash", "console") and (page.whole or options is not None):
            made = [printed_by(page, at, line, options or {}) for at, line in commands(page, block)]
            printed = "\n".join(text for text in made if text)


def commands(page: Page, block: Block) -> Iterator[tuple[int, str]]:
    """The commands of a block, each with its line; one that ends in a backslash goes on in the next line."""
    start, command = block.first, ""
    for number in range(block.first, block.last):
        line = page.lines[number]
        start = start if command else number
        command += line.removesuffix("\\")
        if not line.endswith("\\") and shlex.split(command, comments=True):
            yield start, command
        command = command if line.endswith("\\") else ""


def printed_by(page: Page, line: int, text: str, options: dict[str, str]) -> str:
    """What one command prints; ``> NAME`` at its end writes that into a file instead."""
    words = shlex.split(text, comments=True)
    target = words[-1] if len(words) > 2 and words[-2] == ">" else None
    text = _printed(page, line, words[:-2] if target else words, options)
    if target is None:
        return _anywhere(text)
    Path(target).write_text(text, encoding="utf-8")
    return ""


def _anywhere(text: str) -> str:
    """The text without the folders of this machine."""
    return text.replace(f"{Path.cwd()}/", "").replace(f"{ROOT}/", "")


def _printed(page: Page, line: int, words: list[str], options: dict[str, str]) -> str:
    if words[0] == "python":
        with mock.patch.object(sys, "argv", words[1:]), contextlib.redirect_stdout(io.StringIO()) as stream:
            try:
                runpy.run_path(str(ROOT / words[1]), run_name="__main__")
            except SystemExit as end:
                if end.code:
                    raise Fault(f"{page.place(line)}: exit status {end.code} of {shlex.join(words)}") from end
        return stream.getvalue()
    if words[0] != "roofline":
        raise Fault(
            f"{page.place(line)}: only roofline and python run here, not {words[0]}: mark it <!-- not run: WHY -->"
        )
    with mock.patch.dict(os.environ, {"COLUMNS": options.get("width", WIDTH)}):
        result = CliRunner().invoke(cli, words[1:])
    if result.exit_code != int(options.get("exit", "0")):
        raise Fault(f"{page.place(line)}: exit status {result.exit_code} of {shlex.join(words)}\n{result.output}")
    return result.output if "stderr" in options else result.stdout


def _python(page: Page, block: Block, names: dict[str, object]) -> str:
    code = compile("\n" * block.first + page.text(block), str(page.path), "exec")
    with contextlib.redirect_stdout(io.StringIO()) as stream:
        try:
            exec(code, names)
        except Exception as error:
            traceback = error.__traceback__.tb_next if error.__traceback__ else None
            line = traceback.tb_lineno - 1 if traceback else block.first
            raise Fault(f"{page.place(line)}: {type(error).__name__}: {error}") from error
    return _anywhere(stream.getvalue())


def misunderstood(text: str) -> str:
    """Why a command that is not run is none: a command or an option that there is not; empty if it is fine."""
    words = shlex.split(text, comments=True)
    arguments = words[1 : next((i for i, word in enumerate(words) if word in (">", "&&", "|")), len(words))]
    # with its own settings, because click keeps the help option that a command is first asked for
    context, group = click.Context(cli, info_name="roofline", **cli.context_settings), cli
    try:
        while isinstance(group, click.Group) and arguments:
            _, found, arguments = group.resolve_command(context, arguments)
            assert found is not None
            context, group = click.Context(found, info_name=found.name, parent=context), found
    except (click.ClickException, RooflineError) as error:
        return str(error)
    known = {name for parameter in group.get_params(context) for name in (*parameter.opts, *parameter.secondary_opts)}
    unknown = [word for word in arguments if word.startswith("-") and word.split("=")[0] not in known]
    return f"no option {unknown[0]} of {context.command_path}" if unknown else ""


def _part(page: Page, marker: Marker, text: str) -> list[str]:
    """The lines that a marker asks for; ``...`` stands where others were left out."""
    lines = [line.rstrip() for line in text.strip("\n").split("\n")]
    options = marker.options
    start, end = 0, len(lines)
    for option in ("from", "until"):
        if option in options:
            at = next((i for i, line in enumerate(lines) if options[option] in line and i >= start), None)
            if at is None:
                raise Fault(f"{page.place(marker.line)}: {option}={options[option]!r} is in no line that is printed")
            start, end = (at, end) if option == "from" else (start, at)
    kept = list(range(start, end))
    if "lines" in options:
        kept = []
        for first, last in re.findall(r"(\d+)(?:-(\d+))?", options["lines"]):
            kept += [i for i in range(int(first) - 1, int(last or first)) if start <= i < end]
    if "only" in options:
        kept = [i for i in kept if re.search(options["only"], lines[i])]
        if not kept:
            raise Fault(f"{page.place(marker.line)}: only={options['only']!r} is in no line that is printed")
        return [*_with_their_ends(lines, kept), "  ..."]
    while kept and not lines[kept[-1]]:
        kept.pop()
    shown: list[str] = []
    before = -1
    for index in kept:
        shown += [*(["  ..."] if any(lines[before + 1 : index]) else []), lines[index]]
        before = index
    return [*shown, "  ..."] if any(lines[before + 1 :]) else shown


def _with_their_ends(lines: list[str], kept: list[int]) -> Iterator[str]:
    """Lines, each with those below it that stand further to the right: the rest of a sentence."""
    for index in kept:
        yield lines[index]
        own = len(lines[index]) - len(lines[index].lstrip())
        for line in lines[index + 1 :]:
            if len(line) - len(line.lstrip()) <= own:
                break
            yield line


@cache
def _json(words: tuple[str, ...]) -> object:
    result = CliRunner().invoke(cli, [*words[1:], "--json"])
    if result.exit_code:
        raise ValueError(result.output)
    return json.loads(result.stdout)


def value(page: Page, line: int, found: re.Match[str]) -> str:
    """A figure in a sentence, with its marker, as it should be."""
    path, form, text, _ = found.groups()
    try:
        answer = _json(tuple(shlex.split(text)))
        for key in path.split("."):
            key = key.replace("_", " ") if isinstance(answer, dict) and key not in answer else key
            answer = answer[int(key)] if isinstance(answer, list) else answer[key]  # type: ignore[index]
        shown = format(answer, form).replace("%", " %")
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise Fault(f"{page.place(line)}: no value {path} as {form} of {text}: {error!r}") from error
    return f"<!-- value {path} {form}: {text} -->{shown}<!-- end -->"


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """An empty folder to work in, where ``reports/`` of the repository can be read and nobody's own chips are found."""
    before, loaded = Path.cwd(), set(sys.modules)
    with tempfile.TemporaryDirectory() as name:
        place, home = Path(name) / "work", Path(name) / "home"
        place.mkdir()
        home.mkdir()
        (place / "reports").symlink_to(ROOT / "reports")
        variables = {"XDG_CONFIG_HOME": str(home), "MPLBACKEND": "Agg", "NO_COLOR": "1", "COLUMNS": WIDTH}
        os.chdir(place)
        try:
            with mock.patch.dict(os.environ, variables), mock.patch.object(sys, "path", [str(place), *sys.path]):
                yield place
        finally:
            os.chdir(before)
            for module in set(sys.modules) - loaded:  # those that a page wrote
                if str(getattr(sys.modules[module], "__file__", "")).startswith(name):
                    del sys.modules[module]
