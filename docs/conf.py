"""How is the documentation built? By Sphinx, from these pages and from the docstrings; every warning is an error::

pip install -c constraints.txt -e '.[torch,docs]'
sphinx-build -n -W --keep-going docs build/docs      # then open build/docs/index.html
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import roofline

ROOT = Path(__file__).resolve().parent.parent

project = "roofline"
author = "the authors of roofline"
version = release = roofline.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
root_doc = "index"
exclude_patterns = ["**/__pycache__"]
html_theme = "furo"
html_title = "roofline"
html_copy_source = False
html_show_copyright = False
highlight_language = "none"

myst_heading_anchors = 4
myst_enable_extensions = ["dollarmath"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_type_aliases = {name: name for name in ("Floats", "Integers", "Booleans", "Ints", "Bools")}
autodoc_default_options = {"members": True}
add_module_names = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88

nitpicky = True
nitpick_ignore_regex = [
    ("py:class", r"roofline\..*\.T"),  # type variables
    ("py:.*", r"(?!roofline\.).*"),  # Python's own, NumPy's and PyTorch's: their inventories are on the network
    ("py:.*", r"roofline\.(render|report|cli)\b.*"),  # not documented here
]
suppress_warnings = ["ref.python"]  # a field may be named as a type is: bytes

SECTION = re.compile(r"^(Parameters|Returns|Raises|Attributes)$")
ENTRY = re.compile(r"^(\w+(?:, \w+)*) : ")
BARS = re.compile(r"(?<!`)\|([^|`]+)\|(?!`)")
LINK = re.compile(r"\[([^\[\]]*)\]\((?!https?:|#|mailto:)([^)\s]+)\)")
MODULES = re.compile(r"^<!-- modules of (\S+?)(?:: (.*?))? -->$", re.MULTILINE)


def entries(app: Any, what: str, name: str, subject: object, options: object, lines: list[str]) -> None:
    """Entries ``name : text``, one below the other, become a list; NumPy's underlined sections get a heading."""
    made: list[str] = []
    section = listed = literal = False
    for number, line in enumerate(lines):
        if literal and (not line or line.startswith("  ")):
            made.append(f"  {line}" if listed and line else line)
            continue
        literal = line.endswith("::")
        line = BARS.sub(r"\\|\1\\|", line)
        if SECTION.match(line) and lines[number + 1 : number + 2] and lines[number + 1].startswith("---"):
            made += ["", f"**{line}**", ""]
            section, listed = True, True
        elif section and line.startswith("---"):
            continue
        elif ENTRY.match(line):
            names, _, text = line.partition(" : ")
            entry = f"* {', '.join(f'``{word}``' for word in names.split(', '))}: {text}"
            made += [entry] if listed else ["", entry]
            listed = True
        elif section and line and not line.startswith(" "):
            named = number + 1 < len(lines) and lines[number + 1].startswith(" ")
            made.append(f"* {line}:" if named else f"* {line}")
        else:
            listed = listed and (section or bool(line.strip()))
            made.append(f"  {line.strip()}" if listed and line else line)
    lines[:] = made


def sources(app: Any, name: str, source: list[str]) -> None:
    """README.md is the front page; pages of the API list the modules of a package; links fit this folder."""
    folder = (ROOT / "docs" / name).parent
    if name == "index":
        readme = (ROOT / "README.md").read_text(encoding="utf-8")
        source[0] = (
            LINK.sub(lambda found: f"[{found[1]}]({os.path.relpath(ROOT / found[2], folder)})", readme) + source[0]
        )
    text = LINK.sub(lambda found: moved(folder, *found.groups()), source[0])
    source[0] = MODULES.sub(lambda found: modules(found[1], (found[2] or "").split()), text)


def modules(package: str, first: list[str]) -> str:
    """A heading and the docstrings for every module of a package, some of them first."""
    folder = ROOT / package.replace(".", "/")
    names = sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")
    ordered = [*first, *(name for name in names if name not in first)]
    directive = "```{{eval-rst}}\n.. automodule:: {}\n{}```\n"
    made = [directive.format(package, "   :ignore-module-all:\n")]
    made += [f"## `{name}`\n\n" + directive.format(f"{package}.{name}", "") for name in ordered]
    return "\n".join(made)


def moved(folder: Path, text: str, target: str) -> str:
    """The link that stands in the documentation for one from a page in ``folder``."""
    path = Path(os.path.normpath(folder / target.partition("#")[0]))
    if path == ROOT / "README.md":
        return f"[{text}]({os.path.relpath(ROOT / 'docs' / 'index.md', folder)})"
    if path.is_dir():
        return text
    outside = path.suffix == ".md" and ROOT / "docs" not in path.parents
    return f"[{text}]({'path:' if outside else ''}{target})"


def setup(app: Any) -> None:
    """What Sphinx calls first."""
    app.connect("autodoc-process-docstring", entries)
    app.connect("source-read", sources)
