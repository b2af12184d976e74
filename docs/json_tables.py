"""Which fields does a JSON document of the program have? Prints them as a Markdown table, from the schema.

::

    python docs/json_tables.py prediction
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

SCHEMA = Path(__file__).with_name("roofline-1.schema.json")


def kind(field: Mapping[str, Any]) -> str:
    """``number``, ``array of layer``, ``prediction or null``."""
    if "$ref" in field:
        return str(field["$ref"]).rpartition("/")[2]
    if "anyOf" in field:
        return " or ".join(kind(one) for one in field["anyOf"])
    if "enum" in field:
        return " or ".join(f'"{word}"' if word is not None else "null" for word in field["enum"])
    if "const" in field:
        return str(field["const"])
    name = field.get("type", "any")
    if isinstance(name, list):
        return " or ".join(name)
    if name == "array":
        return f"array of {kind(field['items'])}"
    if name == "object" and isinstance(field.get("additionalProperties"), dict):
        return f"object of {kind(field['additionalProperties'])}"
    return str(name)


def rows(definition: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str, str]]:
    """(field, kind, meaning); fields of objects without a name of their own stand under theirs."""
    for name, field in definition.get("properties", {}).items():
        yield f"`{before}{name}`", kind(field), field.get("description", "")
        inner = field.get("items", field) if field.get("type") == "array" else field
        if "properties" in inner:
            yield from rows(inner, f"{before}{name}{'[]' if inner is not field else ''}.")


def table(name: str, schema: Mapping[str, Any]) -> str:
    """The fields of one definition."""
    definition = schema["$defs"][name]
    if "enum" in definition:
        return "\n".join(["| value |", "|---|", *(f"| `{word}` |" for word in definition["enum"])])
    meanings = {key: one.get("description", "") for key, one in schema["$defs"].items()}
    lines = ["| field | kind | meaning |", "|---|---|---|"]
    for field, what, meaning in rows(definition):
        lines.append(f"| {field} | {what} | {meaning or meanings.get(what, '')} |")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """The command line: names of definitions, or none for all."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    print("\n\n".join(table(name, schema) for name in arguments or schema["$defs"]))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
