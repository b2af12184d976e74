"""What may stand in the files a user writes? The page ``docs/reference.md``, made from the tables.

::

    python -c "from roofline.render.reference import page; print(page(), end='')" > docs/reference.md
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from roofline.operators import OPERATORS, Operator, Parameter, all_operators
from roofline.render.table import Column, Table, table
from roofline.specs.chipkeys import CHIP
from roofline.specs.keys import Section
from roofline.specs.netkeys import NET

COMMAND = "python -c \"from roofline.render.reference import page; print(page(), end='')\" > docs/reference.md"


def page() -> str:
    """The whole page as Markdown."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# Reference"
    yield ""
    yield "Every key of the files of chips and nets, and every operator with its attributes. Made by"
    yield ""
    yield "```sh"
    yield COMMAND
    yield "```"
    yield ""
    yield "Examples: [extending.md](extending.md) and the files that ship, `hw_specs/` and `workloads/`."
    yield from _sections("A chip", CHIP)
    yield from _sections("A net", NET)
    yield from ["", "## Operators", ""]
    yield "`roofline workloads operators` shows them, too. A tensor is written by its dimensions: `(B, C, H, W)`."
    yield ""
    yield from _table(
        ("operator", "inputs", "what it does", "attributes"),
        [
            (f"`{name}`", inputs_of(operator), operator.summary, "<br>".join(_attributes(operator)))
            for name, operator in OPERATORS.items()
        ],
    )


def _sections(title: str, sections: Mapping[str, Section]) -> Iterator[str]:
    yield from ["", f"## {title}"]
    for section in sections.values():
        yield from ["", f"### {section.title}", ""]
        if section.about:
            yield from [section.about, ""]
        if section.free:
            yield f"Every key is {section.free}."
        else:
            rows = [(f"`{key.name}`", key.kind, _need(key.required, key.default), key.meaning) for key in section.keys]
            yield from _table(("key", "kind", "if left out", "meaning"), rows)


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield _row(headings)
    yield _row(["---"] * len(headings))
    yield from map(_row, rows)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _need(required: bool, default: str) -> str:
    return "**required**" if required else default


def inputs_of(operator: Operator) -> str:
    """``1``, ``2 to 64``."""
    least, most = operator.inputs
    return f"{least}" if least == most else f"{least} to {most}"


def _attributes(operator: Operator) -> Iterator[str]:
    for parameter in operator.parameters:
        yield f"`{parameter.name}`: {_kind(parameter)}, {_default(parameter)}; {parameter.meaning}"


def _kind(parameter: Parameter) -> str:
    words = {"whole": "whole number", "flag": "true or false", "pair": "number or [height, width]", "sizes": "list"}
    return words.get(parameter.kind, parameter.kind)


def _default(parameter: Parameter) -> str:
    if parameter.default is None:
        return "optional" if parameter.optional else "required"
    if isinstance(parameter.default, bool):
        return str(parameter.default).lower()
    if isinstance(parameter.default, tuple):
        return str(list(parameter.default))
    return str(parameter.default)


def operators_table() -> Table:
    """The operators for a terminal: attributes as ``name=default``, required ones bare."""
    columns = (
        Column("operator", "operator"),
        Column("inputs", "inputs", right=True),
        Column("attributes", "attributes", wrap=True),
        Column("summary", "what it does", wrap=True, spare=1),
    )
    rows = [
        (name, inputs_of(operator), ", ".join(map(_short, operator.parameters)), operator.summary)
        for name, operator in all_operators().items()
    ]
    return table("Operators", columns, rows, "attributes without '=' are required; docs/reference.md has their meaning")


def _short(parameter: Parameter) -> str:
    default = _default(parameter)
    return parameter.name if default == "required" else f"{parameter.name}={default}"
