"""Does every output that README.md and docs/ show come from this program?

::

    python docs/outputs.py            # says which outputs are stale; exit status 1 if there are any
    python docs/outputs.py --write    # refills them; with paths after it, only in these pages
    python docs/outputs.py --pictures # draws the pictures anew, by the commands of docs/gallery.md

The text of a page marks what is refilled, in comments that no reader sees:

``<!-- output: COMMAND -->``
    before a fenced block or a table: what the command prints. ``roofline ...`` runs in this process, and so does
    ``python FILE ...``, a script of this repository. Without ``: COMMAND``, what the code block above prints.
``<!-- output width=107 from="Layers" until="tier" lines=1-6,9 only="speed|bound" stderr exit=1: COMMAND -->``
    the options: the width of the terminal, a part of the lines (``only`` is a regular expression), warnings too,
    another exit status than 0.
``<!-- value PATH FORMAT: COMMAND -->281<!-- end -->``
    one figure in a sentence: the value at PATH (``layers.0.seconds.middle``) of what the command prints as JSON. A line
    must not begin with it: Markdown would end the paragraph there.
``<!-- file: NAME -->``
    before a block: it is the text of that file, for the commands below it.
``<!-- not run: WHY -->``
    before a block of commands: they take too long, or need another machine. Their options are still checked.

A page under docs/tutorials/ runs as a whole, from the top to the bottom, in an empty folder.
"""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from pages import ROOT, Block, Fault, Marker, Page, all_pages, read
from running import commands, folder, outputs, printed_by, value

VALUE = re.compile(r"<!-- value (\S+) (\S+): (.+?) -->(.*?)<!-- end -->")
LOOKS_PRINTED = re.compile(
    r"[─━│┌┐└┘█▏▎▍▌▋▊▉]|^ *tier +\w|^roofline: |\b[\d.,]+ (images|samples|tokens|sequences)/s"
    r"|^[^=\n]*\b\d[\d.]* (ns|us|ms)\b[^=\n]*$",
    re.MULTILINE,
)
"""A fenced block without a language that reads like this must be marked. (Durations in equations are no output.)"""


def unmarked(page: Page) -> Iterator[str]:
    """Blocks that look like output of the program and have no marker."""
    for marker, block in page.blocks:
        if marker is None and block.language in ("", "text", "txt", "console", "none"):
            printed = LOOKS_PRINTED.search(page.text(block))
            if printed:
                yield (
                    f"{page.place(block.first - 1)}: looks like output of the program ({printed[0].strip()!r}) and is "
                    "not marked: write <!-- output: COMMAND --> above it, then run python docs/outputs.py --write"
                )


def refilled(path: Path) -> tuple[list[str], list[str]]:
    """The lines of a page as they should be, and what is stale in it."""
    page = read(path)
    lines, stale, replacements = list(page.lines), [], []
    with folder():
        for number, line in enumerate(lines):
            if line.lstrip().startswith("<!-- value"):
                raise Fault(f"{page.place(number)}: a line must not begin with a value; put a word in front of it")
            lines[number] = VALUE.sub(lambda found, at=number: value(page, at, found), line)
            if lines[number] != line:
                stale.append(
                    _repair(page, number, f"a figure is stale\n  - {line.strip()}\n  + {lines[number].strip()}")
                )
        for marker, block, printed in outputs(page):
            empty = block.language == "paragraph" and block.first == block.last
            wanted = ["```text", *printed, "```"] if empty and not printed[0].startswith("|") else printed
            if page.lines[block.first : block.last] != wanted:
                replacements.append((block.first, block.last, wanted))
                stale.append(_difference(page, marker, block, wanted))
    for first, last, wanted in reversed(replacements):
        lines[first:last] = wanted
    return lines, stale


def _difference(page: Page, marker: Marker, block: Block, wanted: list[str]) -> str:
    shown = page.lines[block.first : block.last]
    at = next((i for i, (a, b) in enumerate(zip(shown, wanted, strict=False)) if a != b), min(len(shown), len(wanted)))
    pair = [f"  {sign} {lines[at]}" for sign, lines in (("-", shown), ("+", wanted)) if at < len(lines)]
    what = f"`{marker.command}`" if marker.command else "the block above"
    return _repair(page, block.first + at, f"is not what {what} prints\n" + "\n".join(pair))


def _repair(page: Page, line: int, what: str) -> str:
    place = page.place(line)
    return f"{place}: {what}\n  repair: python docs/outputs.py --write {place.rpartition(':')[0]}"


def check(path: Path) -> list[str]:
    """Everything that is wrong with the outputs of a page."""
    return [*unmarked(read(path)), *refilled(path)[1]]


def draw() -> None:
    """Run the commands of the gallery, which write to ``reports/figures``."""
    page = read(ROOT / "docs" / "gallery.md")
    with contextlib.chdir(ROOT):
        for _, block in page.blocks:
            for line, command in commands(page, block):
                print(printed_by(page, line, command, {}), end="")


def main(arguments: list[str]) -> int:
    """The command line; see the top of this file."""
    if "--pictures" in arguments:
        draw()
        return 0
    write = "--write" in arguments
    chosen = [Path(name).resolve() for name in arguments if not name.startswith("-")] or all_pages()
    wrong = 0
    for path in chosen:
        try:
            before = read(path).lines
            lines, stale = refilled(path)
            missing = list(unmarked(read(path)))
        except Fault as fault:
            lines, stale, missing = [], [], [str(fault)]
        if write and stale and lines:
            if path.read_text(encoding="utf-8").split("\n") != before:
                raise SystemExit(f"{path.relative_to(ROOT)}: somebody edits it at this moment; run this again")
            path.write_text("\n".join(lines), encoding="utf-8")
            print(f"{path.relative_to(ROOT)}: {len(stale)} refilled")
            stale = []
        for finding in [*missing, *stale]:
            print(finding, file=sys.stderr)
            wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
