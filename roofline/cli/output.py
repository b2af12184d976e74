"""How do answers leave the program? Results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from roofline import specs
from roofline.core.plain_text import visible
from roofline.errors import OutputError

if TYPE_CHECKING:
    from rich.console import Console

    from roofline.core.chip import Chip
    from roofline.core.network import Network
    from roofline.render.table import Table
    from roofline.specs.lookup import Found


def warn(messages: Iterable[str]) -> None:
    """One line each on standard error; what this command said before is not said again."""
    context = click.get_current_context(silent=True)
    told: set[str] = context.find_root().meta.setdefault("roofline.told", set()) if context else set()
    for message in messages:
        if message not in told:
            told.add(message)
            click.echo(visible(f"roofline: warning: {message}"), err=True)


def hidden(found: Found) -> Iterator[str]:
    """What to say of files that have the same name as the one found and are not used."""
    for path in found.shadowed:
        yield f"{found.path} hides {path} of the same name; give the path to use the other one"


def load_chip(name: str) -> Chip:
    """The chip a user named; warns if its file hides another."""
    found = specs.find("chip", name)
    warn(hidden(found))
    return specs.load_chip(found.path)


def load_net(name: str | Network) -> Network:
    """The network a user named (or one traced already); warns if its file hides another."""
    if not isinstance(name, str):
        return name
    if name.endswith((".json", ".onnx")):
        from roofline.frontends import open_net

        opened = open_net(name)
        warn(opened.notes)
        return opened
    found = specs.find("workload", name)
    warn(hidden(found))
    return specs.load_network(found.path)


def emit(form: str, data: Callable[[], Any], table: Callable[[], Table], show: Callable[[Console], None]) -> None:
    """Print the answer in the form asked for; only what that form needs is made."""
    if form == "json":
        click.echo(json.dumps(clean(data()), indent=2, ensure_ascii=False))
    elif form == "csv":
        click.echo(table().to_csv(), nl=False)
    else:
        from roofline.render.terminal import console

        show(console())


def clean(value: Any) -> Any:
    """The value as strict JSON: what is no finite number becomes null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean(item) for item in value]
    return value


def write_text(path: Path, text: str) -> None:
    """Write a file and say where.

    Raises
    ------
    OutputError : it cannot be written there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from None
    click.echo(f"wrote {path}", err=True)
