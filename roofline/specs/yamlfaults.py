"""What is wrong with a text that is not YAML, and where? The parser's message in words that say what to do."""

from __future__ import annotations

import re
from typing import Any

import yaml

from roofline.errors import Fault

_HINTS = {
    "mapping values are not allowed": "a second ': ' on one line; put the text in quotes",
    "did not find expected key": "check the indentation and the quotes here",
    "could not find expected ':'": "a key without ': ', or wrong indentation",
    "did not find expected ',' or": "a bracket or brace is not closed",
    "found unexpected end of stream": "a quote is not closed",
    "found undefined tag handle": "tags are not allowed; write plain values",
}


def syntax_fault(error: yaml.YAMLError, text: str, file: str) -> Fault:
    """The parser's message about ``text`` in plain words, with its line."""
    mark: Any = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or error).split("\n")[0]
    if mark is None:
        position = getattr(error, "position", None)
        line = text.count("\n", 0, position) + 1 if isinstance(position, int) else None
        return Fault(file, line, "", f"not valid YAML: {problem}")
    lines = text.splitlines()
    for number in (mark.line + 1, mark.line):
        if 0 < number <= len(lines) and re.match(r"\s*\t", lines[number - 1]):
            return Fault(file, number, "", "a tab in the indentation; write spaces")
    if mark.line < len(lines) and lines[mark.line][mark.column : mark.column + 1] == "\t":
        return Fault(file, mark.line + 1, "", "a tab where YAML wants spaces; write spaces")
    hint = next((hint for start, hint in _HINTS.items() if problem.startswith(start)), "")
    return Fault(file, mark.line + 1, "", f"not valid YAML: {problem}" + (f" ({hint})" if hint else ""))
