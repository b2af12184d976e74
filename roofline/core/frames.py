"""How does a table become a data frame? The only user of pandas, which is optional."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from roofline.errors import MissingExtra


def data_frame(rows: Iterable[Sequence[Any]], columns: Sequence[str]) -> Any:
    """A ``pandas.DataFrame`` of rows under columns; what is not known is missing.

    Raises
    ------
    MissingExtra : pandas is not installed.
    """
    try:
        import pandas
    except ImportError:
        raise MissingExtra("a data frame", "pandas") from None
    return pandas.DataFrame(list(rows), columns=list(columns))
