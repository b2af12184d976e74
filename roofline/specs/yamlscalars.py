"""What does a plain scalar of a YAML file mean: text, a number, a boolean or nothing?

The core rules of YAML 1.2, not PyYAML's 1.1: ``1e12`` and ``4.8e12`` are numbers; ``no``, ``yes``, ``on``,
``off``, ``12:30``, ``2014-09-19`` and ``1_000`` stay text; ``010`` is ten. Only ``true`` and ``false`` are
booleans.
"""

from __future__ import annotations

import re
from typing import Any

MAX_DIGITS = 40
"""Length of the longest accepted number; no figure is longer."""

_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_CONSTANTS: dict[str, Any] = dict.fromkeys(("", "~", "null", "Null", "NULL"))
_CONSTANTS |= dict.fromkeys(("true", "True", "TRUE"), True)
_CONSTANTS |= dict.fromkeys(("false", "False", "FALSE"), False)
_CONSTANTS |= {sign + dot: float(f"{sign}inf") for sign in ("", "+", "-") for dot in (".inf", ".Inf", ".INF")}
_CONSTANTS |= {text: float("nan") for text in (".nan", ".NaN", ".NAN")}


def is_number(text: str) -> bool:
    """Whether a plain scalar is an integer or a number with a point or an exponent."""
    return bool(_INT.fullmatch(text) or _FLOAT.fullmatch(text))


def plain_value(text: str) -> Any:
    """The value of a plain scalar (without quotes and tag)."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INT.fullmatch(text):
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    return float(text) if _FLOAT.fullmatch(text) else text
