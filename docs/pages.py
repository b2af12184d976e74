"""What stands on a page of the documentation? Its fenced blocks, and the markers above them (outputs.py says which)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TUTORIALS = ROOT / "docs" / "tutorials"
MARKER = re.compile(r"^<!-- (output|file|not run)((?: (?:stderr|[a-z]+=(?:\"[^\"]*\"|[^\s:]+)))*)(?:: (.+?))? -->$")
OPTION = re.compile(r"([a-z]+)(?:=(?:\"([^\"]*)\"|(\S+)))?")
FENCE = re.compile(r"^(`{3,}|~{3,})(\S*)")


class Fault(Exception):
    """Something in a page that cannot be run or refilled; the message opens with file and line."""


@dataclass(frozen=True)
class Block:
    """A fenced block, or a paragraph that a marker fills: the lines of the page from ``first`` up to ``last``."""

    language: str
    first: int
    last: int


@dataclass(frozen=True)
class Marker:
    """A comment that says what the block below it is."""

    word: str
    options: dict[str, str]
    command: str
    line: int


@dataclass
class Page:
    """A Markdown page: its lines, and its fenced blocks in order, each with the marker above it."""

    path: Path
    lines: list[str]
    blocks: list[tuple[Marker | None, Block]] = field(default_factory=list)

    def text(self, block: Block) -> str:
        """What stands in a block."""
        return "\n".join(self.lines[block.first : block.last])

    def place(self, line: int) -> str:
        """File and line, as a person and an editor read it; ``line`` counts from 0."""
        path = self.path.relative_to(ROOT) if self.path.is_relative_to(ROOT) else self.path
        return f"{path}:{line + 1}"

    @property
    def whole(self) -> bool:
        """Whether all of its code runs."""
        return self.path.is_relative_to(TUTORIALS)


def all_pages() -> list[Path]:
    """Every page whose outputs are checked."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def read(path: Path) -> Page:
    """A page, cut into blocks."""
    page = Page(path, path.read_text(encoding="utf-8").split("\n"))
    lines, number, marker = page.lines, 0, None
    while number < len(lines):
        fence = FENCE.match(lines[number])
        found = MARKER.match(lines[number])
        if fence:
            end = _end_of_fence(page, number, fence[1])
            page.blocks.append((marker, Block(fence[2], number + 1, end)))
            number, marker = end + 1, None
        elif found:
            marker = Marker(found[1], _options(found[2]), found[3] or "", number)
            number += 1
            if marker.word == "output" and (number == len(lines) or not FENCE.match(lines[number])):
                end = number
                while end < len(lines) and lines[end].strip():
                    end += 1
                page.blocks.append((marker, Block("paragraph", number, end)))
                number, marker = end, None
        else:
            if lines[number].startswith(("<!-- output", "<!-- file", "<!-- not run")):
                raise Fault(f"{page.place(number)}: a marker that is not understood: {lines[number]}")
            number, marker = number + 1, None
    return page


def _end_of_fence(page: Page, start: int, fence: str) -> int:
    for number in range(start + 1, len(page.lines)):
        if page.lines[number].rstrip() == fence:
            return number
    raise Fault(f"{page.place(start)}: a fenced block without an end")


def _options(text: str) -> dict[str, str]:
    return {name: quoted or plain for name, quoted, plain in OPTION.findall(text)}
