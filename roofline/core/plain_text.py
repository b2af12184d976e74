"""Which characters give orders to a terminal, a picture or a spreadsheet, and how are they shown instead?"""

from __future__ import annotations

import html
import re
from typing import Any

CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
"""Everything but tab and newline that is no letter and no space: control characters, marks that turn the direction of
writing, halves of characters."""
_FORMULA = ("=", "+", "-", "@")


def visible(text: str) -> str:
    """The text with ``\\x1b`` and the like written out."""
    return CONTROL.sub(lambda found: found[0].encode("unicode_escape", "backslashreplace").decode(), text)


def markup(text: str) -> str:
    """The text to stand in HTML, also in quotes."""
    return html.escape(visible(text))


def cell(value: Any) -> Any:
    """A value for a CSV file: a text that a spreadsheet would take for a formula begins with an apostrophe."""
    if not isinstance(value, str):
        return value
    text = visible(value)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) and not _number(text) else text


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
