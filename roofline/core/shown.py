"""How does a result show itself at a prompt, in a notebook and as a data frame?

What it shows is made in :mod:`roofline.render`, which stands above the values. The package names the presenter in
:data:`PRESENTER` when it is imported, so nothing is loaded before a result is shown.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

SCHEMA_VERSION = 1
"""Of the JSON form of every result, docs/roofline-1.schema.json."""


class Presenter(Protocol):
    """What turns a result into text, HTML and a data frame."""

    def line(self, result: Any) -> str: ...
    def text(self, result: Any) -> str: ...
    def html(self, result: Any) -> str: ...
    def frame(self, result: Any) -> Any: ...


PRESENTER: list[Callable[[], Presenter]] = []
"""Filled once by ``roofline/__init__.py``: a function that loads the presenter."""


class Shown:
    """A result with a line as ``repr``, one screen as ``str``, a table in notebooks and a data frame."""

    def __repr__(self) -> str:
        return PRESENTER[0]().line(self)

    def __str__(self) -> str:
        return PRESENTER[0]().text(self)

    def _repr_html_(self) -> str:
        return PRESENTER[0]().html(self)

    def to_frame(self) -> Any:
        """The table of this result as a ``pandas.DataFrame``; SI units, one column for each column of ``--csv``.

        Raises
        ------
        MissingExtra : pandas is not installed.
        """
        return PRESENTER[0]().frame(self)
