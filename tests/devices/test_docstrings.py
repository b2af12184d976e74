"""Does the docstring of every model function say what it computes, of what, in which unit and by which equation?"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import roofline.devices

FOLDER = Path(roofline.devices.__file__).parent

NUMERIC = {"float", "int", "Floats", "Sizes", "Schedule", "Images"}
"""Types of parameters that are numbers or arrays of them; a schedule holds the columns of kernels."""

QUANTITY = {
    "float",
    "Floats",
    "Times",
    "Timing",
    "Fitted",
    "Cost",
    "Traffic",
    "Moved",
    "Grid",
    "Array",
    "Machine",
    "Ridge",
}
"""Types of results that are seconds, bytes, rates and the like, not masks, names, sentences or schedules."""

UNIT = re.compile(r"\[(?:1|FLOP|FMA|elements|cycles|GB|MB|nm|Hz|B|s|J)(?:/\w+)?\]")
EQUATION = re.compile(r" = |``[^`]*[-+*/^<>%][^`]*``")
CALLS = re.compile(r":(?:func|meth|class|data):`")

EXCEPTIONS = {"gpu/products.py Grid.cut": "the same hardware with other tiles"}
"""Functions that return a quantity and have no equation to state, and why."""


def functions() -> Iterator[tuple[str, ast.FunctionDef]]:
    """Public functions of the folder and public methods of its classes, by file and name."""
    for path in sorted(FOLDER.rglob("*.py")):
        where = path.relative_to(FOLDER).as_posix()
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            for one in node.body if isinstance(node, ast.ClassDef) else [node]:
                if isinstance(one, ast.FunctionDef) and not one.name.startswith("_"):
                    owner = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
                    yield f"{where} {owner}{one.name}", one


FUNCTIONS = dict(functions())


def mentions(annotation: ast.expr | None, types: set[str]) -> bool:
    return annotation is not None and bool(set(re.findall(r"\w+", ast.unparse(annotation))) & types)


def arguments(function: ast.FunctionDef) -> list[str]:
    """The parameters that are numbers or arrays."""
    given = function.args
    return [one.arg for one in (*given.args, *given.kwonlyargs) if mentions(one.annotation, NUMERIC)]


MODELS = {name: one for name, one in FUNCTIONS.items() if mentions(one.returns, QUANTITY)}


TEXTS = {name: ast.get_docstring(one) or "" for name, one in FUNCTIONS.items()}


def test_every_public_function_has_a_docstring() -> None:
    assert [name for name, text in TEXTS.items() if not text] == []


def test_it_describes_every_number_it_takes() -> None:
    missing = {
        name: [one for one in arguments(FUNCTIONS[name]) if not re.search(rf"\b{one}\b", text)]
        for name, text in TEXTS.items()
    }
    assert {name: numbers for name, numbers in missing.items() if numbers} == {}


def test_a_model_states_its_unit_and_its_equation() -> None:
    asked = {name: TEXTS[name] for name in MODELS if name not in EXCEPTIONS}
    no_unit = [name for name, text in asked.items() if not UNIT.search(text)]
    assert no_unit == [], "they state no unit; write [1] for a quantity without one"
    no_equation = [name for name, text in asked.items() if not (EQUATION.search(text) or CALLS.search(text))]
    assert no_equation == [], "they state no equation and name no function they call"


def test_sections_are_underlined() -> None:
    """As numpydoc reads them: a heading, a line of dashes as long, and a blank line before."""
    for name, text in TEXTS.items():
        lines = text.splitlines()
        for above, heading, line in zip(lines, lines[1:], lines[2:], strict=False):
            if re.fullmatch(r"-{3,}", line):
                assert (above, len(line)) == ("", len(heading)), f"{name}: {heading}"
            assert heading not in ("Parameters", "Returns", "Raises") or re.fullmatch(r"-{3,}", line), name


def test_exceptions_exist() -> None:
    assert set(EXCEPTIONS) <= set(MODELS)
